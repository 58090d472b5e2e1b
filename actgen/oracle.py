"""The truth: the formula as written, and its symbolic derivatives, in Arb ball arithmetic.

The precision is raised until the ball is small enough to decide; a result that would need more
than MAX_BITS is reported as Undecided, never guessed. The value at ±oo is the limit, read off the
formula at points out to ±2**4096.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, TypeVar

import flint
import sympy
from flint import arb
from sympy import Expr, Symbol

from . import lower
from .program import Program, bind, interpret

START_BITS, MAX_BITS = 128, 1 << 15
#: Bits of the value that must be right before it is used to measure an error.
GOOD_BITS = 80
#: Below this every format rounds to zero, whatever the sign.
TINY = arb(2) ** -1200


class Undecided(ArithmeticError):
    """The ball was still too wide at MAX_BITS, or a branch condition could not be decided."""


class _Open(Exception):
    """At this precision a comparison cannot be decided; more bits may."""


def _decide(yes: bool, no: bool) -> bool:
    if yes or no:
        return yes
    raise _Open


def _equal(a: arb, b: arb) -> bool:
    if a.is_exact() and b.is_exact():
        return bool(a == b)
    return _decide(False, not a.overlaps(b))


def _sign(a: arb) -> arb:
    if a.is_zero():
        return arb(0)
    return arb(1) if _decide(bool(a > 0), bool(a < 0)) else arb(-1)


def _pow(a: arb, b: arb) -> arb:
    return arb(1) if b.is_zero() else a**b


OPS: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "mul_high": lambda a, b: a * b,
    "mul_low": lambda a, b: arb(0),  # exact arithmetic leaves no error
    "add_low": lambda a, b: arb(0),
    "neg": lambda a: -a,
    "abs": abs,
    "sign": _sign,
    "pow": _pow,
    "minimum": lambda a, b: a.min(b),
    "maximum": lambda a, b: a.max(b),
    "gt": lambda a, b: _decide(bool(a > b), bool(a <= b)),
    "ge": lambda a, b: _decide(bool(a >= b), bool(a < b)),
    "lt": lambda a, b: _decide(bool(a < b), bool(a >= b)),
    "le": lambda a, b: _decide(bool(a <= b), bool(a > b)),
    "eq": _equal,
    "ne": lambda a, b: not _equal(a, b),
    "and": lambda a, b: a and b,
    "or": lambda a, b: a or b,
    "not": lambda a: not a,
    "where": lambda c, a, b: a if c else b,
    "isnan": lambda a: a.is_nan(),
    **{
        name: getattr(arb, name)
        for name in (
            "sqrt",
            "exp",
            "expm1",
            "log",
            "log1p",
            "erf",
            "erfc",
            "sinh",
            "cosh",
            "tanh",
            "sin",
            "cos",
            "tan",
            "asin",
            "acos",
            "atan",
            "asinh",
            "acosh",
            "atanh",
        )
    },
}


def number(expr: Expr) -> arb:
    """An exact SymPy number as a ball at the current precision."""
    if expr.is_Integer:
        return arb(int(expr))
    if expr.is_Rational:
        return arb(flint.fmpq(int(expr.p), int(expr.q)))
    if expr == sympy.pi:
        return arb.pi()
    if expr == sympy.E:
        return arb.const_e()
    if expr in (sympy.oo, -sympy.oo):
        return arb.pos_inf() if expr == sympy.oo else arb.neg_inf()
    if expr.is_Float:
        return number(sympy.Rational(expr))
    if expr is sympy.nan:
        return arb.nan()
    if expr.is_Mul:  # 2·pi is one number to `lower`, and would come back as it is
        return functools.reduce(lambda a, b: a * b, map(number, expr.args))
    return interpret(_literal(expr, ()), {}, OPS, number)[0]


@functools.lru_cache(maxsize=4096)
def _literal(expr: Expr, inputs: tuple[Symbol, ...]) -> Program:
    return lower.lower(expr, inputs, (), expand=False)


def from_float(value: float) -> arb:
    """A float as the exact ball it is."""
    return arb(float(value))


Value = TypeVar("Value")


def _is_good(value: arb, bits: int) -> bool:
    return bool(value.rel_accuracy_bits() >= bits or abs(value) < TINY)


def _raise_precision(
    settled: Callable[[], Value | None], expr: Expr, at: object, start: int = START_BITS
) -> Value:
    """What `settled` returns at the first precision at which it is not None and not _Open."""
    precision, before = start, flint.ctx.prec
    try:
        while precision <= MAX_BITS:
            flint.ctx.prec = precision
            try:
                value = settled()
            except _Open:
                value = None
            if value is not None:
                return value
            precision *= 2
        raise Undecided(f"{expr} needs more than {MAX_BITS} bits at {at}")
    finally:
        flint.ctx.prec = before


class Oracle:
    """Evaluates one expression of `inputs` at exact parameter values, to any precision."""

    def __init__(
        self, expr: Expr, inputs: Sequence[Symbol], parameters: Mapping[Symbol, Expr] | None = None
    ) -> None:
        self.expr = expr
        self.inputs = tuple(inputs)
        self.parameters = dict(parameters or {})
        self._program = _literal(expr, (*self.inputs, *self.parameters))
        self._bound: dict[int, tuple[Callable[..., list[arb]], dict[str, arb]]] = {}
        self._cache: dict[tuple[float, ...], arb] = {}

    def ball(self, points: Sequence[arb]) -> arb:
        """One evaluation at the current precision; raises _Open where a branch is undecided."""
        if flint.ctx.prec not in self._bound:
            parameters = {s.name: number(v) for s, v in self.parameters.items()}
            self._bound[flint.ctx.prec] = bind(self._program, OPS, number), parameters
        run, parameters = self._bound[flint.ctx.prec]
        values = {s.name: p for s, p in zip(self.inputs, points, strict=True)}
        return run(values | parameters)[0]

    def exact(self, points: Sequence[arb], bits: int = GOOD_BITS) -> arb:
        """The value with `bits` right bits (or certainly below TINY) at exact finite points.

        NaN where the formula is undefined there; raises Undecided past MAX_BITS.
        """

        def settled() -> arb | None:
            value = self.ball(points)
            if value.is_finite():
                return value if _is_good(value, bits) else None
            if value.is_exact():
                return value
            return arb.nan() if value.is_nan() and flint.ctx.prec >= 1024 else None

        start = START_BITS
        while start < bits:
            start *= 2
        return _raise_precision(settled, self.expr, points, start)

    def __call__(self, *points: float) -> arb:
        """The value, or the limit where the one infinite point is ±oo; NaN where there is none."""
        if points not in self._cache:
            if any(map(math.isnan, points)):
                self._cache[points] = arb.nan()
            elif any(map(math.isinf, points)):
                self._cache[points] = self._limit(points)
            else:
                self._cache[points] = self.exact([from_float(p) for p in points])
        return self._cache[points]

    def forget(self) -> None:
        """Drop the values that were asked for."""
        self._cache.clear()

    def _limit(self, points: tuple[float, ...]) -> arb:
        if any(v in (sympy.oo, -sympy.oo) for v in self.parameters.values()):
            # Which of two infinities is greater no limit tells: the formula as it stands does.
            try:
                return self.ball([from_float(p) for p in points])
            except _Open:
                return arb.nan()
        values: list[arb] = []
        for power in (64, 96, 128, 192, 256, 384, 512, 1024, 2048, 4096):
            far = arb(2) ** power
            at = [
                far if p == math.inf else -far if p == -math.inf else from_float(p) for p in points
            ]
            try:
                value = self.exact(at)
            except Undecided:
                return arb.nan()
            if value.is_nan():
                break  # balls too have a greatest exponent
            values.append(value)
        return limit_of(values)


@functools.lru_cache(maxsize=128)
def _shared(expr: Expr, inputs: tuple[Symbol, ...], parameters: tuple[Any, ...]) -> Oracle:
    return Oracle(expr, inputs, dict(parameters))


def shared(expr: Expr, inputs: Sequence[Symbol], parameters: Mapping[Symbol, Expr]) -> Oracle:
    """An oracle that is kept for a while, with the values it was asked for: backends share it."""
    return _shared(expr, tuple(inputs), tuple(parameters.items()))


def limit_of(values: Sequence[arb]) -> arb:
    """What a sequence of balls at ever greater |x| tends to: a value, ±oo, or NaN for neither."""
    if len(values) < 5:
        return arb.nan()
    last, before = values[-1], values[-2]
    sizes = [abs(v) for v in values]
    if not last.is_finite() or abs(last) > arb(2) ** 1100:
        # Oscillation that grows has no limit.
        if any((v > 0) != (last > 0) for v in values[-4:]):
            return arb.nan()
        return arb.pos_inf() if last > 0 else arb.neg_inf()
    if all(b > a * arb(2) ** 12 for a, b in zip(sizes, sizes[1:], strict=False)):
        return arb.pos_inf() if last > 0 else arb.neg_inf()  # small as it may still be
    bounds = [size.upper() for size in sizes]
    if last.contains(0) and all(
        b > a * arb(2) ** 12 for a, b in zip(bounds, bounds[1:], strict=False)
    ):
        return arb.nan()  # a growing ball around 0: what is in it may be 0 or grow
    falling = all(b < a for a, b in zip(sizes, sizes[1:], strict=False))
    if abs(last) < TINY or (falling and abs(last) < abs(before) * arb(2) ** -12):
        return arb(0)
    if abs(last - before) < abs(last) * arb(2) ** -60:
        return last.mid()
    if all(b > a for a, b in zip(values, values[1:], strict=False)) and last > 8:
        return arb.pos_inf()
    if all(b < a for a, b in zip(values, values[1:], strict=False)) and last < -8:
        return arb.neg_inf()
    return arb.nan()


def to_fraction(ball: arb) -> Fraction:
    """The midpoint of a finite ball, exactly."""
    mantissa, exponent = ball.mid().man_exp()
    scale = Fraction(2) ** int(exponent)
    return Fraction(int(mantissa)) * scale


def _over_row(op: Callable[..., Any]) -> Callable[..., list[Any]]:
    """An operation on balls as one on rows of them; a row of one value serves all."""

    def apply(*rows: list[Any]) -> list[Any]:
        n = max(map(len, rows))
        return [op(*(row[0] if len(row) == 1 else row[i] for row in rows)) for i in range(n)]

    return apply


def _row_max(row: list[arb]) -> list[arb]:
    top = row[0]
    for value in row[1:]:
        top = top.max(value)
    return [top]


_ROW_OPS: dict[str, Callable[..., Any]] = {
    **{name: _over_row(op) for name, op in OPS.items()},
    "row_sum": lambda row: [sum(row, arb(0))],
    "row_max": _row_max,
}


def exact_row(
    expr: Expr, rows: Mapping[Symbol, Sequence[float]], bits: int = GOOD_BITS
) -> list[arb]:
    """A row function at finite rows of equal length (or of one value), each value with `bits`."""
    balls = {s: [from_float(v) for v in row] for s, row in rows.items()}
    return exact_row_balls(expr, balls, bits)


def exact_row_balls(
    expr: Expr, rows: Mapping[Symbol, Sequence[arb]], bits: int = GOOD_BITS
) -> list[arb]:
    """A row function at exact finite balls, that need not be floats."""
    program = _literal(expr, tuple(rows))
    values = {s.name: list(row) for s, row in rows.items()}

    def settled() -> list[arb] | None:
        result = interpret(program, values, _ROW_OPS, lambda c: [number(c)])[0]
        return list(result) if all(_is_good(v, bits) for v in result) else None

    return _raise_precision(settled, expr, rows)
