"""The repairs: tails, polynomials, low parts; that candidates over the contract are seen."""

from __future__ import annotations

import dataclasses
import random

import flint
import numpy as np
import pytest
import sympy
from flint import arb
from sympy import Integer, Piecewise, Rational, exp, tanh

import actgen
from actgen import (
    asymptotics,
    atoms,
    build,
    compiler,
    guards,
    minimax,
    model,
    patches,
    singles,
    tails,
    variants,
)
from actgen.accuracy import FORMATS
from actgen.atoms import decay, u
from actgen.errors import ContractError
from actgen.lang import symbol, x
from actgen.lower import lower
from actgen.oracle import OPS, Oracle, from_float, number
from actgen.program import interpret
from actgen.registry import names
from actgen.ties import leaning
from actgen.trial import benches

ELEMENTWISE = [n for n in names() if not actgen.load(n).is_row]


@pytest.mark.parametrize("name", sorted(asymptotics._ENDS))
def test_ends_are_the_function_far_out(name: str) -> None:
    function = getattr(atoms, name, None) or getattr(sympy, name)
    for end, at in zip(asymptotics._ENDS[name], (-25.0, 25.0), strict=True):
        if end is None:
            continue
        whole, form = (
            Oracle(tails.definition(e.xreplace({u: x})), [x]) for e in (function(u), end)
        )
        with flint.ctx.workprec(800):
            true, near = (o.exact([from_float(at)], 600) for o in (whole, form))
            assert abs(near - true) <= abs(true) * 1e-20, (name, at)


@pytest.mark.parametrize(
    ("formula", "derivatives", "tail"),
    [
        (x / (1 + exp(-x)), 0, x),
        (x / (1 + exp(-x)), 2, x + 2),
        (x * tanh(sympy.log(1 + exp(x))), 1, x + 1),
        (x * sympy.erf(sympy.log(1 + exp(x))), 0, 2 * x / sympy.sqrt(sympy.pi)),
    ],
)
def test_exponential_tails(formula: sympy.Expr, derivatives: int, tail: sympy.Expr) -> None:
    """exp(x) times a polynomial, for x → -oo."""
    for _ in range(derivatives):
        formula = actgen.calculus.derivative(formula, x)
    lifted = variants.lift(formula)
    found = asymptotics.exponential_tails(lifted, [(x, -1)], {}, {}, 64, [x])
    assert isinstance(found, Piecewise)
    (gone, _), (value, cond), _ = found.args
    assert gone == 0 and cond == (x < -64)
    assert sympy.simplify(value / decay(x) - tail) == 0


def test_minimax_keeps_what_it_says() -> None:
    found = minimax.fit(lambda t: t.exp(), -0.5, 0.5, 9)
    worst = 0.0
    for k in range(1001):
        t = arb(k) / 1000 - 0.5
        value = sum((c * t**i for i, c in enumerate(found.coefficients)), arb(0))
        worst = max(worst, float(abs(value / t.exp() - 1)))
    taylor = float(
        abs(sum((arb(0.5) ** i / arb(i).fac() for i in range(10)), arb(0)) / arb(0.5).exp() - 1)
    )
    assert worst <= found.error * 1.05
    assert worst < taylor / 50


@pytest.mark.parametrize(
    ("formula", "centre"),
    [(x - tanh(x), Integer(0)), (sympy.sin(x) / x, Integer(0)), (sympy.cos(x), None)],
)
def test_patches_are_the_function(formula: sympy.Expr, centre: sympy.Expr | None) -> None:
    at = patches.zeros(formula.xreplace({x: patches.W}))[-1] if centre is None else centre
    found = patches.patched(formula, x, at, Rational(1, 2))
    assert isinstance(found, Piecewise)
    program = lower(found, [x], [], wide=True)
    oracle, rng = Oracle(formula, [x]), random.Random(3)
    for _ in range(60):
        point = float(at) + rng.uniform(-0.5, 0.5) * 2.0 ** -rng.randrange(30)
        with flint.ctx.workprec(300):
            got = interpret(program, {"x": from_float(point)}, OPS, number)[0]
            assert abs(got / oracle(point) - 1) < 2.0**-50, point


def test_low_parts_are_what_rounding_lost() -> None:
    rng = np.random.default_rng(5)
    a, b = (rng.normal(size=500).astype(np.float32) for _ in range(2))
    exact = a.astype(np.float64) * b
    assert ((a * b).astype(np.float64) + model._mul_low(a, b) == exact).all()
    total = a.astype(np.float64) + b
    assert ((a + b).astype(np.float64) + model._add_low(a, b) == total).all()


def test_wide_exponents_keep_their_digits() -> None:
    beta = symbol("beta")
    points = np.linspace(-48, -36, 301).astype(np.float32).astype(np.float64)
    value = 1.7000000476837158
    worst = []
    for wide in (False, True):
        program = lower(exp(beta * x), [x], [beta], wide=wide)
        y = model.evaluate(program, {"x": points, "beta": value}, FORMATS["float32"])[0]
        true = np.exp(np.longdouble(value) * points)
        worst.append(float(np.max(np.abs(y / true - 1))))
    assert worst[0] > 2.0**-20 and worst[1] < 2.0**-22.5


def test_a_planted_error_is_seen() -> None:
    act = actgen.load("silu")
    program = compiler.compile_activation(act).functions["forward"].program
    bench = benches(act, {"forward": (act.formula, act.formula)})["forward"]
    assert not bench.measure(program).failing
    for i, instr in enumerate(program.body):
        if instr.op == "add" and not isinstance(instr.args[0], str):
            off = dataclasses.replace(instr, args=(Rational(1000001, 1000000), instr.args[1]))
            body = (*program.body[:i], off, *program.body[i + 1 :])
            score = bench.measure(dataclasses.replace(program, body=body))
            assert score.single > 4 and score.double > 1e6 and score.rounded > 4
            return
    pytest.fail("silu adds 1 somewhere")


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_every_choice_holds_the_contract(name: str) -> None:
    for f in compiler.compile_activation(actgen.load(name)).functions.values():
        assert f.choice is not None and f.choice.held, (name, f.name, f.choice.worst)


def test_a_build_over_the_contract_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    act = actgen.load("tanh")
    compiled = compiler.compile_activation(act)
    f = compiled.functions["forward"]
    score = dataclasses.replace(f.choice.chosen.score, single=17.0, failing=((0.3,),))
    choice = dataclasses.replace(f.choice, chosen=dataclasses.replace(f.choice.chosen, score=score))
    worse = {**compiled.functions, "forward": dataclasses.replace(f, choice=choice)}
    monkeypatch.setitem(compiler._COMPILED, act, dataclasses.replace(compiled, functions=worse))
    with pytest.raises(ContractError, match=r"tanh forward: 17 mixed ulp.*0\.3"):
        build.hold([act])


def test_sides_of_ties() -> None:
    """silu(x) = x/2 + x²/4 lies above x/2 on both sides of 0; sigmoid′ has no tie there."""
    side = leaning(actgen.load("silu").formula, (x,))
    values = [Oracle(side, [x])(p) for p in (1e-30, -1e-30, 1.0)]
    assert [float(v) for v in values] == [1.0, 1.0, 0.0]
    assert leaning(1 / (1 + exp(-x)), (x,)) is None


NAIVE = [
    "(x + sqrt(x**2 + 4))/2",
    "x*(1 + x/sqrt(1 + x**2))/2",
    "atan(x)/pi + 1/2",
    "x*tanh(exp(x))",
    "exp(-exp(-x))",
    "x*erf(log(1 + exp(x)))",
    "x/(1 + exp(-x)) + log(1 + exp(x))",
]


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("formula", NAIVE)
def test_forms_are_the_formula(formula: str, order: int) -> None:
    act = actgen.parse(formula, name="naive")
    truth = act.derivative(order) if order else act.formula
    lifted = variants.lift(truth)
    oracle = Oracle(truth, [x])
    for name, form in variants.forms(lifted):
        other = Oracle(tails.definition(form), [x])
        for point in (-3.7, -0.81, -1e-3, 0.37, 1.9, 5.2):
            assert abs(other(point) - oracle(point)) <= abs(oracle(point)) * 1e-25, (name, point)


@pytest.mark.parametrize(
    "formula", ["x/(1 + exp(-x))", "x*tanh(log(1 + exp(x)))", "1/(1 + exp(x))"]
)
def test_one_exponential_serves_the_line(formula: str) -> None:
    """Subnormal results, the limit at infinity and all between, without a branch."""
    act = actgen.parse(formula, name="naive")
    form = dict(variants.forms(variants.lift(act.formula)))["squared"]
    program = lower(form, [x], [])
    ops = [i.op for i in program.body]
    assert ops.count("exp") == 1 and "where" not in ops
    points = np.array([-744.3, -710.0, -100.0, -3.0, 0.5, 60.0, 740.0])
    y = model.evaluate(program, {"x": points}, FORMATS["float64"])[0]
    oracle = Oracle(act.formula, [x])
    for point, value in zip(points, y, strict=True):
        true = float(oracle(point))
        assert abs(value - true) <= 4 * np.spacing(abs(true)), point
    assert not np.isnan(model.evaluate(program, {"x": ENDS}, FORMATS["float32"])[0]).any()


ENDS = np.array([-np.inf, -3e38, -0.0, 1e-45, 3e38, np.inf])


def test_high_powers_of_an_exponential_do_not_overflow() -> None:
    """mish' has the fourth power: from x = 21 on the float32 program is its limit."""
    mish = x * sympy.tanh(sympy.log(1 + sympy.exp(x)))
    form = dict(variants.forms(variants.lift(sympy.diff(mish, x))))["squared"]
    program = lower(form, [x], [])
    points = np.array([-80.0, -1.0, 3.0, 21.0, 22.0, 44.0, 1e30, np.inf])
    y = model.evaluate(program, {"x": points}, FORMATS["float32"])[0].astype(np.float64)
    assert y[3:] == pytest.approx(1.0, rel=3e-7)
    oracle = Oracle(sympy.diff(mish, x), [x])
    for point, value in zip(points[:3], y[:3], strict=True):
        assert value == pytest.approx(float(oracle(point)), rel=1e-6)


def test_conditions_that_others_imply_are_left_out() -> None:
    v = symbol("beta") * x
    bounded = guards.clamp(x, [v >= -2000, v >= -64, v > -64, v <= 64, v < 70])
    assert bounded == Piecewise((x, sympy.And(v > -64, v <= 64)), (Integer(1), True))


def test_forms_hold_what_cancels() -> None:
    found = dict(variants.forms(variants.lift((x + sympy.sqrt(x**2 + symbol("b"))) / 2)))
    assert found["conjugate"].has(atoms.hypot)
    program = lower(found["conjugate"], [x], [symbol("b")])
    y = model.evaluate(program, {"x": np.array([-1e6, -1e20, 1e30]), "b": 4.0}, FORMATS["float32"])
    assert y[0] == pytest.approx([1e-6, 1e-20, 1e30], rel=1e-6)


def test_fine_sums_do_not_cancel() -> None:
    quartic = x**4 - 4 * x**3 + 6 * x**2 - 4 * x + 1
    points = (1 + np.linspace(-0.1, 0.1, 41)).astype(np.float32).astype(np.float64)
    worst = []
    for fine in (False, True):
        program = lower(quartic, [x], [], fine=fine)
        y = model.evaluate(program, {"x": points}, FORMATS["float32"])[0].astype(np.float64)
        true = (points - 1) ** 4
        worst.append(float(np.max(np.abs(y - true)[true > 1e-6] / true[true > 1e-6])))
    assert worst[0] > 1e-2 and worst[1] < 1e-6


def test_conditions_on_clamped_inputs_are_exact() -> None:
    beta, bound = symbol("beta"), symbol("threshold")
    inside = atoms.minimum(x, Integer(2) ** 60)
    jump = Piecewise((Integer(1), beta * inside > bound), (Integer(0), True))
    program = lower(jump, [x], [beta, bound])
    slope = float(np.float32(3.3))
    edge = np.float32(20 / slope)
    steps = [np.float32(edge + k * np.spacing(edge)) for k in range(-3, 4)]
    points = np.array(steps, np.float64)
    values = {"x": points, "beta": slope, "threshold": 20.0}
    y = model.evaluate(program, values, FORMATS["float32"])[0]
    true = [arb(p) * arb(slope) > 20 for p in points]
    assert y.tolist() == [float(t) for t in true] and 0 < sum(true) < 7


def test_a_growing_ball_around_zero_has_no_limit() -> None:
    act = actgen.load("geglu")
    oracle = Oracle(act.formula, act.inputs)
    assert oracle(-np.inf, -60000.0).is_nan() and oracle(-np.inf, -30.0) > 0
    assert actgen.compile(act).forward(np.float16(-np.inf), np.float16(-60000)) == np.inf


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_narrow_programs_agree_in_float32(name: str) -> None:
    """Numbers of any bits, other ones than a program was chosen on."""
    compiled = compiler.compile_activation(actgen.load(name))
    rng = np.random.default_rng(8)
    for f in compiled.functions.values():
        if f.narrow is None:
            continue
        given = {p.name: model.constant(p.value) for p in compiled.activation.parameters}
        for s in f.program.inputs:
            bits = rng.integers(0, 1 << 32, 1 << 16, dtype=np.uint32).view(np.float32)
            given[s] = np.where(rng.random(bits.size) < 0.1, np.copysign(np.inf, bits), bits)
        with np.errstate(all="ignore"):
            y, true = (
                model.evaluate(p, given, FORMATS["float64"])[0] for p in (f.narrow, f.program)
            )
            ulp = np.spacing(np.abs(true).astype(np.float32)).astype(np.float64)
            near = y.astype(np.float32) == true.astype(np.float32)
            assert (near | (abs(y - true) < 0.02 * ulp) | (np.isnan(y) & np.isnan(true))).all(), (
                f.name
            )


def test_narrow_programs_are_for_float32_alone() -> None:
    kernel = actgen.compile("silu")
    assert compiler.compile_activation(actgen.load("silu")).functions["derivative"].narrow
    x = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    exact, out = kernel.derivative(x.astype(np.float64)), np.empty(x.shape)
    assert np.array_equal(kernel.derivative(x, out=out), exact)
    assert not np.array_equal(kernel.derivative(x), exact)


def test_ties_beside_the_greatest_float() -> None:
    kernel = actgen.compile("swiglu")
    assert kernel.forward(np.float16(-30), np.float16(2184)) == -65504


@pytest.mark.parametrize("name", [n for n in names() if actgen.load(n).is_gated])
def test_nan_beside_any_number(name: str) -> None:
    """Limits at infinity and branches of one input do not hide NaN in the other."""
    compiled = compiler.compile_activation(actgen.load(name))
    beside = np.array([-np.inf, -2.0, -0.0, 0.0, 2.0, np.inf])
    for f in compiled.functions.values():
        for lost in f.program.inputs:
            given = {v: np.full(6, np.nan) if v == lost else beside for v in f.program.inputs}
            y = model.evaluate(f.program, given, FORMATS["float64"])[0]
            assert np.isnan(y).all(), (f.name, lost)


a = symbol("a")


@pytest.mark.parametrize(
    ("formula", "count"),
    [
        (sympy.Max(0, x), 0),
        (Piecewise((x, x > 2), (-a, True)), 0),
        (sympy.Min(x - a, 6), 1),
        (x / 3, 1),
        (x + Rational(1, 3), None),  # no float32 number
        (a * (x - 1), None),
        (sympy.exp(x), None),
    ],
)
def test_how_often_a_value_is_rounded(formula: sympy.Expr, count: int | None) -> None:
    program = lower(formula, [x], [a])
    assert singles.roundings(program) == count
