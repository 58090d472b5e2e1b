"""Ranges, limits, constants, smoothness, parity, shape: judged by the facts of the compiler.

Each function returns (outcome, proof, condition, counterexample).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sympy
from sympy import Expr, Symbol

from .. import lang, registry, shape, smoothness, tails
from ..facts import facts
from ..forms import quietly
from ..lang import RowMax, RowSum
from ..pieces import Curve, Number, end_value
from ..spec import Activation
from ..variants import lift
from .cells import NoCells, arrange, ascending, between, holds_at, resolve, sign_of
from .claims import PARAMETERS, Constant, Property, Tends, Within
from .equality import INPUTS, Witness, compare, shown, value
from .subjects import defaults
from .zero import proves_zero

Result = tuple[Any, ...]

WIDE = (
    *INPUTS,
    *(sympy.Rational(v) for v in "1000 -1000 1/1000 -1/1000 -7/10 -13/10 6 -6".split()),
)


def _defaults(subject: str, expr: Expr) -> tuple[Expr, str]:
    """The expression at the subject's default parameters, and those told."""
    act = registry.load(subject) if subject else None
    values = {s: v for s, v in (defaults(act) if act else {}).items() if s in expr.free_symbols}
    told = ", ".join(f"{s} = {float(v):g}" for s, v in values.items())
    return expr.subs(values), told


# Ranges.


def within(subject: str, e: Within) -> Result:
    """Whether all values lie between the ends."""
    if e.expr.has(RowSum, RowMax):
        return _row_within(e)
    expr, told = _defaults(subject, e.expr)
    low, high = _defaults(subject, e.low)[0], _defaults(subject, e.high)[0]
    if (expr.free_symbols | low.free_symbols | high.free_symbols) - {lang.x, lang.y}:
        return (
            "undecided",
            f"it depends on {', '.join(map(str, sorted(expr.free_symbols, key=str)))}",
        )
    outside = _outside(expr, low, high, e)
    curve = quietly(Curve, _activation(expr), seconds=4.0)
    found = quietly(shape.value_range, curve, 0, seconds=6.0) if curve is not None else None
    if outside is not None:
        rounded = found is not None and _near(found.low, low) and _near(found.high, high)
        if rounded:
            return "approximates", f"the values are {found}; the ends are printed rounded"
        return "fails", "", "", outside
    if low.has(lang.x) or high.has(lang.x):
        parts = [
            Within(expr - low, sympy.Integer(0), sympy.oo, (e.closed[0], False), 0, e.assume),
            Within(high - expr, sympy.Integer(0), sympy.oo, (e.closed[1], False), 0, e.assume),
        ]
        results = [within("", part) for part in parts]
        return next((r for r in results if r[0] != "holds"), results[0])
    if e.assume:
        return "undecided", "no value outside was found, and no proof under the condition"
    if found is None:
        return "undecided", "no value outside was found; the range could not be enclosed"
    inside = _beyond(found.low, low, found.low_attained, e.closed[0], -1) and _beyond(
        found.high, high, found.high_attained, e.closed[1], 1
    )
    line = curve.line(1)
    if not inside or line is None or line.reach != "oo":
        return "undecided", f"the values found lie in {found}"
    proof = f"the values are {found}, enclosed on the whole line"
    tight = _same(found.low, low) and _same(found.high, high)
    if e.exact and not tight and _near(found.low, low) and _near(found.high, high):
        return "approximates", f"{proof}; the ends are printed rounded"
    if e.exact and not tight:
        return "fails", f"{proof}, not {_interval(low, high, e.closed)}" + (
            f" (at {told})" if told else ""
        )
    if e.exact and (found.low_attained, found.high_attained) != e.closed:
        return "convention", f"{proof}; the ends are printed as {_interval(low, high, e.closed)}"
    if not tight and not (low.is_infinite or high.is_infinite):
        proof += f", less than {_interval(low, high, e.closed)}"
    if told:
        return "holds_if", proof + "; other values were not judged", told
    return "holds", proof


def _activation(expr: Expr) -> Activation:
    return Activation("claim", expr)


def _interval(low: Expr, high: Expr, closed: tuple[bool, bool]) -> str:
    return f"{'[' if closed[0] else '('}{low}, {high}{']' if closed[1] else ')'}"


def _beyond(end: Number, bound: Expr, attained: bool, closed: bool, side: int) -> bool:
    """Whether the end of the range found does not pass the claimed one."""
    if bound.is_infinite:
        return bool((bound > 0) == (side > 0)) and not (end.is_infinite and attained)
    if end.is_infinite:
        return False
    if _same(end, bound):
        return closed or not attained
    gap = Number.of(bound).ball - end.ball
    return bool(gap > 0) if side > 0 else bool(gap < 0)


def _near(end: Number, bound: Expr) -> bool:
    """Whether a bound is the end itself or a decimal next to it."""
    if _same(end, bound):
        return True
    if end.is_infinite or not bound.is_Rational or bound.is_Integer:
        return False
    return abs(float(end) - float(bound)) <= 0.01 * max(abs(float(end)), 0.1)


def _same(end: Number, bound: Expr) -> bool:
    if end.exact is not None:
        return bool(end.exact == bound or sympy.simplify(end.exact - bound) == 0)
    return False


def _outside(expr: Expr, low: Expr, high: Expr, e: Within) -> Witness | None:
    """An exact input whose value certainly lies outside."""
    places = list(WIDE)
    curve = quietly(Curve, _activation(expr), seconds=3.0) if lang.x in expr.free_symbols else None
    extrema = quietly(shape.extrema, curve, 0, seconds=4.0) if curve is not None else None
    for found in extrema.value if extrema is not None else ():
        if not found.low.is_infinite:
            places.append(sympy.Rational(float(found.low)))
    for at in places:
        point = {lang.x: at}
        try:
            if not all(holds_at(c, point) for c in e.assume):
                continue
        except NoCells:
            continue
        f = value(expr, point)
        if f is None or not f.is_finite():
            continue
        for bound, closed, side in ((low, e.closed[0], -1), (high, e.closed[1], 1)):
            edge = value(bound, point)
            if edge is None:
                continue
            past = f < edge if side < 0 else f > edge
            touches = not closed and f.is_exact() and edge.is_exact() and f == edge
            if past or touches or (not closed and _equals(expr, bound, point)):
                end = "lower" if side < 0 else "upper"
                return Witness(point, shown(f), f"the {end} end is {shown(edge)}")
    return None


def _equals(expr: Expr, bound: Expr, point: Mapping[Symbol, Expr]) -> bool:
    try:
        return sign_of(sympy.simplify((expr - bound).subs(point))) == 0
    except (NoCells, TypeError):
        return False


def _row_within(e: Within) -> Result:
    """Entries of A/ΣA with A > 0 are in (0, 1), or 1 in a row of one."""
    for inner in {node.args[0] for node in e.expr.atoms(RowSum)}:
        if not inner.is_positive:
            continue
        if proves_zero(e.expr - inner / RowSum(inner)):
            low, high, ends = sympy.Integer(0), sympy.Integer(1), (False, True)
        elif proves_zero(e.expr - sympy.log(inner / RowSum(inner))):
            low, high, ends = -sympy.oo, sympy.Integer(0), (False, True)
        else:
            continue
        proof = "each entry is a positive part of its sum"
        if low < e.low or high > e.high:
            return "undecided", "the range of the row is another"
        if high == e.high and not e.closed[1] and ends[1]:
            return (
                "holds_if",
                proof + "; the one entry of a row of one reaches the end",
                "the row has two entries or more",
            )
        return "holds", proof
    return "undecided", "ranges of this row function are not judged"


# Limits.


def tends(subject: str, e: Tends) -> Result:
    """Whether the expression tends to the value."""
    expr, told = _defaults(subject, e.expr)
    target = _defaults(subject, e.value)[0]
    if target.has(lang.x):
        # lim f = x is read as f(x) - x → 0.
        expr, target = expr - target, sympy.Integer(0)
    if expr.has(RowSum, RowMax) or expr.free_symbols - {lang.x}:
        return "undecided", "a limit of more than one variable"
    if e.at.is_infinite:
        side = 1 if e.at > 0 else -1
        found = tails.limit(lift(expr), lang.x, side, {}, {})
        if found is None:
            end = end_value(lift(expr), lang.x, side)
            found = end.exact if end is not None else None
        if found is None:
            return "undecided", "the limit was not found"
        if found.has(lang.x):
            return "undecided", f"it behaves like {found}"
    elif expr.has(sympy.Piecewise, sympy.Max, sympy.Min, sympy.Abs, sympy.sign):
        return "undecided", "a limit where branches may meet: from which side is not read"
    else:
        ball = value(expr, {lang.x: e.at})
        if ball is None:
            return "undecided", f"no value at {e.at}"
        found = sympy.simplify(expr.subs(lang.x, e.at))
    same = found == target or (
        found.is_finite and target.is_finite and sympy.simplify(found - target) == 0
    )
    if same:
        return (
            ("holds_if", "the limit is proved; other values were not judged", told)
            if told
            else ("holds", f"the limit is {found}")
        )
    return "fails", f"the limit is {found}, not {target}"


# Constants.


def constant(subject: str, e: Constant) -> Result:
    """A value of a symbol: right to its digits, a rounding, or another convention's default."""
    if not subject:
        return "not_understood", f"no activation is named whose {e.symbol} it is"
    act = registry.load(subject)
    by_name = [p for p in act.parameters if p.name == e.symbol] or (
        list(act.parameters) if len(act.parameters) == 1 and e.symbol.lower() in PARAMETERS else []
    )
    if by_name:
        p = by_name[0]
        if defaults(act)[p.symbol] == e.value:
            return "holds", f"the default of {act.name}"
        return "convention", f"a choice: {act.name} has {p.name} = {float(p.value):.12g} here"
    constants = sorted(
        {r for r in act.formula.atoms(sympy.Rational) if r.q > 100},
        key=lambda r: abs(r - e.value),
    )
    if not constants or abs(constants[0] - e.value) > abs(e.value) / 100:
        return "not_understood", f"{act.name} has no constant like {e.symbol}"
    true = constants[0]
    if true == e.value:
        return "holds", f"the constant of {act.name}, to the last digit"
    decimals = len(e.digits.partition(".")[2])
    gap = abs(true - e.value)
    step = sympy.Rational(1, 10**decimals)
    what = "rounded" if gap <= step / 2 else "cut off" if gap <= step else ""
    if not what:
        return "fails", f"{act.name} has {sympy.N(true, 16)}"
    return (
        "approximates",
        f"{sympy.N(true, 16)} {what} to {decimals} decimals; the error is {sympy.N(gap, 3)}",
    )


# Properties by name.


def judge(subject: str, e: Property) -> Result:
    """A property of a declared activation, at its default parameters."""
    if not subject:
        return "not_understood", "no activation is named"
    act = registry.load(subject)
    if e.name not in PROPERTIES:
        return "not_understood", f"{e.name} is no property that is judged"
    if act.is_gated or (act.is_row and e.name not in ROW_PROPERTIES):
        return "undecided", "row and gated functions have no facts of this kind"
    found = PROPERTIES[e.name](act, e.value)
    if act.parameters and e.name in _AT_DEFAULTS and found[1]:
        told = ", ".join(f"{s} = {float(v):g}" for s, v in act.defaults.items())
        found = (found[0], f"{found[1]}, at the default {told}", *found[2:])
    if not e.negated:
        return found
    if found[0] == "holds_if":
        return "holds_if", found[1], found[2].replace(" = ", " != ")
    return {"holds": ("fails", *found[1:]), "fails": ("holds", *found[1:])}.get(found[0], found)


def _defined_everywhere(act: Activation, _: Any) -> Result:
    if act.is_row:
        return "holds", "a sum of exponentials is never 0"
    if quietly(Curve, act, seconds=4.0) is None:
        return "undecided", "whether it has a value everywhere was not found"
    ends = facts(act).limits
    if None in ends:
        return "holds", "finite for every real x, enclosed"
    low, high = (sympy.simplify(end.subs(defaults(act))) for end in ends if end is not None)
    return "holds", f"finite for every real x, enclosed; at ±∞ the limits {low} and {high}"


def _order(act: Activation, least: Any) -> Result:
    found = quietly(smoothness.smoothness, act, quietly(Curve, act, seconds=3.0), seconds=4.0)
    if found is None:
        return "undecided", "how smooth it is was not found"
    order, conditions = found.value
    if order >= least:
        return "holds", f"{found.text}, proved"
    for more, condition in conditions:
        if more >= least:
            return "holds_if", f"{found.text}, proved", f"{condition.lhs} = {condition.rhs}"
    return "fails", f"{found.text}, proved"


def _smooth(act: Activation, _: Any) -> Result:
    """Infinitely differentiable; what is C1 and no more some call smooth and some do not."""
    found = _order(act, sympy.oo)
    if found[0] == "fails" and _order(act, 1)[0] != "fails":
        return "undecided", f"{found[1]}: smooth for some, not for others"
    return found


def _exact_order(act: Activation, n: Any) -> Result:
    """C^n and no smoother."""
    found = quietly(smoothness.smoothness, act, quietly(Curve, act, seconds=3.0), seconds=4.0)
    if found is None:
        return "undecided", "how smooth it is was not found"
    order, conditions = found.value
    if order == n:
        return "holds", f"{found.text}, proved"
    for more, condition in conditions:
        if more == n:
            return "holds_if", f"{found.text}, proved", f"{condition.lhs} = {condition.rhs}"
    return "fails", f"{found.text}, proved"


def _parity(act: Activation, which: Any) -> Result:
    f, x = act.formula.subs(defaults(act)), lang.x
    mirrored = f.subs(x, -x) * (1 if which == "even" else -1)
    found = compare(f, mirrored)
    if found.outcome in ("equal", "points"):
        return "holds", f"f(−x) = {'f(x)' if which == 'even' else '−f(x)'}: {found.how}"
    if found.witness is not None and found.outcome == "differs":
        return "fails", "", "", found.witness
    return "undecided", found.how


def _centred(act: Activation, _: Any) -> Result:
    """Zero-centred: odd (then symmetric inputs have mean 0); not if all values have one sign."""
    odd = _parity(act, "odd")
    if odd[0] == "holds":
        return "holds", f"odd, so inputs symmetric around 0 have outputs of mean 0 ({odd[1]})"
    curve = quietly(Curve, act, seconds=3.0)
    found = quietly(shape.value_range, curve, 0, seconds=4.0) if curve is not None else None
    if found is not None and not found.low.is_infinite and bool(found.low.ball >= 0):
        return "fails", f"no value is negative: the range is {found}"
    moments = facts(act).get("moments")
    more = f"; {moments.text}" if moments is not None else ""
    return "undecided", f"not odd, and of both signs{more}"


def _range_end(act: Activation, side: Any) -> Result:
    curve = quietly(Curve, act, seconds=3.0)
    found = quietly(shape.value_range, curve, 0, seconds=4.0) if curve is not None else None
    if found is None:
        return "undecided", "the range was not found"
    ends = {"above": [found.high], "below": [found.low], "both": [found.low, found.high]}[side]
    bounded = not any(end.is_infinite for end in ends)
    return ("holds" if bounded else "fails"), f"the range is {found}, enclosed"


def _monotone(act: Activation, _: Any) -> Result:
    curve = quietly(Curve, act, seconds=3.0)
    found = quietly(shape.monotonicity, curve, seconds=4.0) if curve is not None else None
    if found is None:
        return "undecided", "where it rises and falls was not found"
    kinds = {s.kind for s in found.value} - {"constant"}
    line = curve.line(1)
    if line is None or line.reach != "oo":
        return "undecided", found.text
    return (
        "holds"
        if len(kinds) == 1 and not shape.jumps(curve)
        else "fails"
        if len(kinds) > 1
        else "undecided"
    ), found.text


def _convex(act: Activation, _: Any) -> Result:
    curve = quietly(Curve, act, seconds=3.0)
    found = quietly(shape.convexity, curve, seconds=4.0) if curve is not None else None
    if found is None:
        return "undecided", "its convexity was not found"
    whole = [
        s for s in found.value if s.kind == "convex" and s.low.is_infinite and s.high.is_infinite
    ]
    return ("holds" if whole else "fails"), found.text


def _saturates(act: Activation, kind: Any) -> Result:
    found = facts(act).get("saturation")
    if found is None:
        return "undecided", "how it approaches its limits was not found"
    kinds = {s.kind for s in found.value if s is not None}
    if kinds == {kind}:
        return "holds", f"{found.text}, {found.how}"
    if found.how == "proved" and kind not in kinds:
        return "fails", f"{found.text}, proved"
    return "undecided", found.text


def _sums_to_one(act: Activation, _: Any) -> Result:
    from ..calculus import row_parts

    sums = list(row_parts(act.formula))
    if len(sums) == 1 and isinstance(sums[0], RowSum):
        numerator = sums[0].args[0]
        if proves_zero(act.formula - numerator / sums[0]):
            return "holds", "Σ A/ΣA = 1 for positive A"
    return "undecided", "the sum over a row was not found"


def _slopes(act: Activation, values: Any) -> Result:
    """The derivative takes no other values than these."""
    slope = act.derivative()
    for at in between(ascending(arrange([slope], lang.x).roots)):
        here = resolve(slope.subs(act.defaults), {lang.x: at})
        if not here.is_number:
            return "fails", f"f′ is {here} around x = {at}"
        if here not in values:
            return "fails", f"f′ is {here} at x = {at}"
    return "holds", "f′ is one of them between kinks; at a kink there is no derivative"


def _case_of(act: Activation, general: Any) -> Result:
    """The greatest of straight lines: of the input and of what it is multiplied by."""
    if general != "maxout":
        return "undecided", f"special cases of {general} are not judged"
    roots = ascending(arrange([act.formula], lang.x).roots)
    lines = [resolve(act.formula, {lang.x: at, **act.defaults}) for at in between(roots)]
    if any(not line.is_polynomial(lang.x) or sympy.degree(line, lang.x) > 1 for line in lines):
        return "fails", "it is not made of straight lines"
    found = compare(act.formula, sympy.Max(*lines))
    told = ", ".join(map(str, lines))
    if found.outcome == "equal":
        return "holds", f"it is max({told}): {found.how}"
    if found.outcome == "condition":
        return "holds_if", f"it is max({told}) then: {found.how}", str(found.condition)
    return "undecided", found.how


PROPERTIES: dict[str, Callable[[Activation, Any], Result]] = {
    "defined": _defined_everywhere,
    "smooth": _smooth,
    "order": lambda act, n: _exact_order(act, n),
    "differentiable": lambda act, _: _order(act, 1),
    "continuous": lambda act, _: _order(act, 0),
    "odd": lambda act, _: _parity(act, "odd"),
    "even": lambda act, _: _parity(act, "even"),
    "zero-centred": _centred,
    "bounded": _range_end,
    "monotone": _monotone,
    "convex": _convex,
    "saturates": _saturates,
    "sums to one": _sums_to_one,
    "slopes": _slopes,
    "case of": _case_of,
}
#: What the facts say at the default parameters only.
_AT_DEFAULTS = frozenset("odd even zero-centred bounded monotone convex saturates".split())
ROW_PROPERTIES = frozenset(("defined", "sums to one"))
