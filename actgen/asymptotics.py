"""Exponential tails: f(x) = A(x)·exp(v(x))·(1 + o(1)) for x → ±oo, with A and v algebraic.

x·tanh(log(1 + exp x)) is x·exp(x) for x → -oo, up to terms exp(x) times smaller. An expansion is
a short list of terms (v, A), the dominant one first; sums, products, powers and functions of
expansions are again such lists, cut after KEEP terms. Where parameters decide which term
dominates, tails.by_sign splits by their signs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import sympy
from sympy import Abs, Eq, Expr, Integer, Piecewise, Rational, Symbol, exp, log, oo

from . import tails
from .atoms import decay, erfcx, minimum, u
from .calculus import branch_at, derivative
from .tails import NoTail, Signs

Terms = list[tuple[Expr, Expr]]
KEEP = 3
#: exp(-GONE) times the greatest number is 0 in every format.
GONE = 2000

#: What functions are for u → -oo and u → +oo, in exponentials; None: look no further.
_ENDS: dict[str, tuple[Expr | None, Expr | None]] = {
    "sigmoid": (exp(u) - exp(2 * u) + exp(3 * u), 1 - exp(-u) + exp(-2 * u)),
    "softplus": (exp(u) - exp(2 * u) / 2, u + exp(-u) - exp(-2 * u) / 2),
    "expm1": (exp(u) - 1, exp(u) - 1),
    "tanh": (-1 + 2 * exp(2 * u) - 2 * exp(4 * u), 1 - 2 * exp(-2 * u) + 2 * exp(-4 * u)),
    "cosh": (exp(-u) / 2 + exp(u) / 2, exp(u) / 2 + exp(-u) / 2),
    "sinh": (exp(u) / 2 - exp(-u) / 2, exp(u) / 2 - exp(-u) / 2),
    "sech": (2 * exp(u) - 2 * exp(3 * u), 2 * exp(-u) - 2 * exp(-3 * u)),
    "sech2": (4 * exp(2 * u) - 8 * exp(4 * u), 4 * exp(-2 * u) - 8 * exp(-4 * u)),
    "logcosh": (-u - log(2) + exp(2 * u), u - log(2) + exp(-2 * u)),
    "gauss": (exp(-(u**2)), exp(-(u**2))),
    "erfc": (2 - erfcx(-u) * exp(-(u**2)), erfcx(u) * exp(-(u**2))),
    "erf": (-1 + erfcx(-u) * exp(-(u**2)), 1 - erfcx(u) * exp(-(u**2))),
}
#: Their values where the argument grows exponentially: what is left out is doubly exponential.
_FLAT: dict[str, tuple[Expr | None, Expr | None]] = {
    "sigmoid": (Integer(0), Integer(1)),
    "tanh": (Integer(-1), Integer(1)),
    "erf": (Integer(-1), Integer(1)),
    "erfc": (Integer(2), Integer(0)),
    "gauss": (Integer(0), Integer(0)),
    "sech": (Integer(0), Integer(0)),
    "sech2": (Integer(0), Integer(0)),
    "softplus": (Integer(0), u),
    "exp": (Integer(0), None),
    "log": (None, log(u)),
    "log1p": (None, log(u) + 1 / u),
}


_T = TypeVar("_T")


def _remembered(method: Callable[[_Expander, Expr], _T]) -> Callable[[_Expander, Expr], _T]:
    """The method, asked once for each expression; what it raised is raised again."""

    @functools.wraps(method)
    def ask(self: _Expander, expr: Expr) -> _T:
        key = method.__name__, expr
        if key not in self.known:
            try:
                self.known[key] = method(self, expr)
            except (NoTail, tails.UnknownSign) as nothing:
                self.known[key] = nothing
        found: _T | Exception = self.known[key]
        if isinstance(found, Exception):
            raise found
        return found

    return ask


class _Expander:
    def __init__(self, x: Symbol, side: int, signs: Signs) -> None:
        self.x, self.side, self.signs = x, side, signs
        self.known: dict[tuple[str, Expr], Any] = {}

    @_remembered
    def growth(self, v: Expr) -> int:
        """1 for v → +oo, -1 for v → -oo, 0 where it stays bounded."""
        if self.x not in v.free_symbols:
            return 0
        lead = tails.leading(v, self.x)
        if lead is None:
            raise NoTail
        coefficient, power = lead
        return tails.sign_of(coefficient * self.side**power, self.signs) if power > 0 else 0

    def collect(self, terms: Terms) -> Terms:
        """Equal exponents together, in order of dominance, the first KEEP of them."""
        found: Terms = []
        for v, a in terms:
            for i, (w, b) in enumerate(found):
                apart = sympy.expand(v - w)
                if not self.growth(apart):
                    found[i] = (w, b + a * exp(apart))
                    break
            else:
                found.append((v, a))
        kept: Terms = []
        for v, a in found:
            a = sympy.expand(a)
            if a.is_Add and not a.has(sympy.Function):
                a = sympy.cancel(a)
            if a == 0:
                continue
            at = next((i for i, (w, _) in enumerate(kept) if self.growth(v - w) > 0), len(kept))
            kept.insert(at, (v, a))
        return kept[:KEEP]

    def mul(self, a: Terms, b: Terms) -> Terms:
        return self.collect([(sympy.expand(v + w), p * q) for v, p in a for w, q in b])

    @_remembered
    def expand(self, expr: Expr) -> Terms:
        if self.x not in expr.free_symbols or expr == self.x:
            return [(Integer(0), expr)] if expr != 0 else []
        if isinstance(expr, sympy.Add):
            return self.collect([t for arg in expr.args for t in self.expand(arg)])
        if isinstance(expr, sympy.Mul):
            result: Terms = [(Integer(0), Integer(1))]
            for arg in expr.args:
                result = self.mul(result, self.expand(arg))
            return result
        if isinstance(expr, (sympy.exp, decay)):
            return self.exponential(self.expand(expr.args[0]))
        if isinstance(expr, sympy.Pow):
            if self.x in expr.exp.free_symbols:
                return self.expand(exp(expr.exp * log(expr.base)))
            return self.power(self.expand(expr.base), expr.exp)
        return self.function(expr)

    def power(self, terms: Terms, p: Expr) -> Terms:
        if not terms:
            if p.is_positive:
                return []
            raise NoTail
        if p.is_Integer and 0 < p <= 4:
            result = terms
            for _ in range(int(p) - 1):
                result = self.mul(result, terms)
            return result
        (v, a), small = terms[0], self.ratios(terms)
        factor = [(Integer(0), Integer(1)), *self.times(small, p)]
        factor += self.times(self.mul(small, small), p * (p - 1) / 2)
        return self.mul([(sympy.expand(p * v), a**p)], self.collect(factor))

    def ratios(self, terms: Terms) -> Terms:
        (v, a), *rest = terms
        return [(sympy.expand(w - v), b / a) for w, b in rest]

    def times(self, terms: Terms, factor: Expr) -> Terms:
        return [(v, a * factor) for v, a in terms]

    def split(self, terms: Terms) -> tuple[Expr, Terms]:
        """The algebraic part and the terms that decay; NoTail where one grows."""
        algebraic: Expr = Integer(0)
        small: Terms = []
        for v, a in terms:
            way = self.growth(v)
            if way > 0:
                raise NoTail
            if way < 0:
                small.append((v, a))
            else:
                algebraic += a * exp(v)
        return algebraic, small

    def exponential(self, terms: Terms) -> Terms:
        if terms and self.growth(terms[0][0]) > 0:
            if self.sign(terms[0][1]) < 0:
                return []
            raise NoTail
        algebraic, small = self.split(terms)
        lead = (algebraic, Integer(1)) if self.growth(algebraic) else (Integer(0), exp(algebraic))
        series = [
            (Integer(0), Integer(1)),
            *small,
            *self.times(self.mul(small, small), Rational(1, 2)),
        ]
        return self.mul([lead], self.collect(series))

    def sign(self, a: Expr) -> int:
        """The sign of a coefficient far out."""
        lead = tails.leading(a, self.x)
        if lead is None:
            if a.is_positive or a.is_negative:
                return 1 if a.is_positive else -1
            raise NoTail
        return tails.sign_of(lead[0] * self.side ** lead[1], self.signs)

    def function(self, expr: Expr) -> Terms:
        name, arg = type(expr).__name__, expr.args[0]
        if len(expr.args) != 1:
            raise NoTail
        terms = self.expand(arg)
        if isinstance(expr, sympy.Abs):
            return self.times(terms, Integer(self.sign(terms[0][1]))) if terms else []
        if isinstance(expr, sympy.sign):
            return [(Integer(0), Integer(self.sign(terms[0][1])))]
        if isinstance(expr, sympy.log):
            if not terms:
                raise NoTail
            (v, a), small = terms[0], self.ratios(terms)
            second = self.times(self.mul(small, small), Rational(-1, 2))
            return self.collect([(Integer(0), v + log(a)), *small, *second])
        if terms and self.growth(terms[0][0]) > 0:
            end = _FLAT.get(name, (None, None))[1 if self.sign(terms[0][1]) > 0 else 0]
            if end is None:
                raise NoTail
            return self.expand(end.xreplace({u: arg}))
        algebraic, small = self.split(terms)
        way = self.growth(algebraic)
        if way:
            if name not in _ENDS and not small:
                return [(Integer(0), expr.func(algebraic))]
            end = _ENDS.get(name, (None, None))[1 if way > 0 else 0]
            if end is None:
                raise NoTail
            return self.expand(end.xreplace({u: arg}))
        return self.taylor(expr, algebraic, small)

    def taylor(self, expr: Expr, at: Expr, small: Terms) -> Terms:
        t = Symbol("t_", real=True)
        values = [expr.func(t)]
        for _ in range(2):
            values.append(derivative(values[-1], t))
        f0, f1, f2 = (v.xreplace({t: at}) for v in values)
        if any(f.has(sympy.nan, sympy.zoo) for f in (f0, f1, f2)):
            raise NoTail
        second = self.times(self.mul(small, small), f2 / 2)
        return self.collect([(Integer(0), f0), *self.times(small, f1), *second])


@functools.lru_cache(maxsize=64)
def _expander(x: Symbol, side: int, signs: frozenset[tuple[Expr, int]]) -> _Expander:
    return _Expander(x, side, dict(signs))


def terms(expr: Expr, x: Symbol, side: int, signs: Signs) -> Terms:
    """The expansion of an expression without branches; NoTail, UnknownSign where there is none."""
    return _expander(x, side, frozenset(signs.items())).expand(expr)


def exponential_tails(
    expr: Expr,
    ends: Sequence[tuple[Symbol, int]],
    values: Mapping[Symbol, Expr],
    signs: Signs,
    border: int,
    inputs: Sequence[Symbol],
) -> Expr | None:
    """`expr` with its exponential tails for x → side·oo, (x, side) in `ends`; None without any.

    A tail takes over where what is left out is exp(-border) times smaller.
    """
    if isinstance(expr, Piecewise):
        found = []
        for i, (value, _) in enumerate(expr.args):
            own = [(x, s) for x, s in ends if _holds(expr, i, x, s)]
            found.append(
                exponential_tails(value, own, values, signs, border, inputs) if own else None
            )
        if not any(found):
            return None
        pairs = zip(found, expr.args, strict=True)
        return Piecewise(*((new or old, cond) for new, (old, cond) in pairs))
    pieces: list[tuple[Expr, Expr]] = []
    for x, side in ends:
        if x in expr.free_symbols:
            branch = branch_at(expr, x, side * tails.FAR, values)
            if not branch.has(Piecewise):
                pieces += _pieces(branch, x, side, signs, border, inputs)
    kept = {cond: value for value, cond in pieces}
    return Piecewise(*((v, c) for c, v in kept.items()), (expr, True)) if kept else None


def _holds(expr: Expr, i: int, x: Symbol, side: int) -> bool:
    """Whether branch i can be the one far out; where parameters decide, it can."""
    conds = [c for _, c in expr.args[: i + 1]]
    if any(isinstance(c, sympy.Basic) and not c.free_symbols <= {x} for c in conds):
        return True
    at = {x: side * tails.FAR}
    *before, own = (c.subs(at) if isinstance(c, sympy.Basic) else c for c in conds)
    return bool(own == True and not any(c == True for c in before))  # noqa: E712


def _pieces(
    expr: Expr, x: Symbol, side: int, signs: Signs, border: int, inputs: Sequence[Symbol]
) -> list[tuple[Expr, Expr]]:
    """(value, condition) of the tail, for each sign of the parameters it depends on.

    The conditions bound an exponent, or x: they need no word about the signs.
    """
    expander = _expander(x, side, frozenset(signs.items()))
    try:
        terms = expander.expand(expr)
        if not terms:
            return []
        v, a = terms[0]
        a = sympy.gcd_terms(sympy.expand(a))
        way = expander.growth(v)
    except tails.UnknownSign as unknown:
        found = []
        for sign in (1, -1):
            known = {**signs, unknown.factor: sign}
            found += _pieces(expr, x, side, known, border, inputs)
        return found
    except NoTail:
        return []
    if way > 0 or (way == 0 and len(terms) < 2):
        return []
    if way == 0:
        return [(a, beyond(terms[1][0], x, side, border))]
    apart = sympy.expand(terms[1][0] - v) if len(terms) > 1 else v
    far, nothing = beyond(apart, x, side, border), Integer(0)
    others = sorted(a.free_symbols & set(inputs) - {x}, key=str)
    infinite: list[tuple[Expr, Expr]] = []
    if others:  # a gated function: NaN stays, and an infinite value outweighs every gate
        nothing = minimum(Abs(others[0]), Integer(0))
        unbounded = Symbol(others[0].name, extended_real=True)
        infinite = [(a, sympy.And(Eq(Abs(unbounded), oo), far))]
    return [*infinite, (nothing, beyond(v, x, side, GONE)), (a * decay(v), far)]


def beyond(v: Expr, x: Symbol, side: int, border: int) -> Expr:
    """Where v < -border on the side: a bound on x itself, if v depends on nothing else."""
    if v.free_symbols == {x}:
        low, high = 0.0, 1.0
        while v.xreplace({x: sympy.Float(side * high)}) > -border:
            low, high = high, 2 * high
        for _ in range(12):
            middle = (low + high) / 2
            above = bool(v.xreplace({x: sympy.Float(side * middle)}) > -border)
            low, high = (middle, high) if above else (low, middle)
        edge = side * Rational(high).limit_denominator(16)
        return x > edge if side > 0 else x < edge
    lead = tails.leading(v, x)
    if lead is not None and lead[1] % 2 and v == sympy.expand(lead[0] * x ** lead[1]):
        return v < -border
    return sympy.And(v < -border, x > 0 if side > 0 else x < 0)
