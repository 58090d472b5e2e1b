"""The line of x, and of one parameter, cut where branches meet: cells with one branch each.

Branches of piecewise formulas meet where a border is 0. Borders are linear in x (or have exact
roots where no parameter is involved), so between the values of the parameter at which their order
changes, and between the borders themselves, each formula is one expression: equality is decided
cell by cell, and the condition on the parameter is the union of the cells where it holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sympy
from sympy import Abs, Expr, Max, Min, Piecewise, Symbol, sign

from ..calculus import borders, smooth_parts
from ..intervals import precision
from ..oracle import Undecided, number

BITS = 256


class NoCells(ArithmeticError):
    """The branches cannot be told apart exactly."""


def sign_of(value: Expr) -> int:
    """The exact sign of a number; NoCells if it cannot be decided."""
    if value in (sympy.oo, -sympy.oo):
        return 1 if value == sympy.oo else -1
    if value.is_Rational:
        return int(sympy.sign(value))
    try:
        with precision(BITS):
            ball = number(value)
            if ball > 0 or ball < 0:
                return 1 if ball > 0 else -1
    except (Undecided, KeyError, TypeError, ValueError):
        raise NoCells(f"the sign of {value}") from None
    if sympy.simplify(value) == 0:
        return 0
    raise NoCells(f"the sign of {value}")


def holds_at(condition: Any, point: Mapping[Symbol, Expr]) -> bool:
    """Whether a condition is true at an exact point."""
    if condition in (True, sympy.true) or condition in (False, sympy.false):
        return bool(condition)
    if isinstance(condition, sympy.And):
        return all(holds_at(c, point) for c in condition.args)
    if isinstance(condition, sympy.Or):
        return any(holds_at(c, point) for c in condition.args)
    if isinstance(condition, sympy.Not):
        return not holds_at(condition.args[0], point)
    if isinstance(condition, sympy.ITE):
        first, yes, no = condition.args
        return holds_at(yes if holds_at(first, point) else no, point)
    side = sign_of(sympy.expand((condition.lhs - condition.rhs).subs(point)))
    return {
        sympy.Gt: side > 0, sympy.Ge: side >= 0, sympy.Lt: side < 0, sympy.Le: side <= 0,
        sympy.Eq: side == 0, sympy.Ne: side != 0,
    }[type(condition)]  # fmt: skip


def resolve(expr: Expr, point: Mapping[Symbol, Expr]) -> Expr:
    """`expr` with every branching node replaced by its branch at an exact point; nan for none."""
    if isinstance(expr, Piecewise):
        for value, condition in expr.args:
            if holds_at(condition, point):
                return resolve(value, point)
        return sympy.nan
    if isinstance(expr, (Max, Min)):
        # Arguments may hold branches themselves: those first, then compare.
        args = [resolve(a, point) for a in expr.args]
        best = args[0]
        for other in args[1:]:
            side = sign_of((other - best).subs(point))
            best = other if side * (1 if isinstance(expr, Max) else -1) > 0 else best
        return best
    if isinstance(expr, (Abs, sign)):
        inner = resolve(expr.args[0], point)
        side = sign_of(inner.subs(point))
        return sympy.Integer(side) if isinstance(expr, sign) else inner * (side or 1)
    if not expr.args or not expr.has(Piecewise, Max, Min, Abs, sign):
        return expr
    return expr.func(*(resolve(a, point) for a in expr.args))


# Borders.


def _lines(border: Expr) -> Iterator[Expr]:
    """Simple expressions with the same zeros as a border: its factors, exp(u) - 1 as u."""
    top, bottom = sympy.fraction(sympy.together(border))
    for part in (top, bottom):
        for factor in sympy.Mul.make_args(sympy.factor_terms(part)):
            while isinstance(factor, sympy.Pow) and not isinstance(factor, sympy.exp):
                if not factor.exp.is_number:
                    raise NoCells(f"the border {border}")
                factor = factor.base
            if factor.is_number or isinstance(factor, sympy.exp):
                continue
            if factor.is_positive or factor.is_negative:
                continue
            if isinstance(factor, (sympy.tanh, sympy.sinh, sympy.erf, sympy.atan, sympy.asinh)):
                yield from _lines(factor.args[0])
            elif isinstance(factor, sympy.log):
                yield from _lines(factor.args[0] - 1)
            elif factor.has(sympy.exp):
                yield from _lines(_exponential(factor))
            elif factor.has(sympy.Function):
                raise NoCells(f"the border {border}")
            else:
                yield factor


def _exponential(factor: Expr) -> Expr:
    """u - v for exp(u) - exp(v), with a number as exp(log): same sign."""
    terms = sympy.Add.make_args(sympy.expand(factor))
    if len(terms) != 2:
        raise NoCells(f"the border {factor}")
    logs = []
    for term in terms:
        coefficient = sympy.Integer(1)
        exponent = sympy.Integer(0)
        for part in sympy.Mul.make_args(term):
            if isinstance(part, sympy.exp):
                exponent += part.args[0]
            else:
                coefficient *= part
        logs.append((coefficient, exponent))
    ratio = -logs[1][0] / logs[0][0]
    if not ratio.is_number or not ratio.is_positive:
        raise NoCells(f"the border {factor}")
    return logs[0][1] - logs[1][1] - sympy.log(ratio)


@dataclass
class Arrangement:
    """The borders of some expressions: `roots` in x, `fixed` expressions of the parameter alone."""

    x: Symbol
    roots: list[Expr] = field(default_factory=list)
    slopes: list[Expr] = field(default_factory=list)

    def add(self, border: Expr) -> None:
        for line in _lines(border):
            if self.x not in line.free_symbols:
                self.slopes.append(line)
                continue
            if not line.is_polynomial(self.x):
                raise NoCells(f"the border {line}")
            poly = sympy.Poly(line, self.x)
            if poly.degree() == 1:
                self.slopes.append(poly.nth(1))
                root = sympy.simplify(-poly.nth(0) / poly.nth(1))
                if root not in self.roots:
                    self.roots.append(root)
            elif not poly.free_symbols_in_domain:
                self.roots += [r for r in poly.real_roots() if r not in self.roots]
            else:
                raise NoCells(f"the border {line}")

    @property
    def parameters(self) -> set[Symbol]:
        """Symbols other than x on which the arrangement depends."""
        return set().union(*(e.free_symbols for e in (*self.roots, *self.slopes))) - {self.x}

    def critical(self, p: Symbol) -> list[Expr]:
        """The values of the parameter at which the arrangement changes, in order."""
        found: set[Expr] = set()
        gaps = [a - b for i, a in enumerate(self.roots) for b in self.roots[i + 1 :]]
        for expr in (*self.slopes, *self.roots, *gaps):
            if p not in expr.free_symbols:
                continue
            for part in sympy.fraction(sympy.together(expr)):
                if p not in part.free_symbols:
                    continue
                if not part.is_polynomial(p):
                    raise NoCells(f"where {part} is 0")
                poly = sympy.Poly(part, p)
                if poly.free_symbols_in_domain:
                    raise NoCells(f"where {part} is 0")
                found |= set(poly.real_roots())
        return ascending(found)


def arrange(exprs: Sequence[Any], x: Symbol) -> Arrangement:
    """The arrangement of all borders of some expressions and conditions."""
    arrangement = Arrangement(x)
    for expr in exprs:
        for border in borders(expr):
            for part in dict.fromkeys(smooth_parts(border)):
                if part.is_number:
                    continue
                arrangement.add(part)
    return arrangement


def ascending(points: Iterable[Expr]) -> list[Expr]:
    """Real numbers in their order."""
    return sorted(points, key=lambda v: sympy.N(v, 40))


def between(points: Sequence[Expr]) -> list[Expr]:
    """A plain rational number in each gap of sorted numbers, the outer two included."""
    if not points:
        return [sympy.Integer(1)]
    values = [sympy.Rational(sympy.N(p, 40)) for p in points]
    result = [sympy.floor(values[0]) - 1]
    for a, b in zip(values, values[1:], strict=False):
        result.append(_plainest(a, b))
    return [*result, sympy.ceiling(values[-1]) + 1]


def _plainest(a: Expr, b: Expr) -> Expr:
    for scale in (1, 2, 10, 100, 1000):
        low = sympy.floor((a + b) / 2 * scale) / scale
        for candidate in (low, low + sympy.Rational(1, scale)):
            if a < candidate < b:
                return candidate
    return (a + b) / 2
