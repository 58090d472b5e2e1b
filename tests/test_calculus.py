"""Derivatives and kinks of every activation."""

from __future__ import annotations

import pytest
import sympy

import actgen
from actgen import checks, compiler
from actgen.lang import Abs, Max, Min, Piecewise, exp, sign, symbol, x
from actgen.registry import names

a = symbol("a")


@pytest.mark.parametrize("name", names())
def test_derivatives_are_slopes(name: str) -> None:
    assert checks.finite_differences(actgen.load(name)) == []


@pytest.mark.parametrize("name", names())
def test_no_delta_in_any_derivative(name: str) -> None:
    for f in compiler.compile_activation(actgen.load(name)).functions.values():
        assert not f.truth.has(sympy.DiracDelta, sympy.Derivative, sympy.Heaviside)


@pytest.mark.parametrize(
    ("name", "kinks"),
    [
        ("relu", [(0, 0, 1)]),
        ("relu6", [(0, 0, 1), (6, 1, 0)]),
        ("hardswish", [(-3, 0, -0.5), (3, 1.5, 1)]),
        ("softsign", []),
        ("silu", []),
        ("celu", []),
        ("selu", [(0, 1.7580993408473766, 1.0507009873554805)]),
        ("hardsigmoid", [(-3, 0, 1 / 6), (3, 1 / 6, 0)]),
        ("softshrink", [(-0.5, 1, 0), (0.5, 0, 1)]),
        ("leaky_relu", [(0, 0.01, 1)]),
        ("elu", []),
    ],
)
def test_kinks(name: str, kinks: list[tuple[float, float, float]]) -> None:
    act = actgen.load(name)
    found = [
        tuple(float(v.subs(act.defaults)) for v in (k.at, k.left_derivative, k.right_derivative))
        for k in act.kinks()
    ]
    # elu has a kink for every α but the default one; the list is symbolic.
    found = [k for k in found if k[1] != k[2]]
    assert len(found) == len(kinks)
    for got, expected in zip(found, kinks, strict=True):
        assert got == pytest.approx(expected)


def test_symbolic_one_sided_derivatives() -> None:
    (kink,) = actgen.load("elu").kinks()
    assert (str(kink.left_derivative), str(kink.right_derivative)) == ("alpha", "1")


def test_heaviside_jumps() -> None:
    assert [k.is_jump for k in actgen.load("heaviside").kinks()] == [True]


@pytest.mark.parametrize(
    ("formula", "at_kink"),
    [
        (Max(x, 0), 0),
        (Min(x, 0), 0),
        (Abs(x), 0),
        (sign(x), 0),
        (Piecewise((x, x >= 0), (a * x, True)), 1),
        (Piecewise((x, x > 0), (a * x, True)), 3),
    ],
)
def test_who_owns_the_kink(formula: sympy.Expr, at_kink: float) -> None:
    slope = actgen.Activation(
        "f", formula, parameters=(actgen.Parameter("a", 3.0),) if formula.has(a) else ()
    ).derivative()
    assert slope.subs({x: 0, a: 3}) == at_kink


def test_gradient_and_order() -> None:
    act = actgen.load("elu")
    assert act.gradient("alpha").subs(x, -1) == exp(-1) - 1
    assert act.derivative(2).subs({x: -1, symbol("alpha"): 1}) == exp(-1)
    with pytest.raises(actgen.FormulaError, match="no parameter 'beta'"):
        act.gradient("beta")
