"""On which side of a tie a result lies that float64 cannot tell from it.

For tiny x, silu(x) is x/2 + x²/4: in float64 that is x/2, which may lie half-way between two
16-bit floats. What is left out decides how it rounds: near 0 the next term of the Taylor series,
far out the exponential beside an algebraic tail, for a product of two inputs its rounding error.
"""

from __future__ import annotations

import sympy
from sympy import Abs, Expr, Piecewise, Rational, Symbol

from . import asymptotics, tails
from .atoms import product_error
from .calculus import derivative

#: Terms of the Taylor series that are looked at, and where it says which side.
ORDERS = 6
NEAR, FAR = Rational(1, 2**36), 28

Side = tuple[Expr, Expr]


def leaning(expr: Expr, inputs: tuple[Symbol, ...]) -> Expr | None:
    """Positive where expr lies above what float64 makes of it, negative below, 0 unknown."""
    if isinstance(expr, Piecewise):
        found = [leaning(value, inputs) for value, _ in expr.args]
        if not any(found):
            return None
        zero = sympy.Integer(0)
        pairs = zip(found, expr.args, strict=True)
        return Piecewise(*((lean or zero, cond) for lean, (_, cond) in pairs))
    x = inputs[-1]
    if expr.is_Mul and len(expr.args) == 2 and all(a.is_Symbol for a in expr.args):
        return product_error(*expr.args)
    sides = [*_near(expr, x, set(inputs)), *_far(expr, x)]
    return Piecewise(*sides, (sympy.Integer(0), True)) if sides else None


def _near(expr: Expr, x: Symbol, inputs: set[Symbol]) -> list[Side]:
    """For tiny x, the sign of the second term of the Taylor series in x."""
    terms: list[tuple[int, Expr]] = []
    for order in range(ORDERS):
        value = sympy.simplify(expr.xreplace({x: sympy.Integer(0)}))
        if value.has(sympy.nan, sympy.zoo, sympy.oo):
            return []
        if value != 0:
            terms.append((order, value))
        if len(terms) == 2:
            break
        expr = derivative(expr, x)
    # A constant is no tie, and one that parameters may make 0 is no leading term.
    if len(terms) < 2 or (terms[0][0] == 0 and not terms[0][1].free_symbols & inputs):
        return []
    (first, leading), (order, coefficient) = terms
    side = sympy.sign(coefficient) * (sympy.sign(x) if order % 2 else Abs(sympy.sign(x)))
    return [(side, Abs(coefficient / leading * x ** (order - first)) < NEAR)]


def _far(expr: Expr, x: Symbol) -> list[Side]:
    """Where the tail is x + constant, the sign of the exponential beside it."""
    found = []
    for side in (-1, 1):
        try:
            terms = asymptotics.terms(expr, x, side, {})
        except (tails.NoTail, tails.UnknownSign):
            continue
        if len(terms) < 2 or terms[0][0] != 0:
            continue
        (_, whole), (exponent, small) = terms[:2]
        if whole.is_Add or len(whole.free_symbols) > 1:
            found.append((sympy.sign(small), asymptotics.beyond(exponent, x, side, FAR)))
    return found
