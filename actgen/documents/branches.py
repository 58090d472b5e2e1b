"""What branches of a formula do to its reading: rows that overlap, slopes that jump."""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Expr

from .. import lang
from .cells import NoCells, resolve
from .functions import Named
from .tokens import NotUnderstood


def is_kink(slope: Named, place: Expr) -> bool:
    """Whether a derivative jumps at a place."""
    expr = slope.formula
    if not expr.has(sympy.Piecewise, sympy.Max, sympy.Min, sympy.Abs, sympy.sign):
        return False
    x = slope.inputs[0]
    step = sympy.Rational(1, 10**6)
    rest = {s: sympy.Rational(3, 2) for s in expr.free_symbols - {x}}
    try:
        sides = [resolve(expr, {**rest, x: place + d}).subs(x, place) for d in (-step, step)]
    except NoCells:
        return True
    return bool(sympy.simplify(sides[0] - sides[1]) != 0)


#: Inputs at which rows of cases are looked at.
_PLACES = tuple(sympy.Rational(k, 7) for k in range(-71, 72, 2))


def check_overlap(pairs: list[tuple[Expr, Any]]) -> None:
    """NotUnderstood if two rows claim the same inputs and say different things there."""
    told = [(v, c) for v, c in pairs if c != sympy.true and c.free_symbols == {lang.x}]
    for i, (value, condition) in enumerate(told):
        for other, also in told[i + 1 :]:
            if value == other:
                continue
            both = [p for p in _PLACES if condition.subs(lang.x, p) == True == also.subs(lang.x, p)]  # noqa: E712
            if len(both) > 1 and any((value - other).subs(lang.x, p) != 0 for p in both):
                raise NotUnderstood(f"two rows of cases both speak of x = {both[0]}")
