"""Results against the truth at many points: plain, mixed and rounding errors, the worst of them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import flushing, zones
from .accuracy import (
    Format,
    Measurement,
    Truth,
    corners,
    errors,
    quantum,
    rounded,
    unit_of,
)
from .contract import Limit
from .reference import Reference

Array = NDArray[Any]
#: At most so many points are asked of Arb because the reference leaves a limit in doubt.
DOUBTS = 4096


@dataclass(frozen=True)
class Case:
    """Points (a row each) of one function at one parameter setting, with the truth there.

    `breaks` are where branches meet, for each input; `expected` is the truth rounded and `near`
    whether a point is next to a zero, for 16-bit formats.
    """

    reference: Reference
    points: Array
    truth: Truth
    breaks: Sequence[Sequence[float]]
    expected: Array | None = None
    near: Array | None = None
    exhaustive: bool = False

    def take(self, which: Array) -> Case:
        """Some of the points, of a format wider than 16 bits."""
        return replace(self, points=self.points[which], truth=self.truth.take(which))


def make_case(
    reference: Reference,
    points: Array,
    fmt: Format,
    breaks: Sequence[Sequence[float]],
    length: int = 0,
) -> Case:
    """The truth at the points; `length` is that of lines that run through a 16-bit format."""
    truth = reference.truth(points, fmt)
    if not length:
        return Case(reference, points, truth, breaks)
    lines = points.reshape(-1, length, points.shape[1])
    ends: Array = np.logical_not(np.isnan(lines).any(axis=2))
    n = int(ends[0].sum())
    near = np.zeros(lines.shape[:2], bool)
    inside = truth.take(np.flatnonzero(ends.ravel()))
    near[ends] = zones.next_to_zero(inside, n)
    expected = round_truth(reference, points, truth, fmt)
    return Case(reference, points, truth, breaks, expected, near.ravel(), points.shape[1] == 1)


def round_truth(reference: Reference, points: Array, truth: Truth, fmt: Format) -> Array:
    """The truth correctly rounded to a 16-bit format or to float32."""
    with np.errstate(all="ignore"):
        size = np.ldexp(truth.high, -truth.lift)
        gap = np.ldexp(np.abs(truth.low) + truth.slack, -truth.lift)
        # Outward, unless the truth is one float64.
        below = np.where(gap == 0, size, np.nextafter(size - gap, -np.inf))
        above = np.where(gap == 0, size, np.nextafter(size + gap, np.inf))
    result, other = rounded(below, fmt), rounded(above, fmt)
    for i in np.flatnonzero((result != other) & ~np.isnan(truth.high)):
        result[i] = reference.rounded(points[i], fmt, (result[i], other[i]))
    return np.where(np.isnan(truth.high), np.nan, result)


@dataclass(frozen=True)
class Corners:
    """The truth at points and at the corners of the boxes of half an ulp around them.

    `joined` is where the function takes the values between these: no branches meet in the box.
    """

    truths: Sequence[Truth]
    joined: Array

    @classmethod
    def join(cls, parts: Sequence[Corners]) -> Corners:
        """One after the other."""
        truths = [Truth.join(column) for column in zip(*(p.truths for p in parts), strict=True)]
        return cls(truths, np.concatenate([p.joined for p in parts]))

    def take(self, which: Array) -> Corners:
        """Those around some of the points."""
        return Corners([t.take(which) for t in self.truths], self.joined[which])

    def mixed(self, y: Array, plain: Array, fmt: Format) -> Array:
        """An upper bound of the mixed ulp error of each result."""
        found = np.min([errors(y, t, fmt) for t in self.truths], axis=0)
        with np.errstate(all="ignore"):
            sides = np.array([_side(y, t) for t in self.truths])
        between = (sides <= 0).any(axis=0) & (sides >= 0).any(axis=0) & self.joined
        found = np.where(between, 0.0, found)
        silent = np.any([t.silent for t in self.truths], axis=0)
        result: Array = np.where(silent | ~np.isfinite(y), plain, np.minimum(found, plain))
        return result


def corners_of(case: Case, points: Array, truth: Truth, fmt: Format, reach: float = 1.0) -> Corners:
    """The corners of some points of a case; those of infinite points are the points.

    `reach` times half an ulp is how far the box goes.
    """
    finite = np.isfinite(points).all(axis=1)
    inside = points[finite]
    half = quantum(np.abs(inside), fmt) / 2 * reach
    found: list[Truth] = []
    if not len(inside):
        return Corners([truth] * (1 + 2 ** points.shape[1]), np.ones(len(points), bool))
    if fmt.name == "float64":
        boxes = [corners(p, fmt, reach) for p in inside.tolist()]
        found += [case.reference.exact(list(corner)) for corner in zip(*boxes, strict=True)]
    else:
        for signs in itertools.product((-1.0, 1.0), repeat=points.shape[1]):
            found.append(case.reference.truth(inside + half * np.array(signs), fmt))
    truths = [truth]
    for corner in found:
        whole = truth.take(slice(None))
        for old, new in zip(whole.arrays, corner.arrays, strict=True):
            old[finite] = new
        truths.append(whole)
    joined = np.ones(len(points), bool)
    for column, breaks in enumerate(case.breaks):
        for at in breaks:
            joined[finite] &= np.abs(inside[:, column] - at) > half[:, column]
    return Corners(truths, joined)


def _side(y: Array, truth: Truth) -> Array:
    """The sign of result − truth; NaN where the slack leaves it open."""
    apart = (np.ldexp(y, truth.lift) - truth.high) - truth.low
    return np.where(np.abs(apart) >= truth.slack, np.sign(apart), np.nan)


def measure(
    computed: Any,
    case: Case,
    fmt: Format,
    limit: Limit,
    names: Sequence[str],
    flushes: bool = False,
    **labels: Any,
) -> Measurement:
    """The worst errors of results at a case's points; `names` are those of its inputs.

    `flushes`: the device takes subnormal numbers for zeros. `labels` are the fields of the
    Measurement that only the caller knows.
    """
    points, truth = case.points, case.truth
    y = np.broadcast_to(np.asarray(computed, np.float64), len(points))
    plain = errors(y, truth, fmt)
    most = limit.most
    with np.errstate(all="ignore"):
        doubt = (plain > most) & (plain - 2 * truth.slack / unit_of(truth, fmt) <= most)
    for asked in (np.flatnonzero(doubt)[:DOUBTS], [int(np.argmax(_finite(plain)))]):
        if len(asked):
            plain[asked] = errors(y[asked], case.reference.certain(points[asked]), fmt)
    if flushes:
        plain = flushing.forgiven(y, plain, points, truth, case.reference, fmt, most)
    mixed = plain.copy()
    over = np.flatnonzero((plain > most) & np.isfinite(plain))
    if len(over) and limit.measure != "rounded":
        box = corners_of(case, points[over], truth.take(over), fmt)
        mixed[over] = box.mixed(y[over], plain[over], fmt)
    wrong = np.isinf(plain)
    far = wrong & ((np.abs(points) > 1e30) & np.isfinite(points)).any(axis=1)
    wrong &= ~far
    plain[far] = mixed[far] = 0.0
    misrounded = np.zeros(len(points), bool)
    if case.expected is not None:
        misrounded = (y != case.expected) & ~np.isnan(case.expected)
        misrounded &= ~truth.silent
    near = np.zeros(len(points), bool) if case.near is None else case.near
    bad = mixed if limit.measure == "mixed" else plain
    bad = np.where(near & (limit.next_to_zero is not None), bad * most, bad)
    bad = np.where(far, np.inf, bad + (misrounded * 1e6 if limit.measure == "rounded" else 0))
    worst = int(np.argmax(bad))
    away = plain[~near]
    return Measurement(
        max_ulp=float(plain.max()),
        max_mixed_ulp=float(mixed.max()),
        at=tuple((n, float(v)) for n, v in zip(names, points[worst], strict=True)),
        inputs=int((~truth.silent).sum()),
        non_finite=int(wrong.sum()),
        far=int(far.sum()),
        exhaustive=case.exhaustive,
        away_ulp=float(away.max()) if len(away) else 0.0,
        misrounded=int(misrounded.sum()),
        **labels,
    )


def _finite(values: Array) -> Array:
    return np.where(np.isfinite(values), values, -1.0)


def at_parameters(m: Measurement, values: Mapping[str, float]) -> Measurement:
    """The measurement with the parameters it was made at."""
    return replace(m, at=(*m.at, *((n, float(v)) for n, v in values.items())))
