"""Rows that are hard for row functions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def rows() -> Iterator[list[float]]:
    """Rows that are hard for a row function."""
    rng = np.random.default_rng(11)
    for scale in (1e-30, 1e-3, 1.0, 10.0, 100.0, 1e4, 1e30):
        yield list(rng.normal(0, scale, 7))
    yield [1.0] * 7
    yield [0.0, -0.0, 1e-40, -1e-40, 1e-8, -1e-8, 0.0]
    yield [1e30, 1e30, -1e30, 0.0, 1.0, 2.0, -1e30]
    yield [88.0, 89.0, 90.0, 700.0, 710.0, -700.0, -745.0]
    yield [-1e30] * 7
    yield [3.0, 3.0, 3.0, 1.0, 0.0, -2.0, -80.0]
    # One entry dominates: its share tends to 1, its logarithm to 0.
    yield [0.0, 5.0, -1.0]
    yield [12.0, 1.0, 0.5, -3.0, 0.0]
    yield [0.0, 30.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    yield [0.0, -50.0, -100.0, -51.0]
    yield [2.5]
    yield [-0.3, -0.3]
    yield list(rng.normal(0, 2, 4096))
    # The others are all but nothing beside the greatest, and all of its derivative.
    yield [88.0, 0.0, 0.0, 0.0]
    yield [90.0, 0.0]
    yield [100.0, 1.0, -2.0]
    yield [6e37, 6e37, 1e37]
    yield [1e-39, 1e-39, 3e-39]
