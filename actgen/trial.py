"""How a candidate program is judged: hard inputs, the truth there, and the distance from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import flint
import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Expr, Symbol

from . import calculus, contract, model
from .accuracy import FORMATS, Format, corners, hard_points, neighbours, to_format, ulp_of
from .oracle import Oracle, Undecided, from_float, shared
from .program import Program
from .spec import Activation, Parameter, exact

Floats = NDArray[np.float64]
#: What a candidate may err by in the model, whose operations are all correctly rounded, in mixed
#: ulp of float32 and float64: the rest of the contract's 4 is for the operations of a backend.
MIXED = 2.7
#: And in float32 when computed in float64 and rounded once.
ROUNDED = 0.75


def samples(parameter: Parameter) -> list[Expr]:
    """Values of a parameter at which a candidate has to work: default, others, tiny, large, edges.

    All are exact in float32, so that every backend is given the same.
    """
    value = parameter.value
    if not value.is_finite:
        return [value, sympy.Integer(6)]
    low, high = (None if v is None else sympy.sympify(v) for v in (parameter.low, parameter.high))
    unit = value if value else sympy.Integer(1)
    wanted = [value, *(unit * exact(f) for f in (4, 0.25, 3.3, 0.7, 1e-5, 1e5))]
    wanted += [-unit, *(edge for edge in (low, high) if edge is not None)]
    wanted = [sympy.Rational(float(np.float32(float(v)))) if v != value else v for v in wanted]
    wanted = [v for v in wanted if (low is None or v >= low) and (high is None or v <= high)]
    return list(dict.fromkeys(wanted))


def settings(act: Activation) -> list[dict[Symbol, Expr]]:
    """Parameter settings to measure at: the defaults, then one parameter changed at a time.

    A kernel is given a float, so the default is the float64 nearest to it.
    """
    base = {s: exact(float(v)) if v.is_finite else v for s, v in act.defaults.items()}
    rows = [base]
    for p in act.parameters:
        rows += [{**base, p.symbol: v} for v in samples(p) if v != p.value]
    return rows


def point_sets(act: Activation, fmt: Format, count: int = 120) -> Sequence[tuple[float, ...]]:
    """Hard inputs of an activation: floats, or pairs of them for a gated one."""
    special = [
        float(p.subs(act.defaults))
        for p in calculus.break_points(act.formula, act.inputs[0], act.defaults)
    ]
    points = hard_points(fmt, special, count)
    if not act.is_gated:
        return [(p,) for p in points]
    rng = np.random.default_rng(7)
    few = [p for p in points if not math.isinf(p)]
    others = rng.permutation(few)
    pairs = [(a, float(b)) for a, b in zip(few, others, strict=True)]
    # A gate of ordinary size under values of every size, and the other way about.
    middle = [p for p in few if 1e-3 < abs(p) < 1e3]
    near = rng.choice(middle, len(few))
    pairs += [(a, float(b)) for a, b in zip(few, near, strict=True)]
    pairs += [(float(a), b) for a, b in zip(near, few, strict=True)]
    ends = [(s * math.inf, v) for s in (1, -1) for v in (1.5, -1.5, 0.25, 0.0)]
    return pairs + ends + [(b, a) for a, b in ends]


def zeros(oracle: Oracle, at: tuple[float, ...], index: int) -> list[float]:
    """Where the function changes sign as input `index` goes from -64 to 64, to float64."""
    grid = sorted(s * 2.0 ** (k / 3) for s in (-1, 1) for k in range(-12, 19))

    def value(p: float) -> float:
        try:
            return float(
                oracle.exact([from_float(q) for q in (*at[:index], p, *at[index + 1 :])], 20)
            )
        except Undecided:
            return math.nan

    found = []
    values = [value(p) for p in grid]
    for a, b, fa, fb in zip(grid, grid[1:], values, values[1:], strict=False):
        if fa * fb < 0:
            low, high = a, b
            for _ in range(60):
                middle = (low + high) / 2
                if value(middle) * fa > 0:
                    low = middle
                else:
                    high = middle
            found.append(high)
    return found[:4]


def around(root: float, fmt: Format, count: int) -> list[float]:
    """Floats near a zero, ever closer to it: `count` an octave on each side."""
    parts = [2 ** ((k + 0.3) / count) for k in range(count)]
    near = [root * (1 + s * m * 2.0**-k) for k in range(2, 26) for s in (1, -1) for m in parts]
    return [*(float(v) for v in to_format(near, fmt)), *neighbours(root, fmt, 4)]


def dense(fmt: Format, more: int) -> list[float]:
    """Points all along where a function is neither its tails nor its values near 0."""
    steps = 40 * 2**more
    tops = (6.0, 120.0 if fmt.name == "float32" else 800.0)
    values = [top * ((k + 0.37) / steps) ** 2 for top in tops for k in range(steps)]
    return [float(v) for p in values for v in to_format([p, -p], fmt)]


@dataclass(frozen=True)
class Truth:
    """The truth at some points in a format: high + low parts, its ulp, and the values around.

    `least` and `most` are what the formula takes within half an ulp of the inputs.
    """

    points: Floats
    high: Floats
    low: Floats
    unit: Floats
    least: Floats
    most: Floats

    def ulps(self, y: Floats) -> Floats:
        """|y − truth| in ulp."""
        return np.asarray(np.abs((y - self.high) - self.low) / self.unit)

    def mixed(self, y: Floats) -> Floats:
        """The distance of y from the values around, in ulp; no more than `ulps`."""
        outside = np.maximum(np.maximum(self.least - y, y - self.most), 0.0) / self.unit
        return np.asarray(np.minimum(outside, self.ulps(y)))


def truth(oracle: Oracle, points: Sequence[tuple[float, ...]], fmt: Format) -> Truth:
    """The truth where the formula says something."""
    rows = []
    for point in points:
        try:
            value = oracle(*point)
        except Undecided:
            continue
        if value.is_nan() and not any(map(math.isnan, point)):
            continue
        if value == 0 and 0.0 in point and any(map(math.isinf, point)):
            continue  # 0·oo: its limit is 0 along one path only
        high = float(value)
        if math.isfinite(high) and abs(high) > fmt.max:
            high = math.copysign(math.inf, high)
        if not math.isfinite(high):
            rows.append((*point, high, 0.0, 1.0, high, high))
            continue
        with flint.ctx.workprec(160):
            low = float(value - from_float(high))
        unit = max(float(ulp_of(value, fmt)), 5e-324)
        rows.append((*point, high, low, unit, *_around(oracle, point, fmt, high)))
    width = len(oracle.inputs)
    table = np.array(rows, np.float64).reshape(len(rows), width + 5).T
    return Truth(table[:width].T, *table[width:])


def _around(
    oracle: Oracle, point: tuple[float, ...], fmt: Format, value: float
) -> tuple[float, float]:
    """The least and greatest value at the corners of the box of half an ulp around the point."""
    if not all(map(math.isfinite, point)):
        return value, value
    try:
        found = [oracle.exact(corner, 60) for corner in corners(point, fmt)]
    except Undecided:
        return value, value
    numbers = [float(v) for v in found if v.is_finite()] + [value]
    return min(numbers), max(numbers)


@dataclass(frozen=True)
class Score:
    """How a program did: points wrongly NaN or infinite, points that err too much, worst errors.

    `single` and `double` are in mixed ulp, computed in float32 and in float64; `rounded` is in
    ulp of float32, computed in float64 and rounded once.
    """

    wrong: tuple[tuple[float, ...], ...]
    failing: tuple[tuple[float, ...], ...]
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


class Bench:
    """The truth for one function of one activation, against which candidates are measured."""

    def __init__(self, act: Activation, expr: Expr) -> None:
        self.act = act
        self.cases = []
        for fmt in (FORMATS["float32"], FORMATS["float64"]):
            for i, setting in enumerate(settings(act)):
                points = list(point_sets(act, fmt, 40 if i else 120))
                if not act.is_gated:
                    points += [(p,) for p in dense(fmt, 0 if i else 4)]
                oracle = shared(expr, act.inputs, setting)
                base = (1.37,) * len(act.inputs)
                for k in range(len(base)):
                    for p in (
                        p
                        for root in zeros(oracle, base, k)
                        for p in around(root, fmt, 4 if i else 20)
                    ):
                        points.append((*base[:k], p, *base[k + 1 :]))
                self.cases.append((fmt, setting, truth(oracle, points, fmt)))

    def measure(self, program: Program) -> Score:
        """The program against the truth in every case."""
        wrong: list[tuple[float, ...]] = []
        failing: list[tuple[float, ...]] = []
        worst = [0.0, 0.0, 0.0]
        single, double = FORMATS["float32"], FORMATS["float64"]
        for fmt, setting, true in self.cases:
            runs = [(fmt, 0 if fmt is single else 1, MIXED)]
            if fmt is single:
                runs.append((double, 2, ROUNDED))
            for work, slot, allowed in runs:
                y = self._run(program, setting, true.points, work, fmt)
                bad = (np.isfinite(y) != np.isfinite(true.high)) | (
                    np.isnan(y) != np.isnan(true.high)
                )
                bad |= np.isinf(true.high) & (y != true.high)
                wrong += [tuple(p) for p in true.points[bad].tolist()]
                with np.errstate(all="ignore"):
                    ulps = true.ulps(y) if slot == 2 else true.mixed(y)
                ulps = np.where(bad | ~np.isfinite(true.high), 0.0, ulps)
                failing += [tuple(p) for p in true.points[ulps > allowed].tolist()]
                worst[slot] = max(worst[slot], float(ulps.max(initial=0.0)))
        return Score(tuple(wrong), tuple(failing), *worst)

    def _run(
        self,
        program: Program,
        setting: dict[Symbol, Expr],
        points: Floats,
        work: Format,
        to: Format,
    ) -> Floats:
        values: dict[str, Any] = {s.name: model.constant(v) for s, v in setting.items()}
        values |= {s.name: points[:, i] for i, s in enumerate(self.act.inputs)}
        with np.errstate(all="ignore"):
            y = model.evaluate(program, values, work)[0]
            return np.asarray(y.astype(to.dtype).astype(np.float64))
