"""Verdicts on equations: proved, refuted, conditional, up to a convention, approximate."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import sympy
from sympy import Expr, Symbol
from sympy.core.relational import Relational

from .. import lang, registry
from . import approximations, parameters
from .cells import NoCells, arrange, ascending, between, holds_at, resolve
from .claims import Claim, Equal
from .edits import suggest
from .equality import Comparison, Witness, compare, solve
from .identify import identify, sibling
from .tokens import NotUnderstood
from .verdicts import Verdict
from .zero import numerator

_RANK = {"equal": 0, "points": 1, "condition": 2, "unknown": 3, "differs": 4}


def equal(claim: Claim, assumed: Mapping[str, Any], values: Mapping[str, Expr]) -> Verdict:
    e = claim.expression
    assert isinstance(e, Equal)
    if e.kink:
        return Verdict(claim, "convention", "at a kink there is no derivative: a choice")
    if claim.kind == "value" or not (e.left.free_symbols | e.right.free_symbols):
        printed = approximations.printed(claim, e)
        if printed is not None:
            return printed
    if e.approximate:
        return approximations.approximation(claim, e, values)
    found = _judged(claim, e, assumed, values)
    for reading, note in _READINGS.items():
        if found.outcome not in ("fails", "undecided") or e.again is None:
            break
        if reading == "far" and not e.ambiguous:
            continue
        for left, right in _read_anew(e, reading):
            other = _judged(claim, replace(e, left=left, right=right), assumed, values)
            if other.outcome not in ("fails", "undecided"):
                return replace(other, claim=replace(claim, notes=(note,)))
            if other.outcome == "undecided":
                found = other
    if found.outcome == "fails" and e.ambiguous:
        found = Verdict(claim, "undecided", "it reads two ways, with brackets missing")
    if found.outcome in ("fails", "undecided") and e.instead is not None:
        other = _judged(claim, replace(e, left=e.instead), assumed, values)
        if other.outcome not in ("fails", "undecided"):
            note = f"compared with {claim.subject} itself, not with the document's formula of it"
            return replace(other, claim=replace(claim, notes=(note,)))
    if found.outcome == "fails":
        found = _other_arguments(claim, e, found, assumed, values)
    if found.outcome == "fails" and claim.kind == "definition":
        other_name = sibling(claim, e)
        if other_name:
            return Verdict(
                claim, "convention", f"it is {other_name}, which goes by the same name",
                counterexample=found.counterexample,
            )  # fmt: skip
    if found.outcome in ("fails", "undecided", "holds_if") and claim.generic:
        return _about_what(claim, e, found)
    if found.outcome == "fails" and e.guessed:
        return Verdict(
            claim,
            "undecided",
            "the document does not say what φ is; it fails with the normal density",
        )
    if found.outcome == "fails" and not found.suggestion and e.again is not None:
        found = replace(found, suggestion=_hint(e))
    return found


def _other_arguments(
    claim: Claim, e: Equal, found: Verdict, assumed: Mapping[str, Any], values: Mapping[str, Expr]
) -> Verdict:
    """y(1 − y) as σ′ where y is σ(x); value and gate exchanged."""
    act = registry.load(claim.subject) if claim.subject else None
    if act is None or act.is_row:
        return found
    if act.is_gated:
        swapped = {lang.x: lang.y, lang.y: lang.x}
        other = _judged(claim, replace(e, right=e.right.xreplace(swapped)), assumed, values)
        if other.outcome == "holds":
            return replace(other, outcome="convention", proof="value and gate change places")
    of_output = claim.form == "code" or re.search(r"\((?!x\b)[a-wyz]\) =", claim.part)
    if e.order == 1 and of_output and lang.x in e.right.free_symbols:
        inner = e.right.subs(lang.x, act.formula)
        other = _judged(claim, replace(e, right=inner), assumed, values)
        if other.outcome in ("holds", "convention", "holds_if"):
            if re.match(r"def \w+\(x\b", claim.text):
                why = f"right if x is the value of {act.name}, wrong if it is the input"
                return Verdict(claim, "undecided", why)
            note = f"its argument is read as the value of {act.name}, with which it holds"
            return replace(other, claim=replace(claim, notes=(note,)))
        named = re.match(r"def \w+\((?!x\b|z\b|inputs?\b)", claim.text)
        if named:
            return Verdict(claim, "undecided", "its argument may be input or output")
    return found


#: Ways to read a formula anew where it does not hold as read first.
_READINGS = {
    "far": "a/bc is read as a/(bc), with which it holds",
    "standard": "φ, Φ and σ are read in their usual sense, with which it holds",
    "inner": "d/dx f(−x) is read as f′ at −x, with which it holds",
    "siblings": "hard sigmoid is read as that of the other slope (1/6 or 0.2), with which it holds",
}


def _read_anew(e: Equal, reading: str) -> Iterator[tuple[Expr, Expr]]:
    """Both sides with one of them, or both, in another reading."""
    assert e.again is not None
    try:
        right = e.again(list(e.tokens), reading)
        left = e.again(list(e.before), reading) if e.before else e.left
    except NotUnderstood:
        return
    pairs = dict.fromkeys(((e.left, right), (left, right), (left, e.right)))
    yield from (pair for pair in pairs if pair != (e.left, e.right))


def _about_what(claim: Claim, e: Equal, found: Verdict) -> Verdict:
    """f(x) = … that is not what its place says: a misprint of it, another function, or unknown."""
    if found.outcome == "holds_if" and claim.strong:
        return found
    if not e.order:
        name = identify(e.right)
        if name and name != claim.subject:
            return Verdict(
                replace(claim, subject=name), "holds", f"it is {name}, told by the formula itself"
            )
    if found.outcome == "holds_if":
        return found
    if claim.strong and e.again is not None and found.outcome == "fails":
        hint = _hint(e)
        if hint:
            return replace(found, suggestion=hint)
    reason = f"it is not {claim.subject}, the activation named last, and nothing says what it is"
    return Verdict(replace(claim, expression=None), "not_understood", reason)


def _hint(e: Equal) -> str:
    """The smallest edit that makes the formula true; "" if there is none."""
    assert e.again is not None
    free = [s for s in e.own if s not in e.right.free_symbols]
    same = len(free) == len(e.foreign)
    rename = dict(zip(e.foreign, free, strict=True)) if same else {}
    return suggest(e.left, e.tokens, e.again, rename, e.assume)


def _judged(
    claim: Claim, e: Equal, assumed: Mapping[str, Any], values: Mapping[str, Expr]
) -> Verdict:
    """The best verdict over the ways in which the document's symbols can be the activation's."""
    if e.right.has(sympy.nan):
        return Verdict(claim, "undecided", "one side has no value")
    best: tuple[int, Comparison, dict[Symbol, Expr], Expr, Expr] | None = None
    assume = [
        *e.assume,
        *(c for name, c in assumed.items() if lang.symbol(name) in e.right.free_symbols),
    ]
    for rename in _renamings(e):
        left, right = e.left, e.right.xreplace(rename)
        found = compare(left, right, [c.xreplace(rename) for c in assume])
        rank = _RANK[found.outcome]
        if best is None or rank < best[0]:
            best = (rank, found, rename, left, right)
        if rank <= 1:
            break
    assert best is not None
    _, found, rename, left, right = best
    names = {new: old for old, new in rename.items() if isinstance(new, Symbol)}
    verdict = _concluded(claim, e, values, found, left, right, names)
    return replace(verdict, sides=(left, right))


def _concluded(
    claim: Claim,
    e: Equal,
    values: Mapping[str, Expr],
    found: Comparison,
    left: Expr,
    right: Expr,
    names: Mapping[Symbol, Expr],
) -> Verdict:
    """The verdict that a comparison leads to."""
    if found.outcome in ("equal", "points"):
        return _held(claim, e, found, left, right, names)
    if found.outcome == "condition" and isinstance(found.condition, sympy.Eq) and e.own:
        only = _relational(found.condition.xreplace(names))
        return Verdict(
            claim,
            "fails",
            f"it holds only for {only}",
            counterexample=_renamed(found.witness, names),
        )
    if found.outcome == "condition":
        condition = found.condition.xreplace(names)
        return Verdict(
            claim, "holds_if", found.how, _relational(condition), _renamed(found.witness, names)
        )
    return _with_values(claim, e, left, right, values, found, names)


def _renamings(e: Equal) -> Iterator[dict[Symbol, Expr]]:
    """Each way in which symbols of the document may be parameters that the right side lacks."""
    lacking = [s for s in e.own if s not in e.right.free_symbols]
    foreign = [s for s in e.foreign if s in e.right.free_symbols and s not in e.left.free_symbols]
    yield from _assignments(foreign, lacking)


def _assignments(foreign: list[Symbol], lacking: list[Symbol]) -> Iterator[dict[Symbol, Expr]]:
    count = min(len(foreign), len(lacking), 3)
    if not count:
        yield {}
        return
    for chosen in itertools.permutations(foreign, count):
        for targets in itertools.combinations(lacking, count):
            yield dict(zip(chosen, targets, strict=True))


def _with_values(
    claim: Claim,
    e: Equal,
    left: Expr,
    right: Expr,
    values: Mapping[str, Expr],
    found: Comparison,
    names: Mapping[Symbol, Expr],
) -> Verdict:
    """With the values of parameters that only one side has: stated, default, or solved for."""
    stated = {s: values[str(s)] for s in e.foreign if str(s) in values and s in right.free_symbols}
    if stated:
        again = compare(left, right.xreplace(stated), e.assume)
        if again.outcome in ("equal", "points"):
            held = _held(claim, e, again, left, right.xreplace(stated), names)
            return replace(held, proof=f"{held.proof}, with {_values(stated)} as the document says")
    only_left = [s for s in e.own if s in left.free_symbols and s not in right.free_symbols]
    if only_left:
        defaults = parameters.defaults_of(claim)
        at = {s: defaults[s] for s in only_left}
        again = compare(left.subs(at), right.subs(stated), e.assume)
        if again.outcome in ("equal", "points"):
            held = _held(claim, e, again, left.subs(at), right, names)
            return replace(held, proof=f"{held.proof}, at the default {_values(at)}")
        if again.outcome == "condition" and not stated:
            return Verdict(
                claim, "holds_if", f"{again.how}, at the default {_values(at)}",
                _relational(again.condition.xreplace(names)), again.witness,
            )  # fmt: skip
    unknown = [
        s for s in sorted((left - right).free_symbols - parameters.inputs(claim), key=str)
        if (s in left.free_symbols) != (s in right.free_symbols)
    ]  # fmt: skip
    if 0 < len(unknown) <= 2:
        solved = solve(left, right, unknown, e.assume)
        if solved is not None and parameters.admissible(claim.subject, solved[0]):
            condition = ", ".join(f"{names.get(s, s)} = {_number(v)}" for s, v in solved[0].items())
            return Verdict(
                claim, "holds_if", f"proved with this value: {solved[1].how}", condition,
                _renamed(found.witness, names),
            )  # fmt: skip
    lone = [s for s in unknown if s not in e.own]
    if found.outcome == "differs" and e.own and not lone and not parameters.mentions(claim, e.own):
        # The document never writes the parameter: it means the usual one.
        at = {s: v for s, v in parameters.defaults_of(claim).items() if s in e.own}
        again = compare(left.subs(at), right.subs(at), e.assume)
        if again.outcome in ("equal", "points"):
            held = _held(claim, e, again, left.subs(at), right.subs(at), names)
            return replace(held, proof=f"{held.proof}, at the default {_values(at)}")
    if found.outcome == "differs" and len(e.own) > 1 and not lone:
        # Where two parameters decide on branches, only their defaults are sure to be in order.
        at = {s: v for s, v in parameters.defaults_of(claim).items() if s in e.own}
        again = compare(left.subs(at), right.subs(at), e.assume)
        if again.outcome != "differs":
            return Verdict(claim, "undecided", f"it is not false at the defaults; {found.witness}")
        found = replace(
            again,
            witness=again.witness
            and Witness({**at, **again.witness.point}, again.witness.left, again.witness.right),
        )
    if found.outcome == "differs" and lone:
        told = ", ".join(map(str, lone))
        return Verdict(claim, "undecided", f"the document does not say what {told} is")
    if found.outcome == "differs":
        return Verdict(
            claim,
            "fails",
            _only_if(e, left, right, names),
            counterexample=_renamed(found.witness, names),
        )
    why = found.how
    if found.witness is not None:
        why += f"; it differs {found.witness}"
    return Verdict(claim, "undecided", why)


def _only_if(e: Equal, left: Expr, right: Expr, names: Mapping[Symbol, Expr]) -> str:
    """For a false formula: the one value of a parameter with which it would be true."""
    shared = [s for s in e.own if s in left.free_symbols]
    if len(shared) != 1:
        return ""
    solved = solve(left, right, shared, e.assume)
    if solved is None:
        return ""
    (s, v), *_ = solved[0].items()
    return f"it does hold for {names.get(s, s)} = {_number(v)}"


def _held(
    claim: Claim, e: Equal, found: Comparison, left: Expr, right: Expr, names: Mapping[Symbol, Expr]
) -> Verdict:
    """An equality that holds: everywhere, or up to points such as the derivative at a kink."""
    kinks = [p for p in _kinks(left) if _assumed(e, p)] if e.order else []
    points = [
        p
        for p in found.points
        if p not in kinks and _assumed(e, p) and not (e.order and _is_limit(left, right, p))
    ]
    told = [p for p in kinks if _defined(right, p)]
    if not points and not told:
        how = found.how
        if found.points:
            how += "; it says nothing at the kink, where there is no derivative"
        return Verdict(claim, "holds", how)
    if told and not points:
        where = ", ".join(f"{lang.x} = {p.xreplace(dict(names))}" for p in told)
        value = ", ".join(str(resolve_at(right, p).xreplace(dict(names))) for p in told)
        return Verdict(
            claim, "convention",
            f"{found.how}; at {where} there is no derivative, {value} is the document's choice",
            counterexample=_renamed(found.witness, names),
        )  # fmt: skip
    where = ", ".join(f"{lang.x} = {p}" for p in points)
    return Verdict(
        claim, "convention", f"{found.how}; it differs at {where} alone",
        counterexample=_renamed(found.witness, names),
    )  # fmt: skip


def _is_limit(left: Expr, right: Expr, place: Expr) -> bool:
    """Whether the right side at a place is what the derivative on the left tends to there."""
    free = (left.free_symbols | right.free_symbols | place.free_symbols) - {lang.x}
    sample = {s: sympy.Rational(3, 2) for s in free}
    step = sympy.Rational(1, 10**6)
    try:
        there = resolve_at(right, place)
        if there is sympy.nan:
            return False
        beside = (
            resolve(left, {**sample, lang.x: place.subs(sample) + d}).subs(lang.x, place)
            for d in (-step, step)
        )
        return all(numerator(side - there) == 0 for side in beside)
    except NoCells:
        return False


def _assumed(e: Equal, place: Expr) -> bool:
    """Whether a place lies where the claim is made."""
    free = set().union(place.free_symbols, *(c.free_symbols for c in e.assume)) - {lang.x}
    sample = {s: sympy.Rational(3, 2) for s in free}
    try:
        return all(holds_at(c, {lang.x: place.subs(sample), **sample}) for c in e.assume)
    except NoCells:
        return True


def resolve_at(expr: Expr, place: Expr) -> Expr:
    """The expression at a place of x, branches of x decided."""
    free = (expr.free_symbols | place.free_symbols) - {lang.x}
    sample = {s: sympy.Rational(3, 2) for s in free}
    branch = resolve(expr, {lang.x: place.subs(sample), **sample})
    return branch if branch is sympy.nan else sympy.simplify(branch.subs(lang.x, place))


def _defined(expr: Expr, place: Expr) -> bool:
    try:
        return resolve_at(expr, place) is not sympy.nan
    except NoCells:
        return True


def _kinks(slope: Expr) -> list[Expr]:
    """Points where a derivative jumps: the function has none there."""
    if slope.has(lang.RowSum, lang.RowMax):
        return []
    try:
        arrangement = arrange([slope], lang.x)
        free = sorted(slope.free_symbols - {lang.x}, key=str)
        sample = {s: sympy.Rational(2 * i + 3, i + 2) for i, s in enumerate(free)}
        places = {sympy.simplify(r.subs(sample)): r for r in arrangement.roots}
        ordered = ascending(p for p in places if p.is_real and p.is_finite)
        found = []
        gaps = between(ordered)
        for i, place in enumerate(ordered):
            left, right = (
                resolve(slope, {**sample, lang.x: at}).subs(lang.x, places[place])
                for at in (gaps[i], gaps[i + 1])
            )
            if numerator(left - right) != 0:
                found.append(places[place])
        return found
    except (NoCells, sympy.PolynomialError, TypeError, ValueError):
        return []


def _renamed(found: Witness | None, names: Mapping[Symbol, Expr]) -> Witness | None:
    if found is None:
        return None
    return Witness({names.get(s, s): v for s, v in found.point.items()}, found.left, found.right)


def _relational(condition: Any) -> str:
    if isinstance(condition, (sympy.And, sympy.Or)):
        word = " and " if isinstance(condition, sympy.And) else " or "
        return word.join(map(_relational, condition.args))
    if isinstance(condition, sympy.Eq):
        return f"{condition.lhs} = {condition.rhs}"
    # x >= 0, not 0 <= x.
    turn = isinstance(condition, Relational) and condition.lhs.is_number
    return str(condition.reversed if turn else condition)


def _values(at: Mapping[Symbol, Expr]) -> str:
    return ", ".join(f"{s} = {_number(v)}" for s, v in at.items())


def _number(value: Expr) -> str:
    if not value.is_number or (value.is_Rational and value.q < 1000):
        return str(value)
    return str(sympy.N(value, 12))
