"""From a formula to the program that survives: candidates, each measured, the cheapest good one.

A candidate is an algebraic form of the lifted formula under one treatment of its tails. Each is
evaluated in float32 and float64 on hard inputs and compared with the oracle on the formula as it
was written. `Choice` keeps the whole list, so that `show --stage stable` can print it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy
from sympy import Expr, Symbol

from . import calculus, guards, model, tails
from .accuracy import FORMATS, Format, hard_points, mixed_error, ulp_of
from .atoms import COSTS, sigmoid, softplus
from .lower import lower
from .oracle import Oracle, Undecided, shared
from .program import Program
from .rewrite import cost, rewrite
from .rules import RULES
from .spec import Activation, Parameter, exact

#: A candidate is good enough in its worst error when it is below the first of these; otherwise
#: the one in the lowest class is taken.
CLASSES = (4.0, 32.0, 1e3, 1e5, math.inf)
#: Beyond it the algebraic form of a tail takes over, tried from the greatest: cubes of the first
#: still fit float32, exponentials of the last but one do.
BORDERS = tuple(sympy.Integer(2) ** power for power in (40, 30, 20, 10, 6, 5))
#: SymPy's combining and cancelling is tried on expressions up to this many operations.
SMALL = 80


@dataclass(frozen=True)
class Candidate:
    """One way to compute a function: its form, its program, and how it measured."""

    form: str
    tail: str
    expr: Expr
    program: Program
    cost: int
    wrong: int
    worst: float

    @property
    def rank(self) -> tuple[int, int, int]:
        """Lower is better: non-finite results first, then the class of the error, then cost."""
        return (self.wrong, next(i for i, c in enumerate(CLASSES) if self.worst <= c), self.cost)


@dataclass(frozen=True)
class Choice:
    """What was chosen for one function, and from what."""

    chosen: Candidate
    candidates: tuple[Candidate, ...]

    @property
    def program(self) -> Program:
        """The program to emit."""
        return self.chosen.program


def lift(expr: Expr) -> Expr:
    """`expr` in atoms."""
    return rewrite(expr, RULES)


# Algebraic forms.


def _generators(expr: Expr) -> dict[Expr, Symbol]:
    """Opaque symbols for all that is no sum, product or power, so that algebra is fast."""
    found: dict[Expr, Symbol] = {}

    def visit(node: Expr) -> None:
        if node.is_number or isinstance(node, Symbol):
            return
        if isinstance(node, (sympy.Add, sympy.Mul)) or (
            isinstance(node, sympy.Pow) and node.exp.is_Integer
        ):
            for arg in node.args:
                visit(arg)
        elif node not in found:
            found[node] = Symbol(f"g{len(found)}", real=True)

    visit(expr)
    return found


def _algebra(operation: Callable[[Expr], Expr]) -> Callable[[Expr], Expr | None]:
    def apply(expr: Expr) -> Expr | None:
        if expr.has(sympy.Piecewise):
            return _in_branches(expr, apply)
        names = _generators(expr)
        if expr.count_ops() > SMALL or len(names) > 4 or expr.has(sympy.nan, sympy.oo):
            return None
        return operation(expr.xreplace(names)).xreplace({s: e for e, s in names.items()})

    return apply


def _in_branches(expr: Expr, apply: Callable[[Expr], Expr | None]) -> Expr | None:
    if not isinstance(expr, sympy.Piecewise):
        return None
    results = [apply(value) for value, _ in expr.args]
    return sympy.Piecewise(
        *(
            (value if result is None else result, cond)
            for (value, cond), result in zip(expr.args, results, strict=True)
        )
    )


def _split_exponentials(expr: Expr) -> Expr | None:
    """exp(k·u), k whole, as powers of e = exp(-|u|) on each side of u = 0, fractions cancelled."""
    if expr.has(sympy.Piecewise):
        return _in_branches(expr, _split_exponentials)
    names = _generators(expr)
    exps = [e for e in names if isinstance(e, sympy.exp) and e.args[0].free_symbols]
    if not exps or expr.count_ops() > 2 * SMALL:
        return None
    unit = exps[0].args[0]
    unit = -unit if unit.could_extract_minus_sign() else unit
    ratios = {e: sympy.simplify(e.args[0] / unit) for e in exps}
    if not all(r.is_Rational for r in ratios.values()):
        return None
    whole = sympy.ilcm(1, *(r.q for r in ratios.values()))
    step = sympy.Rational(sympy.igcd(0, *(r * whole for r in ratios.values())), whole)
    held = expr.xreplace(names)
    e = Symbol("e", positive=True)
    back = {s: node for node, s in names.items() if node not in ratios}
    sides = []
    for sign in (-1, 1):
        powers = {names[node]: e ** int(sign * r / step) for node, r in ratios.items()}
        cancelled = sympy.cancel(sympy.together(held.xreplace(powers)))
        bottom = sympy.fraction(cancelled)[1]
        if e not in cancelled.free_symbols or sympy.Poly(bottom, e).eval(0) == 0:
            return None
        sides.append(cancelled.xreplace({e: sympy.exp(-sympy.Abs(unit * step)), **back}))
    return sympy.Piecewise((sides[0], unit >= 0), (sides[1], True))


def _reflect(expr: Expr) -> Expr | None:
    """On each side of u = 0, σ and softplus through what is exponentially small there.

    σ(u) = 1 − σ(−u) and softplus(u) = u + softplus(−u), expanded, so that what cancels is gone.
    """
    if expr.has(sympy.Piecewise):
        return _in_branches(expr, _reflect)
    found = sorted(expr.atoms(sigmoid, softplus), key=str)
    if not found or expr.count_ops() > SMALL:
        return None
    unit = found[0].args[0]
    unit = -unit if unit.could_extract_minus_sign() else unit
    sides = []
    for v in (unit, -unit):
        small = {sigmoid(v): 1 - sigmoid(-v), softplus(v): v + softplus(-v)}
        sides.append(sympy.expand(expr.xreplace(small)))
    return sympy.Piecewise((sides[0], unit >= 0), (sides[1], True))


FORMS: dict[str, Callable[[Expr], Expr | None]] = {
    "lifted": lambda e: e,
    "factored": _algebra(lambda e: sympy.factor_terms(sympy.together(e))),
    "cancelled": _algebra(lambda e: sympy.factor_terms(sympy.cancel(e))),
    "expanded": _algebra(sympy.expand),
    "split": _split_exponentials,
    "reflected": _reflect,
}


def forms(expr: Expr) -> Iterator[tuple[str, Expr]]:
    """The different forms of a lifted expression, each lifted again."""
    seen = set()
    for name, form in FORMS.items():
        try:
            result = form(expr)
        except sympy.PolynomialError:
            continue
        if result is None or result.has(sympy.nan, sympy.zoo):
            continue
        result = lift(result)
        if result not in seen and cost(result) < 3000:
            seen.add(result)
            yield name, result


# Measuring.


def samples(parameter: Parameter) -> list[Expr]:
    """Values of a parameter at which a candidate has to work: the default and others around."""
    value = parameter.value
    if not value.is_finite:
        return [value, sympy.Integer(6)]
    low = None if parameter.low is None else sympy.sympify(parameter.low)
    high = None if parameter.high is None else sympy.sympify(parameter.high)
    wanted = [value, value * 4, value / 4, *([-value] if low is None else [])]
    wanted = [v for v in wanted if (low is None or v >= low) and (high is None or v <= high)]
    return list(dict.fromkeys(wanted))


def settings(act: Activation) -> list[dict[Symbol, Expr]]:
    """Parameter settings to measure at: the defaults, then one parameter changed at a time."""
    base = act.defaults
    rows = [base]
    for p in act.parameters:
        rows += [{**base, p.symbol: v} for v in samples(p) if v != base[p.symbol]]
    return rows


def point_sets(act: Activation, fmt: Format) -> Sequence[tuple[float, ...]]:
    """Hard inputs of an activation: floats, or pairs of them for a gated one."""
    special = [
        float(p.subs(act.defaults))
        for p in calculus.break_points(act.formula, act.inputs[0], act.defaults)
    ]
    points = hard_points(fmt, special, 120)
    if not act.is_gated:
        return [(p,) for p in points]
    rng = np.random.default_rng(7)
    few = [p for p in points if not math.isinf(p)]
    others = rng.permutation(few)
    pairs = [(a, float(b)) for a, b in zip(few, others, strict=True)]
    ends = [(s * math.inf, v) for s in (1, -1) for v in (1.5, -1.5, 0.25)]
    return pairs + ends + [(b, a) for a, b in ends]


class Bench:
    """The truth for one function of one activation, against which candidates are measured."""

    def __init__(self, act: Activation, truth: Expr) -> None:
        self.act = act
        self.cases = []
        for fmt in (FORMATS["float32"], FORMATS["float64"]):
            points = point_sets(act, fmt)
            for setting in settings(act):
                oracle = shared(truth, act.inputs, setting)
                self.cases.append((fmt, setting, oracle, *_truths(oracle, points, fmt)))

    def measure(self, program: Program) -> tuple[int, float, list[tuple[float, ...]]]:
        """(results wrongly non-finite, worst mixed ulp in float32, the points that were wrong)."""
        wrong: list[tuple[float, ...]] = []
        worst = 0.0
        for fmt, setting, oracle, points, true, unit in self.cases:
            values: dict[str, Any] = {s.name: model.constant(v) for s, v in setting.items()}
            values |= {s.name: points[:, i] for i, s in enumerate(self.act.inputs)}
            y = model.evaluate(program, values, fmt)[0].astype(np.float64)
            bad = ~(np.isfinite(y) == np.isfinite(true)) | (np.isnan(y) != np.isnan(true))
            bad |= np.isinf(true) & (y != true)
            wrong += [tuple(p) for p in points[bad].tolist()]
            if fmt.name != "float32":
                continue
            with np.errstate(all="ignore"):
                ulps = np.where(bad | ~np.isfinite(true), 0.0, np.abs(y - true) / unit)
            for i in np.argsort(-ulps)[:40]:
                if ulps[i] <= max(worst, CLASSES[0]):
                    break
                point = tuple(points[i].tolist())
                worst = max(worst, min(ulps[i], mixed_error(float(y[i]), point, oracle, fmt)))
        return len(wrong), worst, wrong


def _truths(
    oracle: Oracle, points: Sequence[tuple[float, ...]], fmt: Format
) -> tuple[Any, Any, Any]:
    """Points where the formula says something, the truth there as float64, its ulp."""
    kept, true, unit = [], [], []
    for point in points:
        try:
            value = oracle(*point)
        except Undecided:
            continue
        if value.is_nan() and not any(map(math.isnan, point)):
            continue
        number = float(value)
        if math.isfinite(number) and abs(number) > fmt.max:
            number = math.copysign(math.inf, number)
        kept.append(point)
        true.append(number)
        unit.append(float(ulp_of(value, fmt)) if value.is_finite() else 1.0)
    return np.array(kept).reshape(len(kept), -1), np.array(true), np.maximum(unit, 5e-324)


# Tails.


def signs(act: Activation) -> dict[Symbol, int]:
    """Signs of parameters that their domains fix."""
    known: dict[Symbol, int] = {}
    for p in act.parameters:
        if p.low is not None and sympy.sympify(p.low) >= 0:
            known[p.symbol] = 1 if p.low > 0 else tails.NON_NEGATIVE
        elif p.high is not None and sympy.sympify(p.high) <= 0:
            known[p.symbol] = -1
    return known


def treatments(
    expr: Expr, act: Activation, wrong: Sequence[tuple[float, ...]]
) -> Iterator[tuple[str, Expr]]:
    """Ways to make the tails right where `wrong` says that they are not, cheapest first."""
    sides = _failing_sides(act, wrong)
    # A gated function may need a guard on one input only.
    alone = [[row for row in sides if row[0] == x] for x in reversed(act.inputs)]
    for chosen in [*(a for a in alone if a and a != sides), sides] if sides else []:
        yield from _treat(expr, act, chosen)


def _treat(
    expr: Expr, act: Activation, sides: list[tuple[Symbol, int]]
) -> Iterator[tuple[str, Expr]]:
    known = signs(act)
    values = {**act.defaults, **{s: sympy.Integer(1) for s in act.inputs[1:]}}
    rows: list[tuple[Symbol, int, Expr]] = []
    for x, side in sides:
        form = tails.tail(expr, x, side, values, known)
        if form is not None:
            rows.append((x, side, tails.dominant(form, x, side, known)))
        elif _numerically_flat(expr, act, side):
            rows.append((x, side, sympy.Integer(0)))
    # A tail that is flat needs no branch: x is kept from going further. These come first, so
    # that the branches of the others see the true x.
    rows.sort(key=lambda row: not _is_flat(row[2], row[0]))
    guarded = guards.guard_branches(expr, act.inputs[0])
    for near, far in _borders(bool(rows) and len({side for _, side, _ in rows}) > 1):
        result = guarded
        for x, side, form in rows:
            border = near if side > 0 else far
            low, high = (None, border) if side > 0 else (-border, None)
            result = guards.clip(result, x, low, high)
            if not _is_flat(form, x):
                beyond = x > border if side > 0 else x < -border
                result = sympy.Piecewise((form, beyond), (result, True))
        if result != guarded:
            powers = "/".join(str(int(sympy.log(b, 2))) for b in dict.fromkeys((near, far)))
            yield f"tails beyond 2**{powers}", result
    result = guarded
    for x in dict.fromkeys(x for x, _ in sides):
        limits = {}
        for side in (side for var, side in sides if var == x):
            value = tails.limit(expr, x, side, values, known)
            value = _numeric_limit(expr, act, side) if value is None else value
            if value is not None:
                limits[side] = value
        if limits:
            result = guards.at_infinity(result, x, limits)
    if result != guarded:
        yield "limits at infinity", result


def _borders(two_sided: bool) -> Iterator[tuple[Expr, Expr]]:
    """(border at +, border at -), the greatest first; one side alone may need a smaller one."""
    for border in BORDERS:
        if two_sided and border != BORDERS[0]:
            yield border, BORDERS[0]
            yield BORDERS[0], border
        yield border, border


def _oracles(expr: Expr, act: Activation) -> list[Oracle]:
    meaning = tails.definition(expr)
    return [shared(meaning, act.inputs, setting) for setting in settings(act)]


def _numerically_flat(expr: Expr, act: Activation, side: int) -> bool:
    """Whether, at every setting, the function is constant from |x| = 128 on to 60 bits.

    Farther out than 2**8 a doubly exponential function is beyond balls too, and not asked.
    """
    if act.is_gated:
        return False
    for oracle in _oracles(expr, act):
        try:
            first, *rest = (oracle(side * 2.0**power) for power in (7, 7.5, 8, 10, 20, 40))
        except Undecided:
            return False
        tiny = abs(first) < 2.0**-160
        near = [
            abs(v) < 2.0**-160 if tiny else abs(v - first) < abs(first) * 2.0**-60 for v in rest
        ]
        if not all(ok or v.is_nan() for ok, v in zip(near[2:], rest[2:])) or not all(near[:2]):
            return False
    return True


def _numeric_limit(expr: Expr, act: Activation, side: int) -> Expr | None:
    """The limit, where the oracle finds the same one at every setting."""
    if act.is_gated:
        return None
    found = {float(oracle(side * math.inf)) for oracle in _oracles(expr, act)}
    value = found.pop()
    if found or math.isnan(value):
        return None
    return exact(value)


def _is_flat(form: Expr, x: Symbol) -> bool:
    return x not in form.free_symbols and not form.has(sympy.Piecewise)


def _failing_sides(act: Activation, wrong: Sequence[tuple[float, ...]]) -> list[tuple[Symbol, int]]:
    sides = []
    for i, x in enumerate(act.inputs):
        for side in (1, -1):
            if any(side * p[i] > 1e3 for p in wrong):
                sides.append((x, side))
    return sides


# Choosing.


def _program_cost(program: Program) -> int:
    return sum(COSTS.get(instr.op, 1) for instr in program.body)


def _finish(expr: Expr, act: Activation) -> Program:
    return lower(expr, act.inputs, [p.symbol for p in act.parameters])


def _with_nan(program: Program, act: Activation) -> Program:
    """The program, with a guard for each input whose NaN it would lose."""
    lost = []
    for i, s in enumerate(act.inputs):
        values = {t.name: math.nan if i == j else 1.5 for j, t in enumerate(act.inputs)}
        values |= {s.name: model.constant(v) for s, v in act.defaults.items()}
        out = model.evaluate(program, values, FORMATS["float64"])
        if not all(np.isnan(o).all() for o in out):
            lost.append(s.name)
    return guards.propagate_nan(program, lost) if lost else program


def stabilise(lifted: Expr, truth: Expr, act: Activation) -> Choice:
    """The best program for the lifted expression `lifted`, judged by the formula `truth`."""
    bench = Bench(act, truth)
    tried: list[Candidate] = []

    def consider(form: str, tail: str, expr: Expr) -> tuple[Candidate, list[tuple[float, ...]]]:
        program = _with_nan(_finish(expr, act), act)
        wrong, worst, where = bench.measure(program)
        candidate = Candidate(form, tail, expr, program, _program_cost(program), wrong, worst)
        tried.append(candidate)
        return candidate, where

    for form, expr in forms(lifted):
        natural, wrong = consider(form, "as they are", guards.guard_branches(expr, act.inputs[0]))
        if natural.rank[:2] == (0, 0) and form == "lifted" and len(natural.program.body) < 4:
            break
        if wrong:
            solved = False
            for tail, treated in treatments(expr, act, wrong):
                if not (solved and tail.startswith("tails")):
                    done, _ = consider(form, tail, treated)
                    solved = solved or done.wrong == 0
    return Choice(min(tried, key=lambda c: c.rank), tuple(tried))
