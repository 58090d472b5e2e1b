"""Formula text: what is taken, what is refused, where and with what cure."""

from __future__ import annotations

import warnings

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

import actgen
from actgen.formula import FUNCTIONS
from actgen.lang import Abs, Max, Piecewise, exp, log, tanh, x


def take(text: str, **parameters: float) -> sympy.Expr:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", actgen.FormulaWarning)
        return actgen.parse(text, parameters=parameters).formula


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x*tanh(log(1+exp(x)))", x * tanh(log(1 + exp(x)))),
        ("x if x > 0 else 0.1*x", Piecewise((x, x > 0), (x / 10, True))),
        ("where(x > 0, x, exp(x) - 1)", Piecewise((x, x > 0), (exp(x) - 1, True))),
        ("Piecewise((x, x > 0), (0, True))", Piecewise((x, x > 0), (0, True))),
        ("max(x, 0) + abs(x)", Max(x, 0) + Abs(x)),
        ("x**2 / (1 + abs(x))", x**2 / (1 + Abs(x))),
        ("where((x > -1) & (x < 1), x, 0)", Piecewise((x, (x > -1) & (x < 1)), (0, True))),
        ("where(And(x > -1, Not(x >= 1)), x, 0)", Piecewise((x, (x > -1) & (x < 1)), (0, True))),
        ("where(-1 < x < 1, x, 0)", Piecewise((x, (x > -1) & (x < 1)), (0, True))),
        ("0.044715*x", sympy.Rational("0.044715") * x),
        ("e**x", exp(x)),
        ("silu(x)", x / (1 + exp(-x))),
        ("swish_1(2*x)", 2 * x / (1 + exp(-2 * x))),
        ("elu(x, alpha=0.5)", Piecewise((x, x > 0), (exp(x) / 2 - sympy.Rational(1, 2), True))),
    ],
)
def test_taken(text: str, expected: sympy.Expr) -> None:
    assert sympy.simplify(take(text) - expected) == 0


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_known_function(name: str) -> None:
    arguments = {"where": "x > 0, x, 0", "min": "x, 1", "max": "x, 1", "Min": "x, 1", "Max": "x, 1"}
    assert take(f"x + {name}({arguments.get(name, 'x')})").has(x)


REFUSED = {
    "": "empty",
    "x +": "not a formula",
    "2x": "missing operator",
    "x^2": "write **",
    "x*b": "undeclared symbol 'b'",
    "x*foo(x)": "unknown function 'foo'",
    "tanj(x)": "did you mean tan",
    "__import__('os').system('x')": "plain name",
    "x.__class__": "Attribute",
    "().__class__": "Attribute",
    "9**9**9**9": "exponent too great",
    "x**99999": "exponent too great",
    "x[0]": "cannot index",
    "lambda x: x": "Lambda",
    "x > 0": "a condition stands where a value",
    "where(x, 1, 2)": "compare it",
    "max(x)": "at least 2",
    "softmax(x)": "not an elementwise formula",
    "x/0": "division by zero",
    "1e999*x": "floating-point range",
    "x*σ(x)": "plain ASCII",
    "3": "does not depend on x",
    "log(-1-x**2)": "no real value",
    "'x'": "str",
    "x if True": "not a formula",
    "[x]": "List",
    "x\n+1": "one line",
    "(" * 100_000 + "x" + ")" * 100_000: "characters",
    "(" * 100 + "x" + ")" * 100: "nested deeper",
    "x+" * 500_000 + "x": "characters",
    "1" * 500 + "*x": "digits",
    "f'{x}'": "JoinedStr",
    "x := 2": "not a formula",
    "sqrt(-1)*x": "no real value",
    "x @ x": "operator @",
    "Piecewise((x, x > 0))": "rest of the line",
    "elu(x, beta=1)": "no parameter",
    "x*1j": "complex",
    "open('/etc/passwd')": "unknown function",
    "exp": "is a function",
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda t: repr(t[:24]))
def test_refused_with_a_cure(text: str) -> None:
    with pytest.raises(actgen.FormulaError, match=REFUSED[text].replace("**", r"\*\*")):
        actgen.parse(text)


def test_the_place_is_shown() -> None:
    with pytest.raises(actgen.FormulaError) as caught:
        actgen.parse("x + q*x")
    assert caught.value.column == 4 and "\n      ^" in str(caught.value)


@pytest.mark.parametrize(
    "name", ["class", "a b", "1x", "../x", "x/y", "", "np", "match", "Big", "x" * 80, "é"]
)
def test_names_refused(name: str) -> None:
    with pytest.raises(actgen.FormulaError):
        actgen.parse("x*x", name=name)


@pytest.mark.parametrize(
    "parameters", [{"x": 1.0}, {"class": 1.0}, {"a": float("nan")}, {"a": "1"}, {"exp": 1.0}]
)
def test_parameters_refused(parameters: dict) -> None:
    with pytest.raises(actgen.FormulaError):
        actgen.parse("x*x", parameters=parameters)


@pytest.mark.parametrize(
    ("text", "doubt"),
    [
        ("1/x", "a pole at x = 0"),
        ("1/(x**2-2)", "a pole at x = -1.41421, 1.41421"),
        ("tan(x)", "a pole"),
        ("log(x)", "part of the line"),
        ("sqrt(x)", "part of the line"),
        ("sign(x)*x**2 + sign(x)", "a jump at x = 0"),
        ("where(x > 1, 1, 0)", "a jump at x = 1, from 0 to 1"),
        ("sin(x)/x", "undefined at x = 0 alone"),
        ("acosh(x)", "part of the line"),
    ],
)
def test_taken_with_a_doubt(text: str, doubt: str) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        actgen.parse(text)
    assert any(w.category is actgen.FormulaWarning and doubt in str(w.message) for w in caught)


def test_unused_parameter_warns() -> None:
    with pytest.warns(actgen.FormulaWarning, match="'q' is never used"):
        actgen.parse("x", parameters={"q": 1.0})


@pytest.mark.parametrize(
    "text",
    ["x*tanh(x)", "gelu(x)", "max(x, 0)", "abs(x)", "x/(1+abs(x))", "log(1+x**2)", "sqrt(1+x**2)"],
)
def test_no_doubt_without_reason(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        actgen.parse(text)


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="x0123456789+-*/().,<>=& eplogtanhsqrmxwi_'[]:^%@~|!", max_size=40))
def test_text_never_does_anything_else(text: str) -> None:
    """Whatever the text, the answer is an activation or a FormulaError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            actgen.parse(text)
    except actgen.FormulaError as refusal:
        assert str(refusal)
