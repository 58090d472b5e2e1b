"""Doubts about a formula: poles, jumps, and where it has no real value."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator

import flint
import sympy
from sympy import Expr

from .errors import FormulaError, FormulaWarning
from .limits import TimeLimit, time_limit
from .oracle import Oracle, Undecided, from_float
from .spec import Activation

SECONDS = 3.0


def warn_of_doubts(act: Activation) -> None:
    """Warn with FormulaWarning of what `doubts` finds; FormulaError if there is no real value."""
    if act.is_row or act.is_gated:
        return
    try:
        with time_limit(SECONDS):
            for doubt in doubts(act):
                warnings.warn(f"{act.name}: {doubt}", FormulaWarning, stacklevel=3)
    except TimeLimit:
        warnings.warn(
            f"{act.name}: looking for poles and jumps took longer than {SECONDS:g} s and stopped",
            FormulaWarning,
            stacklevel=3,
        )


def grid() -> list[float]:
    """Inputs on which a formula is tried, in order."""
    sizes = [0.0, *(m * 10.0**k for k in range(-6, 7) for m in (1, 1.7, 2.9, 4.3, 7.1))]
    fine = [i / 8 for i in range(-160, 161)]
    return sorted({*sizes, *(-s for s in sizes), *fine})


def doubts(act: Activation) -> Iterator[str]:
    """What is doubtful about an elementwise formula at its default parameters."""
    x = act.inputs[0]
    oracle = Oracle(act.formula, [x], act.defaults)
    points = grid()
    undefined = [p for p in points if _value(oracle, p) is None]
    if len(undefined) == len(points):
        raise FormulaError(
            f"{act.name}: the formula has no real value for any x",
            cure="check logarithms, roots and divisions by zero",
        )
    poles = sorted(set(_poles(act, points)))
    if poles:
        near = sorted(poles, key=lambda p: (abs(p), p))
        shown = ", ".join(f"{p:.6g}" for p in near[:4]) + (
            f" and {len(near) - 4} more" if near[4:] else ""
        )
        yield (
            f"a pole at x = {shown}; values there are infinite or NaN. "
            f"Guard it: where(abs(x - ({near[0]:.3g})) > 1e-3, formula, 0)"
        )
    isolated = [p for p in undefined if not any(abs(p - q) < 1e-6 for q in poles)]
    stretches = [
        p
        for p in isolated
        if _value(oracle, p * (1 + 1e-4) + 1e-7) is None
        or _value(oracle, p * (1 - 1e-4) - 1e-7) is None
    ]
    for p in isolated:
        if p not in stretches:
            yield (
                f"undefined at x = {p:.6g} alone. "
                f"Say what it is there: where(Eq(x, {p:.6g}), value, formula)"
            )
    if stretches:
        low, high = min(stretches), max(stretches)
        where = (
            f"x = {low:.6g}"
            if low == high
            else f"x from {low:.6g} to {high:.6g} (of the points tried)"
        )
        yield (
            f"complex or undefined on part of the line: {where}. "
            "Restrict it: where(x > 0, formula, 0), or use abs or max inside log and sqrt"
        )
    for kink in act.kinks():
        if kink.is_jump:
            yield (
                f"a jump at x = {kink.at}, from {kink.left} to {kink.right}; "
                "its derivative is that of the branches"
            )


def _value(oracle: Oracle, point: float) -> flint.arb | None:
    """The value; None where it is not a finite real number."""
    try:
        value = oracle(point)
    except Undecided:
        return flint.arb(0, 1)  # too great for a ball: a number all the same
    return value if value.is_finite() else None


def _poles(act: Activation, points: list[float]) -> Iterator[float]:
    """Zeros of denominators and of arguments of log near which the formula is unbounded."""
    x = act.inputs[0]
    oracle = Oracle(act.formula, [x], act.defaults)
    for base in _critical(act.formula, x):
        inner = Oracle(base, [x], act.defaults)
        values = [(p, _value(inner, p)) for p in points]
        for (a, fa), (b, fb) in zip(values, values[1:], strict=False):
            root = None
            if fa is not None and fa == 0:
                root = a
            elif fa is not None and fb is not None and fb != 0 and (fa < 0) != (fb < 0):
                root = _bisect(inner, a, b)
            if root is not None and _grows(oracle, root):
                yield round(root, 9)


def _critical(expr: Expr, x: sympy.Symbol) -> Iterator[Expr]:
    for node in sympy.preorder_traversal(expr):
        if x not in getattr(node, "free_symbols", ()):
            continue
        if (
            isinstance(node, sympy.Pow)
            and not isinstance(node, sympy.exp)
            and node.exp.is_number
            and node.exp < 0
        ):
            yield node.base
        elif isinstance(node, sympy.log):
            yield node.args[0]
        elif isinstance(node, sympy.tan):
            yield sympy.cos(node.args[0])


def _bisect(oracle: Oracle, a: float, b: float) -> float | None:
    low = _value(oracle, a)
    for _ in range(80):
        middle = (a + b) / 2
        value = _value(oracle, middle)
        if value is None or low is None:
            return None
        if value == 0:
            return middle
        if (value < 0) == (low < 0):
            a, low = middle, value
        else:
            b = middle
    return (a + b) / 2


def _grows(oracle: Oracle, root: float) -> bool:
    """Whether |f| keeps growing on the way to the root, from either side."""
    for side in (-1, 1):
        sizes = []
        for power in (10, 20, 30, 40):
            step = max(abs(root), 1.0) * math.ldexp(1.0, -power)
            try:
                value = oracle.exact([from_float(root + side * step)], 20)
            except Undecided:
                break
            sizes.append(abs(value))
        finite = [s for s in sizes if s.is_finite()]
        if len(finite) == 4 and finite[3] > finite[2] * 1.05 > finite[1] and finite[3] > 4:
            return True
    return False
