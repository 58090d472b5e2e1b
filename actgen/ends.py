"""What a curve tends to at -oo and oo, and how fast: asymptotes and saturation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sympy
from sympy import Expr, oo

from . import tails
from .forms import quietly, rational
from .intervals import precision
from .oracle import number
from .pieces import Curve, Piece, end_value
from .shape import PROVED, SAMPLED, Fact, readable


@dataclass(frozen=True)
class Saturation:
    """How f reaches a finite limit: `kind` is "reached", "exponential", "gaussian",
    "polynomial" or "none"; `rate` the exponent or the order."""

    kind: str
    rate: Expr | None = None
    limit: Expr | None = None

    def __str__(self) -> str:
        if self.kind == "reached":
            return "reached exactly"
        if self.kind in ("exponential", "gaussian"):
            return f"exponential, exp({self.rate})"
        return f"polynomial, order {self.rate}" if self.kind == "polynomial" else "none"


def _saturation(piece: Piece, x: sympy.Symbol, side: int) -> tuple[Saturation, str] | None:
    f = piece.levels[0]
    limit = end_value(f, x, side)
    if limit is None:
        return None
    if limit.is_infinite:
        return Saturation("none"), PROVED
    if x not in f.free_symbols:
        return Saturation("reached", limit=limit.exact), PROVED
    for level in range(4):
        # A derivative has the same exponential; a power of x loses one order each time.
        expr = piece.levels[level]
        form = rational(tails.definition(expr) - limit.exact if level == 0 else expr, x)
        if form is not None:
            return _rational_rate(form, x, side, limit.exact, level)
    slope = piece.levels[1]
    # f″/f′ tells a Gaussian tail, exp(-c·x²), from others; sampled far out.
    with precision(4096):
        values = [number(e.subs(x, side * 64)) for e in (slope, piece.levels[2])]
        far = [number(e.subs(x, side * 128)) for e in (slope, piece.levels[2])]
    ratios = [float((b / a).mid()) / (side * p) for (a, b), p in ((values, 64), (far, 128))]
    if abs(ratios[0] - ratios[1]) < 0.01 and abs(ratios[1]) > 0.01:
        c = sympy.Rational(round(ratios[1] * 16), 32)
        return Saturation("gaussian", c * x**2, limit.exact), SAMPLED
    return None


def _rational_rate(
    form: Any, x: sympy.Symbol, side: int, limit: Expr, level: int
) -> tuple[Saturation, str]:
    E = next((s for s in form.value.free_symbols if s.name == "E"), None)
    numerator, denominator = sympy.fraction(form.value)
    power = sympy.Integer(0)
    if E is not None:
        q = sympy.Poly(form.exponent, x)
        grows = q.LC() * side ** q.degree() > 0
        pick = max if grows else min
        top, bottom = (
            pick(n for (n,) in sympy.Poly(part, E).monoms()) for part in (numerator, denominator)
        )
        power = sympy.Integer(top - bottom)
    if power:
        return Saturation("exponential", sympy.expand(power * form.exponent), limit), PROVED
    order = sympy.degree(denominator, x) - sympy.degree(numerator, x)
    return Saturation("polynomial", sympy.Integer(order - level), limit), PROVED


def saturation(curve: Curve) -> Fact | None:
    """How fast f reaches its limit at either end."""
    found = [_saturation(curve.pieces[i], curve.x, side) for i, side in ((0, -1), (-1, 1))]
    if found[0] is None and found[1] is None:
        return None
    texts = [f"{'unknown' if s is None else s[0]} at {end}" for s, end in zip(found, ("-oo", "oo"))]
    hows = {s[1] for s in found if s is not None}
    return Fact(
        f"saturation: {', '.join(texts)}",
        SAMPLED if SAMPLED in hows else PROVED,
        tuple(None if s is None else s[0] for s in found),
    )


def asymptotes(curve: Curve) -> Fact | None:
    """The straight lines that f approaches at -oo and oo, slanting ones too."""
    found: list[Expr | None] = []
    for i, side in ((0, -1), (-1, 1)):
        f = curve.pieces[i].levels[0]
        form = quietly(tails.tail, f, curve.x, side, {}, {})
        if form is None:
            limit = end_value(f, curve.x, side)
            if limit is not None and limit.exact is not None and not limit.is_infinite:
                form = limit.exact
            elif not _outgrows(f, curve.x, side):
                raise ArithmeticError("how f grows is not known")
        found.append(None if form is None else _line_of(form, curve.x, side))
    texts = [
        f"{'none' if line is None else f'y = {readable(line)}'} at {end}"
        for line, end in zip(found, ("-oo", "oo"))
    ]
    return Fact(f"asymptotes: {', '.join(texts)}", PROVED, tuple(found))


def _outgrows(f: Expr, x: sympy.Symbol, side: int) -> bool:
    """Whether |f/x| grows beyond all bounds, so that f has no asymptote."""
    ratio = quietly(sympy.limit, tails.definition(f) / x, x, side * oo)
    return ratio in (oo, -oo)


def _line_of(form: Expr, x: sympy.Symbol, side: int) -> Expr | None:
    form = tails.definition(form)
    top, bottom = sympy.fraction(sympy.together(form))
    try:
        quotient = sympy.div(sympy.Poly(top, x), sympy.Poly(bottom, x))[0]
    except sympy.PolynomialError:
        slope = quietly(sympy.limit, form / x, x, side * oo)
        if slope in (oo, -oo):
            return None
        if slope is None or not slope.is_finite or slope.has(oo):
            raise ArithmeticError("how f grows is not known") from None
        rest = quietly(sympy.limit, form - slope * x, x, side * oo)
        return None if rest is None or not rest.is_finite or rest.has(oo) else slope * x + rest
    return quotient.as_expr() if quotient.degree() <= 1 else None
