"""Verdicts on printed decimals and on formulas that are only nearly equal."""

from __future__ import annotations

from collections.abc import Mapping

import sympy
from sympy import Expr

from .. import lang, registry
from . import extremes, subjects
from .claims import Claim, Equal
from .equality import Witness, compare
from .verdicts import Verdict


def printed(claim: Claim, e: Equal) -> Verdict | None:
    """A value printed in decimals: right to its digits, cut off, or wrong."""
    digits = "".join(t.text for t in e.tokens if t.kind in ("NUM", "MINUS"))
    if "." not in digits or not e.right.is_Rational or e.left.free_symbols:
        return None
    decimals = len(digits.partition(".")[2].partition("e")[0])
    gap = abs(sympy.N(e.left, 40) - e.right)
    step = sympy.Rational(1, 10**decimals)
    true = f"the value is {sympy.N(e.left, min(decimals + 6, 30))}"
    if gap <= step / 2:
        return Verdict(claim, "holds", f"{true}, rounded to {decimals} decimals")
    if gap < step:
        return Verdict(claim, "approximates", f"{true}, cut off at {decimals} decimals")
    at = Witness({}, str(sympy.N(e.left, 12)), digits)
    return Verdict(claim, "fails", true, counterexample=at)


def approximation(claim: Claim, e: Equal, values: Mapping[str, Expr]) -> Verdict:
    known = {lang.symbol(name): v for name, v in values.items()}
    act = registry.load(claim.subject) if claim.subject else None
    at = subjects.defaults(act) if act is not None else {}
    left, right = (side.xreplace(known).subs(at) for side in (e.left, e.right))
    exact = compare(left, right, e.assume, seconds=4.0)
    if exact.outcome == "equal":
        return Verdict(claim, "holds", f"not only nearly: {exact.how}")
    if not left.free_symbols and not right.free_symbols:
        gap = abs(sympy.N(left - right, 15))
        return Verdict(claim, "approximates", error=f"the error is {sympy.N(gap, 4)}")
    found = extremes.greatest(left, right)
    if found is None:
        return Verdict(claim, "undecided", "the greatest error could not be enclosed")
    return Verdict(claim, "approximates", found.how, error=found.text)


# Other kinds.
