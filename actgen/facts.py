"""What a function is like: its limits, kinks, smoothness and parity."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sympy import Expr

from . import tails
from .calculus import Kink
from .emit import text
from .oracle import Oracle, Undecided
from .spec import Activation
from .treatments import signs
from .variants import lift


@dataclass(frozen=True)
class Facts:
    """Facts of an activation: each either derived or, where marked, sampled with Arb.

    `limits` at −oo and +oo are expressions of the parameters (None: none was found).
    `parity` is "even", "odd" or "", sampled at the default parameters.
    """

    activation: Activation
    limits: tuple[Expr | None, Expr | None]
    derivative_limits: tuple[Expr | None, Expr | None]
    kinks: tuple[Kink, ...]
    parity: str

    def lines(self) -> list[str]:
        """One line a fact, for a terminal."""
        low, high = ("unknown" if v is None else text(v) for v in self.limits)
        dlow, dhigh = ("unknown" if v is None else text(v) for v in self.derivative_limits)
        found = [
            f"limits: {low} at -oo, {high} at oo",
            f"limits of f': {dlow} at -oo, {dhigh} at oo",
        ]
        for k in self.kinks:
            found.append(
                f"{'jump' if k.is_jump else 'kink'} at {text(k.at)}: "
                f"f {text(k.left)} | {text(k.right)}, f' {text(k.left_derivative)} | "
                f"{text(k.right_derivative)} (left | right)"
            )
        if not self.kinks:
            found.append("no kinks")
        if self.parity:
            found.append(f"{self.parity} (sampled)")
        return found


def facts(act: Activation) -> Facts:
    """The facts of an elementwise activation; rows and gates have no kinks or limits here."""
    if act.is_row or act.is_gated:
        return Facts(act, (None, None), (None, None), (), "")
    x = act.inputs[0]
    known = signs(act)

    def ends(expr: Expr) -> tuple[Expr | None, Expr | None]:
        low, high = (tails.limit(lift(expr), x, side, act.defaults, known) for side in (-1, 1))
        return low, high

    slope = ends(act.derivative())
    return Facts(act, ends(act.formula), slope, tuple(act.kinks()), _parity(act))


def _parity(act: Activation) -> str:
    oracle = Oracle(act.formula, act.inputs, act.defaults)
    points = (0.37, 1.21, 2.7, 5.9, 0.011, 13.5)
    try:
        pairs = [(oracle(p), oracle(-p)) for p in points]
    except Undecided:
        return ""
    if any(math.isnan(float(a)) or math.isnan(float(b)) for a, b in pairs):
        return ""
    if all((a - b).contains(0) for a, b in pairs):
        return "even"
    return "odd" if all((a + b).contains(0) for a, b in pairs) else ""
