"""Products with an exponential in them, multiplied in by its roots.

No factor of a result that is representable is subnormal on the way, and none overflows.
"""

from __future__ import annotations

from typing import Protocol

import sympy
from sympy import Expr

from .atoms import decay, halves
from .growth import growth
from .program import Arg


class Builder(Protocol):
    """What makes instructions of expressions: see lower.py."""

    roots: int

    def emit(self, op: str, *args: Arg) -> str:
        """One instruction; the name of its result."""

    def lower(self, expr: Expr) -> Arg:
        """The value of an expression."""

    def exp(self, expr: Expr, roots: int = 1) -> Arg:
        """exp(expr/roots)."""

    def integer_power(self, base: Arg, n: int) -> Arg:
        """base^n."""


def by_roots(expr: Expr, to: Builder) -> Arg:
    """A product with decay(v) in it: the root of exp(v) multiplied in as often as it takes.

    No factor of a result that is representable is subnormal on the way, and none overflows.
    """
    roots: list[Arg] = []
    others: list[Expr] = []
    rest = []
    for factor in sympy.Mul.make_args(expr):
        base, power = factor.as_base_exp()
        if isinstance(base, decay) and power.is_Integer and power > 0:
            roots += [to.exp(base.args[0], to.roots)] * (to.roots * int(power))
        elif power.is_Integer and 0 < power < 5 and growth(base) == 2:
            others += [base] * int(power)
        else:
            rest.append(factor)
    values = [to.lower(sympy.Mul(*rest))] if rest else []
    values += map(to.lower, others)
    while len(values) > len(roots):
        values[-2:] = [to.emit("mul", values[-2], values[-1])]
    pieces = [to.emit("mul", roots.pop(), v) if roots else v for v in values] or [roots.pop()]
    result = pieces[0]
    for piece in [*pieces[1:], *roots]:
        result = to.emit("mul", result, piece)
    return result


def by_halves(expr: Expr, to: Builder) -> Arg:
    """A product with a power of halves(v) in it: half of that first, half of it last.

    What grows comes in between: exp(v) is great there, and the rest as small.
    """
    factor = next(f for f in expr.args if isinstance(f.as_base_exp()[0], halves))
    half, power = factor.as_base_exp()
    root = to.integer_power(to.exp(half.args[0], 2), int(power))
    above, below = sympy.fraction(expr / factor)
    parts = sympy.Mul.make_args(above)
    grows = [f for f in parts if growth(f) == 2]
    others = sympy.Mul(*(f for f in parts if growth(f) < 2))
    result = root if others == 1 else to.emit("mul", root, to.lower(others))
    if below != 1:
        result = to.emit("div", result, to.lower(below))
    for f in grows:
        result = to.emit("mul", result, to.lower(f))
    return to.emit("mul", result, root)
