"""Tails and limits of a candidate where it is NaN or infinite and should not be."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence

import sympy
from sympy import Expr, Symbol

from . import guards, tails
from .cases import settings
from .oracle import Oracle, Undecided, shared
from .spec import Activation, exact

Treatment = tuple[str, Callable[[], Expr | None]]
#: Beyond it the algebraic form of a tail takes over, tried from the greatest: cubes of the first
#: still fit float32, exponentials of the last but one do.
BORDERS = tuple(sympy.Integer(2) ** power for power in (60, 40, 30, 20, 10, 6, 5))
#: The same where numbers of float32 are computed with in float64: squares of exponentials fit.
NARROW = tuple(sympy.Integer(2) ** power for power in (60, 9, 8))


def signs(act: Activation) -> dict[Symbol, int]:
    """Signs of parameters that their domains fix."""
    known: dict[Symbol, int] = {}
    for p in act.parameters:
        if p.low is not None and sympy.sympify(p.low) >= 0:
            known[p.symbol] = 1 if p.low > 0 else tails.NON_NEGATIVE
        elif p.high is not None and sympy.sympify(p.high) <= 0:
            known[p.symbol] = -1
    return known


def treatments(
    expr: Expr,
    act: Activation,
    wrong: Sequence[tuple[float, ...]],
    borders: Sequence[Expr] = BORDERS,
) -> Iterator[Treatment]:
    """Ways to make the tails right where `wrong` says that they are not, cheapest first.

    Each is what it is called, and the expression on demand: None where it changes nothing.
    """
    sides = _failing_sides(act, wrong)
    if all(any(map(math.isinf, p)) for p in wrong):
        yield from _limits(expr, act, sides)
    # A gated function may need a guard on one input only.
    alone = [[row for row in sides if row[0] == x] for x in reversed(act.inputs)]
    for chosen in [*(a for a in alone if a and a != sides), sides] if sides else []:
        yield from _treat(expr, act, chosen, borders)


def _treat(
    expr: Expr, act: Activation, sides: list[tuple[Symbol, int]], borders: Sequence[Expr]
) -> Iterator[Treatment]:
    known = signs(act)
    values = {**act.defaults, **{s: sympy.Integer(1) for s in act.inputs[1:]}}
    rows: list[tuple[Symbol, int, Expr]] = []
    for x, side in sides:
        form = tails.tail(expr, x, side, values, known)
        if form is not None:
            rows.append((x, side, tails.dominant(form, x, side, known)))
        elif _numerically_flat(expr, act, side):
            rows.append((x, side, sympy.Integer(0)))
    # A tail that is flat needs no branch: x is kept from going further. These come first, so
    # that the branches of the others see the true x.
    rows.sort(key=lambda row: not _is_flat(row[2], row[0]))
    guarded = guards.guard_branches(expr, act.inputs[0])
    two_sided = len({side for _, side, _ in rows}) > 1
    for near, far in _borders(borders, two_sided) if rows else ():
        powers = "/".join(str(int(sympy.log(b, 2))) for b in dict.fromkeys((near, far)))
        yield f"tails beyond 2**{powers}", functools.partial(_beyond, guarded, rows, near, far)
    yield from _limits(expr, act, sides)


def _beyond(
    guarded: Expr, rows: Sequence[tuple[Symbol, int, Expr]], near: Expr, far: Expr
) -> Expr | None:
    result = guarded
    for x, side, form in rows:
        border = near if side > 0 else far
        low, high = (None, border) if side > 0 else (-border, None)
        result = guards.clip(result, x, low, high)
        if not _is_flat(form, x):
            beyond = x > border if side > 0 else x < -border
            result = sympy.Piecewise((form, beyond), (result, True))
    return result if result != guarded else None


def _limits(expr: Expr, act: Activation, sides: list[tuple[Symbol, int]]) -> Iterator[Treatment]:
    """The limits at infinity, said in so many words."""
    yield "limits at infinity", functools.partial(_at_infinity, expr, act, sides)


def _at_infinity(expr: Expr, act: Activation, sides: list[tuple[Symbol, int]]) -> Expr | None:
    known = signs(act)
    values = {**act.defaults, **{s: sympy.Integer(1) for s in act.inputs[1:]}}
    result = guarded = guards.guard_branches(expr, act.inputs[0])
    for x in dict.fromkeys(x for x, _ in sides):
        limits = {}
        for side in (side for var, side in sides if var == x):
            value = tails.limit(expr, x, side, values, known)
            value = _numeric_limit(expr, act, side) if value is None else value
            if value is not None:
                limits[side] = value
        if limits:
            result = guards.at_infinity(result, x, limits)
    return result if result != guarded else None


def _borders(borders: Sequence[Expr], two_sided: bool) -> Iterator[tuple[Expr, Expr]]:
    """(border at +, border at -), the greatest first; one side alone may need a smaller one."""
    for border in borders:
        if two_sided and border != borders[0]:
            yield border, borders[0]
            yield borders[0], border
        yield border, border


def _oracles(expr: Expr, act: Activation) -> list[Oracle]:
    meaning = tails.definition(expr)
    return [shared(meaning, act.inputs, setting) for setting in settings(act)]


def _numerically_flat(expr: Expr, act: Activation, side: int) -> bool:
    """Whether, at every setting, the function is constant from |x| = 128 on to 60 bits.

    Farther out than 2**8 a doubly exponential function is beyond balls too, and not asked.
    """
    if act.is_gated:
        return False
    for oracle in _oracles(expr, act):
        try:
            first, *rest = (oracle(side * 2.0**power) for power in (7, 7.5, 8, 10, 20, 40))
        except Undecided:
            return False
        tiny = abs(first) < 2.0**-160
        near = [
            abs(v) < 2.0**-160 if tiny else abs(v - first) < abs(first) * 2.0**-60 for v in rest
        ]
        if not all(ok or v.is_nan() for ok, v in zip(near[2:], rest[2:])) or not all(near[:2]):
            return False
    return True


def _numeric_limit(expr: Expr, act: Activation, side: int) -> Expr | None:
    """The limit, where the oracle finds the same one at every setting."""
    if act.is_gated:
        return None
    found = {float(oracle(side * math.inf)) for oracle in _oracles(expr, act)}
    value = found.pop()
    if found or math.isnan(value):
        return None
    return exact(value)


def _is_flat(form: Expr, x: Symbol) -> bool:
    return x not in form.free_symbols and not form.has(sympy.Piecewise)


def _failing_sides(act: Activation, wrong: Sequence[tuple[float, ...]]) -> list[tuple[Symbol, int]]:
    sides = []
    for i, x in enumerate(act.inputs):
        for side in (1, -1):
            if any(side * p[i] > 1e3 for p in wrong):
                sides.append((x, side))
    return sides
