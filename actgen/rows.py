"""Row functions made safe: exponentials are taken relative to the greatest one of the row."""

from __future__ import annotations

import sympy
from sympy import Expr, Rational, Symbol

from .atoms import log1p, offset, shifted
from .lang import RowMax, RowPick, RowSum, RowTop, symbol
from .rewrite import rewrite
from .rules import RULES

#: Below the greatest float32.
_GREAT = sympy.Integer(34) * 10**37


def lift_rows(expr: Expr, elementwise: set[Symbol]) -> Expr:
    """A row formula in which no exponential overflows; `elementwise` vary along the row.

    row_sum(w·exp(u)) = exp(M)·row_sum(w·exp(u − M)) with M = row_max(u); factors that are the
    same all along the row leave the sum.
    """
    held = _lift(expr, elementwise)
    found = sorted(_outermost(held) | held.atoms(RowMax), key=str)
    parts = {p: symbol(f"R{i}") for i, p in enumerate(found)}
    # Each term's exponentials are joined, so that u and −row_max(u) meet in one exponent.
    joined = sympy.powsimp(sympy.expand(held.xreplace(parts)), deep=True, combine="exp")
    distant, held_units = _hold_distances(joined, parts)
    distant = rewrite(distant, RULES)
    for unit, distance in held_units.items():
        distant = _without_top(distant, unit, distance, parts)
    lifted = sympy.factor_terms(rewrite(distant, RULES))
    return _shift(lifted.xreplace({**{s: p for p, s in parts.items()}, **held_units}))


def plain_rows(expr: Expr, elementwise: set[Symbol]) -> Expr:
    """A row formula in which no exponential overflows; but for infinities nothing else is changed.

    Entries at the top are told apart from it only where that is infinite: elsewhere the greatest
    one's derivative is needed.
    """
    joined = sympy.powsimp(sympy.expand(_lift(expr, elementwise)), deep=True, combine="exp")
    distant = _shift(rewrite(joined, RULES)).replace(
        shifted,
        lambda a, top: sympy.Piecewise(
            (0, sympy.And(sympy.Eq(a, top), sympy.Abs(top) > _GREAT)), (a - top, True)
        ),
    )
    return sympy.factor_terms(distant)


def _without_top(expr: Expr, unit: Symbol, power: Expr, parts: dict[Expr, Symbol]) -> Expr:
    """What cancels where one entry has nearly all of a sum of exponentials, from the others' sum.

    With e = exp(u − M) and S = row_sum(e): S − e, log S, w·S − row_sum(w·e), w·S − e·row_sum(w).
    At the top e is 1: S − 1 is the sum over the other entries. Where it is below 1, one entry has
    more than half of the sum, and w is taken relative to its value there.
    """
    moving, peak = power.args[0].args
    plain = {sympy.exp(moving - peak): unit}
    sums = {s: p.args[0].xreplace(plain) for p, s in parts.items() if isinstance(p, RowSum)}
    total = next((s for s, arg in sums.items() if arg == unit), None)
    if total is None:
        return expr
    top = RowTop(moving)
    count = RowSum(top)
    beside = offset(count, sympy.Integer(1)) + RowSum((1 - top) * unit)

    near = sympy.Piecewise((beside, top > Rational(1, 2)), (total - unit, True))

    def replaced(node: Expr) -> Expr:
        if node.args:
            node = node.func(*map(replaced, node.args))
        if node == sympy.log(total):
            return log1p(beside)
        if not isinstance(node, sympy.Add) or total not in node.free_symbols:
            return node
        weight, rest = node.coeff(total), sympy.expand(node - node.coeff(total) * total)
        times = sympy.cancel(-rest / (weight * unit))
        if times.is_number:
            return weight * (near - (times - 1) * unit)
        for s, arg in sums.items():
            for sign in (1, -1):
                w = sign * weight
                if rest == -sign * s and sympy.expand(arg - w * unit) == 0:
                    at_top = RowSum(top * w) / count
                    apart = w - sympy.Piecewise((at_top, beside < 1), (0, True))
                    return sign * (apart * total - RowSum(apart * unit))
                if rest == -sign * unit * s and arg == w:
                    alone = sympy.And(top > Rational(1, 2), count < Rational(3, 2))
                    others = sympy.Piecewise((RowSum((1 - top) * w), alone), (s - w, True))
                    return sign * (w * near - unit * others)
        return node

    together = sympy.factor(sympy.together(expr))
    found = replaced(together)
    # A sum that nothing cancels with may be taken as it is.
    return found if found == together else found.xreplace({total: 1 + beside})


def _hold_distances(expr: Expr, parts: dict[Expr, Symbol]) -> tuple[Expr, dict[Symbol, Expr]]:
    """exp(k·(u − M)), k whole, as the k-th power of a symbol for exp(shifted(u, M))."""
    held: dict[Symbol, Expr] = {}
    for part, top in parts.items():
        if not isinstance(part, RowMax):
            continue
        moving, unit = part.args[0], Symbol(f"E_{top.name}", positive=True)
        powers = {}
        for node in expr.atoms(sympy.exp):
            times = -node.args[0].coeff(top)
            if (
                times.is_Integer
                and times
                and sympy.expand(node.args[0] - times * (moving - top)) == 0
            ):
                powers[node] = unit**times
        summed = any(sympy.exp(moving - part) in p.atoms(sympy.exp) for p in parts)
        if powers or summed:
            expr, held[unit] = expr.xreplace(powers), sympy.exp(shifted(moving, part))
    return expr, held


def _outermost(expr: Expr) -> set[Expr]:
    if isinstance(expr, (RowSum, RowMax, RowPick)):
        return {expr}
    return set().union(*(_outermost(arg) for arg in expr.args)) if expr.args else set()


def _varies(expr: Expr, elementwise: set[Symbol]) -> bool:
    """Whether the expression changes along the row."""
    if isinstance(expr, (RowSum, RowMax)):
        return False
    return expr in elementwise or any(_varies(arg, elementwise) for arg in expr.args)


def _lift(expr: Expr, elementwise: set[Symbol]) -> Expr:
    if not expr.args:
        return expr
    expr = expr.func(*(_lift(arg, elementwise) for arg in expr.args))
    if not isinstance(expr, RowSum):
        return expr
    constant, varying = sympy.Integer(1), sympy.Integer(1)
    for factor in sympy.Mul.make_args(expr.args[0]):
        if not _varies(factor, elementwise):
            constant *= factor
        elif isinstance(factor, sympy.exp):
            terms = sympy.Add.make_args(factor.args[0])
            moving = sympy.Add(*(t for t in terms if _varies(t, elementwise)))
            fixed = sympy.Add(*(t for t in terms if not _varies(t, elementwise)))
            top = RowMax(moving)
            # Powers of e combine by themselves, inside the sum and outside.
            constant *= sympy.exp(fixed + top)
            varying *= sympy.exp(moving - top)
        else:
            varying *= factor
    return constant * RowSum(varying)


def _shift(expr: Expr) -> Expr:
    """u − row_max(u) as shifted(u, row_max(u)), which is 0 at the top even where that is ±oo."""
    if not expr.args:
        return expr
    expr = expr.func(*(_shift(arg) if isinstance(arg, sympy.Basic) else arg for arg in expr.args))
    if isinstance(expr, sympy.Add):
        for term in expr.args:
            top = -term
            if isinstance(top, RowMax):
                moving = set(sympy.Add.make_args(top.args[0]))
                if moving <= set(expr.args):
                    rest = [t for t in expr.args if t not in moving and t != term]
                    return sympy.Add(shifted(top.args[0], top), *rest)
    return expr
