"""The truth at many points at once: float64 intervals, and Arb where they are too wide.

The lifted expression is mathematically equal to the formula as written, so an enclosure of the one
encloses the other. Its program is evaluated on intervals [low, high] of float64: +, −, ×, ÷ and
sqrt are correctly rounded by IEEE 754, so one step outward encloses the exact result; elementary
functions are widened by ELEMENTARY relative and TINY absolute, a bound that a test compares with
Arb; all else is exact. A comparison that the intervals do not decide gives the hull of both
branches. No rounding mode and no fused operation is relied on.

What is kept is what is narrow: an enclosure wider than 2**-8 of the format's ulp at the true
value, or one that is not finite, or unknown (NaN), is replaced by Arb's ball of the formula as
written; so are points of `special` (kinks, zeros), where a lifted derivative might take another
branch, and infinite ones. An operation without a row in OPS makes its result unknown, no more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import flint
import numpy as np
from flint import arb
from numpy.typing import NDArray
from sympy import Expr, Symbol

from .accuracy import Format, Truth, quantum, rounded
from .lower import lower
from .oracle import Oracle, Undecided, from_float, number
from .program import bind

Array: TypeAlias = NDArray[Any]
#: (low, high) for numbers, (certainly true, certainly false) for conditions.
Pair: TypeAlias = "tuple[Array, Array]"

#: Relative widening of elementary functions: 4 ulp; and absolute, for results that vanish.
ELEMENTARY, TINY = 2.0**-50, 2.0**-1020
GREATEST = float(np.finfo(np.float64).max)
BLOCK = 1 << 14


def _outward(low: Array, high: Array) -> Pair:
    return np.nextafter(low, -np.inf), np.nextafter(high, np.inf)


def _wider(low: Array, high: Array) -> Pair:
    low, high = np.minimum(low, GREATEST), np.maximum(high, -GREATEST)
    low = low - (np.abs(low) * ELEMENTARY + TINY)
    return low, high + (np.abs(high) * ELEMENTARY + TINY)


def _is_power(pair: Pair) -> bool:
    """Whether an operand is one power of two: multiplying by it is exact."""
    low, high = pair
    return bool(
        np.ndim(low) == 0
        and low == high
        and math.isfinite(low)
        and abs(math.frexp(float(low))[0]) == 0.5
    )


def _scaled(a: Pair, factor: Array) -> Pair:
    low, high = sorted_pair(a[0] * factor, a[1] * factor)
    lost = (np.abs(low) < 2.0**-1000) | (np.abs(high) > 2.0**1000)
    if np.any(lost):
        wide = _outward(low, high)
        return np.where(lost & (a[0] != 0), wide[0], low), np.where(
            lost & (a[1] != 0), wide[1], high
        )
    return low, high


def sorted_pair(a: Array, b: Array) -> Pair:
    """The lower and the upper of each pair; NaN for NaN."""
    return np.minimum(a, b), np.maximum(a, b)


def _add(a: Pair, b: Pair) -> Pair:
    return _outward(a[0] + b[0], a[1] + b[1])


def _sub(a: Pair, b: Pair) -> Pair:
    return _outward(a[0] - b[1], a[1] - b[0])


def _corners(op: Callable[..., Array], a: Pair, b: Pair) -> Pair:
    if a[0] is a[1] and b[0] is b[1]:
        value = op(a[0], b[0])
        return value, value
    values = [op(p, q) for p in a for q in b]
    low = np.minimum(np.minimum(values[0], values[1]), np.minimum(values[2], values[3]))
    high = np.maximum(np.maximum(values[0], values[1]), np.maximum(values[2], values[3]))
    return low, high


def _product(p: Array, q: Array) -> Array:
    value = p * q
    # Zero times a bound that overflowed; a true infinity is unknown, see _mul.
    return np.where(np.isnan(value) & ((p == 0) | (q == 0)), 0.0, value)


def _mul(a: Pair, b: Pair) -> Pair:
    if _is_power(b):
        return _scaled(a, b[0])
    if _is_power(a):
        return _scaled(b, a[0])
    low, high = _outward(*_corners(_product, a, b))
    infinite = np.isinf(a[0]) & (a[0] == a[1]) | np.isinf(b[0]) & (b[0] == b[1])
    return np.where(infinite, np.nan, low), np.where(infinite, np.nan, high)


def _div(a: Pair, b: Pair) -> Pair:
    if _is_power(b):
        return _scaled(a, 1.0 / b[0])
    low, high = _outward(*_corners(np.divide, a, b))
    unknown = (b[0] <= 0) & (b[1] >= 0)
    return np.where(unknown, np.nan, low), np.where(unknown, np.nan, high)


def _rising(
    function: Callable[[Array], Array], least: float = -math.inf, most: float = math.inf
) -> Callable[[Pair], Pair]:
    def apply(a: Pair) -> Pair:
        low = function(a[0])
        low, high = _wider(low, low if a[0] is a[1] else function(a[1]))
        return np.maximum(low, least), np.minimum(high, most)

    return apply


def _falling(function: Callable[[Array], Array]) -> Callable[[Pair], Pair]:
    rising = _rising(function, 0.0)
    return lambda a: rising((a[1], a[0]))


def _abs(a: Pair) -> Pair:
    if a[0] is a[1]:
        value = np.abs(a[0])
        return value, value
    low, high = sorted_pair(np.abs(a[0]), np.abs(a[1]))
    return np.where((a[0] < 0) & (a[1] > 0), 0.0, low), high


def _wave(function: Callable[[Array], Array]) -> Callable[[Pair], Pair]:
    """sin and cos: no steeper than 1."""

    def apply(a: Pair) -> Pair:
        value, reach = function(a[0]), np.nextafter(a[1] - a[0], np.inf)
        low, high = _wider(value - reach, value + reach)
        return np.maximum(low, -1.0), np.minimum(high, 1.0)

    return apply


_sin, _cos = _wave(np.sin), _wave(np.cos)


def _pow(a: Pair, b: Pair) -> Pair:
    low, high = _wider(*_corners(np.power, a, b))
    unknown = a[0] <= 0
    return np.where(unknown, np.nan, low), np.where(unknown, np.nan, high)


def _not(c: Pair) -> Pair:
    return c[1], c[0]


def _gt(a: Pair, b: Pair) -> Pair:
    return a[0] > b[1], a[1] <= b[0]


def _ge(a: Pair, b: Pair) -> Pair:
    return a[0] >= b[1], a[1] < b[0]


def _eq(a: Pair, b: Pair) -> Pair:
    same = (a[0] == a[1]) & (b[0] == b[1]) & (a[0] == b[0])
    return same, (a[1] < b[0]) | (a[0] > b[1])


def _where(c: Pair, a: Pair, b: Pair) -> Pair:
    low, high = np.minimum(a[0], b[0]), np.maximum(a[1], b[1])
    return (
        np.where(c[0], a[0], np.where(c[1], b[0], low)),
        np.where(c[0], a[1], np.where(c[1], b[1], high)),
    )


def _nothing(*_: Pair) -> Pair:
    """The rounding error of a sum or product, which the exact value has not."""
    return np.float64(0.0), np.float64(0.0)  # type: ignore[return-value]


_erf = np.frompyfunc(math.erf, 1, 1)
_erfc = np.frompyfunc(math.erfc, 1, 1)

OPS: dict[str, Callable[..., Pair]] = {
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "mul_high": _mul,
    "div": _div,
    "neg": lambda a: (-a[1], -a[0]) if a[0] is not a[1] else (v := -a[0], v),
    "abs": _abs,
    "sign": lambda a: (np.sign(a[0]), np.sign(a[1])),
    "sqrt": lambda a: _outward(np.sqrt(a[0]), np.sqrt(a[1])),
    "pow": _pow,
    "minimum": lambda a, b: (np.minimum(a[0], b[0]), np.minimum(a[1], b[1])),
    "maximum": lambda a, b: (np.maximum(a[0], b[0]), np.maximum(a[1], b[1])),
    "gt": _gt,
    "ge": _ge,
    "lt": lambda a, b: _gt(b, a),
    "le": lambda a, b: _ge(b, a),
    "eq": _eq,
    "ne": lambda a, b: _not(_eq(a, b)),
    "and": lambda a, b: (a[0] & b[0], a[1] | b[1]),
    "or": lambda a, b: (a[0] | b[0], a[1] & b[1]),
    "not": _not,
    "where": _where,
    "isnan": lambda a: (np.zeros_like(a[0], bool), ~np.isnan(a[0])),
    "add_low": _nothing,
    "mul_low": _nothing,
    "exp": _rising(np.exp, 0.0),
    "expm1": _rising(np.expm1, -1.0),
    "log": _rising(np.log),
    "log1p": _rising(np.log1p),
    "erf": _rising(lambda a: np.asarray(_erf(a), np.float64), -1.0, 1.0),
    "erfc": _falling(lambda a: np.asarray(_erfc(a), np.float64)),
    "sinh": _rising(np.sinh),
    "cosh": lambda a: _rising(np.cosh, 1.0)(_abs(a)),
    "tanh": _rising(np.tanh, -1.0, 1.0),
    "sin": _sin,
    "cos": _cos,
    "tan": lambda a: _div(_sin(a), _cos(a)),
    "asin": _rising(np.arcsin),
    "acos": _falling(np.arccos),
    "atan": _rising(np.arctan),
    "asinh": _rising(np.arcsinh),
    "acosh": _rising(np.arccosh, 0.0),
    "atanh": _rising(np.arctanh),
}


class _Known(dict[str, Callable[..., Pair]]):
    def __missing__(self, op: str) -> Callable[..., Pair]:
        return lambda *args: (args[0][0] * np.nan, args[0][0] * np.nan)


_OPS = _Known(OPS)


def bounds(ball: arb) -> tuple[float, float]:
    """float64 numbers around a ball, equal if it is one of them."""
    middle = float(ball.mid())
    if not ball.is_finite() or (ball.is_exact() and from_float(middle) == ball):
        return middle, middle
    return math.nextafter(float(ball.lower()), -math.inf), math.nextafter(
        float(ball.upper()), math.inf
    )


def _constant(expr: Expr) -> Pair:
    with flint.ctx.workprec(128):
        low, high = map(np.float64, bounds(number(expr)))
    return (low, low) if low == high else (low, high)  # type: ignore[return-value]


class Reference:
    """One function at one parameter setting: its true values at any points, fast.

    `lifted` must equal `truth`; `special` points are always decided by `truth` itself.
    """

    def __init__(
        self,
        truth: Expr,
        lifted: Expr,
        inputs: Sequence[Symbol],
        parameters: Mapping[Symbol, Expr],
        special: Sequence[float] = (),
    ) -> None:
        self.oracle = Oracle(truth, inputs, parameters)
        self.special = np.unique([0.0, *special])
        self._program = lower(lifted, inputs, list(parameters))
        self._parameters = {s.name: _constant(v) for s, v in parameters.items()}
        self._exact: dict[tuple[float, ...], tuple[float, float, float, int, bool]] = {}
        self.asked = 0

    def enclose(self, points: Array) -> Pair:
        """(low, high) around the true values at finite `points`, a row each; NaN: unknown."""
        low, high = np.empty(len(points)), np.empty(len(points))
        run = bind(self._program, _OPS, _constant)
        with np.errstate(all="ignore"):
            for start in range(0, len(points), BLOCK):
                block = points[start : start + BLOCK]
                columns = [np.ascontiguousarray(c) for c in block.T]
                values = {n: (c, c) for n, c in zip(self._program.inputs, columns, strict=True)}
                found = run(values | self._parameters)[0]
                low[start : start + BLOCK], high[start : start + BLOCK] = found
        return low, high

    def truth(self, points: Array, fmt: Format) -> Truth:
        """The true values at `points` (a row each), good for measuring results in the format."""
        points = np.ascontiguousarray(points, np.float64)
        n = len(points)
        if fmt.name == "float64":
            return self._fill(Truth.empty(n), points, np.arange(n))
        finite = np.isfinite(points).all(axis=1)
        low, high = self.enclose(np.where(np.isfinite(points), points, 1.0))
        with np.errstate(all="ignore"):
            middle = low + (high - low) / 2
            slack = np.where(low == high, 0.0, np.nextafter((high - low) / 2, np.inf))
            slack = np.where(slack > 0, slack + np.abs(middle) * 2.0**-53, 0.0)
            least = np.minimum(np.abs(low), np.abs(high))
            narrow = slack <= quantum(least, fmt) * 2.0**-9
            # Certainly too great, certainly of one sign: the bounds need not be narrow.
            beyond = (least > 2.0 ** (fmt.emax + 2)) & (np.sign(low) == np.sign(high))
        middle = np.where(beyond, np.copysign(np.inf, low), middle)
        known = finite & (narrow & np.isfinite(middle) | beyond)
        known &= ~np.isin(points, self.special).all(axis=1)
        nan = np.isnan(points).any(axis=1)
        truth = Truth(
            np.where(nan, np.nan, middle),
            np.zeros(n),
            np.where(beyond | nan, 0.0, slack),
            np.zeros(n, np.int32),
            np.zeros(n, bool),
        )
        return self._fill(truth, points, np.flatnonzero(~known & ~nan))

    def _fill(self, truth: Truth, points: Array, where: Array) -> Truth:
        """Put Arb's values at some of the points."""
        self.asked += len(where)
        for i in where:
            point = tuple(points[i].tolist())
            row = self._exact.get(point)
            if row is None:
                row = self._exact[point] = split(self._value(point), point)
            truth.set(i, row)
        return truth

    def _value(self, point: tuple[float, ...]) -> arb | None:
        try:
            if all(map(math.isfinite, point)):
                return self.oracle.exact([from_float(p) for p in point])
            return self._at_infinity(point)
        except Undecided:
            return None

    def _at_infinity(self, point: tuple[float, ...]) -> arb | None:
        """The limit; none where it hangs on the last bit of another input, as 0·oo does."""
        value = self.oracle(*point)
        if len(point) > 1 and not value.is_nan():
            for toward in (-math.inf, math.inf):
                beside = [p if math.isinf(p) else math.nextafter(p, toward) for p in point]
                other = self.oracle(*beside)
                same = value.is_finite() or float(other) == float(value)
                if other.is_finite() != value.is_finite() or not same:
                    return None
        return value

    def forget(self) -> None:
        """Drop the values that Arb gave: a sweep does not come back to them."""
        self._exact.clear()
        self.oracle.forget()

    def certain(self, points: Array) -> Truth:
        """The true values at points as Arb gives them."""
        return self._fill(Truth.empty(len(points)), points, np.arange(len(points)))

    def rounded(self, point: Array, fmt: Format, choice: tuple[float, float]) -> float:
        """Which of two neighbours in the format the truth at a point rounds to.

        NaN where 3,000 bits do not tell the truth from the tie: neither is then called wrong.
        """
        low, high = sorted(choice)
        if not np.isfinite(point).all():
            return float(rounded(float(self.oracle(*point.tolist())), fmt))
        with flint.ctx.workprec(256):
            ends = [from_float(v if math.isfinite(v) else fmt.beyond(v)) for v in (low, high)]
            tie = (ends[0] + ends[1]) / 2
        balls = [from_float(float(p)) for p in point]
        for bits in (80, 400, 3000):
            value = self.oracle.exact(balls, bits)
            if value < tie or value > tie:
                return low if value < tie else high
            if value == tie:
                return float(rounded(float(tie), fmt))
        return math.nan

    def exact(self, points: Sequence[Sequence[arb]]) -> Truth:
        """The true values at points that need not be floats."""
        truth = Truth.empty(len(points))
        for i, point in enumerate(points):
            try:
                value = self.oracle.exact(point)
            except Undecided:
                value = None
            truth.set(i, split(value, ()))
        return truth


def split(value: arb | None, point: Sequence[float]) -> tuple[float, float, float, int, bool]:
    """A ball as a row of Truth; None and NaN say nothing, unless the point itself is NaN."""
    if value is None or value.is_nan():
        said = any(map(math.isnan, point))
        return math.nan, 0.0, 0.0, 0, not said
    if not value.is_finite():
        return (math.inf if value > 0 else -math.inf), 0.0, 0.0, 0, False
    with flint.ctx.workprec(256):
        lift = 600 if abs(value) < arb(2) ** -400 else 0
        ball = value * arb(2) ** lift
        middle = ball.mid()
        high = float(middle)
        if math.isinf(high):
            return high, 0.0, 0.0, 0, False
        low = float(middle - from_float(high))
        slack = float((abs(ball - from_float(high) - from_float(low))).upper())
    return high, low, slack, lift, False
