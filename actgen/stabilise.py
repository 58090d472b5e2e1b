"""From a formula to the program that survives: candidates, each measured, the cheapest good one.

A plan is an algebraic form of the lifted formula with repairs: exponential tails, a polynomial
where it cancels, arguments of exponentials (wide) and all sums (fine) with their rounding errors.
Each candidate is evaluated in float32 and float64 on hard inputs and compared with the oracle on
the formula as it was written. `Choice` keeps the whole list, so that `show --stage stable` can
print it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sympy
from sympy import Expr, Piecewise, Symbol

from . import contract, guards, model
from .accuracy import FORMATS
from .approximate import CHEAPER, NATIVE, cheapest, gpu_cost, normal, with_native
from .asymptotics import exponential_tails
from .atoms import COSTS, halves
from .limits import SECONDS, TimeLimit, time_limit
from .lower import lower
from .patches import ENOUGH, RADII, ROUGH, centres, patched
from .program import Program, without_divisors
from .spec import Activation
from .treatments import NARROW as NARROW_BORDERS
from .treatments import signs, treatments
from .trial import MIXED, Bench, Score
from .variants import forms

#: Candidates are ranked by the first of these that their worst error stays below, then by cost.
CLASSES = (1.0, 1.1, 1.2, 1.29, 1.5, 2.0, 3.0, 5.0, 12.0, 100.0, 1e4, math.inf)
#: Rounds of repairs, and how many forms they are tried on; the second with parameters.
ROUNDS, FORMS_REPAIRED = 3, (3, 1)
#: Repairs in these ways in turn, each with those before it, until some candidate is in that class.
WAYS = (("plain", 0), ("fine", 1), ("loose", 3))
#: Candidates in one go after which no more repairs are tried; the second where each takes longer,
#: with parameters or several inputs.
TRIES = (400, 60)
#: How many treatments of wrong results are tried on one plan.
TREATMENTS = 16
#: A plan that errs on so great a share of the inputs is worth FEW of them.
HOPELESS, FEW = 0.05, 4
DOUBLE, SINGLE = FORMATS["float64"], FORMATS["float32"]
HALVES = FORMATS["float16"], FORMATS["bfloat16"]
#: So many plans with polynomials are tried with rougher ones for 16 bits.
ROUGHENED = 3
NARROW_COSTS = {**COSTS, "where": 8}
#: An exponential tail takes over where what it leaves out is exp(-border) times smaller.
BORDERS = (64, 40)


def _in_time(work: Callable[[], Expr | None]) -> Expr | None:
    try:
        with time_limit(SECONDS):
            return work()
    except TimeLimit:
        return None


@dataclass(frozen=True)
class Plan:
    """A form of the formula and what is done to it before it is lowered."""

    form: str
    expr: Expr
    tails: tuple[tuple[Symbol, int], ...] = ()
    border: int = 0
    patches: tuple[tuple[Symbol, Expr, Expr], ...] = ()
    wide: bool = False
    fine: bool = False
    loose: int = 0

    @property
    def label(self) -> str:
        """What is done to the form, in words."""
        words = [f"exp tail at {'-' if side < 0 else ''}{x}" for x, side in self.tails]
        words += [f"polynomial within {r} of {float(c):.5g}" for _, c, r in self.patches]
        words += [name for name in ("wide", "fine") if getattr(self, name)]
        return "; ".join(words)

    def build(self, act: Activation) -> Expr | None:
        """The expression; None where a repair does not apply, or takes too long."""
        return _in_time(lambda: self._build(act))

    def _build(self, act: Activation) -> Expr | None:
        expr: Expr | None = self.expr
        values = {**act.defaults, **{s: sympy.Integer(1) for s in act.inputs}}
        if self.tails:
            known = signs(act)
            expr = exponential_tails(self.expr, self.tails, values, known, self.border, act.inputs)
        for patch in self.patches:
            expr = expr and patched(expr, *patch, enough=ENOUGH[self.loose])
        return expr


@dataclass(frozen=True)
class Candidate:
    """One way to compute a function: its form, its program, and how it measured."""

    form: str
    tail: str
    expr: Expr
    program: Program
    cost: int
    score: Score

    @property
    def rank(self) -> tuple[float, int, int]:
        """Lower is better: non-finite results first, then the class of the error, then cost."""
        # Where every operation is correctly rounded on every backend, nothing need be kept back.
        exact = all(i.op in model.EXACT for i in self.program.body)
        worst = self.score.worst * (CLASSES[1] * MIXED / contract.MIXED.most if exact else 1)
        level = next(i for i, c in enumerate(CLASSES) if worst <= c)
        return (self.score.rates[0], level, self.cost)

    @property
    def passes(self) -> bool:
        """Whether no input measured is wrong or errs too much."""
        return self.rank[:2] == (0, 0)

    @property
    def progress(self) -> tuple[float, float, float]:
        """What a repair has to lower."""
        return (*self.score.rates, self.score.worst)


@dataclass(frozen=True)
class Tried:
    """What is kept of a candidate: its form and repairs, its cost, its results and errors."""

    form: str
    tail: str
    cost: int
    wrong: int
    failing: int
    single: float
    double: float
    rounded: float


def _tried(c: Candidate) -> Tried:
    s = c.score
    counts = len(s.wrong), len(s.failing)
    return Tried(c.form, c.tail, c.cost, *counts, s.single, s.double, s.rounded)


@dataclass(frozen=True)
class Choice:
    """What was chosen for one function, and from what.

    `double` is cheaper, and good enough in float64 alone. `narrow` is, and within 0.51 ulp of
    float32 when computed in float64 and rounded; `half` is, of both 16-bit formats when computed in
    float32.
    """

    chosen: Candidate
    candidates: tuple[Tried, ...]
    narrow: Program | None = None
    half: Program | None = None
    double: Program | None = None

    @property
    def program(self) -> Program:
        """The program to emit."""
        return self.chosen.program

    @property
    def held(self) -> bool:
        """Whether the contract held on every input that the candidates were measured on."""
        return self.chosen.score.held

    @property
    def worst(self) -> str:
        """Where the contract is broken, and by how much."""
        s = self.chosen.score
        if s.wrong:
            return f"NaN or infinite where the truth is not, at {s.wrong[0]}"
        errors = f"{s.single:.3g} mixed ulp in float32, {s.double:.3g} in float64"
        return f"{errors}, {s.rounded:.3g} ulp rounded to float32; it fails at {s.failing[:1]}"


def _program_cost(program: Program) -> int:
    return sum(COSTS.get(instr.op, 1) for instr in program.body)


def narrow_cost(program: Program) -> int:
    """A selection is dear where it is an operation of its own."""
    return sum(NARROW_COSTS.get(instr.op, 2) for instr in program.body)


def _with_nan(program: Program, act: Activation) -> Program:
    """The program, with a guard for each input whose NaN it would lose."""
    lost = []
    beside = np.array([1.5, -1.5, 0.0, math.inf, -math.inf])
    for s in act.inputs:
        values = {t.name: np.full(5, math.nan) if t == s else beside for t in act.inputs}
        values |= {s.name: model.constant(v) for s, v in act.defaults.items()}
        out = model.evaluate(program, values, FORMATS["float64"])
        if not all(np.isnan(o).all() for o in out):
            lost.append(s.name)
    return guards.propagate_nan(program, lost) if lost else program


class _Search:
    def __init__(self, act: Activation, bench: Bench) -> None:
        self.act, self.bench = act, bench
        self.tried: dict[Program, Candidate] = {}
        self.plans: dict[Plan, Candidate | None] = {}
        self.right: list[str] = []

    def consider(self, plan: Plan, tail: str, expr: Expr) -> Candidate:
        program = self.lower(expr, wide=plan.wide, fine=plan.fine)
        if program not in self.tried:
            score = self.bench.measure(program)
            label = "; ".join(filter(None, (plan.label, tail))) or "as it is"
            cost = _program_cost(program)
            self.tried[program] = Candidate(plan.form, label, expr, program, cost, score)
        return self.tried[program]

    def lower(self, expr: Expr, **how: Any) -> Program:
        roots = 4 if self.act.is_gated else 2
        parameters = [p.symbol for p in self.act.parameters]
        program = lower(expr, self.act.inputs, parameters, roots=roots, **how)
        return _with_nan(with_native(program), self.act)

    def best_of(self, plan: Plan) -> Candidate | None:
        """The plan as it is, or with its tails made right where results are not finite."""
        if plan not in self.plans:
            self.plans[plan] = self._best_of(plan)
        return self.plans[plan]

    def _best_of(self, plan: Plan) -> Candidate | None:
        expr = plan.build(self.act)
        if expr is None:
            return None
        best = self.consider(plan, "", guards.guard_branches(expr, self.act.inputs[0]))
        if best.score.wrong:
            most = TREATMENTS if best.score.rates[1] < HOPELESS else FEW
            offered = list(itertools.islice(treatments(expr, self.act, best.score.wrong), most))
            # What was right for another plan may well be for this one.
            offered.sort(key=lambda row: self.right.index(row[0]) if row[0] in self.right else 99)
            for tail, make in offered:
                far = any(abs(v) > 1e5 for p in best.score.failing for v in p)
                if best.score.wrong or far:
                    treated = _in_time(make)
                    done = best if treated is None else self.consider(plan, tail, treated)
                    if done.rank < best.rank:
                        best = done
                        if not done.score.wrong:
                            self.right = [tail, *(t for t in self.right if t != tail)]
        return best

    def leaders(self) -> list[Plan]:
        """The best plan of each of the best forms; one of halves has its tails right already."""
        plans = {p: c for p, c in self.plans.items() if not p.expr.has(halves)}
        done = [(c.progress, i, p) for i, (p, c) in enumerate(plans.items()) if c is not None]
        best: dict[str, Plan] = {}
        for _, _, plan in sorted(done):
            best.setdefault(plan.form, plan)
        return list(best.values())[: FORMS_REPAIRED[bool(self.act.parameters)]]

    def repairs(self, plan: Plan, now: Candidate) -> Iterator[Plan]:
        """What could be done next, where results fail; all of it together first."""
        bad = [*now.score.failing, *now.score.wrong]
        inputs = list(enumerate(self.act.inputs))
        ends = [(i, (x, side)) for i, x in inputs for side in (-1, 1)]
        ends = [(i, e) for i, e in ends if e not in plan.tails and self.has_tail(plan, e)]
        far = [(i, e) for i, e in ends if any(e[1] * p[i] > 4 for p in bad)]
        patches = [p for i, x in inputs for p in self.patches(plan, x, i, bad)]
        zeros = [p for p in patches if p[1] != 0]
        # The rounding errors of what overflows are no numbers: fine sums want all the tails.
        new = tuple(e for _, e in (ends if plan.fine else far))
        for border in BORDERS if new else BORDERS[:1]:
            more = replace(plan, tails=plan.tails + new, border=border)
            several = ((), tuple(patches), tuple(zeros), *((p,) for p in patches))
            for some in dict.fromkeys(several):
                for wide in (True, False):
                    yield replace(more, wide=wide, patches=(*plan.patches, *some))
        for x, centre, radius in patches:
            yield from (
                replace(plan, patches=(*plan.patches, (x, centre, radius / k))) for k in (2, 4, 8)
            )

    def has_tail(self, plan: Plan, end: tuple[Symbol, int]) -> bool:
        return replace(plan, tails=(end,), border=BORDERS[0]).build(self.act) is not None

    def patches(
        self, plan: Plan, x: Symbol, i: int, bad: list[tuple[float, ...]]
    ) -> Iterator[tuple[Symbol, Expr, Expr]]:
        """Polynomials around 0 and zeros near which results fail, each as wide as can be."""
        known = {c for v, c, _ in plan.patches if v == x}
        # Zeros first: where two polynomials overlap, the one around the zero is nearer the truth.
        for centre in [*centres(plan.expr, x), sympy.Integer(0)]:
            # With parameters the centre is that of another variable, and not compared.
            near = any(self.act.parameters or abs(p[i] - float(centre)) < 1 for p in bad)
            if centre not in known and near:
                for radius in RADII:
                    if replace(plan, patches=((x, centre, radius),)).build(self.act) is not None:
                        yield x, centre, radius
                        break

    def simpler(self, plan: Plan) -> Iterator[Plan]:
        """The plan without one of its repairs, the dearest first."""
        if plan.fine:
            yield replace(plan, fine=False)
        for i in range(len(plan.tails)):
            yield replace(plan, tails=plan.tails[:i] + plan.tails[i + 1 :])
        for i in range(len(plan.patches)):
            yield replace(plan, patches=plan.patches[:i] + plan.patches[i + 1 :])
        if plan.wide:
            yield replace(plan, wide=False)

    def repair(self, plan: Plan) -> None:
        """Greedily, the repair that leaves the fewest inputs failing; then without what is idle."""
        now = self.best_of(plan)
        most = len(self.tried) + TRIES[bool(self.act.parameters) or self.act.is_gated]
        for _ in range(ROUNDS):
            if now is None or now.passes or len(self.tried) > most:
                break
            following: list[tuple[Any, int, Plan, Candidate]] = []
            options = dict.fromkeys(self.repairs(plan, now))
            for other in sorted(options, key=lambda p: -len(p.tails) - len(p.patches) - p.wide):
                if len(self.tried) > most:
                    break
                done = self.best_of(other)
                if done is not None and done.progress < now.progress:
                    following.append((done.progress, len(following), other, done))
                    if done.passes:
                        break
            if not following:
                break
            _, _, plan, now = min(following)
        while now is not None and now.passes:
            kept = next(
                (p for p in self.simpler(plan) if (c := self.best_of(p)) and c.passes), None
            )
            if kept is None:
                break
            plan = kept

    def narrow(self, written: Expr, chosen: Program) -> Program | None:
        """The cheapest that is right where float64 is rounded to float32, if that much cheaper.

        In float64 most formulas are right there as they were written, but for their tails.
        """
        for expr in dict.fromkeys((written, sympy.together(written))):
            plan = Plan("as written", expr)
            first = self.consider(plan, "", expr)
            points = self.bench.unrounded(first.program, every=False)
            if points:
                for tail, make in treatments(expr, self.act, points, NARROW_BORDERS):
                    treated = _in_time(make)
                    # A limit of what is not lifted may be none.
                    if treated is not None and not treated.has(sympy.I, sympy.nan, sympy.zoo):
                        self.consider(plan, tail, treated)

        def holds(program: Program) -> bool:
            failing = any(self.bench.unrounded(program, every) for every in (False, True))
            return not failing and self.bench.agree(program, chosen, DOUBLE, SINGLE)

        return self.cheaper(chosen, holds)

    def double(self, chosen: Program) -> Program | None:
        """The cheapest that is right in float64, if that much cheaper."""

        def holds(program: Program) -> bool:
            alike = (self.bench.agree(program, chosen, DOUBLE, fmt) for fmt in HALVES)
            return self.bench.holds_in_double(program) and all(alike)

        return self.cheaper(chosen, holds)

    def cheaper(self, chosen: Program, holds: Callable[[Program], bool]) -> Program | None:
        """The cheapest tried that holds, if it costs that much less than the chosen.

        With products where divisors are numbers, if that holds: they cost less anywhere.
        """
        most = CHEAPER * narrow_cost(chosen)
        less = itertools.takewhile(
            lambda program: narrow_cost(program) < most, sorted(self.tried, key=narrow_cost)
        )
        found = next(filter(holds, less), None)
        product = without_divisors(found or chosen)
        return product if product != (found or chosen) and holds(product) else found

    def half(self, chosen: Program) -> Program | None:
        """The cheapest that is right where float32 is rounded to 16 bits, if that much cheaper.

        With as many approximate operations as that allows, and polynomials no longer than that.
        """

        def holds(program: Program) -> bool:
            return all(self.bench.agree(program, chosen, SINGLE, fmt) for fmt in HALVES)

        self.roughen(holds)
        kept = frozenset(NATIVE)
        native = [
            self.lower(c.expr, native=kept) for c in self.tried.values() if c.expr.has(*NATIVE)
        ]
        programs = [*self.tried, *native]
        return cheapest([*map(normal, programs), *programs], chosen, holds)

    def roughen(self, holds: Callable[[Program], bool]) -> None:
        """Consider plans with the polynomials of those that hold, no longer than 16 bits want."""
        several = [(gpu_cost(c.program), i, p) for i, (p, c) in enumerate(self.plans.items()) if c]
        cheap = [plan for _, _, plan in sorted(several)]
        lifted = next(iter(self.plans))
        plain = [p for p in cheap if p == Plan(p.form, p.expr)][:ROUGHENED]
        found: dict[Any, Plan] = {}  # the cheapest with polynomials at the same places
        for plan in cheap:
            places = tuple((x, centre) for x, centre, _ in plan.patches)
            if places and places not in found and (c := self.plans[plan]) and holds(c.program):
                found[places] = plan
        for plan in list(found.values())[:ROUGHENED]:
            self.best_of(replace(plan, loose=ROUGH, wide=False, fine=False))
            rough = replace(lifted, loose=ROUGH, patches=plan.patches)
            built = None if lifted.expr.has(Piecewise) else rough.build(self.act)
            if isinstance(built, Piecewise):
                for other in plain:
                    pieces = *built.args[:-1], (other.expr, True)
                    self.consider(rough, f"beside {other.form}", Piecewise(*pieces))


def stabilise(lifted: Expr, written: Expr, act: Activation, bench: Bench) -> Choice:
    """The best program for the lifted expression `lifted`, judged on a bench.

    `written` is the same from the formula as it was written.
    """
    search = _Search(act, bench)
    for form, expr in forms(lifted):
        done = search.best_of(plan := Plan(form, expr))
        for fine in (False, True) if form == "squared" else ():
            if done and not done.passes:
                done = search.best_of(replace(plan, wide=True, fine=fine))
        if form == "lifted" and done and done.passes and len(done.program.body) < 4:
            break
    if not any(c.passes for c in search.tried.values()):
        for way, enough in WAYS:
            for plan in search.leaders():
                if min(c.rank[:2] for c in search.tried.values()) > (0, enough):
                    if way == "loose":  # which allows wider polynomials
                        plan = replace(plan, loose=1, patches=())
                    search.repair(replace(plan, fine=way != "plain"))
    chosen = min(search.tried.values(), key=lambda c: c.rank)
    every = tuple(map(_tried, search.tried.values()))
    double = search.double(chosen.program)
    narrow = search.narrow(written, double or chosen.program)
    half = search.half(chosen.program)
    return Choice(_brief(chosen), every, narrow, half, double)


def _brief(c: Candidate) -> Candidate:
    score = replace(c.score, wrong=c.score.wrong[:9], failing=c.score.failing[:9])
    return replace(c, score=score)
