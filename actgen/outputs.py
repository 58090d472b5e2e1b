"""f′ from the output: where it may stand in for f′ from the input in a backward pass.

Both save one tensor, but the output is often kept anyway (the next layer's input), and an input
that is not needed can be overwritten. The facts say where f′ is a function of f; measurement says
in which formats that function of the rounded output is still within the contract: 1 − y is not,
where y rounds to 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sympy
from sympy import Expr

from . import cache, contract, inverse, measuring, model
from .accuracy import FORMATS, Format, Measurement
from .cases import cases, settings
from .compiled import Compiled
from .forms import quietly
from .guards import guard_branches, propagate_nan
from .lang import symbol
from .lower import lower
from .pieces import Curve
from .program import Program
from .variants import lift

#: The output, as an input of the program.
OUTPUT = symbol("y")
#: The backend whose contract decides.
BACKEND = "torch"


@dataclass(frozen=True)
class OutputForm:
    """f′ as a function of the output y, and how far it is from the truth in each format.

    `program` is None where f′ is no function of f for every x. It holds for parameters that
    satisfy `requires`; `dtypes` are the formats in which it is within the contract.
    """

    program: Program | None
    expr: Expr | None
    requires: Expr
    errors: tuple[tuple[str, Measurement], ...] = ()

    @property
    def dtypes(self) -> tuple[str, ...]:
        """The formats in which it is within the contract."""
        return tuple(name for name, m in self.errors if contract.holds(m))


NONE = OutputForm(None, None, sympy.true)


def output_form(compiled: Compiled) -> OutputForm:
    """The form of an activation; kept on disk."""
    act = compiled.activation
    name = cache.key("output form", act)
    found = cache.get(name)
    if not isinstance(found, OutputForm):
        found = _find(compiled)
        cache.put(name, found)
    return found


def _find(compiled: Compiled) -> OutputForm:
    act = compiled.activation
    if act.is_row or act.is_gated:
        return NONE
    fact = quietly(lambda: inverse.derivative_in_f(Curve(act)), seconds=10.0)
    if fact is None or fact.value is None or fact.value.exceptions:
        return NONE
    formula = fact.value.formula.xreplace({inverse.F: OUTPUT})
    if not formula.free_symbols & {OUTPUT}:
        return NONE
    requires = fact.value.requires
    for p in act.parameters:  # at the edge of its domain f may tell nothing: log(1 + exp(0·x))/0
        if p.low is not None and p.symbol in formula.free_symbols:
            requires &= p.symbol > p.low
    expr = guard_branches(lift(formula), OUTPUT)
    program = lower(expr, [OUTPUT], [p.symbol for p in act.parameters])
    program = propagate_nan(program, [OUTPUT.name])
    errors = tuple(
        (name, found)
        for name, fmt in FORMATS.items()
        if (found := _measure(compiled, program, requires, fmt)) is not None
    )
    return OutputForm(program, expr, requires, errors)


def _measure(
    compiled: Compiled, program: Program, requires: Expr, fmt: Format
) -> Measurement | None:
    """f′ from the rounded output against the truth, at every setting that `requires` admits."""
    act = compiled.activation
    limit, total = contract.limit(BACKEND, fmt.name), None
    truths = {"derivative": compiled.truths["derivative"]}
    for i, setting in enumerate(settings(act)):
        if requires.subs(setting) != True:  # noqa: E712 (SymPy's true)
            continue
        case = cases(act, truths, fmt, i)["derivative"]
        values = {s.name: model.constant(v) for s, v in setting.items()}
        names = [s.name for s in act.inputs]
        given = dict(zip(names, case.points.T, strict=True)) | values
        y = model.evaluate(compiled.functions["forward"].program, given, fmt)[0]
        slope = model.evaluate(program, {OUTPUT.name: y, **values}, fmt)[0]
        labels: dict[str, Any] = {"activation": act.name, "backend": BACKEND, "dtype": fmt.name}
        labels["function"] = "derivative_of_output"
        found = measuring.measure(slope, case, fmt, limit, names, **labels)
        total = found if total is None else total.merge(found)
    return total
