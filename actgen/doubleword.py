"""Arguments of exponentials as pairs high + low, so that exp does not magnify their rounding.

exp turns an absolute error of its argument into a relative one: at −90, half a unit in the last
place of the argument is thirty of the result. The error of a sum or a product is itself a
floating-point number (Dekker 1971; the operations add_low and mul_low), and
exp(h + l) = exp(h)·(1 + l) to first order. In exact arithmetic every low part is 0.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeAlias

import sympy
from sympy import Expr

from .program import Arg

Pair: TypeAlias = "tuple[Arg, Arg | None]"
Emit: TypeAlias = "Callable[..., Arg]"
#: The high part of a constant has this many bits, which float32 holds exactly.
HEAD_BITS = 24


@functools.lru_cache(maxsize=1 << 12)
def split_constant(number: Expr) -> tuple[Expr, Expr | None]:
    """A number as one of HEAD_BITS bits and, where it is none, the rest."""
    if not number:
        return sympy.Integer(0), None
    power = HEAD_BITS - 1 - int(sympy.floor(sympy.log(abs(number), 2).n(40)))
    head = sympy.Rational(round(sympy.N(number * sympy.Integer(2) ** power, 60))) / (
        sympy.Integer(2) ** power
    )
    rest = number - head
    return head, (None if rest == 0 else rest)


def _is_power_of_two(number: Expr) -> bool:
    size = abs(number)
    return bool(
        size.is_Rational and size.p & (size.p - 1) == 0 and size.q & (size.q - 1) == 0 and size != 0
    )


class Pairs:
    """Evaluates expressions as pairs; `lower` gives a plain value, `lows` known low parts."""

    def __init__(self, emit: Emit, lower: Callable[[Expr], Arg], lows: dict[Arg, Arg]) -> None:
        self.emit, self.lower, self.lows = emit, lower, lows
        self.memo: dict[Expr, Pair] = {}

    def pair(self, expr: Expr) -> Pair:
        """`expr` as (high, low); low is None where high is exact or all that is known."""
        if expr not in self.memo:
            self.memo[expr] = self._pair(expr)
        return self.memo[expr]

    def _pair(self, expr: Expr) -> Pair:
        if expr.is_number:
            return split_constant(expr)
        if isinstance(expr, sympy.Symbol):
            return str(expr.name), self.lows.get(str(expr.name))
        if isinstance(expr, sympy.Add):
            terms = sorted(expr.args, key=lambda t: bool(t.is_number))
            return self._fold(self.add, [self.pair(t) for t in terms])
        if isinstance(expr, sympy.Mul):
            return self._product(expr)
        if isinstance(expr, sympy.Pow) and expr.exp.is_Integer:
            power = self._fold(self.mul, [self.pair(expr.base)] * abs(int(expr.exp)))
            return power if expr.exp > 0 else self.div((sympy.Integer(1), None), power)
        if isinstance(expr, sympy.Abs):
            return self._abs(self.pair(expr.args[0]))
        if isinstance(expr, sympy.Piecewise) and expr.args[-1][1] == True:  # noqa: E712
            *rest, (value, _) = expr.args
            result = self.pair(value)
            for value, cond in reversed(rest):
                result = self._where(self.lower(cond), self.pair(value), result)
            return result
        name = type(expr).__name__
        if name in ("minimum", "maximum"):
            a, b = map(self.pair, expr.args)
            if a[1] is None and b[1] is None:
                return self.emit(name, a[0], b[0]), None
            return self._where(self.emit("lt" if name == "maximum" else "gt", a[0], b[0]), b, a)
        if name == "hypot":
            return self._hypot(*(self.lower(sympy.Abs(v)) for v in expr.args))
        if name == "shifted":
            # Nothing is rounded at the top, and far below it exp is 0 whatever was.
            at, top, high = *map(self.lower, expr.args), self.lower(expr)
            low = self.emit("add_low", at, self.emit("neg", top))
            near = self.emit("gt", high, sympy.Integer(-2000))
            rounded = self.emit("and", near, self.emit("ne", at, top))
            return high, self.emit("where", rounded, low, sympy.Integer(0))
        return self.lower(expr), None

    def _fold(self, op: Callable[[Pair, Pair], Pair], pairs: list[Pair]) -> Pair:
        result = pairs[0]
        for other in pairs[1:]:
            result = op(result, other)
        return result

    def _product(self, expr: Expr) -> Pair:
        number = sympy.Mul(*(f for f in expr.args if f.is_number))
        above, below = [], []
        for factor in expr.args:
            base, power = factor.as_base_exp() if isinstance(factor, sympy.Pow) else (factor, None)
            if factor.is_number:
                continue
            if power is not None and power.is_Integer and power < 0:
                below += [base] * int(-power)
            else:
                above.append(factor)
        scale = sympy.Integer(1)
        pairs = [self.pair(f) for f in above]
        if _is_power_of_two(number):
            scale = number
        elif number != 1:
            pairs.append(self.pair(number))
        result = self._fold(self.mul, pairs) if pairs else (sympy.Integer(1), None)
        for factor in below:
            result = self.div(result, self.pair(factor))
        return self.scale(result, scale)

    def scale(self, a: Pair, by: Expr) -> Pair:
        """Times a power of two, which is exact."""
        if by == 1:
            return a
        if by == -1:
            return self._each(lambda v: -v if not isinstance(v, str) else self.emit("neg", v), a)
        return self._each(
            lambda v: v * by if not isinstance(v, str) else self.emit("mul", v, by), a
        )

    def _each(self, op: Callable[[Arg], Arg], a: Pair) -> Pair:
        return op(a[0]), (None if a[1] is None else op(a[1]))

    def _plus(self, a: Arg | None, b: Arg | None) -> Arg | None:
        if a is None or b is None:
            return b if a is None else a
        if not isinstance(a, str) and not isinstance(b, str):
            return a + b
        return self.emit("add", a, b)

    def add(self, a: Pair, b: Pair) -> Pair:
        """The sum of two pairs, renormalised."""
        low = self._plus(self._plus(a[1], b[1]), self.emit("add_low", a[0], b[0]))
        return self.emit("add", a[0], b[0]), low

    def mul(self, a: Pair, b: Pair) -> Pair:
        """The product of two pairs."""
        low: Arg | None = self.emit("mul_low", a[0], b[0])
        for high, other in ((a[0], b[1]), (b[0], a[1])):
            if other is not None:
                low = self._plus(low, self.emit("mul", high, other))
        high = self.emit("mul_high", a[0], b[0])
        if a[1] is None and b[1] is None:
            return high, low
        # The rest of a constant is not small in float64, whose 24 leading bits are the head.
        return self.emit("add", high, low), self.emit("add_low", high, low)

    def div(self, a: Pair, b: Pair) -> Pair:
        """The quotient of two pairs: its low part is what the remainder gives."""
        high = self.emit("div", a[0], b[0])
        rest: Arg = self.emit("sub", a[0], self.emit("mul_high", high, b[0]))
        rest = self.emit("sub", rest, self.emit("mul_low", high, b[0]))
        if a[1] is not None:
            rest = self.emit("add", rest, a[1])
        if b[1] is not None:
            rest = self.emit("sub", rest, self.emit("mul", high, b[1]))
        return high, self.emit("div", rest, b[0])

    def by_size(self, a: Arg, b: Arg) -> tuple[Arg, Arg, Arg]:
        """(most, least, what to divide by: most, or 1 where both are 0) of a, b ≥ 0."""
        most, least = self.emit("maximum", a, b), self.emit("minimum", a, b)
        none = self.emit("eq", most, sympy.Integer(0))
        return most, least, self.emit("where", none, sympy.Integer(1), most)

    def _hypot(self, a: Arg, b: Arg) -> Pair:
        """sqrt(a² + b²) for a, b ≥ 0, as most·sqrt(1 + (least/most)²)."""
        most, least, by = self.by_size(a, b)
        ratio = self.div((least, None), (by, None))
        square, low = self.add((sympy.Integer(1), None), self.mul(ratio, ratio))
        root = self.emit("sqrt", square)
        rest: Arg = self.emit("sub", square, self.emit("mul_high", root, root))
        rest = self.emit("sub", rest, self.emit("mul_low", root, root))
        rest = rest if low is None else self.emit("add", rest, low)
        rest = self.emit("div", rest, self.emit("mul", root, sympy.Integer(2)))
        return self.mul((root, rest), (most, None))

    def _abs(self, a: Pair) -> Pair:
        high = self.emit("abs", a[0])
        if a[1] is None:
            return high, None
        negative = self.emit("lt", a[0], sympy.Integer(0))
        return high, self.emit("where", negative, self.emit("neg", a[1]), a[1])

    def _where(self, test: Arg, yes: Pair, no: Pair) -> Pair:
        high = self.emit("where", test, yes[0], no[0])
        if yes[1] is None and no[1] is None:
            return high, None
        zero = sympy.Integer(0)
        low = self.emit(
            "where", test, zero if yes[1] is None else yes[1], zero if no[1] is None else no[1]
        )
        return high, low
