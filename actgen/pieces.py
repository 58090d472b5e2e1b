"""An activation as a curve of smooth pieces, and the signs of f, f′ and f″ along it."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sympy
from flint import arb
from sympy import Expr, Symbol, oo

from . import calculus, tails
from .forms import exact_root, quietly
from .intervals import INF, Enclosure, Interval, NoValue, precision
from .oracle import Undecided, number
from .roots import FINE_BITS, Root, Signs, from_slope, signs
from .spec import Activation
from .variants import lift

#: Digits that are printed of a number without a short exact form.
DIGITS = 15


@dataclass(frozen=True)
class Number:
    """A number: exactly where it is known so, and as a ball that holds it."""

    ball: arb
    exact: Expr | None = None

    @classmethod
    def of(cls, expr: Expr) -> Number:
        """An exact one."""
        with precision(FINE_BITS):
            return cls(number(expr), expr)

    def __float__(self) -> float:
        return float(self.ball.mid()) if self.ball.is_finite() else float(self.ball)

    def __str__(self) -> str:
        if self.exact is not None and _is_short(self.exact):
            return str(self.exact)
        with precision(FINE_BITS):
            return str(self.ball.str(DIGITS, radius=False))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Number):
            return NotImplemented
        if self.exact is not None and self.exact == other.exact:
            return True
        return bool(self.ball.overlaps(other.ball)) and not self.is_infinite

    def __hash__(self) -> int:
        return hash(round(float(self), 9))

    @property
    def is_infinite(self) -> bool:
        """Whether it is ±oo."""
        return not self.ball.is_finite()

    @property
    def is_irrational(self) -> bool:
        """Whether it is printed as an expression that does not tell its size."""
        exact = self.exact
        return exact is not None and _is_short(exact) and bool(exact.args)

    @property
    def in_full(self) -> str:
        """The exact expression and its decimals, or one of them where the other adds nothing."""
        if not self.is_irrational:
            return str(self)
        with precision(FINE_BITS):
            return f"{self} = {self.ball.str(DIGITS, radius=False)}"

    def size(self) -> Number:
        """|self|."""
        return Number(abs(self.ball), None if self.exact is None else abs(self.exact))


def _is_short(expr: Expr) -> bool:
    if expr.has(sympy.oo):
        return True
    return expr.count_ops() <= 8 and all(
        abs(r.p) < 10**6 and r.q < 10**5 for r in expr.atoms(sympy.Rational)
    )


@dataclass(frozen=True)
class Piece:
    """f on (low, high), both exact at the defaults: `expr` with parameters, `levels` without.

    `levels` are f, f′, f″ at the defaults, lifted into stable functions.
    """

    low: Expr
    high: Expr
    expr: Expr
    levels: tuple[Expr, ...]


@dataclass(frozen=True)
class Segment:
    """A maximal interval inside one piece on which f, f′ or f″ has one sign (0: is 0)."""

    low: Number
    high: Number
    sign: int
    piece: Piece


@dataclass(frozen=True)
class Line:
    """The segments of one level from -oo to oo and the roots between them; how far certain."""

    segments: tuple[Segment, ...]
    reach: str


class Curve:
    """An elementwise activation at its defaults. NoValue if it has a pole, a gap, or a branch
    condition that cannot be solved for x."""

    def __init__(self, act: Activation) -> None:
        self.act, self.x, self.values = act, act.inputs[0], act.defaults
        if not calculus.has_known_borders(act.formula, self.x, self.values):
            raise NoValue("a branch condition that is no polynomial in x")
        points = calculus.break_points(act.formula, self.x, self.values)
        self.breaks: list[tuple[Expr, Expr]] = []
        for symbolic in points:
            place = sympy.simplify(symbolic.subs(self.values))
            if not self.breaks or self.breaks[-1][1] != place:
                self.breaks.append((symbolic, place))
        self._lines: dict[int, Line | None] = {}
        self._values: dict[tuple[Any, ...], Number | None] = {}
        self.pieces = list(self._pieces())
        for piece in self.pieces:
            _check_finite(piece, self.x)

    def _pieces(self) -> Iterator[Piece]:
        ends = [-oo, *(place for _, place in self.breaks), oo]
        for low, high in zip(ends, ends[1:], strict=False):
            at = _between(low, high)
            expr = calculus.branch_at(self.act.formula, self.x, at, self.values)
            value = expr.subs(self.values)
            if value.has(sympy.nan, sympy.zoo, oo):
                raise NoValue(str(expr))
            levels = [lift(value)]
            for _ in range(3):
                levels.append(lift(calculus.derivative(levels[-1], self.x)))
            yield Piece(low, high, expr, tuple(levels))

    def signs(self, piece: Piece, level: int) -> Signs:
        """The signs of f⁽ˡᵉᵛᵉˡ⁾ in a piece: directly, or from those of the next derivative."""
        return _piece_signs(piece, level, self.x)

    def line(self, level: int) -> Line | None:
        """The signs of f (0), f′ (1) or f″ (2) along the whole line; None where not known."""
        if level not in self._lines:
            self._lines[level] = None  # what once ran out of time is not tried again
            self._lines[level] = self._line(level)
        return self._lines[level]

    def _line(self, level: int) -> Line | None:
        found: list[Segment] = []
        reach = "oo"
        for piece in self.pieces:
            known = self.signs(piece, level)
            if not known.known:
                return None
            reach = reach if known.reach == "oo" else known.reach
            inner = [self._number(r, piece, level) for r in known.roots]
            ends = [Number.of(piece.low), *inner, Number.of(piece.high)]
            for a, b, sign in zip(ends, ends[1:], known.signs, strict=False):
                found.append(Segment(a, b, sign, piece))
        return Line(tuple(found), reach)

    def _number(self, root: Root, piece: Piece, level: int) -> Number:
        if root.exact is not None:
            return Number(root.ball, root.exact)
        return Number(root.ball, exact_root(piece.levels[level], self.x, root.ball))

    def value(self, piece: Piece, level: int, at: Number) -> Number | None:
        """f⁽ˡᵉᵛᵉˡ⁾ at a point of a piece, its ends included (there: the limit from inside)."""
        key = (self.pieces.index(piece), level, at.exact or at.ball.str(40))
        if key not in self._values:
            self._values[key] = self._value(piece, level, at)
        return self._values[key]

    def _value(self, piece: Piece, level: int, at: Number) -> Number | None:
        expr = piece.levels[level]
        if at.is_infinite:
            return end_value(expr, self.x, 1 if at.ball > 0 else -1)
        exact = None
        if at.exact is not None:
            exact = quietly(self._exactly, expr, at.exact)
            if exact is not None and not exact.is_finite:
                exact = None
            if exact is not None and exact.count_ops() >= 12:
                exact = None
            # Arb has W, but the oracle's programs have not: the ball comes from the piece.
            if exact is not None and not exact.has(sympy.LambertW):
                return Number.of(exact)
        with precision(FINE_BITS):
            ball = Enclosure(expr, self.x).at(at.ball)
        return Number(ball, exact) if ball.is_finite() else None

    def _exactly(self, expr: Expr, at: Expr) -> Expr:
        return _simple(tails.definition(expr).subs(self.x, at))

    def own_value(self, level: int, place: Expr) -> Number | None:
        """f⁽ˡᵉᵛᵉˡ⁾ at a break point as the formula says (who owns the point)."""
        expr = self.act.formula if level == 0 else self.act.derivative(level)
        exact = quietly(lambda: sympy.simplify(expr.subs(self.values).subs(self.x, place)))
        return Number.of(exact) if exact is not None and exact.is_finite else None


@functools.lru_cache(maxsize=512)
def end_value(expr: Expr, x: Symbol, side: int) -> Number | None:
    """The limit of an expression without parameters at ±oo, ±oo included."""
    found = quietly(tails.limit, expr, x, side, {}, {})
    if found is None:
        found = quietly(sympy.limit, tails.definition(expr), x, side * oo, seconds=0.5)
    if (
        found is None
        or not isinstance(found, Expr)
        or found.has(x, sympy.AccumBounds, sympy.nan, sympy.Piecewise)
    ):
        return None
    if found in (oo, -oo):
        return Number(INF if found == oo else -INF, found)
    return Number.of(found)


def _simple(expr: Expr) -> Expr:
    """Simplified, with exp(W(a)) = a/W(a), which SymPy leaves alone."""
    if expr.has(sympy.LambertW):
        w = sympy.Wild("w")
        expr = sympy.expand_power_exp(
            expr.replace(lambda e: isinstance(e, sympy.exp), sympy.expand)
        )
        expr = expr.replace(sympy.exp(sympy.LambertW(w)), w / sympy.LambertW(w))
        expr = expr.replace(sympy.exp(-sympy.LambertW(w)), sympy.LambertW(w) / w)
    return sympy.simplify(expr)


def _between(low: Expr, high: Expr) -> Expr:
    if low == -oo:
        return sympy.Integer(0) if high == oo else sympy.Rational(float(high)) - 1
    if high == oo:
        return sympy.Rational(float(low)) + 1
    return (sympy.Rational(float(low)) + sympy.Rational(float(high))) / 2


@functools.lru_cache(maxsize=512)
def _piece_signs(piece: Piece, level: int, x: Symbol) -> Signs:
    expr = piece.levels[level]
    direct = signs(expr, x, piece.low, piece.high)
    if (direct.known and direct.reach == "oo") or level + 1 >= len(piece.levels):
        return direct
    slope = _piece_signs(piece, level + 1, x)
    if slope.known and (not direct.known or slope.reach == "oo"):
        ends = [
            None if not end.is_infinite else end_value(expr, x, side)
            for end, side in ((piece.low, -1), (piece.high, 1))
        ]
        limits = [None if v is None else v.ball for v in ends]
        found = from_slope(expr, x, piece.low, piece.high, slope, limits[0], limits[1])
        if found is not None:
            return found
    return direct


def _check_finite(piece: Piece, x: Symbol) -> None:
    """Raise NoValue unless f is bounded on every finite part of the piece (up to |x| = 64)."""
    f = Enclosure(piece.levels[0], x)
    with precision(64):
        low, high = (
            max(arb(-64), number(piece.low).lower()),
            min(arb(64), number(piece.high).upper()),
        )
        stack, count = [(low, high)] if low < high else [], 0
        while stack:
            lo, hi = stack.pop()
            count += 1
            value = f(Interval(lo, hi))
            if value.lo.is_finite() and value.hi.is_finite():
                continue
            if count > 400:
                raise NoValue(f"{piece.expr} may be infinite near {float(lo):.6g}")
            middle = ((lo + hi) / 2).mid()
            stack += [(lo, middle), (middle, hi)]


__all__ = ["Curve", "Line", "Number", "Piece", "Segment", "Undecided", "end_value"]
