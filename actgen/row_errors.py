"""Errors of row functions (softmax, maxout): result i against the truth for inputs half an ulp off.

To first order the true value of entry i reaches Σ_j |∂f_i/∂x_j|·(half an ulp of x_j) to each side;
what a result is off beyond that, in ulps at the true value, is its mixed error. The differences
are Arb's, over 2**-40 of half an ulp; where a function jumps nothing is forgiven.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

import flint
import numpy as np
from flint import arb
from sympy import Expr, Symbol

from . import flushing, model
from .accuracy import Format, Measurement, error, to_format, ulp_of
from .compiled import Function
from .lang import symbol
from .oracle import Undecided, exact_row_balls, from_float
from .row_cases import rows
from .running import Runner, device_program, run_model
from .spec import Activation

#: Rows longer than this are measured at SAMPLE of their entries, and only those are moved.
SHORT, SAMPLE = 16, 6
STEP = 2.0**-40


@functools.lru_cache(maxsize=512)
def _truth(
    expr: Expr, given: tuple[tuple[Symbol, tuple[float, ...]], ...], fmt: Format
) -> tuple[list[arb], list[arb], list[int]] | None:
    """The true row, how far half an ulp of the inputs moves it, and which entries are measured."""
    exact = {s: [from_float(v) for v in row] for s, row in given}
    try:
        true = exact_row_balls(expr, exact)
        n = max(len(row) for row in exact.values())
        chosen = _sample([float(v) for v in next(iter(exact.values()))], n)
        slack = [arb(0)] * len(true)
        for s, row in exact.items():
            for j in chosen if len(row) > SHORT else range(len(row)):
                with flint.ctx.workprec(2200):
                    step = ulp_of(row[j], fmt) / 2 * STEP
                    moved = {**exact, s: [*row[:j], row[j] + step, *row[j + 1 :]]}
                ends = exact_row_balls(expr, moved, 200)
                slack = [a + _slope(t, e) for a, t, e in zip(slack, true, ends, strict=True)]
    except Undecided:
        return None
    return true, slack, [i for i in chosen if i < len(true)]


def _slope(true: arb, end: arb) -> arb:
    change = abs(end - true)
    jumps = change > abs(true) * 2.0**-20
    return arb(0) if jumps else change.mid() / STEP


def _sample(row: list[float], n: int) -> list[int]:
    if n <= SHORT:
        return list(range(n))
    order = sorted(range(len(row)), key=lambda i: row[i])
    middle = np.random.default_rng(3).choice(n, SAMPLE - 3, replace=False)
    return sorted({order[-1], order[-2], order[0], *map(int, middle)})


def measure(
    act: Activation,
    f: Function,
    run: Runner,
    fmt: Format,
    labels: Mapping[str, Any],
    flushes: bool = False,
) -> Measurement:
    """The worst errors of one function of a row activation, over all the hard rows.

    `flushes`: the device takes subnormal numbers for zeros.
    """
    rng = np.random.default_rng(12)
    worst, scaled, wrong, count, where = 0.0, 0.0, 0, 0, (math.nan, 0)
    for row in rows():
        x = to_format(np.clip(row, -fmt.max, fmt.max), fmt).astype(np.float64)
        if flushes and ((x != 0) & (np.abs(x) < flushing.least(fmt))).all():
            continue  # all of them may count as zeros
        given: dict[Symbol, Any] = {act.inputs[0]: x}
        if len(f.program.inputs) > 1:
            single = act.reduces and f.name == "vjp"
            other = rng.normal(0, 1, 1 if single else len(x))
            given[symbol(f.program.inputs[1])] = to_format(other, fmt).astype(np.float64)
        found = _truth(f.truth, tuple((s, tuple(v.tolist())) for s, v in given.items()), fmt)
        if found is None:
            continue
        true, slack, chosen = found
        if len(true) == 1 and not (act.reduces and f.name in ("forward", "jvp")):
            true, slack = true * len(x), slack * len(x)
        computed = np.broadcast_to(_run_row(act, f, run, list(given.values()), fmt), len(true))
        for i in chosen:
            y, t = float(computed[i]), true[i]
            if flushes and max(abs(y), abs(float(t))) < flushing.least(fmt):
                count += 1
                continue
            ulps = error(y, t, fmt)
            mixed = ulps
            if math.isfinite(ulps) and math.isfinite(y) and t.is_finite():
                beyond = (abs(from_float(y) - t) - slack[i]) / ulp_of(t, fmt)
                mixed = min(ulps, max(0.0, float(beyond.mid())))
            count += 1
            wrong += math.isinf(ulps)
            worst = max(worst, ulps)
            if mixed > scaled or not count:
                scaled, where = mixed, (float(x[min(i, len(x) - 1)]), len(x))
    return Measurement(
        max_ulp=worst,
        max_mixed_ulp=scaled,
        at=(("x", where[0]), ("row_length", float(where[1]))),
        inputs=count,
        non_finite=wrong,
        function=f.name,
        away_ulp=worst,
        row=True,
        **labels,
    )


def _run_row(act: Activation, f: Function, run: Runner, arrays: list[Any], fmt: Format) -> Any:
    """One row through a kernel: along the activation's own axis, or through the program."""
    if run is run_model:
        with np.errstate(all="ignore"):
            return model.evaluate_row(device_program(f, fmt), arrays, fmt).astype(np.float64)
    shape = [1] * max(1, -act.axis)
    shape[act.axis] = -1
    single = act.reduces and f.name == "vjp"
    shaped = [a.reshape(shape) for a in arrays[: len(arrays) - single]]
    shaped += [a.reshape(()) for a in arrays[len(arrays) - single :]]
    return np.ravel(run(f, shaped, {}, fmt))
