"""What a claim says of parameters: whether it shows them, their defaults and domains."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sympy import Expr, Symbol

from .. import lang, registry
from . import subjects
from .claims import PARAMETERS, Claim


def inputs(claim: Claim) -> set[Symbol]:
    return set(registry.load(claim.subject).inputs) if claim.subject else {lang.x}


def defaults_of(claim: Claim) -> dict[Symbol, Expr]:
    return subjects.defaults(registry.load(claim.subject)) if claim.subject else {}


def mentions(claim: Claim, symbols: tuple[Symbol, ...]) -> bool:
    """Whether a formula as printed shows one of the symbols, or a letter that may stand for it."""
    letters = re.findall(r"[A-Za-z]+|[α-ω]", re.sub(r"\\(?:text|frac|sigma)\b", "", claim.text))
    free = PARAMETERS | {str(s) for s in symbols} | set("αβγλ")
    return bool(set(letters) & free)


def admissible(subject: str, values: Mapping[Symbol, Expr]) -> bool:
    """Whether values lie inside of the domains of the activation's parameters."""
    act = registry.load(subject) if subject else None
    for p in act.parameters if act is not None else ():
        v = values.get(p.symbol)
        if v is not None and (
            (p.low is not None and v <= p.low) or (p.high is not None and v >= p.high)
        ):
            return False
    return True
