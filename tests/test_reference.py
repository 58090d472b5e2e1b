"""The reference encloses the truth: every function of every spec against Arb, thousands of points."""

from __future__ import annotations

import math
from fractions import Fraction

import flint
import ml_dtypes
import numpy as np
import pytest
import sympy
from flint import arb
from numpy.typing import NDArray

import actgen
from actgen import compiler, measuring, reference, zones
from actgen.accuracy import FORMATS, errors, rounded, to_format
from actgen.cases import breaks, settings
from actgen.lang import exp, x
from actgen.oracle import OPS, Undecided, from_float
from actgen.reference import Reference
from actgen.registry import names

ELEMENTS = [n for n in names() if not actgen.load(n).is_row]


def holes(r: Reference, points: NDArray[np.float64]) -> list[tuple[float, ...]]:
    """Points at which Arb's value does not lie in the enclosure."""
    low, high = r.enclose(points)
    found = []
    for i in np.flatnonzero(~(np.isnan(low) | np.isnan(high))):
        try:
            ball = r.oracle.exact([from_float(v) for v in points[i]], 120)
        except Undecided:
            continue
        if from_float(low[i]) > ball or from_float(high[i]) < ball:
            found.append(tuple(points[i].tolist()))
    return found


def some_points(inputs: int, seed: int) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    usual = rng.normal(0, 4, (60, inputs)).astype(np.float32)
    spread = zones.stratified(FORMATS["float32"], zones.Density(2, 1, 0, 0, step=9))
    wide = np.stack([rng.choice(spread, 60) for _ in range(inputs)], axis=1)
    return np.concatenate([usual, wide]).astype(np.float64)


@pytest.mark.parametrize("name", ELEMENTS)
def test_enclosures_hold_the_truth(name: str) -> None:
    act = actgen.load(name)
    compiled = compiler.compile_activation(act)
    for i, setting in enumerate(settings(act)):
        kinks = np.array([[k] * len(act.inputs) for k in breaks(act, setting)[0]])
        points = some_points(len(act.inputs), i)
        for function, r in compiled.references(setting).items():
            assert holes(r, points) == [], function
            if len(kinks):  # there the truth's own branch counts
                for p, t in zip(
                    kinks, r.truth(to_format(kinks, FORMATS["float32"]), FORMATS["float32"]).high
                ):
                    exact = r.oracle(*map(float, np.float32(p)))
                    assert float(exact) == pytest.approx(t, nan_ok=True), function


def test_a_wrong_reference_is_noticed() -> None:
    silu = x / (1 + exp(-x))
    points = some_points(1, 0)
    assert not holes(Reference(silu, silu, [x], {}), points)
    off = silu * (1 + sympy.Rational(1, 2**48))
    assert len(holes(Reference(silu, off, [x], {}), points)) > 50


MONOTONE = [op for op in reference.OPS if op in OPS and op in (
    "exp expm1 log log1p erf erfc sinh cosh tanh sin cos tan asin acos atan asinh acosh atanh sqrt".split()
)]  # fmt: skip


@pytest.mark.parametrize("op", MONOTONE)
def test_elementary_functions_are_widened_enough(op: str) -> None:
    points = zones.stratified(FORMATS["float64"], zones.Density(24, 1, 0, 0, step=4))
    points = np.concatenate(
        [points, 1 + zones.stratified(FORMATS["float64"], zones.Density(1, 1, 0, 0, step=64))]
    )
    with np.errstate(all="ignore"):
        low, high = reference.OPS[op]((points, points))
    checked = 0
    with flint.ctx.workprec(200):
        for p, a, b in zip(points, low, high):
            true = OPS[op](from_float(p))
            if math.isnan(a) or math.isnan(b) or not true.is_finite():
                continue
            if true.rel_accuracy_bits() > 60:
                checked += 1
                assert not from_float(a) > true and not from_float(b) < true, p
    assert checked > 300


@pytest.mark.parametrize("name", ["float16", "bfloat16", "float32"])
def test_rounding_is_to_nearest_even_in_one_step(name: str) -> None:
    fmt = FORMATS[name]
    rng = np.random.default_rng(1)
    values = rng.normal(0, 1, 3000) * 2.0 ** rng.integers(
        fmt.emin - fmt.precision - 2, fmt.emax + 2, 3000
    )
    ties = zones.stratified(fmt, zones.Density(2, 1, 0, 0))
    values = np.concatenate(
        [values, ties * (1 + 2.0**-fmt.precision), [1 + 2.0**-fmt.precision + 2.0**-40]]
    )
    for v, got in zip(values, rounded(values, fmt)):
        exponent = max(math.frexp(v)[1] - 1, fmt.emin) if v else fmt.emin
        unit = Fraction(2) ** (exponent - fmt.precision + 1)
        want = round(Fraction(v) / unit) * unit
        assert (math.isinf(got) and abs(want) > fmt.max) or Fraction(got) == want


def test_a_cast_that_rounds_twice_fools_nobody() -> None:
    """ml_dtypes casts float64 to bfloat16 through float32."""
    value = 1 + 2.0**-8 + 2.0**-30
    twice = float(np.float64(value).astype(np.float32).astype(ml_dtypes.bfloat16))
    assert twice == 1.0 and rounded(value, FORMATS["bfloat16"]) == 1 + 2.0**-7


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_rounded_truth_against_arb(dtype: str) -> None:
    """silu(x) = x/2 + x²/4 − …: among subnormals it lies beside a tie, closer than float64 tells."""
    fmt = FORMATS[dtype]
    act = actgen.load("silu")
    r = compiler.compile_activation(act).references({})["forward"]
    values = zones.all_values(fmt)
    values = values[np.isfinite(values)]
    points = np.concatenate([values[::97], values[np.abs(values) < 200 * fmt.tiny]])[:, None]
    got = measuring.round_truth(r, points, r.truth(points, fmt), fmt)
    for p, y in zip(points[:, 0].tolist(), got.tolist()):
        ball = r.oracle.exact([from_float(p)], 600)
        with flint.ctx.workprec(1000):
            gap = abs(from_float(y) - ball)
            for side in (-1, 1):
                other = from_float(y) + side * arb(2) ** (fmt.emin - fmt.precision + 1)
                assert gap <= abs(other - ball) or abs(y) > 2.0 ** (fmt.emin + 1), p
        assert errors([y], r.certain(np.array([[p]])), fmt)[0] <= 0.5 + 1e-9


def test_what_has_no_row_is_left_to_arb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(reference._OPS, "exp")
    r = Reference(exp(x), exp(x), [x], {})
    truth = r.truth(np.array([[1.0], [2.0]]), FORMATS["float32"])
    assert r.asked == 2 and truth.high[0] == math.e


def test_nothing_is_expected_where_the_formula_says_nothing() -> None:
    r = Reference(sympy.log(x), sympy.log(x), [x], {})
    truth = r.truth(np.array([[-1.0], [1.0], [math.nan]]), FORMATS["float32"])
    assert truth.silent.tolist() == [True, False, False] and np.isnan(truth.high[2])
