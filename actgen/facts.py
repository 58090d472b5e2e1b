"""What a function is like: range, limits, shape, smoothness, statistics, each with how it is known.

Everything holds at the default parameters; limits, kinks and conditions are symbolic in them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from flint import arb
from sympy import Expr

from . import ends, inverse, moments, shape, smoothness, tails
from .calculus import Kink, derivative
from .emit import text
from .forms import FAILURES, quietly
from .pieces import Curve, Number
from .shape import Fact
from .spec import Activation
from .treatments import signs
from .variants import lift

__all__ = ["Fact", "Facts", "facts"]


@dataclass(frozen=True)
class Facts:
    """Facts of an activation: each proved, enclosed or sampled (see Fact).

    `limits` at −oo and +oo are expressions of the parameters (None: none was found).
    `parity` is "even", "odd" or "". `found` has the others by name: range, asymptotes,
    saturation, smoothness, monotonicity, convexity, zeros, extrema, slope_extrema, slope_range,
    lipschitz, invertible, derivative_in_f, moments, fixed_point; one that could not be told is
    not there. `facts["lipschitz"].value` is its value.
    """

    activation: Activation
    limits: tuple[Expr | None, Expr | None]
    derivative_limits: tuple[Expr | None, Expr | None]
    kinks: tuple[Kink, ...]
    parity: str
    found: Mapping[str, Fact] = field(default_factory=dict, hash=False)

    def __getitem__(self, name: str) -> Fact:
        return self.found[name]

    def get(self, name: str) -> Fact | None:
        """The fact of that name; None if it is not known."""
        return self.found.get(name)

    def lines(self) -> list[str]:
        """One line a fact, for a terminal."""

        def shown(expr: Expr) -> str:
            return text(shape.readable(expr))

        low, high = ("unknown" if v is None else shown(v) for v in self.limits)
        dlow, dhigh = ("unknown" if v is None else shown(v) for v in self.derivative_limits)
        lines = [
            f"limits: {low} at -oo, {high} at oo",
            f"limits of f': {dlow} at -oo, {dhigh} at oo",
        ]
        for k in self.kinks:
            lines.append(
                f"{'jump' if k.is_jump else 'kink'} at {shown(k.at)}: "
                f"f {shown(k.left)} | {shown(k.right)}, f' {shown(k.left_derivative)} | "
                f"{shown(k.right_derivative)} (left | right)"
            )
        if not self.kinks:
            lines.append("no kinks")
        return lines + [str(fact) for fact in self.found.values()]

    def as_dict(self) -> dict[str, Any]:
        """Everything as strings, numbers, lists and dictionaries, for JSON."""

        def ends(pair: tuple[Expr | None, Expr | None]) -> list[str | None]:
            return [None if v is None else text(v) for v in pair]

        return {
            "name": self.activation.name,
            "limits": ends(self.limits),
            "derivative_limits": ends(self.derivative_limits),
            "kinks": [
                {
                    "at": text(k.at),
                    "jump": k.is_jump,
                    "values": ends((k.left, k.right)),
                    "derivatives": ends((k.left_derivative, k.right_derivative)),
                }
                for k in self.kinks
            ],
            "parity": self.parity,
            **{
                name: {"text": fact.text, "how": fact.how, "value": _plain(fact.value)}
                for name, fact in self.found.items()
            },
        }


def _plain(value: Any) -> Any:
    if isinstance(value, Number):
        return {"value": float(value), "exact": None if value.exact is None else str(value.exact)}
    if isinstance(value, arb):
        return value.str(20)
    if isinstance(value, (tuple, list)):
        return [_plain(v) for v in value]
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


_known: dict[Activation, Facts] = {}


def facts(act: Activation) -> Facts:
    """The facts of an elementwise activation; rows and gates have none here. Kept once found."""
    if act not in _known:
        if len(_known) >= 128:
            _known.clear()
        _known[act] = _facts(act)
    return _known[act]


def _facts(act: Activation) -> Facts:
    if act.is_row or act.is_gated:
        return Facts(act, (None, None), (None, None), (), "")
    x = act.inputs[0]
    known = signs(act)

    def limits(expr: Expr) -> tuple[Expr | None, Expr | None]:
        low, high = (tails.limit(expr, x, side, act.defaults, known) for side in (-1, 1))
        return low, high

    formula = lift(act.formula)
    slope = limits(lift(act.derivative()))
    if None in slope:
        slope = limits(lift(derivative(formula, x)))
    curve = quietly(Curve, act, seconds=3.0)
    found: dict[str, Fact | None] = {"parity": smoothness.parity(act, curve)}
    found["smoothness"] = quietly(smoothness.smoothness, act, curve, seconds=3.0)
    if curve is not None:
        found |= dict(_shape(curve))
        found["derivative_in_f"] = quietly(inverse.derivative_in_f, curve, seconds=4.0)
        try:
            integrals = moments.Integrals(curve)
            found["moments"] = moments.moments(curve, integrals)
            found["fixed_point"] = moments.fixed_point(curve, integrals)
        except FAILURES:
            pass
    kept = {name: fact for name, fact in found.items() if fact is not None}
    return Facts(act, limits(formula), slope, tuple(act.kinks()), kept["parity"].value, kept)


def _shape(curve: Curve, seconds: float = 5.0) -> Iterator[tuple[str, Fact | None]]:
    """Every fact of shape by name, None for those not found in the time for all of them."""
    end = time.monotonic() + seconds
    finders: tuple[tuple[str, Callable[[Curve], Fact | None]], ...] = (
        ("range", shape.range_fact),
        ("asymptotes", ends.asymptotes),
        ("saturation", ends.saturation),
        ("monotonicity", shape.monotonicity),
        ("convexity", shape.convexity),
        ("zeros", shape.zeros),
        ("extrema", shape.extrema),
        ("slope_extrema", lambda c: shape.extrema(c, 1)),
        ("slope_range", lambda c: shape.range_fact(c, 1)),
        ("lipschitz", shape.lipschitz),
        ("invertible", shape.invertible),
    )
    for name, find in finders:
        yield name, quietly(find, curve, seconds=max(end - time.monotonic(), 0.01))
