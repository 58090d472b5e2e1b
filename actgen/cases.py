"""What an activation is measured at: parameter settings, points in each format, the truth there."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import sympy
from sympy import Expr, Symbol

from . import calculus, measuring, zones
from .accuracy import Format, hard_points
from .measuring import Case
from .reference import Reference
from .spec import Activation, Parameter, exact

#: Functions of an activation by name: the formula as written, and the lifted one.
Functions = Mapping[str, tuple[Expr, Expr]]


def samples(parameter: Parameter) -> list[Expr]:
    """Values of a parameter at which a candidate has to work: default, others, tiny, large, edges.

    All are exact in float32, so that every backend is given the same.
    """
    value = parameter.value
    if not value.is_finite:
        return [value, sympy.Integer(6)]
    low, high = (None if v is None else sympy.sympify(v) for v in (parameter.low, parameter.high))
    unit = value if value else sympy.Integer(1)
    wanted = [value, *(unit * exact(f) for f in (4, 0.25, 3.3, 0.7, 1e-5, 1e5))]
    wanted += [-unit, *(edge for edge in (low, high) if edge is not None)]
    wanted = [sympy.Rational(float(np.float32(float(v)))) if v != value else v for v in wanted]
    wanted = [v for v in wanted if (low is None or v >= low) and (high is None or v <= high)]
    return list(dict.fromkeys(wanted))


def settings(act: Activation) -> list[dict[Symbol, Expr]]:
    """Parameter settings to measure at: the defaults, then one parameter changed at a time.

    A kernel is given a float, so the default is the float64 nearest to it.
    """
    base = {s: exact(float(v)) if v.is_finite else v for s, v in act.defaults.items()}
    rows = [base]
    for p in act.parameters:
        rows += [{**base, p.symbol: v} for v in samples(p) if v != p.value]
    return rows


def point_sets(act: Activation, fmt: Format, count: int = 120) -> Sequence[tuple[float, ...]]:
    """Hard inputs of an activation: floats, or pairs of them for a gated one."""
    special = [
        float(p.subs(act.defaults))
        for p in calculus.break_points(act.formula, act.inputs[0], act.defaults)
    ]
    points = hard_points(fmt, special, count)
    if not act.is_gated:
        return [(p,) for p in points]
    rng = np.random.default_rng(7)
    few = [p for p in points if not math.isinf(p)]
    others = rng.permutation(few)
    pairs = [(a, float(b)) for a, b in zip(few, others, strict=True)]
    # A gate of ordinary size under values of every size, and the other way about.
    middle = [p for p in few if 1e-3 < abs(p) < 1e3]
    near = rng.choice(middle, len(few))
    pairs += [(a, float(b)) for a, b in zip(few, near, strict=True)]
    pairs += [(float(a), b) for a, b in zip(near, few, strict=True)]
    ends = [(s * math.inf, v) for s in (1, -1) for v in (1.5, -1.5, 0.25, 0.0)]
    return pairs + ends + [(b, a) for a, b in ends]


def breaks(act: Activation, setting: Mapping[Symbol, Expr]) -> list[list[float]]:
    """Where branches of the formula may meet, for each input."""
    return [
        sorted(
            {float(p.subs(setting)) for p in calculus.break_points(act.formula, s, dict(setting))}
        )
        for s in act.inputs
    ]


def references(
    act: Activation, functions: Functions, setting: Mapping[Symbol, Expr]
) -> dict[str, Reference]:
    """The truth of every function at a parameter setting."""
    special = [] if act.is_gated else breaks(act, setting)[0]
    return {
        name: Reference(truth, lifted, act.inputs, setting, special)
        for name, (truth, lifted) in functions.items()
    }


def cases(act: Activation, functions: Functions, fmt: Format, index: int) -> dict[str, Case]:
    """A case for each function at one of the parameter settings.

    Every value of a 16-bit format; of the wider ones the zones of all the functions.
    """
    setting = settings(act)[index]
    truths, kinks = references(act, functions, setting), breaks(act, setting)
    inputs = len(act.inputs)
    if fmt.precision < 16:
        table, length = zones.every_point(fmt, inputs)
        return {
            name: measuring.make_case(r, table, fmt, kinks, length) for name, r in truths.items()
        }
    if act.is_gated:
        tables = zones.gated_points(list(truths.values()), fmt, point_sets(act, fmt), inputs)
    else:
        tables = zones.scalar_points(list(truths.values()), fmt, kinks[0], index == 0)
    return {
        name: measuring.make_case(r, table, fmt, kinks)
        for (name, r), table in zip(truths.items(), tables, strict=True)
    }
