"""How a candidate program is judged: the points of verification, the truth there, the errors.

A candidate is measured on some of the points first, and where it does well there, on all of them.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import contract, measuring, model
from .accuracy import FORMATS, Format, Truth, errors, quantum
from .cases import Functions, cases, settings
from .measuring import Case
from .near import SIDES
from .program import Program
from .spec import Activation

Floats = NDArray[np.float64]
#: What a candidate may err by in the model, whose operations are all correctly rounded, in mixed
#: ulp of float32 and float64: the rest of the contract's 4 is for the operations of a backend.
MIXED = 3.1
#: The box of inputs half an ulp around is taken so much smaller, for the same reason.
REACH = 0.75
#: In float64 alone, by what its operations leave: exponentials are within an ulp, error functions
#: are long polynomials on some backends.
DOUBLE, WITH_ERF = 3.4, 2.5
#: And in float32 when computed in float64 and rounded once.
ROUNDED = 0.75
#: What a program for results in a narrower format than it computes in may err by, in ulp,
#: and before it is rounded, where that is asked.
NARROW, SURE = 0.51, 0.005
#: Every so many of the points are looked at first, at (the defaults, other parameters); the rest
#: where the candidate's worst error is no more than this.
THIN, PROMISING = {"float32": (16, 8), "float64": (2, 4)}, 1.6
#: So many numbers of any bits are tried, and such a share of ends; of these one of so many first.
TRIED, ENDS, FEWER = 20_000, 0.2, 16
#: So many of the numbers at which a program fails are what the next are tried at first.
HARD = 32
#: So many points of each kind are kept in a score.
KEPT = 400


#: Operations that err by an ulp at most wherever programs for float64 run.
KNOWN = model.EXACT | {"exp"}


@dataclass(frozen=True)
class Score:
    """How a program did: points wrongly NaN or infinite, points that err too much, worst errors.

    `rates` are the shares of both kinds of points, of which no more than KEPT are kept. `single`
    and `double` are in mixed ulp, computed in float32 and in float64; `rounded` is in ulp of
    float32, computed in float64 and rounded once.
    """

    wrong: tuple[tuple[float, ...], ...]
    failing: tuple[tuple[float, ...], ...]
    rates: tuple[float, float]
    single: float
    double: float
    rounded: float

    @property
    def worst(self) -> float:
        """The worst of the three, 1 being what a candidate may have."""
        return max(self.single / MIXED, self.double / MIXED, 2 * self.rounded - 2 * ROUNDED + 1)

    @property
    def held(self) -> bool:
        """Whether the contract holds, with nothing kept back for a backend's operations."""
        within = max(self.single, self.double) <= contract.MIXED.most
        return not self.wrong and within and self.rounded <= contract.SINGLE.most


@dataclass(frozen=True)
class Points:
    """Points in one format with the parameters they are at, a column each, and the truth."""

    fmt: Format
    cases: tuple[Case, ...]
    parameters: Floats

    @functools.cached_property
    def table(self) -> Floats:
        """The inputs, a row each."""
        return np.concatenate([case.points for case in self.cases])

    @functools.cached_property
    def settings(self) -> list[Any]:
        """Each parameter at the points: a column, or the one value that it has at all of them."""
        columns = self.parameters.T
        return [c if (c != c[0]).any() else float(c[0]) for c in columns]

    @functools.cached_property
    def truth(self) -> Truth:
        """The truth at the inputs."""
        return Truth.join([case.truth for case in self.cases])

    @functools.cached_property
    def boxes(self) -> _Boxes:
        """The truth at the corners of a box around each that errs too much."""
        return _Boxes(self)

    def mixed(self, y: Floats, plain: Floats, most: float) -> Floats:
        """Mixed errors of results whose plain errors are known; plain ones up to `most`."""
        over = np.flatnonzero((plain > most) & np.isfinite(plain))
        if over.size:
            plain = plain.copy()
            plain[over] = self.boxes.of(over).mixed(y[over], plain[over], self.fmt)
        return plain


class _Boxes:
    """The truth at the corners around points, found where it is first asked for."""

    def __init__(self, points: Points) -> None:
        self.points = points
        self.rows = np.full(len(points.table), -1)
        self.known: measuring.Corners | None = None

    def of(self, which: NDArray[np.int64]) -> measuring.Corners:
        """The corners around some points."""
        parts = [] if self.known is None else [self.known]
        known = 0 if self.known is None else len(self.known.joined)
        new, start = which[self.rows[which] < 0], 0
        for case in self.points.cases:
            end = start + len(case.points)
            own = new[(new >= start) & (new < end)]
            if own.size:
                at, truth = case.points[own - start], case.truth.take(own - start)
                parts.append(measuring.corners_of(case, at, truth, self.points.fmt, REACH))
                self.rows[own] = np.arange(known, known + own.size)
                known += own.size
            start = end
        self.known = measuring.Corners.join(parts)
        return self.known.take(self.rows[which])


def _collect(act: Activation, fmt: Format, found: Sequence[Case], thin: bool) -> Points:
    few, rows = [], []
    for i, (case, setting) in enumerate(zip(found, settings(act), strict=True)):
        step = THIN[fmt.name][i > 0] if thin else 1
        infinite = np.isinf(case.points).any(axis=1)
        which = np.flatnonzero(infinite | (np.arange(len(case.points)) % step == 0))
        few.append(case.take(which))
        values = [float(model.constant(v)) for v in setting.values()]
        rows.append(np.tile(np.array(values), (len(which), 1)))
    return Points(fmt, tuple(few), np.concatenate(rows))


class Bench:
    """The truth for one function of one activation, against which candidates are measured."""

    def __init__(self, act: Activation, found: dict[str, Sequence[Case]]) -> None:
        self.act = act
        self.known: dict[tuple[Program, str], list[tuple[Any, ...]]] = {}
        self.hard: dict[tuple[Program, str], list[NDArray[np.int64]]] = {}
        self.stages = [
            [_collect(act, FORMATS[dtype], several, thin) for dtype, several in found.items()]
            for thin in (True, False)
        ]

    def measure(self, program: Program) -> Score:
        """The program against the truth: on some of the points, and on all if it does well."""
        first, every = self.stages
        score = self._measure(program, first)
        if score.wrong or score.worst > PROMISING:
            return score
        return self._measure(program, every)

    def _measure(self, program: Program, stage: Sequence[Points]) -> Score:
        wrong: list[Floats] = []
        failing: list[Floats] = []
        worst = [0.0, 0.0, 0.0]
        count = 0
        for points in stage:
            single = points.fmt.name == "float32"
            runs = [(points.fmt, 0 if single else 1, MIXED)]
            if single:
                runs.append((FORMATS["float64"], 2, ROUNDED))
            for work, slot, allowed in runs:
                y = self._run(program, points, work)
                ulps = errors(y, points.truth, points.fmt)
                bad = np.isinf(ulps)
                if slot < 2:
                    ulps = points.mixed(y, ulps, allowed)
                ulps = np.where(bad, 0.0, ulps)
                wrong.append(points.table[bad])
                failing.append(points.table[ulps > allowed])
                worst[slot] = float(ulps.max(initial=0.0))
                count += len(y)
        parts = [np.concatenate(p) for p in (wrong, failing)]
        rates = len(parts[0]) / count, len(parts[1]) / count
        return Score(_few(parts[0]), _few(parts[1]), rates, *worst)

    def holds_in_double(self, program: Program) -> bool:
        """Whether the program in float64 is right at all points, rounded to float32 too."""
        ops = {i.op for i in program.body}
        most = WITH_ERF if ops & {"erf", "erfc"} else MIXED if ops - KNOWN else DOUBLE
        for thin in (True, False):
            for points in self.stages[not thin]:
                y = self._run(program, points, FORMATS["float64"])
                ulps, single = errors(y, points.truth, points.fmt), points.fmt.name == "float32"
                if not np.isfinite(ulps).all():
                    return False
                if not single:
                    ulps = points.mixed(y, ulps, most)
                if (ulps > (ROUNDED if single else most)).any():
                    return False
        return True

    def unrounded(self, program: Program, every: bool = True) -> tuple[tuple[float, ...], ...]:
        """Points of float32 where the program in float64, rounded once, is off by over NARROW."""
        [points] = [p for p in self.stages[every] if p.fmt.name == "float32"]
        y = self._run(program, points, FORMATS["float64"])
        return _few(points.table[errors(y, points.truth, points.fmt) > NARROW])

    def agree(self, program: Program, other: Program, work: Format, fmt: Format) -> bool:
        """Whether a program in one format, rounded to another, is as the other one in float64.

        To NARROW ulp, at numbers of any bits: of 16-bit ones at all, if one input decides; at all
        of each with some of the other, if two do.
        """
        approximate = any(i.op in model.NEAR for i in program.body)
        sides = SIDES if approximate else SIDES[:1]
        every = self._anywhere(other, fmt)
        # Most fail where another did, or at some of the numbers already.
        hard = self.hard.setdefault((other, fmt.name), [np.empty(0, np.int64) for _ in every])
        for step, side in itertools.product((0, FEWER, 1), sides):
            for i, (values, true, near, ulp) in enumerate(every):
                where = np.arange(0, len(near), step) if step else hard[i]
                some = {k: v[where] if np.ndim(v) else v for k, v in values.items()}
                with np.errstate(all="ignore"):
                    y = np.broadcast_to(model.evaluate(program, some, work, side)[0], where.shape)
                    rounded = y.astype(fmt.dtype).astype(np.float64)
                    # Two inputs, or one and parameters, are tried at few of their pairs: no luck in
                    # rounding counts.
                    few = (self.act.is_gated or self.act.parameters) and fmt.precision < 16
                    apart, most = (y, SURE) if few else (rounded, NARROW)
                    within = np.abs(apart - true[where]) <= most * ulp[where]
                    same = (rounded == near[where]) & (np.isinf(rounded) | (not few))
                missing = np.isnan(y) & np.isnan(true[where])
                failing = where[~(same | within | missing)]
                if failing.size:
                    if step:
                        kept = failing[:: -(-failing.size // HARD)]
                        hard[i] = np.concatenate([hard[i], kept])[-8 * HARD :]
                    return False
        return True

    def _anywhere(self, program: Program, fmt: Format) -> list[tuple[Any, ...]]:
        """For each setting: numbers of any bits, results in float64, these rounded, their ulp."""
        if (program, fmt.name) in self.known:
            return self.known[program, fmt.name]
        rng, size = np.random.default_rng(0), 8 * np.dtype(fmt.bits).itemsize
        ends = [math.inf, -math.inf, math.nan, 0.0, fmt.tiny, -fmt.tiny]

        def numbers(every: bool) -> Floats:
            """All numbers of the format, or any of them and some ends."""
            count = 1 << size if every or size == 16 else TRIED
            bits = np.arange(count) if every else rng.integers(0, 1 << size, count)
            with np.errstate(invalid="ignore"):  # signalling NaN
                found = bits.astype(fmt.bits).view(fmt.dtype).astype(np.float64)
            rare = rng.random(count) < (0.0 if every else ENDS)
            return np.where(rare, rng.choice(ends, count), found)

        inputs = self.act.inputs
        turns = range(len(inputs)) if size == 16 else [-1]
        values: dict[str, Any] = {
            x.name: np.concatenate([numbers(i == turn) for turn in turns])
            for i, x in enumerate(inputs)
        }
        shape = values[inputs[0].name].shape
        found = []
        for setting in settings(self.act):
            given = {**values, **{s.name: float(model.constant(v)) for s, v in setting.items()}}
            with np.errstate(all="ignore"):
                true = model.evaluate(program, given, FORMATS["float64"])[0]
                true = np.broadcast_to(true, shape)
                near = true.astype(fmt.dtype).astype(np.float64)
                ulp = quantum(np.abs(true), fmt)
            found.append((given, true, near, ulp))
        self.known[program, fmt.name] = found
        return found

    def _run(self, program: Program, points: Points, work: Format) -> Floats:
        values: dict[str, Any] = {s.name: points.table[:, i] for i, s in enumerate(self.act.inputs)}
        values |= zip((p.name for p in self.act.parameters), points.settings, strict=True)
        with np.errstate(all="ignore"):
            y = model.evaluate(program, values, work)[0]
            y = y.astype(points.fmt.dtype).astype(np.float64)
        return np.broadcast_to(y, len(points.table))


def _few(points: Floats) -> tuple[tuple[float, ...], ...]:
    """The points, or KEPT of them."""
    if len(points) > KEPT:
        points = points[np.linspace(0, len(points) - 1, KEPT).astype(int)]
    return tuple(tuple(row) for row in points.tolist())


def benches(act: Activation, functions: Functions) -> dict[str, Bench]:
    """A bench for each function."""
    found: dict[str, dict[str, list[Case]]] = {name: {} for name in functions}
    for dtype in ("float32", "float64"):
        for i in range(len(settings(act))):
            for name, case in cases(act, functions, FORMATS[dtype], i).items():
                found[name].setdefault(dtype, []).append(case)
    return {name: Bench(act, dict(several)) for name, several in found.items()}
