"""Interval arithmetic with endpoints, infinite ones too: what a formula can be on a whole range.

Arb's balls lose the sign of exp(-x) on [32, 64], since a ball as wide as that contains 0; two
endpoints, each rounded outwards by Arb, do not. `nonzero` remembers that a value such as exp(x)
is never 0 even where the range reaches to infinity and its bound is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import flint
import sympy
from flint import arb
from sympy import Expr, Symbol

from .atoms import AtomFunction, u
from .oracle import number

INF = arb.pos_inf()
ZERO, ONE = arb(0), arb(1)


class NoValue(ArithmeticError):
    """The formula has no real value on the range, or uses a function that is not known here."""


@contextmanager
def precision(bits: int) -> Iterator[None]:
    """Arb works with `bits` bits inside the block."""
    before = flint.ctx.prec
    flint.ctx.prec = bits
    try:
        yield
    finally:
        flint.ctx.prec = before


def _down(value: arb) -> arb:
    return -INF if value.is_nan() else value.lower()


def _up(value: arb) -> arb:
    return INF if value.is_nan() else value.upper()


def _times(a: arb, b: arb) -> arb:
    """The product of endpoints, where 0·oo is 0: infinity only stands for ever greater numbers."""
    return ZERO if a == 0 or b == 0 else a * b


class Interval:
    """[lo, hi], endpoints exact; `nonzero` if 0 is certainly not taken."""

    __slots__ = ("hi", "lo", "nonzero")

    def __init__(self, lo: arb, hi: arb, nonzero: bool = False) -> None:
        self.lo, self.hi = lo, hi
        self.nonzero = nonzero or bool(lo > 0) or bool(hi < 0)

    @property
    def sign(self) -> int | None:
        """1 or -1 where certain, 0 for the point 0, None where not known."""
        if self.nonzero:
            return 1 if self.lo >= 0 else -1 if self.hi <= 0 else None
        return 0 if self.lo == 0 and self.hi == 0 else None

    def ball(self) -> arb:
        """A ball that contains the interval."""
        if self.lo.is_finite() and self.hi.is_finite():
            return self.lo.union(self.hi)
        return self.lo if self.lo == self.hi else arb.nan()

    def __neg__(self) -> Interval:
        return Interval(-self.hi, -self.lo, self.nonzero)

    def __add__(self, other: Interval) -> Interval:
        same = (self.lo >= 0 and other.lo >= 0) or (self.hi <= 0 and other.hi <= 0)
        lo, hi = _down(self.lo + other.lo), _up(self.hi + other.hi)
        return Interval(lo, hi, bool(same) and (self.nonzero or other.nonzero))

    def __mul__(self, other: Interval) -> Interval:
        a, b, c, d = self.lo, self.hi, other.lo, other.hi
        if a >= 0 and c >= 0:
            lows, highs = [_times(a, c)], [_times(b, d)]
        elif a == b:
            lows = highs = [_times(a, c), _times(a, d)]
        elif c == d:
            lows = highs = [_times(a, c), _times(b, c)]
        else:
            lows = highs = [_times(a, c), _times(a, d), _times(b, c), _times(b, d)]
        lo, hi = _down(lows[0]), _up(highs[0])
        for value in lows[1:]:
            lo, hi = min(lo, _down(value)), max(hi, _up(value))
        return Interval(lo, hi, self.nonzero and other.nonzero)

    def inverse(self) -> Interval:
        """1/self; the whole line where 0 is inside."""
        if self.lo < 0 < self.hi or (self.lo == 0 and self.hi == 0):
            return Interval(-INF, INF)
        if self.hi <= 0:
            return -(-self).inverse()
        lo = ZERO if self.hi == INF else _down(1 / self.hi)
        return Interval(lo, INF if self.lo == 0 else _up(1 / self.lo), True)

    def size(self) -> Interval:
        """|self|."""
        if self.lo >= 0:
            return self
        if self.hi <= 0:
            return -self
        return Interval(ZERO, max(-self.lo, self.hi), self.nonzero)

    def power(self, n: int) -> Interval:
        """self**n for an integer n."""
        if n < 0:
            return self.power(-n).inverse()
        if n == 0:
            return Interval(ONE, ONE)
        base = self if n % 2 else self.size()

        def raised(value: arb) -> arb:
            return value if value.is_zero() or not value.is_finite() else value**n

        return Interval(_down(raised(base.lo)), _up(raised(base.hi)), base.nonzero)


def _monotone(
    function: Callable[[arb], arb],
    low: Any,
    high: Any,
    nonzero: bool = False,
    falling: bool = False,
) -> Callable[[Interval], Interval]:
    """An increasing function as one of intervals; `low` and `high` are what it tends to."""

    def end(value: arb) -> tuple[arb, arb]:
        if value == INF or value == -INF:
            limit = high if value > 0 else low
            limit = limit() if callable(limit) else arb(limit)
            return limit.lower(), limit.upper()
        at = function(value)
        return _down(at), _up(at)

    least, greatest = (high, low) if falling else (low, high)

    def apply(v: Interval) -> Interval:
        a, b = (v.hi, v.lo) if falling else (v.lo, v.hi)
        lo, hi = end(a)[0], end(b)[1]
        if not callable(least):
            lo, hi = max(lo, arb(least)), min(hi, arb(greatest))
        return Interval(lo, hi, nonzero)

    return apply


def _odd(function: Callable[[arb], arb], low: Any, high: Any) -> Callable[[Interval], Interval]:
    inner = _monotone(function, low, high)

    def apply(v: Interval) -> Interval:
        found = inner(v)
        return Interval(found.lo, found.hi, v.nonzero)

    return apply


def _of_size(function: Callable[[Interval], Interval]) -> Callable[[Interval], Interval]:
    return lambda v: function(v.size())


def _ball(function: Callable[[arb], arb], low: int, high: int) -> Callable[[Interval], Interval]:
    def apply(v: Interval) -> Interval:
        value = function(v.ball())
        lo, hi = _down(value), _up(value)
        return Interval(max(lo, arb(low)), min(hi, arb(high)))

    return apply


def _above(low: int, inner: Callable[[Interval], Interval]) -> Callable[[Interval], Interval]:
    """`inner` on a domain that begins at `low`: the part of the range that lies below is cut."""

    def apply(v: Interval) -> Interval:
        if v.hi < low:
            raise NoValue
        return inner(Interval(max(v.lo, arb(low)), v.hi, v.nonzero))

    return apply


_inf = float("inf")
_exp = _monotone(arb.exp, 0, _inf, nonzero=True)
_log = _above(0, _monotone(lambda v: -INF if v == 0 else v.log(), -_inf, _inf))
_sqrt = _above(0, _monotone(arb.sqrt, 0, _inf))


def _sigmoid(value: arb) -> arb:
    return 1 / (1 + (-value).exp())


def _softplus(value: arb) -> arb:
    return value.exp().log1p() if value < 0 else value + (-value).exp().log1p()


def _expasinh(value: arb) -> arb:
    root = (1 + value * value).sqrt()
    return value + root if value > 0 else 1 / (root - value)


def _real_sqrt(v: Interval) -> Interval:
    found = _sqrt(v)
    return Interval(found.lo, found.hi, v.nonzero)


#: Every function as one of intervals, by SymPy's name or that of the atom.
FUNCTIONS: dict[str, Callable[[Interval], Interval]] = {
    "exp": _exp,
    "log": _log,
    "sqrt": _real_sqrt,
    "expm1": _odd(arb.expm1, -1, _inf),
    "log1p": _above(-1, _odd(lambda v: -INF if v == -1 else v.log1p(), -_inf, _inf)),
    "sigmoid": _monotone(_sigmoid, 0, 1, nonzero=True),
    "softplus": _monotone(_softplus, 0, _inf, nonzero=True),
    "erf": _odd(arb.erf, -1, 1),
    "erfc": _monotone(arb.erfc, 2, 0, nonzero=True, falling=True),
    "tanh": _odd(arb.tanh, -1, 1),
    "sinh": _odd(arb.sinh, -_inf, _inf),
    "asinh": _odd(arb.asinh, -_inf, _inf),
    "atan": _odd(arb.atan, lambda: -arb.pi() / 2, lambda: arb.pi() / 2),
    "acot": _monotone(lambda v: arb.pi() / 2 - v.atan(), arb.pi(), 0, nonzero=True, falling=True),
    "expasinh": _monotone(_expasinh, 0, _inf, nonzero=True),
    "cosh": _of_size(_monotone(arb.cosh, 1, _inf)),
    "sech": _of_size(_monotone(lambda v: 1 / v.cosh(), 1, 0, nonzero=True, falling=True)),
    "sech2": _of_size(_monotone(lambda v: 1 / v.cosh() ** 2, 1, 0, nonzero=True, falling=True)),
    "gauss": _of_size(_monotone(lambda v: (-v * v).exp(), 1, 0, nonzero=True, falling=True)),
    "hypot1": _of_size(_monotone(lambda v: (1 + v * v).sqrt(), 1, _inf)),
    "logcosh": _of_size(_monotone(lambda v: v - arb(2).log() + (-2 * v).exp().log1p(), 0, _inf)),
    "Abs": Interval.size,
    "sin": _ball(arb.sin, -1, 1),
    "cos": _ball(arb.cos, -1, 1),
}

_X = 0
Step = tuple[str, tuple[int, ...], Any]


class Enclosure:
    """A smooth expression of `x` alone, compiled to a tape that runs on intervals."""

    def __init__(self, expr: Expr, x: Symbol) -> None:
        self.expr, self.x = expr, x
        self._tape: list[Step] = [("x", (), None)]
        self._memo: dict[Expr, int] = {x: _X}
        self._constants: dict[tuple[int, int], Interval] = {}
        self._out = self._compile(expr)

    def _push(self, op: str, args: tuple[int, ...], extra: Any = None) -> int:
        self._tape.append((op, args, extra))
        return len(self._tape) - 1

    def _compile(self, expr: Expr) -> int:
        if expr not in self._memo:
            self._memo[expr] = self._node(expr)
        return self._memo[expr]

    def _node(self, expr: Expr) -> int:
        if self.x not in expr.free_symbols:
            if (
                expr.free_symbols
                or expr.is_real is False
                or expr.has(sympy.I, sympy.zoo, sympy.nan)
            ):
                raise NoValue(str(expr))
            return self._push("const", (), expr)
        if isinstance(expr, (sympy.Add, sympy.Mul)):
            op = "add" if isinstance(expr, sympy.Add) else "mul"
            result = self._compile(expr.args[0])
            for arg in expr.args[1:]:
                result = self._push(op, (result, self._compile(arg)))
            return result
        if isinstance(expr, sympy.exp):
            return self._push("call", (self._compile(expr.args[0]),), FUNCTIONS["exp"])
        if isinstance(expr, sympy.Pow):
            return self._power(expr.base, expr.exp)
        name = type(expr).__name__
        if name in FUNCTIONS:
            return self._push("call", (self._compile(expr.args[0]),), FUNCTIONS[name])
        if isinstance(expr, AtomFunction) and hasattr(expr, "atom"):
            return self._compile(expr.atom.definition.subs(u, expr.args[0]))
        raise NoValue(name)

    def _power(self, base: Expr, power: Expr) -> int:
        if power.is_Integer:
            return self._push("pow", (self._compile(base),), int(power))
        if power.is_Rational and power.q == 2:
            root = self._push("call", (self._compile(base),), FUNCTIONS["sqrt"])
            return root if power.p == 1 else self._push("pow", (root,), int(power.p))
        log = self._push("call", (self._compile(base),), FUNCTIONS["log"])
        product = self._push("mul", (log, self._compile(power)))
        return self._push("call", (product,), FUNCTIONS["exp"])

    def _constant(self, i: int, expr: Expr) -> Interval:
        key = (i, flint.ctx.prec)
        if key not in self._constants:
            value = number(expr)
            self._constants[key] = Interval(_down(value), _up(value))
        return self._constants[key]

    def __call__(self, v: Interval) -> Interval:
        """All values on the interval, and perhaps more."""
        values: list[Interval] = [v]
        for i, (op, args, extra) in enumerate(self._tape[1:], 1):
            if op == "mul":
                values.append(values[args[0]] * values[args[1]])
            elif op == "add":
                values.append(values[args[0]] + values[args[1]])
            elif op == "const":
                values.append(self._constant(i, extra))
            elif op == "call":
                values.append(extra(values[args[0]]))
            else:
                values.append(values[args[0]].power(extra))
        return values[self._out]

    def at(self, point: arb) -> arb:
        """The value at a point or on a narrow ball, as a ball."""
        return self(Interval(point.lower(), point.upper())).ball()
