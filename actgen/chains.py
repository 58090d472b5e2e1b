"""What forward-mode rules need of an activation: which function is the slope of which, and a row
function's tangent as a program that is linear in it, so that it can be transposed.
"""

from __future__ import annotations

from dataclasses import replace

from . import calculus
from .errors import InternalError
from .lang import symbol
from .lower import lower
from .program import Arg, Instr, Program
from .rows import plain_rows
from .spec import Activation

_LINEAR_IN_ALL = frozenset(("add", "sub", "neg", "row_sum"))


def slopes(act: Activation, function: str) -> list[str]:
    """The functions that are the derivatives of a function, argument by argument, as far as known.

    The derivatives in the arguments that follow have no closed form.
    """
    gradients = [f"grad_{p.name}" for p in act.parameters]
    inputs = [str(v) for v in act.inputs]
    if function == "forward":
        firsts = [f"derivative_{v}" for v in inputs] if act.is_gated else ["derivative"]
        return [*firsts, *gradients]
    kind, _, wrt = function.rpartition("_")
    if act.is_gated and kind == "derivative":
        # xy stands for both orders.
        return [f"second_derivative_{min(v, wrt)}{max(v, wrt)}" for v in inputs]
    return ["second_derivative"] if function == "derivative" else []


def tangent(act: Activation) -> Program:
    """The tangent of a row function in x and dx, linear in dx and differentiable in x.

    No entry is told apart from the others, so it is right where entries of a row are the same.
    """
    inputs = [act.inputs[0], symbol("dx")]
    jvp = calculus.row_jvp(act.formula, *inputs)
    return _linear(lower(plain_rows(jvp, set(inputs)), inputs, ()))


def _linear(program: Program) -> Program:
    """The program with sums that are linear in its last input; InternalError where it is not."""
    moving: set[Arg] = {program.inputs[-1]}
    body: list[Instr] = []
    for instr in program.body:
        depends = [a in moving for a in instr.args]
        if any(depends):
            linear = (
                instr.op in _LINEAR_IN_ALL
                or (instr.op == "mul" and sum(depends) == 1)
                or (instr.op == "div" and not depends[1])
                or (instr.op == "where" and not depends[0])
            )
            if not linear:
                raise InternalError(f"a tangent is not linear: {instr}")
            moving.add(instr.dest)
            instr = replace(instr, op="row_total" if instr.op == "row_sum" else instr.op)
        body.append(instr)
    return replace(program, body=tuple(body))
