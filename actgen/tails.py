"""What a function tends to as x goes to ±oo, up to exponentially small terms.

silu(x) is x + (something exponentially small) for x → +oo and exponentially small for x → -oo.
Where parameters decide the direction and their sign is not known, the answer is a Piecewise.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

import sympy
from sympy import Expr, Integer, Piecewise, Symbol, oo

from .atoms import AtomFunction, hypot, u
from .calculus import branch_at
from .limits import TimeLimit, time_limit

#: Tails of SymPy's own functions as the argument goes to -oo and +oo; None grows exponentially.
_TAILS: dict[str, tuple[Expr | None, Expr | None]] = {
    "exp": (Integer(0), None),
    "tanh": (Integer(-1), Integer(1)),
    "erf": (Integer(-1), Integer(1)),
    "sinh": (None, None),
    "atan": (-sympy.pi / 2, sympy.pi / 2),
    "cosh": (None, None),
}

FAR = Integer(2) ** 40


#: Known signs of symbols: 1, -1, or NON_NEGATIVE where 0 is possible too.
Signs = Mapping[Symbol, int]
NON_NEGATIVE = 2


class NoTail(Exception):
    """The expression grows exponentially there, or its direction cannot be told."""


class Grows(NoTail):
    """The expression grows exponentially, to +oo or -oo (`sign`; 0 where that is not known)."""

    def __init__(self, sign: int) -> None:
        self.sign = sign


class UnknownSign(Exception):
    """The answer depends on the sign of `factor`, a symbol or a sum of some."""

    def __init__(self, factor: Expr) -> None:
        self.factor = factor


def tail(
    expr: Expr, x: Symbol, side: int, values: Mapping[Symbol, Expr], signs: Signs
) -> Expr | None:
    """The algebraic form of `expr` for x → side·oo; None where there is none.

    `values` are the parameters' defaults (to choose branches), `signs` the known signs of
    symbols.
    """
    branch = branch_at(_without_hypot(expr), x, side * FAR, values)
    return by_sign(lambda e, known: _tail(e, x, side, known), branch, signs)


def limit(
    expr: Expr, x: Symbol, side: int, values: Mapping[Symbol, Expr], signs: Signs
) -> Expr | None:
    """The limit for x → side·oo as an expression of the parameters; None where not found."""
    branch = branch_at(_without_hypot(expr), x, side * FAR, values)
    return by_sign(lambda e, known: _limit(_tail(e, x, side, known), x, side, known), branch, signs)


def by_sign(find: Callable[[Expr, Signs], Expr], expr: Expr, signs: Signs) -> Expr | None:
    """What `find` finds, as a Piecewise over the sign of each symbol it turns out to need."""
    try:
        return find(expr, signs)
    except NoTail:
        return None
    except UnknownSign as unknown:
        s = unknown.factor
        signed = [(1, s > 0)] if signs.get(s) == NON_NEGATIVE else [(1, s > 0), (-1, s < 0)]
        cases = [(by_sign(find, expr, {**signs, s: sign}), cond) for sign, cond in signed]
        if any(value is None or _undefined(value) for value, _ in cases):
            return None
        at_zero = expr.xreplace({s: Integer(0)}) if s.is_Symbol else _where_zero(expr, s)
        last = None if _undefined(at_zero) else by_sign(find, at_zero, signs)
        if last is None or _undefined(last):
            last = cases.pop()[0]
        return Piecewise(*cases, (last, True))


def _where_zero(expr: Expr, factor: Expr) -> Expr:
    """`expr` on the set where a sum is zero, by solving it for one of its symbols."""
    for s in sorted(factor.free_symbols, key=str):
        if factor.is_polynomial(s) and sympy.Poly(factor, s).degree() == 1:
            return expr.xreplace({s: sympy.solve(factor, s)[0]})
    return sympy.nan


def _undefined(expr: Expr) -> bool:
    return bool(expr.has(sympy.nan, sympy.zoo))


def _tail(expr: Expr, x: Symbol, side: int, signs: Signs) -> Expr:
    if x not in expr.free_symbols:
        return expr
    if expr == x:
        return x
    if isinstance(expr, sympy.Mul):
        factors, grows = _parts(expr, x, side, signs)
        if any(f == 0 for f in factors):
            if grows:
                raise NoTail
            return Integer(0)
        if grows:
            raise Grows(0)
        return sympy.Mul(*factors)
    if isinstance(expr, sympy.Add):
        terms, grows = _parts(expr, x, side, signs)
        if grows:
            raise Grows(grows[0] if len(set(grows)) == 1 else 0)
        return sympy.Add(*terms)
    name = type(expr).__name__
    if isinstance(expr, AtomFunction) and not hasattr(expr, "atom"):
        raise NoTail
    ends = expr.atom.tails if isinstance(expr, AtomFunction) else _TAILS.get(name)
    try:
        args = [_tail(a, x, side, signs) for a in expr.args]
    except Grows as growth:
        return _of_growing(expr, ends, growth.sign)
    if isinstance(expr, sympy.Pow) and args[0] == 0:
        if sign_of(args[1], signs) <= 0:
            raise NoTail
        return Integer(0)
    if ends is None or name == "atan" or (isinstance(expr, AtomFunction) and ends == (None, None)):
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
        raise Grows(-1 if name == "sinh" and sign < 0 else 1)
    return end.xreplace({u: arg})


def _parts(expr: Expr, x: Symbol, side: int, signs: Signs) -> tuple[list[Expr], list[int]]:
    """The tails of the operands that have one, and the signs of those that grow exponentially."""
    found, grows = [], []
    for arg in expr.args:
        try:
            found.append(_tail(arg, x, side, signs))
        except Grows as growth:
            grows.append(growth.sign)
    return found, grows


def _of_growing(expr: Expr, ends: tuple[Expr | None, Expr | None] | None, sign: int) -> Expr:
    """A function of something that grows exponentially: its flat end, or growth again."""
    if isinstance(expr, sympy.Pow) and expr.exp.is_number:
        if expr.exp.is_negative:
            return Integer(0)
        raise Grows(1 if sign > 0 or expr.exp.is_even else 0)
    if ends is None or not sign:
        raise NoTail
    end = ends[1 if sign > 0 else 0]
    if end is None or end.free_symbols:
        raise Grows(0)
    return end


@functools.lru_cache(maxsize=4096)
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
    """The sign of an expression; UnknownSign names the factor that decides it."""
    result = 1
    for factor in sympy.Mul.make_args(_factored(expr)):
        base, power = factor.as_base_exp() if isinstance(factor, sympy.Pow) else (factor, None)
        if power is not None and power.is_even and signs.get(base) in (1, -1):
            continue
        result *= _factor_sign(base if power is not None and power.is_odd else factor, signs)
    return result


@functools.lru_cache(maxsize=4096)
def _factored(expr: Expr) -> Expr:
    try:
        return sympy.factor(expr)
    except sympy.PolynomialError:  # functions of one generator inside another
        return sympy.factor_terms(expr)


def _factor_sign(factor: Expr, signs: Signs) -> int:
    if signs.get(factor) in (1, -1):
        return signs[factor]
    if signs.get(-factor) in (1, -1):
        return -signs[-factor]
    stand_in = {
        s: sympy.Symbol(s.name, nonnegative=True)
        if sign == NON_NEGATIVE
        else sympy.Symbol(s.name, positive=True) * sign
        for s, sign in signs.items()
        if s.is_Symbol
    }
    known = factor.xreplace(stand_in)
    if known.is_positive or known.is_negative or known.is_zero:
        return 1 if known.is_positive else -1 if known.is_negative else 0
    for s in sorted(factor.free_symbols, key=str):
        if signs.get(s) is None or (signs.get(s) == NON_NEGATIVE and known.is_nonnegative):
            raise UnknownSign(s)
    if factor.free_symbols and factor not in signs and factor.is_Add:
        raise UnknownSign(factor)
    for s in sorted(factor.free_symbols, key=str):
        if signs.get(s) == NON_NEGATIVE:
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
    expr = _without_hypot(expr)
    while atoms := [a for a in expr.atoms(AtomFunction) if hasattr(a, "atom")]:
        expr = expr.xreplace({a: a.atom.definition.subs(u, a.args[0]) for a in atoms})
    return expr


def _without_hypot(expr: Expr) -> Expr:
    return expr.replace(hypot, lambda a, b: sympy.sqrt(a**2 + b**2))


def dominant(form: Expr, x: Symbol, side: int, signs: Signs) -> Expr:
    """A tail's form, or its leading term c·|x|^p where evaluating the form would overflow.

    At |x| = 2**40 the next term is smaller than float32 can tell.
    """
    if x not in form.free_symbols or form.has(Piecewise):
        return form
    lead = leading(form, x)
    if lead is not None:
        linear = lead[1] <= 1 and sympy.denom(sympy.together(form)).free_symbols.isdisjoint({x})
        return form if linear else lead[0] * x ** lead[1]
    positive = {
        s: sympy.Symbol(s.name, positive=True) * (1 if sign == NON_NEGATIVE else sign)
        for s, sign in signs.items()
        if s.is_Symbol
    }
    t = sympy.Symbol("t", positive=True)
    values = definition(form).xreplace(positive).xreplace({x: side * t})
    if values.free_symbols - {t} - {v for p in positive.values() for v in p.free_symbols}:
        return form
    try:
        with time_limit(3.0):
            return _leading_power(values, t, Symbol(x.name, real=True) * side, signs, form)
    except (TimeLimit, NotImplementedError, ValueError, TypeError):
        return form


def _leading_power(values: Expr, t: Symbol, x: Expr, signs: Signs, form: Expr) -> Expr:
    """c·x^p with values ~ c·t^p: p from two far points, c as a limit."""
    at = {s: Integer(3) for s in values.free_symbols - {t}}
    far = [sympy.N(values.xreplace({**at, t: Integer(2) ** k}), 60, maxn=2000) for k in (400, 399)]
    if not all(v.is_real and v for v in far):
        return form
    power = sympy.Rational(round(2 * float(sympy.log(far[0] / far[1], 2))), 2)
    coefficient = sympy.limit(values / t**power, t, oo)
    if not coefficient.is_finite or coefficient.is_zero or t in coefficient.free_symbols:
        return form
    back = {s: Symbol(s.name, real=True) for s in coefficient.free_symbols}
    return coefficient.xreplace(back) * x**power
