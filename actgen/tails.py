"""What a function tends to as x goes to ±oo, up to exponentially small terms.

silu(x) is x + (something exponentially small) for x → +oo and exponentially small for x → -oo.
Where parameters decide the direction and their sign is not known, the answer is a Piecewise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import sympy
from sympy import Expr, Integer, Piecewise, Symbol, oo

from .atoms import AtomFunction, u
from .calculus import branch_at

#: Tails of SymPy's own functions as the argument goes to -oo and +oo; None grows exponentially.
_TAILS: dict[str, tuple[Expr | None, Expr | None]] = {
    "exp": (Integer(0), None),
    "tanh": (Integer(-1), Integer(1)),
    "erf": (Integer(-1), Integer(1)),
    "sinh": (None, None),
    "cosh": (None, None),
}

_FAR = Integer(2) ** 40


#: Known signs of symbols: 1, -1, or NON_NEGATIVE where 0 is possible too.
Signs = Mapping[Symbol, int]
NON_NEGATIVE = 2


class NoTail(Exception):
    """The expression grows exponentially there, or its direction cannot be told."""


class UnknownSign(Exception):
    """The answer depends on the sign of `symbol`."""

    def __init__(self, symbol: Symbol) -> None:
        self.symbol = symbol


def tail(
    expr: Expr, x: Symbol, side: int, values: Mapping[Symbol, Expr], signs: Signs
) -> Expr | None:
    """The algebraic form of `expr` for x → side·oo; None where there is none.

    `values` are the parameters' defaults (to choose branches), `signs` the known signs of
    symbols.
    """
    branch = branch_at(expr, x, side * _FAR, values)
    return by_sign(lambda e, known: _tail(e, x, side, known), branch, signs)


def limit(
    expr: Expr, x: Symbol, side: int, values: Mapping[Symbol, Expr], signs: Signs
) -> Expr | None:
    """The limit for x → side·oo as an expression of the parameters; None where not found."""
    branch = branch_at(expr, x, side * _FAR, values)
    return by_sign(lambda e, known: _limit(_tail(e, x, side, known), x, side, known), branch, signs)


def by_sign(find: Callable[[Expr, Signs], Expr], expr: Expr, signs: Signs) -> Expr | None:
    """What `find` finds, as a Piecewise over the sign of each symbol it turns out to need."""
    try:
        return find(expr, signs)
    except NoTail:
        return None
    except UnknownSign as unknown:
        s = unknown.symbol
        signed = [(1, s > 0)] if signs.get(s) == NON_NEGATIVE else [(1, s > 0), (-1, s < 0)]
        cases = [(by_sign(find, expr, {**signs, s: sign}), cond) for sign, cond in signed]
        if any(value is None or _undefined(value) for value, _ in cases):
            return None
        at_zero = expr.xreplace({s: Integer(0)})
        last = None if _undefined(at_zero) else by_sign(find, at_zero, signs)
        if last is None or _undefined(last):
            last = cases.pop()[0]
        return Piecewise(*cases, (last, True))


def _undefined(expr: Expr) -> bool:
    return bool(expr.has(sympy.nan, sympy.zoo))


def _tail(expr: Expr, x: Symbol, side: int, signs: Signs) -> Expr:
    if x not in expr.free_symbols:
        return expr
    if expr == x:
        return x
    if isinstance(expr, sympy.Mul):
        factors = [_try(f, x, side, signs) for f in expr.args]
        if any(f == 0 for f in factors):
            if any(f is None for f in factors):
                raise NoTail
            return Integer(0)
        if any(f is None for f in factors):
            raise NoTail
        return sympy.Mul(*factors)
    name = type(expr).__name__
    ends = expr.atom.tails if isinstance(expr, AtomFunction) else _TAILS.get(name)
    args = [_tail(a, x, side, signs) for a in expr.args]
    if isinstance(expr, sympy.Pow) and args[0] == 0 and not _is_positive(args[1]):
        raise NoTail
    if ends is None or (isinstance(expr, AtomFunction) and ends == (None, None)):
        return expr.func(*args)
    arg = args[0]
    if x not in arg.free_symbols:
        return expr.func(arg)
    lead = leading(arg, x)
    if lead is None:
        raise NoTail
    coefficient, power = lead
    if power <= 0:
        return expr.func(arg)
    coefficient = coefficient * side**power
    sign = sign_of(coefficient, signs)
    if sign == 0:
        return expr.func(Integer(0))
    end = ends[1 if sign > 0 else 0]
    if end is None:
        raise NoTail
    return end.xreplace({u: arg})


def _try(expr: Expr, x: Symbol, side: int, signs: Signs) -> Expr | None:
    try:
        return _tail(expr, x, side, signs)
    except NoTail:
        return None


def _is_positive(expr: Expr) -> bool:
    return bool(expr.is_positive)


def leading(expr: Expr, x: Symbol) -> tuple[Expr, int] | None:
    """(c, n) with expr ~ c·xⁿ as |x| → oo, for a ratio of polynomials in x; None for others."""
    numerator, denominator = sympy.fraction(sympy.together(expr))
    try:
        top, bottom = sympy.Poly(numerator, x), sympy.Poly(denominator, x)
    except sympy.PolynomialError:
        return None
    if any(x in c.free_symbols for p in (top, bottom) for c in p.coeffs()):
        return None
    return top.LC() / bottom.LC(), top.degree() - bottom.degree()


def sign_of(expr: Expr, signs: Signs) -> int:
    """The sign of an expression; UnknownSign names the symbol that decides it."""
    stand_in = {
        s: sympy.Symbol(s.name, nonnegative=True)
        if sign == NON_NEGATIVE
        else sympy.Symbol(s.name, positive=True) * sign
        for s, sign in signs.items()
    }
    known = expr.xreplace(stand_in)
    if known.is_positive or known.is_negative or known.is_zero:
        return 1 if known.is_positive else -1 if known.is_negative else 0
    for s in sorted(expr.free_symbols, key=str):
        if signs.get(s) in (None, NON_NEGATIVE):
            raise UnknownSign(s)
    raise NoTail


def _limit(form: Expr, x: Symbol, side: int, signs: Signs) -> Expr:
    if x not in form.free_symbols:
        return form
    lead = leading(form, x)
    if lead is None:
        found = sympy.limit(definition(form), x, side * oo) if form.count_ops() < 20 else sympy.nan
        if not isinstance(found, Expr) or found.has(sympy.nan, sympy.zoo, sympy.AccumBounds, x):
            raise NoTail
        return found
    coefficient, power = lead
    if power < 0:
        return Integer(0)
    if power == 0:
        return coefficient
    sign = sign_of(coefficient * side**power, signs)
    return sign * oo if sign else Integer(0)


def definition(expr: Expr) -> Expr:
    """`expr` with atoms written out by what they mean."""
    while atoms := [a for a in expr.atoms(AtomFunction) if hasattr(a, "atom")]:
        expr = expr.xreplace({a: a.atom.definition.subs(u, a.args[0]) for a in atoms})
    return expr
