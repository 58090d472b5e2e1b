"""Where a function is measured: every value of a 16-bit format, and hard zones of the wider ones.

Zones are found from the function itself: its roots, and the borders beyond which its results are
subnormal, vanish or overflow, each bisected down to one float.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .accuracy import (
    Format,
    Truth,
    around,
    from_ordered,
    hard_points,
    ordered,
    overflows,
    to_format,
)
from .reference import Reference

Array = NDArray[Any]
#: Binades in which activations live: they get more points than those farther out.
INNER = (-30, 12)
#: At most so many roots, and borders, of a function are measured around.
MOST = 24
#: Values of one input of a gated function while the other one takes all.
HARD = (0.0, 1.703125, -0.0078125, -30.0, 88.0, -6.0e4)


@dataclass(frozen=True)
class Density:
    """How many points: in each inner binade, in an outer one, around roots, around borders."""

    inner: int
    outer: int
    roots: int
    borders: int
    step: int = 1


#: (format, whether at the defaults) → how many.
DENSITIES: dict[tuple[str, bool], Density] = {
    ("float32", True): Density(256, 24, 1024, 16),
    ("float32", False): Density(56, 6, 64, 8),
    ("float64", True): Density(8, 1, 24, 3, step=8),
    ("float64", False): Density(2, 1, 6, 2, step=32),
}


def all_values(fmt: Format) -> Array:
    """Every value of a 16-bit format, -inf to inf in order, then the NaNs, as float64."""
    values = np.arange(1 << 16, dtype=np.uint16).view(fmt.dtype)
    with np.errstate(invalid="ignore"):  # signalling NaNs
        wide: Array = values.astype(np.float64)
    # -0 before +0.
    wide = wide[np.lexsort((~np.signbit(wide), ordered(values, fmt)))]
    wide = np.where(np.isnan(wide), np.nan, wide)
    return np.concatenate([wide[~np.isnan(wide)], wide[np.isnan(wide)]])


def stratified(fmt: Format, density: Density, seed: int = 5) -> Array:
    """Bit patterns of every exponent (every `step`th far out) and both signs, in order."""
    rng = np.random.default_rng(seed)
    fraction = fmt.precision - 1
    found = []
    for e in range(fmt.emin - 1, fmt.emax + 1):
        inside = INNER[0] <= e < INNER[1]
        if not inside and e % density.step and e not in (fmt.emin - 1, fmt.emin, fmt.emax):
            continue
        n = density.inner if inside else density.outer
        offsets = ((np.arange(n) + rng.random(n)) / n * 2.0**fraction).astype(np.int64)
        offsets[0] = 0
        offsets[-1] = (1 << fraction) - 1 if n > 1 else offsets[-1]
        found.append(((e - fmt.emin + 1) << fraction) + offsets)
    found.append(2 ** np.arange(fraction, dtype=np.int64))  # subnormals of every size
    steps = np.unique(np.concatenate(found))
    return from_ordered(np.concatenate([-steps[::-1], steps]), fmt)


def kinds(truth: Truth, fmt: Format) -> Array:
    """0 where the result vanishes, ±1 subnormal, ±2 normal, ±3 overflowing; 4 where NaN."""
    size = np.abs(np.ldexp(truth.high, -truth.lift))
    kind = (size >= fmt.tiny / 2).astype(np.int8) + (size >= 2.0**fmt.emin)
    kind = np.where(overflows(truth, fmt), 3, kind)
    return np.where(np.isnan(truth.high), 4, kind * np.sign(truth.high)).astype(np.int8)


def transitions(
    reference: Reference, fmt: Format, grid: Array, place: Callable[[Array], Array]
) -> tuple[Array, Array]:
    """(roots, borders) of the function along a line, as floats next to them.

    `grid` is where to look for them, in order; `place` makes points of positions on the line.
    """
    kind = kinds(reference.truth(place(grid), fmt), fmt)
    at = np.flatnonzero(kind[1:] != kind[:-1])
    steps = ordered(to_format(grid, fmt), fmt)
    low, high = steps[at], steps[at + 1]
    first, last = kind[at], kind[at + 1]
    while (high - low > 1).any():
        middle = low + (high - low) // 2
        same = kinds(reference.truth(place(from_ordered(middle, fmt)), fmt), fmt) == first
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    root = first.astype(int) * last < 0
    return (_nearest(from_ordered(high[root], fmt)), _nearest(from_ordered(high[~root], fmt)))


def _nearest(points: Array) -> Array:
    """The MOST points nearest to 0: a function that oscillates has more than can be measured."""
    return points[np.sort(np.argsort(np.abs(points), kind="stable")[:MOST])]


def line(i: int, others: Sequence[float]) -> Callable[[Array], Array]:
    """Points with input `i` running and the others fixed."""

    def place(values: Array) -> Array:
        columns = [np.full(len(values), v) for v in others]
        columns.insert(i, values)
        return np.stack(columns, axis=1)

    return place


def every_point(fmt: Format, inputs: int) -> tuple[Array, int]:
    """All values of a 16-bit format in each input, lines of them, and the length of a line."""
    values = all_values(fmt)
    if inputs == 1:
        return values[:, None], len(values)
    others = [float(v) for v in to_format(HARD, fmt)]
    lines = [
        line(i, rest)(values)
        for i in range(inputs)
        for rest in itertools.product(others, repeat=inputs - 1)
    ]
    return np.concatenate(lines), len(values)


def scalar_points(
    references: Sequence[Reference], fmt: Format, special: Sequence[float], defaults: bool
) -> list[Array]:
    """The points of each of several functions of one input: all the roots, their own borders."""
    density = DENSITIES[fmt.name, defaults]
    grid = stratified(fmt, density)
    found = [transitions(r, fmt, grid, line(0, ())) for r in references]
    roots = np.concatenate([roots for roots, _ in found])
    hard = np.array(hard_points(fmt, special, 120 if defaults else 20))
    near = np.concatenate([around(roots, fmt, density.roots), around(special, fmt, 8)])
    zero = around([0.0], fmt, 64 if defaults else 8)
    tables = []
    for _, borders in found:
        parts = [hard, grid, near, zero, around(borders, fmt, density.borders)]
        tables.append(_unique(np.concatenate(parts)[:, None]))
    return tables


def gated_points(
    references: Sequence[Reference],
    fmt: Format,
    pairs: Sequence[tuple[float, ...]],
    inputs: int,
) -> list[Array]:
    """The points of functions of several inputs: `pairs`, a spread, lines and their zones."""
    narrow = fmt.name == "float64"
    density = DENSITIES[fmt.name, False]
    grid = stratified(fmt, density)
    rng = np.random.default_rng(8)
    spread = np.stack([rng.permutation(grid) for _ in range(inputs)], axis=1)
    values = np.clip(rng.normal(0, 5, (len(grid), inputs)), -fmt.max, fmt.max)
    usual = to_format(values, fmt).astype(np.float64)
    tables = []
    coarse = grid[:: 4 if narrow else 8]
    for reference in references:
        parts = [np.array(pairs), spread, usual]
        for i in range(inputs):
            for rest in itertools.product(HARD[: 4 if narrow else 6], repeat=inputs - 1):
                place = line(i, [float(v) for v in to_format(rest, fmt)])
                roots, borders = transitions(reference, fmt, coarse, place)
                parts += [
                    place(coarse),
                    place(around(roots, fmt, 8 if narrow else 64)),
                    place(around(borders, fmt, 2 if narrow else 4)),
                ]
        tables.append(_unique(np.concatenate(parts)))
    return tables


def _unique(table: Array) -> Array:
    """Rows once each, -0 and +0 told apart."""
    bits = np.ascontiguousarray(table).view(np.uint64).reshape(table.shape)
    _, first = np.unique(bits, axis=0, return_index=True)
    return table[first]


def next_to_zero(truth: Truth, length: int) -> Array:
    """Which points of lines in order are a zero of the function or one of the two on each side.

    A zero is an exact one, or a change of sign between two points.
    """
    signs = np.sign(truth.high).reshape(-1, length)
    zero, change = signs == 0, signs[:, 1:] * signs[:, :-1] < 0
    # A stretch on which the function is zero has zeros at its ends only.
    zero[:, 1:-1] &= ~((signs[:, 2:] == 0) & (signs[:, :-2] == 0))
    near = zero.copy()
    for step in (1, 2):
        near[:, step:] |= zero[:, :-step]
        near[:, :-step] |= zero[:, step:]
    for start in (0, 1, 2, 3):  # the change is between start + 1 and start + 2 of these
        near[:, start : start + change.shape[1] - 2] |= change[:, 1:-1]
    flat: Array = near.ravel()
    return flat
