"""How often f is continuously differentiable, and parity: both proved with SymPy where possible."""

from __future__ import annotations

import math

import sympy
from sympy import Expr, Symbol, oo

from . import tails
from .calculus import branch_at, break_points, derivative
from .forms import quietly, rational
from .oracle import Oracle, Undecided
from .pieces import Curve
from .roots import signs
from .shape import PROVED, SAMPLED, Fact
from .spec import Activation

#: Derivatives that are compared at a kink before two branches count as one smooth function.
HIGHEST = 6


def smoothness(act: Activation, curve: Curve | None) -> Fact | None:
    """C^k with k proved at every break; conditions on parameters for more are told."""
    x, values = act.inputs[0], act.defaults
    points = break_points(act.formula, x, values)
    if not points:
        if curve is None or not _is_analytic(curve):
            return None
        return Fact("smoothness: C^oo", PROVED, (oo, ()))
    places = [sympy.Rational(float(p.subs(values))) for p in points]
    found = []
    for point, place in zip(points, places, strict=True):
        gap = min((abs(place - q) for q in places if q != place), default=sympy.Integer(1))
        step = min(gap, 1) / 1024
        left, right = (branch_at(act.formula, x, at, values) for at in (place - step, place + step))
        found.append(_at_break(left, right, x, point, values))
    order = min(here for here, _ in found)
    # A condition holds for the whole of f if no other break fails under it.
    told = [
        (k, c)
        for k, c in dict.fromkeys(pair for _, more in found for pair in more.items())
        if k > order and all(here >= k or more.get(k) == c for here, more in found)
    ]
    parts = [f"smoothness: {'discontinuous' if order == -1 else _class(order)}"]
    parts += [f"{_class(k)} if {c.lhs} = {c.rhs}" for k, c in told]
    return Fact("; ".join(parts), PROVED, (order, tuple(told)))


def _class(k: Expr) -> str:
    return "C^oo" if k == oo else f"C{k}"


def _is_analytic(curve: Curve) -> bool:
    """Whether no root is taken of something that may be 0 (elsewhere all functions are smooth)."""
    for piece in curve.pieces:
        for node in piece.levels[0].atoms(sympy.Pow):
            if node.exp.is_integer or curve.x not in node.base.free_symbols:
                continue
            base = signs(node.base, curve.x, piece.low, piece.high)
            if not base.known or base.roots:
                return False
    return True


def _at_break(
    left: Expr, right: Expr, x: Symbol, point: Expr, values: dict[Symbol, Expr]
) -> tuple[Expr, dict[Expr, Expr]]:
    """The order of smoothness for all parameters, and conditions under which it is higher."""
    order: Expr | None = None
    conditions: dict[Expr, Expr] = {}
    difference = left - right
    assumed: dict[Symbol, Expr] = {}
    condition: Expr | None = None
    level = 0
    while level < HIGHEST:
        gap = quietly(_gap, left, right, x, point, assumed)
        if gap is None:
            if order is None:
                raise ArithmeticError("two branches cannot be compared")
            return order, conditions
        if gap != 0:
            order = level - 1 if order is None else order
            if condition is not None and level - 1 > order:
                conditions[level - 1] = condition
            solved = _solved(gap, values)
            if solved is None or condition is not None:
                return order, conditions
            symbol, value = solved
            condition, assumed = sympy.Eq(symbol, value), {symbol: value}
        left, right = derivative(left, x), derivative(right, x)
        level += 1
    same = quietly(lambda: sympy.simplify(difference.subs(assumed))) == 0
    most = oo if same else HIGHEST - 1
    if order is None:
        return most, {}
    if condition is not None:
        conditions[most] = condition
    return order, conditions


def _gap(left: Expr, right: Expr, x: Symbol, point: Expr, assumed: dict[Symbol, Expr]) -> Expr:
    return sympy.simplify((_value(left, x, point) - _value(right, x, point)).subs(assumed))


def _value(branch: Expr, x: Symbol, point: Expr) -> Expr:
    value = branch.subs(x, point)
    return sympy.limit(branch, x, point) if value.has(sympy.nan, sympy.zoo) else value


def _solved(gap: Expr, values: dict[Symbol, Expr]) -> tuple[Symbol, Expr] | None:
    """The parameter and its value for which two branches agree, if there is one."""
    for s in sorted(gap.free_symbols, key=str):
        top = sympy.fraction(sympy.together(gap))[0]
        if top.is_polynomial(s) and sympy.degree(top, s) == 1:
            roots = sympy.solve(top, s)
            if len(roots) == 1 and roots[0].is_finite is not False:
                return s, roots[0]
    return None


def parity(act: Activation, curve: Curve | None) -> Fact:
    """Even, odd or neither, at the defaults: by symbols where they simplify, else at points."""
    if curve is not None:
        for name, sign in (("even", 1), ("odd", -1)):
            if _mirrored(curve, sign):
                return Fact(f"{name}", PROVED, name)
    found = _sampled(act)
    if found:
        return Fact(found, SAMPLED, found)
    return Fact("neither even nor odd", PROVED if found is not None else SAMPLED, "")


def _mirrored(curve: Curve, sign: int) -> bool:
    places = [place for _, place in curve.breaks]
    if any(a != -b for a, b in zip(places, reversed(places))):
        return False
    for a, b in zip(curve.pieces, reversed(curve.pieces)):
        difference = a.levels[0].subs(curve.x, -curve.x) - sign * b.levels[0]
        if not _is_zero(difference, curve.x):
            return False
    for place in places:
        left, right = curve.own_value(0, place), curve.own_value(0, -place)
        if left is None or right is None or left.exact is None or right.exact is None:
            return False
        if left.exact != sign * right.exact:
            return False
    return True


def _is_zero(expr: Expr, x: Symbol) -> bool:
    if expr == 0:
        return True
    form = rational(expr, x)
    if form is not None:
        return bool(form.value == 0)
    return bool(quietly(lambda: sympy.simplify(tails.definition(expr))) == 0)


def _sampled(act: Activation) -> str | None:
    """As it looks at points: "even" or "odd"; "" where balls prove it is neither, None: no idea."""
    oracle = Oracle(act.formula, act.inputs, act.defaults)
    points = (0.37, 1.21, 2.7, 5.9, 0.011, 13.5)
    try:
        pairs = [(oracle(p), oracle(-p)) for p in points]
    except Undecided:
        return None
    if any(math.isnan(float(a)) or math.isnan(float(b)) for a, b in pairs):
        return None
    if all((a - b).contains(0) for a, b in pairs):
        return "even"
    return "odd" if all((a + b).contains(0) for a, b in pairs) else ""
