"""Programs of row functions for results of 16 bits, tried on rows against the exact program."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import model
from .accuracy import FORMATS, Format, quantum
from .approximate import cheapest
from .near import SIDES
from .program import Program
from .row_kernels import with_inverses
from .trial import NARROW

Array = NDArray[Any]
#: Of normal numbers with these standard deviations; and how many of each length.
SCALES = (1e-3, 0.1, 1.0, 4.0, 20.0, 1e3)
LENGTHS = {1: 1, 2: 8, 7: 9, 60: 3, 1000: 1}


@dataclass(frozen=True)
class _Case:
    """Rows of a format, and the true results for them: exact, rounded, and their ulp."""

    fmt: Format
    rows: list[Array]
    true: Array
    near: Array
    ulp: Array


def half(short: Program, chosen: Program) -> Program | None:
    """The cheapest for 16 bits, with approximations; `short` is without what only float32 needs."""
    cases = list(_cases(chosen))
    return cheapest([with_inverses(short), short], chosen, lambda p: _agrees(p, cases))


def _agrees(program: Program, cases: Sequence[_Case]) -> bool:
    """Whether results in float32, rounded, are the true ones to NARROW ulp."""
    for case, side in itertools.product(cases, SIDES):
        with np.errstate(all="ignore"):
            y = model.evaluate_row(program, case.rows, np.float32, side)
            y = y.astype(case.fmt.dtype).astype(np.float64)
            within = np.abs(y - case.true) <= NARROW * case.ulp
        if not (within | (y == case.near) | (np.isnan(y) & np.isnan(case.true))).all():
            return False
    return True


def _cases(program: Program) -> Iterator[_Case]:
    """Rows with entries that are equal, far apart or infinite among them."""
    rng = np.random.default_rng(17)
    for fmt in (FORMATS["float16"], FORMATS["bfloat16"]):
        for (length, times), scale in itertools.product(LENGTHS.items(), SCALES):
            for turn in range(times):
                rows = rng.normal(0, scale, (len(program.inputs), length))
                if turn % 3 == 1:
                    rows[0, rng.integers(length, size=2)] = rows[0].max()
                if turn % 7 == 2:
                    rows[0, rng.integers(length)] = -np.inf
                given = list(rows.astype(fmt.dtype).astype(np.float64))
                with np.errstate(all="ignore"):
                    true = model.evaluate_row(program, given, np.float64)
                    near = true.astype(fmt.dtype).astype(np.float64)
                yield _Case(fmt, given, true, near, quantum(np.abs(true), fmt))
