"""Every row of the tables: rules mean what they replace, atoms are what they say."""

from __future__ import annotations

import random

import flint
import pytest
import sympy
from sympy import Rational

from actgen import tails
from actgen.atoms import ATOMS, Atom, u
from actgen.calculus import derivative
from actgen.lang import symbol
from actgen.lower import lower
from actgen.oracle import OPS, Oracle, from_float, number
from actgen.program import interpret
from actgen.rewrite import WILD, Rule, apply_rule, cost, rewrite
from actgen.rules import RULES

x, y = symbol("x"), symbol("y")


def stand_ins(rule: Rule, seed: int) -> dict:
    """What the wild symbols of a rule may be replaced by, at random."""
    rng = random.Random(seed)
    choices = {
        "u_": [x, 2 * x, x * y, x / 3 + 1],
        "v_": [1 + y**2, 3 + x**2],
        "c_": [sympy.Integer(1), y, Rational(3, 2), -y / 2],
        "n_": [sympy.Integer(-1), sympy.Integer(-2)],
        "h_": [Rational(1, 2), Rational(-3, 2)],
        "k_": [sympy.Integer(4), Rational(1, 9)],
        "p_": [sympy.Integer(-2), -y, Rational(-1, 2)],
        "m_": [Rational(-1, 2), sympy.Integer(-3)],
    }
    return {s: rng.choice(choices[s.name]) for s in rule.pattern.free_symbols & set(WILD)}


def value(expr: sympy.Expr, point: tuple[float, float]):
    return Oracle(tails.definition(expr), [x, y])(*point)


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.name)
def test_rule_keeps_the_value(rule: Rule) -> None:
    rng = random.Random(1)
    compared = 0
    for seed in range(12):
        bindings = stand_ins(rule, seed)
        before, after = rule.pattern.xreplace(bindings), rule.result.xreplace(bindings)
        for _ in range(6):
            point = (rng.uniform(-3, 3), rng.uniform(0.1, 3))
            a, b = value(before, point), value(after, point)
            if a.is_finite() and b.is_finite():
                assert (a - b).contains(0) or abs(a - b) < abs(a) * 2.0**-60, (
                    rule.name,
                    bindings,
                    point,
                )
                compared += 1
    assert compared >= 12


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.name)
def test_rule_fires_and_lowers_the_cost(rule: Rule) -> None:
    fired = 0
    for seed in range(12):
        expr = rule.pattern.xreplace(stand_ins(rule, seed))
        result = apply_rule(rule, expr)
        if result is not None and cost(result) < cost(expr):
            fired += 1
    assert fired, rule.name
    assert rewrite(expr, RULES) is not None  # and the whole table comes to rest


@pytest.mark.parametrize("atom", ATOMS, ids=lambda a: a.name)
def test_atom_expansion_is_its_definition(atom: Atom) -> None:
    if atom.expansion is None:
        return
    program = lower(atom.function(x), [x], [])
    for point in (-50.3, -2.5, -0.7, -1e-3, 0.0, 1e-3, 0.4, 1.0, 3.3, 35.0):
        if point < atom.least:
            continue
        got = interpret(program, {"x": from_float(point)}, OPS, number)[0]
        true = Oracle(atom.definition.xreplace({u: x}), [x])(point)
        assert abs(got - true) <= abs(true) * 2.0**-30 + 2.0**-600, (atom.name, point)


@pytest.mark.parametrize("atom", ATOMS, ids=lambda a: a.name)
def test_atom_derivative(atom: Atom) -> None:
    stated = tails.definition(atom.derivative.xreplace({u: x}))
    true = derivative(tails.definition(atom.definition.xreplace({u: x})), x)
    for point in (-3.1, -0.4, 0.3, 1.7, 4.2):
        a, b = Oracle(stated, [x])(point), Oracle(true, [x])(point)
        if a.is_finite() and b.is_finite():
            assert abs(a - b) <= abs(a) * 2.0**-50, (atom.name, point)


@pytest.mark.parametrize("atom", ATOMS, ids=lambda a: a.name)
def test_atom_tails(atom: Atom) -> None:
    for end, point in zip(atom.tails, (-200.0, 200.0), strict=True):
        if end is None:
            continue
        form = end.xreplace({u: x})
        whole = tails.definition(atom.definition.xreplace({u: x}))
        near, far = (Oracle(e, [x]).exact([from_float(point)], 500) for e in (whole, form))
        with flint.ctx.workprec(600):
            assert abs(near - far) < 1e-80, (atom.name, point)
