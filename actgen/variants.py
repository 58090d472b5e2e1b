"""Algebraic forms of a lifted formula: the same value, other roundings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import sympy
from sympy import Expr, Symbol

from . import tails
from .atoms import acot, erfc, erfcx, gauss, hypot, hypot1, sigmoid, softplus
from .exponentials import SMALL, Form, by_branch, generators, powers, split, squared
from .limits import SECONDS, TimeLimit, time_limit
from .rewrite import cost, rewrite
from .rules import RULES


def lift(expr: Expr) -> Expr:
    """`expr` in atoms."""
    return rewrite(expr, RULES)


def _algebra(operation: Callable[[Expr], Expr], most: int = SMALL, kinds: int = 4) -> Form:
    """An operation on expressions of up to `most` operations with up to `kinds` functions."""

    @by_branch
    def apply(expr: Expr) -> Expr | None:
        names = generators(expr)
        if expr.count_ops() > most or len(names) > kinds or expr.has(sympy.nan, sympy.oo):
            return None
        return operation(expr.xreplace(names)).xreplace({s: e for e, s in names.items()})

    return apply


def _rational(expr: Expr) -> Expr | None:
    """tanh(softplus u) and the like, written out in exp(u) and split."""
    if not expr.has(softplus, sigmoid):
        return None
    plain = tails.definition(expr).rewrite((sympy.tanh, sympy.cosh, sympy.sinh), sympy.exp)
    return split(sympy.powsimp(plain))


@by_branch
def _reflect(expr: Expr) -> Expr | None:
    """On each side of u = 0, σ and softplus through what is exponentially small there.

    σ(u) = 1 − σ(−u) and softplus(u) = u + softplus(−u), expanded, so that what cancels is gone.
    """
    found = sorted(expr.atoms(sigmoid, softplus), key=str)
    if not found or expr.count_ops() > SMALL:
        return None
    unit = found[0].args[0]
    unit = -unit if unit.could_extract_minus_sign() else unit
    sides = []
    for v in (unit, -unit):
        small = {sigmoid(v): 1 - sigmoid(-v), softplus(v): v + softplus(-v)}
        sides.append(sympy.expand(expr.xreplace(small)))
    return sympy.Piecewise((sides[0], unit >= 0), (sides[1], True))


@by_branch
def _scale(expr: Expr) -> Expr | None:
    """erfc as erfcx·gauss on the side where it decays, whose factors keep their precision."""
    found = sorted(expr.atoms(erfc), key=str)
    if not found:
        return None
    v = found[0].args[0]
    sides = []
    for w, at in ((v, erfcx(v) * gauss(v)), (-v, 2 - erfcx(-v) * gauss(v))):
        other = 2 - at if w == v else erfcx(-v) * gauss(v)
        side = expr.xreplace({erfc(v): at, erfc(-v): other})
        common = sympy.factor_terms(sympy.collect(sympy.expand(side), gauss(v)))
        sides.append((common if w == v else side, _positive(v) if w == v else True))
    return sympy.Piecewise(*sides)


def _positive(v: Expr) -> Expr:
    """v > 0, said of what v is a multiple of."""
    number, rest = v.as_independent(*v.free_symbols, as_Add=False)
    return rest > 0 if number.is_positive else rest < 0


def _turn(expr: Expr) -> Expr | None:
    """c·π/2 ± c·atan u as c·acot(∓u)."""
    result = expr
    for node in sorted(expr.atoms(sympy.Add), key=sympy.default_sort_key):
        number, rest = node.as_independent(*node.free_symbols, as_Add=True)
        factor, angle = rest.as_independent(*node.free_symbols, as_Add=False)
        if isinstance(angle, sympy.atan) and sympy.simplify(abs(2 * number / factor)) == sympy.pi:
            side = sympy.sign(number / factor)
            result = result.xreplace({node: side * factor * acot(-side * angle.args[0])})
    return result if result != expr else None


@dataclass(frozen=True)
class _Root:
    """(p + q·g)/d, g = √v being the only root; d may hold g."""

    p: Expr
    q: Expr
    d: Expr
    v: Expr
    g: Symbol

    def whole(self, expr: Expr) -> Expr:
        """The root back in its place, as hypot where it is one of a sum of two squares."""
        for term in self.v.args if self.v.is_Add and len(self.v.args) == 2 else ():
            rest = self.v - term
            for factor in sympy.Mul.make_args(term):
                base, power = factor.as_base_exp()
                if power == 2 and not rest.has(base):
                    sizes = sympy.sqrt(term / factor) * base, sympy.sqrt(rest)
                    return expr.xreplace({self.g: hypot(*sizes)})
        return expr.xreplace({self.g: sympy.sqrt(self.v)})


def _root(expr: Expr) -> _Root | None:
    expr = expr.replace(hypot1, lambda a: sympy.sqrt(1 + a**2))
    roots = [e for e in expr.atoms(sympy.Pow) if e.exp.is_Rational and e.exp.q == 2]
    bases = {e.base for e in roots if e.free_symbols}
    if len(bases) != 1 or expr.count_ops() > SMALL:
        return None
    (base,), g = bases, Symbol("g", positive=True)
    held = expr.xreplace({e: g ** int(2 * e.exp) for e in roots if e.base == base})
    names = generators(held)
    top, bottom = sympy.fraction(sympy.together(held.xreplace(names)))
    poly = sympy.Poly(sympy.expand(top), g).rem(sympy.Poly(g**2 - base.xreplace(names), g))
    back = {s: e for e, s in names.items() if s != g}
    p, q = (sympy.factor_terms(poly.coeff_monomial(m)).xreplace(back) for m in (1, g))
    return _Root(p, q, bottom.xreplace(back), base, g)


@by_branch
def _with_root(expr: Expr) -> Expr | None:
    """Over one denominator, the numerator linear in its only root."""
    r = _root(expr)
    return None if r is None else r.whole(sympy.factor_terms((r.p + r.q * r.g) / r.d))


@by_branch
def _conjugate(expr: Expr) -> Expr | None:
    """p + q·√v as (p² − q²v)/(p − q·√v) where p and q differ in sign."""
    r = _root(expr)
    agree = sympy.Integer(0) if r is None else sympy.factor_terms(r.p * r.q)
    if r is None or not agree.free_symbols:
        return None
    other = sympy.factor_terms(sympy.expand(r.p**2 - r.q**2 * r.v)) / (r.p - r.q * r.g)
    factors = (f.as_base_exp() for f in sympy.Mul.make_args(agree))
    cond = sympy.Mul(*(b for b, n in factors if not (b.is_positive or n.is_even))) >= 0
    return r.whole(sympy.Piecewise(((r.p + r.q * r.g) / r.d, cond), (other / r.d, True)))


_collect = _algebra(sympy.factor_terms, 400, 12)


def _regroup(expr: Expr) -> Expr | None:
    """Reflected, with the common factors of each side taken out."""
    found = _reflect(expr)
    return None if found is None else _collect(found)


FORMS: dict[str, Form] = {
    "lifted": lambda e: e,
    "collected": _collect,
    "factored": _algebra(lambda e: sympy.factor_terms(sympy.together(e))),
    "cancelled": _algebra(lambda e: sympy.factor_terms(sympy.cancel(e))),
    "expanded": _algebra(sympy.expand),
    "split": split,
    "powers": powers,
    "squared": squared,
    "rational": _rational,
    "reflected": _reflect,
    "regrouped": _regroup,
    "scaled": _scale,
    "merged": lambda e: sympy.powsimp(e, combine="exp") if e.has(sympy.exp) else None,
    "root": _with_root,
    "conjugate": _conjugate,
    "turned": _turn,
}


def forms(expr: Expr) -> Iterator[tuple[str, Expr]]:
    """The different forms of a lifted expression, each lifted again."""
    seen = set()
    for name, form in FORMS.items():
        try:
            with time_limit(SECONDS):
                result = form(expr)
                if result is None or result.has(sympy.nan, sympy.zoo):
                    continue
                result = lift(result)
        except (sympy.PolynomialError, TimeLimit):
            continue
        if result not in seen and cost(result) < 3000:
            seen.add(result)
            yield name, result
