"""What is said of a function is true: known facts from the literature, and samples of all claims."""

from __future__ import annotations

import itertools
import json
import math
import random

import flint
import pytest
import sympy
from flint import acb, arb

import actgen
from actgen import moments
from actgen.ends import Saturation
from actgen.facts import Fact
from actgen.inverse import F
from actgen.limits import TimeLimit
from actgen.moments import Integrals
from actgen.oracle import Oracle, Undecided
from actgen.pieces import Curve, Number
from actgen.registry import names
from actgen.shape import Extremum, Range, Stretch

ELEMENTWISE = [
    name for name in names() if not (actgen.load(name).is_row or actgen.load(name).is_gated)
]
f, x, alpha = F, sympy.Symbol("x", real=True), sympy.Symbol("alpha", real=True)
OO = math.inf


def fact(name: str, which: str) -> Fact:
    return actgen.facts(actgen.load(name))[which]


# Known facts.


@pytest.mark.parametrize(
    ("name", "low", "high", "attained"),
    [
        ("sigmoid", 0, 1, (False, False)),
        ("tanh", -1, 1, (False, False)),
        ("softsign", -1, 1, (False, False)),
        ("relu", 0, OO, (True, False)),
        ("relu6", 0, 6, (True, True)),
        ("hardtanh", -1, 1, (True, True)),
        ("hardswish", -0.375, OO, (True, False)),
        ("silu", -0.27846454276107379, OO, (True, False)),
        ("gelu", -0.16997120747990369, OO, (True, False)),
        ("mish", -0.30884341301725043, OO, (True, False)),
        ("elu", -1, OO, (False, False)),
        ("softplus", 0, OO, (False, False)),
        ("logsigmoid", -OO, 0, (False, False)),
        ("tanhshrink", -OO, OO, (False, False)),
        ("heaviside", 0, 1, (True, True)),
    ],
)
def test_range(name: str, low: float, high: float, attained: tuple[bool, bool]) -> None:
    found: Range = fact(name, "range").value
    assert (float(found.low), float(found.high)) == pytest.approx((low, high), rel=1e-15)
    assert (found.low_attained, found.high_attained) == attained


@pytest.mark.parametrize(
    ("name", "constant"),
    [
        ("sigmoid", sympy.Rational(1, 4)),
        ("tanh", sympy.Integer(1)),
        ("relu", sympy.Integer(1)),
        ("hardswish", sympy.Rational(3, 2)),
        ("softplus", sympy.Integer(1)),
        ("tanhshrink", sympy.Integer(1)),
        ("heaviside", sympy.oo),
    ],
)
def test_lipschitz_exactly(name: str, constant: sympy.Expr) -> None:
    assert fact(name, "lipschitz").value.exact == constant


@pytest.mark.parametrize(
    ("name", "constant"),
    [("silu", 1.0998393201288669), ("gelu", 1.1289041451851548), ("mish", 1.0884981612517333)],
)
def test_lipschitz(name: str, constant: float) -> None:
    assert float(fact(name, "lipschitz").value) == pytest.approx(constant, rel=1e-14)
    assert fact(name, "lipschitz").how == "enclosed"


@pytest.mark.parametrize(
    ("name", "at", "value"),
    [
        ("silu", -1.2784645427610738, -0.27846454276107379),
        ("gelu", -0.7517915246935645, -0.16997120747990369),
        ("gelu_tanh", -0.7524614220710162, -0.17004075057125413),
        ("mish", -1.1924312145154951, -0.30884341301725043),
        ("hardswish", -1.5, -0.375),
    ],
)
def test_minimum(name: str, at: float, value: float) -> None:
    (found,) = fact(name, "extrema").value
    assert found.kind == "minimum"
    assert (float(found.low), float(found.value)) == pytest.approx((at, value), rel=1e-14)


def test_minimum_of_silu_exactly() -> None:
    (found,) = fact("silu", "extrema").value
    w = sympy.LambertW(sympy.exp(-1))
    assert (found.low.exact, found.value.exact) == (-1 - w, -w)


def test_inflections_of_gelu() -> None:
    ends = [s.low.exact for s in fact("gelu", "convexity").value if s.kind == "convex"]
    assert ends == [-sympy.sqrt(2)]


@pytest.mark.parametrize(
    ("name", "parity"), [("tanh", "odd"), ("softshrink", "odd"), ("hardtanh", "odd"), ("silu", "")]
)
def test_parity(name: str, parity: str) -> None:
    found = actgen.facts(actgen.load(name))
    assert found.parity == parity
    assert found["parity"].how == "proved"


def test_even_is_proved() -> None:
    found = actgen.facts(actgen.parse("log(cosh(x))", name="even_one"))
    assert (found.parity, found["parity"].how) == ("even", "proved")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("relu", "smoothness: C0"),
        ("elu", "smoothness: C0; C1 if alpha = 1"),
        ("celu", "smoothness: C1"),
        ("softsign", "smoothness: C1"),
        ("silu", "smoothness: C^oo"),
        ("leaky_relu", "smoothness: C0; C^oo if negative_slope = 1"),
        ("threshold", "smoothness: discontinuous; C0 if threshold = value"),
        ("softplus_threshold", "smoothness: discontinuous"),
    ],
)
def test_smoothness(name: str, text: str) -> None:
    assert fact(name, "smoothness").text == text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sigmoid", "monotonicity: increasing everywhere"),
        ("relu", "monotonicity: weakly increasing everywhere, constant on (-oo, 0]"),
        (
            "heaviside",
            "monotonicity: weakly increasing everywhere, constant on (-oo, 0), constant on (0, oo)",
        ),
        ("softplus_threshold", "monotonicity: increasing on (-oo, 20], increasing on (20, oo)"),
        (
            "hardswish",
            "monotonicity: weakly decreasing on (-oo, -3/2], increasing on [-3/2, oo), constant on (-oo, -3]",
        ),
    ],
)
def test_monotonicity(name: str, text: str) -> None:
    assert fact(name, "monotonicity").text == text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("softplus", "convexity: convex everywhere"),
        ("relu", "convexity: convex everywhere"),
        ("logsigmoid", "convexity: concave everywhere"),
        ("selu", "convexity: convex on (-oo, 0]"),
        ("sigmoid", "convexity: convex on (-oo, 0], concave on [0, oo)"),
    ],
)
def test_convexity(name: str, text: str) -> None:
    assert fact(name, "convexity").text == text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("relu", "zeros: (-oo, 0]"),
        ("sigmoid", "zeros: none"),
        ("hardswish", "zeros: (-oo, -3], x = 0"),
        ("softshrink", "zeros: [-1/2, 1/2]"),
        ("heaviside", "zeros: (-oo, 0)"),
        ("tanhshrink", "zeros: x = 0"),
        ("hardtanh", "zeros: x = 0"),
    ],
)
def test_zeros(name: str, text: str) -> None:
    assert fact(name, "zeros").text == text


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        (
            "sigmoid",
            Saturation("exponential", x, sympy.Integer(0)),
            Saturation("exponential", -x, sympy.Integer(1)),
        ),
        (
            "softsign",
            Saturation("polynomial", sympy.Integer(1), sympy.Integer(-1)),
            Saturation("polynomial", sympy.Integer(1), sympy.Integer(1)),
        ),
        ("gelu", Saturation("exponential", -(x**2) / 2, sympy.Integer(0)), Saturation("none")),
        ("relu", Saturation("reached", None, sympy.Integer(0)), Saturation("none")),
        (
            "tanh",
            Saturation("exponential", 2 * x, sympy.Integer(-1)),
            Saturation("exponential", -2 * x, sympy.Integer(1)),
        ),
    ],
)
def test_saturation(name: str, low: Saturation, high: Saturation) -> None:
    assert fact(name, "saturation").value == (low, high)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("silu", 0, x),
        ("tanhshrink", x + 1, x - 1),
        ("softshrink", x + sympy.Rational(1, 2), x - sympy.Rational(1, 2)),
        ("relu6", 0, 6),
    ],
)
def test_asymptotes(name: str, low: sympy.Expr, high: sympy.Expr) -> None:
    assert fact(name, "asymptotes").value == (low, high)


def test_no_asymptote() -> None:
    assert actgen.facts(actgen.parse("x**2", name="square"))["asymptotes"].value == (None, None)
    gompertz = actgen.facts(actgen.parse("exp(-exp(x))", name="gompertz"))
    assert gompertz["asymptotes"].value == (1, 0)


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("sigmoid", f * (1 - f)),
        ("tanh", 1 - f**2),
        ("logsigmoid", 1 - sympy.exp(f)),
        ("softplus", 1 - sympy.exp(-sympy.Symbol("beta", real=True) * f)),
        ("relu", sympy.Piecewise((1, f > 0), (0, True))),
        ("elu", sympy.Piecewise((1, f > 0), (f + alpha, True))),
        (
            "leaky_relu",
            sympy.Piecewise((1, f >= 0), (sympy.Symbol("negative_slope", real=True), True)),
        ),
    ],
)
def test_slope_from_output(name: str, formula: sympy.Expr) -> None:
    found = fact(name, "derivative_in_f")
    assert found.how == "proved"
    assert sympy.simplify(found.value.formula - formula) == 0
    assert found.value.exceptions == ()


@pytest.mark.parametrize("name", ["silu", "gelu", "mish", "hardswish"])
def test_slope_is_no_function_of_output(name: str) -> None:
    found = fact(name, "derivative_in_f")
    assert (found.value, found.how) == (None, "enclosed")


@pytest.mark.parametrize("name", ["tanhshrink", "softplus_threshold"])
def test_no_slope_from_output_is_claimed(name: str) -> None:
    assert actgen.facts(actgen.load(name)).get("derivative_in_f") is None


def test_slope_from_output_says_what_it_needs() -> None:
    assert fact("elu", "derivative_in_f").value.requires == (alpha > 0)
    assert [float(v) for v in fact("hard_sigmoid", "derivative_in_f").value.exceptions] == [
        -2.5,
        2.5,
    ]


def test_invertible() -> None:
    assert {n for n in ELEMENTWISE if fact(n, "invertible").value} == {
        "celu", "elu", "leaky_relu", "logsigmoid", "prelu", "rrelu", "selu", "sigmoid",
        "softplus", "softsign", "tanh", "tanhshrink",
    }  # fmt: skip


def test_moments() -> None:
    relu = fact("relu", "moments").value
    assert relu.gain.overlaps(arb(2).sqrt())
    assert relu.mean.overlaps(1 / (2 * arb.pi()).sqrt())
    assert float(relu.gain.rad()) < 1e-14
    sigmoid = fact("sigmoid", "moments").value
    assert sigmoid.mean.contains(arb("0.5"))
    assert float(fact("tanh", "moments").value.gain.mid()) == pytest.approx(1.5925374197228312)
    gelu = fact("gelu", "moments").value
    assert gelu.mean.overlaps(1 / (2 * arb.pi().sqrt()))


def test_a_limit_met_within_an_integrand_is_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """python-flint turns what an integrand raises into a SystemError, and calls it again."""
    integrals = Integrals(Curve(actgen.load("silu")))
    calls = itertools.count()

    def late(*_: object) -> acb:
        if next(calls) == 3:
            raise TimeLimit
        return acb(1)

    monkeypatch.setattr(moments.Complex, "__call__", late)
    assert moments.moments(integrals.curve, integrals) is None
    assert next(calls) > 3


def test_selu_keeps_mean_and_variance() -> None:
    found = fact("selu", "moments")
    assert found.how == "enclosed"
    assert abs(found.value.mean) < 1e-12
    assert abs(found.value.variance - 1) < 1e-12
    point = fact("selu", "fixed_point")
    assert point.how == "enclosed"
    assert point.value.attracting
    assert abs(point.value.mean) < 1e-12
    assert abs(point.value.variance - 1) < 1e-12


@pytest.mark.parametrize("name", ["relu", "silu", "tanh", "hardshrink"])
def test_variance_that_fades_has_no_fixed_point(name: str) -> None:
    assert fact(name, "fixed_point").value is None


# All claims of all activations, at points.


def inputs(count: int, seed: str) -> list[float]:
    draw = random.Random(seed)
    wide = [draw.choice((-1, 1)) * 10 ** draw.uniform(-4, 1.7) for _ in range(count // 2)]
    return [*wide, *(draw.uniform(-8, 8) for _ in range(count - len(wide)))]


def sampled(expr: sympy.Expr, act: actgen.Activation, count: int = 300) -> dict[float, arb]:
    oracle, found = Oracle(expr, act.inputs, act.defaults), {}
    for p in inputs(count, act.name):
        try:
            found[p] = oracle(p)
        except Undecided:
            continue
    return found


def inside(p: float, s: Stretch) -> bool:
    return float(s.low) < p < float(s.high)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_claims_hold_at_points(name: str) -> None:
    act = actgen.load(name)
    facts = actgen.facts(act)
    values, slopes, bends = (
        sampled(e, act, 2000 if i == 0 else 300)
        for i, e in enumerate((act.formula, act.derivative(), act.derivative(2)))
    )
    scale = 1e-12
    for level, which in ((values, "range"), (slopes, "slope_range")):
        found: Range = facts[which].value
        for p, v in level.items():
            assert float(found.low) - scale <= float(v.mid()) <= float(found.high) + scale, (
                which,
                p,
            )
            if found.low_attained is False and not found.low.is_infinite:
                assert not v < found.low.ball
    lipschitz = float(facts["lipschitz"].value)
    assert all(abs(float(v.mid())) <= lipschitz + scale for v in slopes.values())
    signs = {"increasing": 1, "decreasing": -1, "constant": 0, "convex": 1, "concave": -1}
    for which, level in (("monotonicity", slopes), ("convexity", bends)):
        covered = set()
        for s in facts[which].value:
            for p, v in level.items():
                if inside(p, s):
                    covered.add(p)
                    sign = signs[s.kind]
                    assert v == 0 if sign == 0 else not (v * sign < 0), (which, p)
                    assert not (s.strictly and sign and v == 0 and which == "monotonicity" and p)
        if which == "monotonicity":
            assert covered == set(level)
    for s in facts["zeros"].value:
        for p in (float(s.low), float(s.high), float(s.low) / 2 + float(s.high) / 2):
            if math.isfinite(p) and (p not in (float(s.low), float(s.high)) or s.low_closed):
                closed = s.high_closed or p != float(s.high)
                assert (
                    not closed
                    or abs(float(Oracle(act.formula, act.inputs, act.defaults)(p).mid())) < 1e-15
                )
    zero = [p for p, v in values.items() if v.is_zero()]
    assert all(any(float(s.low) <= p <= float(s.high) for s in facts["zeros"].value) for p in zero)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_no_extremum_is_beaten(name: str) -> None:
    act = actgen.load(name)
    facts = actgen.facts(act)
    for which, expr in (("extrema", act.formula), ("slope_extrema", act.derivative())):
        oracle = Oracle(expr, act.inputs, act.defaults)
        extremum: Extremum
        for extremum in facts[which].value:
            side = 1 if extremum.kind == "minimum" else -1
            for step in (1e-3, 1e-2, 0.05):
                for at in (float(extremum.low) - step, float(extremum.high) + step):
                    assert (oracle(at) - extremum.value.ball) * side > 0, (which, at)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_slope_from_output_at_points(name: str) -> None:
    act = actgen.load(name)
    found = actgen.facts(act).get("derivative_in_f")
    if found is None or found.value is None:
        return
    slope = Oracle(act.derivative(), act.inputs, act.defaults)
    value = Oracle(act.formula, act.inputs, act.defaults)
    told = Oracle(found.value.formula, [F], act.defaults)
    for kink in act.kinks():
        at = kink.at.subs(act.defaults)
        if kink.at not in found.value.exceptions:
            here = value.exact([arb(float(at))])
            assert (told.exact([here.mid()]) - slope(float(at))).contains(0) or abs(
                float((told.exact([here.mid()]) - slope(float(at))).mid())
            ) < 1e-15
    for p in inputs(200, name):
        flint.ctx.prec = 2000
        try:
            exact = value.exact([arb(p)], 1500)
            difference = told.exact([exact.mid()], 200) - slope(p)
        finally:
            flint.ctx.prec = 53
        assert abs(float(difference.mid())) <= 1e-15 * abs(float(slope(p).mid())) + 1e-300, p


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_moments_at_sampled_sums(name: str) -> None:
    """A plain midpoint sum, which knows nothing of pieces, agrees to 3 digits."""
    act = actgen.load(name)
    found = actgen.facts(act)["moments"].value
    oracle = Oracle(act.formula, act.inputs, act.defaults)
    count = 400
    points = [-8 + 16 * (i + 0.5) / count for i in range(count)]
    weights = [math.exp(-p * p / 2) / math.sqrt(2 * math.pi) * 16 / count for p in points]
    values = [float(oracle(p).mid()) for p in points]
    mean = sum(w * v for w, v in zip(weights, values, strict=True))
    second = sum(w * v * v for w, v in zip(weights, values, strict=True))
    assert float(found.mean.mid()) == pytest.approx(mean, abs=2e-2)
    assert float(found.second.mid()) == pytest.approx(second, abs=2e-2)
    assert (found.variance - found.second + found.mean * found.mean).contains(0)


@pytest.mark.parametrize("name", names())
def test_facts_are_complete_and_plain(name: str) -> None:
    act = actgen.load(name)
    facts = actgen.facts(act)
    plain = json.loads(json.dumps(facts.as_dict()))
    assert plain["name"] == name
    assert facts is actgen.facts(act)
    assert all(fact.how in ("proved", "enclosed", "sampled") for fact in facts.found.values())
    if name in ELEMENTWISE:
        assert {
            "parity", "smoothness", "range", "asymptotes", "saturation", "monotonicity",
            "convexity", "zeros", "extrema", "slope_extrema", "lipschitz", "invertible", "moments",
        } <= set(facts.found)  # fmt: skip
        assert "nan" not in " ".join(facts.lines())


@pytest.mark.parametrize(
    "formula", ["1/x", "log(x)", "max(x, sin(x))", "x*sin(x)", "sqrt(abs(x))", "tan(x)", "x**x"]
)
def test_what_is_not_known_is_not_said(formula: str) -> None:
    with (
        pytest.warns(actgen.FormulaWarning)
        if formula in ("1/x", "log(x)", "tan(x)", "x**x")
        else _calm()
    ):
        act = actgen.parse(formula, name="strange")
    facts = actgen.facts(act)
    assert facts.get("monotonicity") is None or formula == "sqrt(abs(x))"
    assert facts.lines()


def _calm():  # type: ignore[no-untyped-def]
    from contextlib import nullcontext

    return nullcontext()


def test_double_root_keeps_the_sign() -> None:
    act = actgen.parse("(x - 1)**2*(x + 2)*exp(-x)", name="double_root")
    line = Curve(act).line(0)
    assert line is not None
    assert [s.sign for s in line.segments] == [-1, 1, 1]
    assert [float(s.high) for s in line.segments] == [-2, 1, OO]


def test_roots_of_squares_are_related() -> None:
    facts = actgen.facts(actgen.parse("(x + sqrt(x**2 + 4))/2", name="squareplus_4"))
    assert facts["convexity"].text == "convexity: convex everywhere"
    assert facts["lipschitz"].value.exact == 1


def test_numbers_read_well() -> None:
    assert str(Number.of(sympy.Rational(-3, 8))) == "-3/8"
    assert Number.of(sympy.sqrt(2)).in_full == "sqrt(2) = 1.41421356237310"
    assert str(Number.of(sympy.Rational(0.01))) == "0.0100000000000000"
