"""The verdict on each claim: proved, refuted at an exact input, conditional, or undecided."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import sympy
from sympy import Expr

from ..errors import ActgenError, InternalError
from ..limits import TimeLimit, time_limit
from . import equations, properties
from .cells import NoCells
from .claims import Claim, Constant, Equal, Property, Tends, Within
from .edits import suggest
from .tokens import NotUnderstood
from .verdicts import Verdict

SECONDS = 12.0

#: What earlier claims were judged to be: documents repeat themselves.
_known: dict[Any, Verdict] = {}


def judge(claim: Claim, assumed: Mapping[str, Any], values: Mapping[str, Expr]) -> Verdict:
    """The verdict on one claim; `assumed` and `values` are what the document says of symbols."""
    if claim.expression is None:
        suggestion = ""
        if claim.cure is not None and claim.cure.again is not None:
            suggestion = suggest(claim.cure.left, claim.cure.tokens, claim.cure.again)
        return Verdict(claim, "not_understood", claim.reason, suggestion=suggestion)
    key = (
        claim.expression,
        claim.kind,
        claim.subject,
        tuple(assumed.items()),
        tuple(values.items()),
    )
    try:
        if key in _known:
            old = _known[key].claim
            same = replace(claim, notes=old.notes, subject=old.subject, expression=old.expression)
            return replace(_known[key], claim=same)
    except TypeError:
        pass
    judging = _TABLE[type(claim.expression)]
    try:
        with time_limit(SECONDS):
            verdict = judging(claim, assumed, values)
    except TimeLimit:
        verdict = Verdict(claim, "undecided", f"no decision within {SECONDS:g} s")
    except (NoCells, NotUnderstood, sympy.PolynomialError, NotImplementedError) as why:
        verdict = Verdict(claim, "undecided", str(why) or type(why).__name__)
    except (
        ActgenError,
        InternalError,
        ArithmeticError,
        RecursionError,
        TypeError,
        ValueError,
    ) as why:
        verdict = Verdict(claim, "undecided", f"{type(why).__name__}: {why}".split("\n")[0])
    if claim.restricted and verdict.outcome in ("fails", "holds_if"):
        reason = f"false as it stands, but its sentence may restrict it ({claim.restricted})"
        return Verdict(claim, "undecided", reason)
    if len(_known) > 4096:
        _known.clear()
    _known[key] = verdict
    return verdict


def _within(claim: Claim, assumed: Mapping[str, Any], values: Mapping[str, Expr]) -> Verdict:
    e = claim.expression
    assert isinstance(e, Within)
    return Verdict(claim, *properties.within(claim.subject, e))


def _tends(claim: Claim, assumed: Mapping[str, Any], values: Mapping[str, Expr]) -> Verdict:
    e = claim.expression
    assert isinstance(e, Tends)
    return Verdict(claim, *properties.tends(claim.subject, e))


def _constant(claim: Claim, assumed: Mapping[str, Any], values: Mapping[str, Expr]) -> Verdict:
    e = claim.expression
    assert isinstance(e, Constant)
    return Verdict(claim, *properties.constant(claim.subject, e))


def _property(claim: Claim, assumed: Mapping[str, Any], values: Mapping[str, Expr]) -> Verdict:
    e = claim.expression
    assert isinstance(e, Property)
    return Verdict(claim, *properties.judge(claim.subject, e))


_TABLE: dict[type, Callable[[Claim, Mapping[str, Any], Mapping[str, Expr]], Verdict]] = {
    Equal: equations.equal,
    Within: _within,
    Tends: _tends,
    Constant: _constant,
    Property: _property,
}
