"""The truth and the distance from it: known values, planted errors."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
import sympy
from flint import arb
from hypothesis import example, given
from hypothesis import strategies as st

from actgen import accuracy, measuring
from actgen.accuracy import FORMATS, Format, error, errors, neighbours, to_format
from actgen.lang import Abs, Max, Piecewise, cos, exp, log, row_max, row_sum, sigmoid, sin, x
from actgen.oracle import Oracle, Undecided, exact_row, from_float
from actgen.reference import Reference


@pytest.mark.parametrize("point", [-700.3, -30.0, -1e-9, 0.0, 0.1, 5.5, 800.0])
def test_oracle_against_mpmath(point: float) -> None:
    got = Oracle(x / (1 + exp(-x)), [x])(point)
    with mpmath.workdps(60):
        true = mpmath.mpf(point) / (1 + mpmath.exp(-mpmath.mpf(point)))
        assert mpmath.almosteq(mpmath.mpf(str(got.mid().str(40, radius=False))), true, 1e-20)


@pytest.mark.parametrize(
    ("formula", "low", "high"),
    [
        (x / (1 + exp(-x)), 0.0, math.inf),
        (x / (1 + Abs(x)), -1.0, 1.0),
        (1 / (1 + x**2), 0.0, 0.0),
        (log(1 + x**2), math.inf, math.inf),
        (x - 1 / x, -math.inf, math.inf),
        (sin(x), math.nan, math.nan),
        (sin(x) + x, -math.inf, math.inf),
    ],
)
def test_limits(formula: sympy.Expr, low: float, high: float) -> None:
    oracle = Oracle(formula, [x])
    for side, expected in ((-math.inf, low), (math.inf, high)):
        got = float(oracle(side))
        assert got == expected or (math.isnan(got) and math.isnan(expected))


def test_conditions_are_decided_at_the_kink() -> None:
    oracle = Oracle(Piecewise((x, x > 0), (5, True)), [x])
    assert float(oracle(0.0)) == 5 and float(oracle(5e-324)) == 5e-324


def test_undecided_is_said_not_guessed() -> None:
    never = Piecewise((1, sin(x) ** 2 + cos(x) ** 2 > 1), (0, True))
    with pytest.raises(Undecided):
        Oracle(never, [x])(2.0)


def test_rows() -> None:
    soft = exact_row(exp(x) / row_sum(exp(x)), {x: [1.0, 2.0, 1e30]})
    assert [float(v) for v in soft] == [0.0, 0.0, 1.0]
    assert float(exact_row(row_max(x), {x: [1.0, 7.0, -2.0]})[0]) == 7.0


@pytest.mark.parametrize("fmt", FORMATS.values(), ids=lambda f: f.name)
def test_planted_errors_are_found(fmt: accuracy.Format) -> None:
    for true in (1.0, 1.5, 3.7, 1e-3, fmt.tiny * 5, fmt.max / 3):
        centre = neighbours(true, fmt, 4)
        exact = from_float(centre[4])
        for steps in range(-4, 5):
            planted = error(centre[4 + steps], exact, fmt)
            # One side of a power of two has steps half as long.
            assert planted in (abs(steps), abs(steps) / 2) or abs(
                planted - abs(steps)
            ) <= 0.5 * abs(steps)
        assert error(centre[4], exact, fmt) == 0


def test_half_an_ulp() -> None:
    fmt = FORMATS["float32"]
    assert error(1.0, arb(1) + arb(2) ** -24, fmt) == 0.5
    assert error(0.0, arb(2) ** -150, fmt) == 0.5  # half the least subnormal
    assert error(math.nan, arb(1), fmt) == math.inf
    assert error(math.inf, arb(1), fmt) == math.inf
    assert error(math.inf, arb(2) ** 128, fmt) == 0.0
    assert error(math.nan, arb.nan(), fmt) == 0.0


def mixed_error(computed: float, reference: Reference, point: float, fmt: Format) -> float:
    """The mixed ulp error of one result, as verification has it."""
    points = np.array([[point]])
    case = measuring.Case(reference, points, reference.truth(points, fmt), [[]])
    plain = errors([computed], case.truth, fmt)
    box = measuring.corners_of(case, points, case.truth, fmt)
    return float(box.mixed(np.array([computed]), plain, fmt)[0])


def test_mixed_error_forgives_the_input() -> None:
    """Near a root of f, the float nearest to the root may give any small value."""
    fmt = FORMATS["float32"]
    oracle = Oracle(x**2 - 2, [x])
    root = float(np.float32(2**0.5))
    assert error(0.0, oracle(root), fmt) > 1e6
    reference = Reference(x**2 - 2, x**2 - 2, [x], {})
    assert mixed_error(0.0, reference, root, fmt) <= 1.0
    assert mixed_error(1e-3, reference, root, fmt) > 100


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
@example(3.4028234663852886e38)
@example(-3.4028234663852886e38)
@example(0.0)
def test_neighbours_are_in_order(value: float) -> None:
    found = neighbours(value, FORMATS["float32"], 2)
    assert all(a <= b for a, b in zip(found, found[1:], strict=False))


def test_rounding_matches_numpy() -> None:
    values = np.random.default_rng(3).normal(size=200) * 10.0 ** np.arange(-100, 100)
    got = to_format(values, FORMATS["float32"])
    with np.errstate(over="ignore"):
        assert np.array_equal(got, values.astype(np.float32))


def test_max_is_its_branches() -> None:
    assert float(Oracle(Max(x, 0) + sigmoid(x), [x])(0.0)) == 0.5
