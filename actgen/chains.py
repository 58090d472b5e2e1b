"""What forward-mode rules need of an activation: which function is the slope of which, and rows'
tangents as programs that are linear in the tangent, so that they can be transposed.
"""

from __future__ import annotations

from dataclasses import replace

from . import calculus
from .compiled import Compiled
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


def tangents(compiled: Compiled) -> tuple[Program, Program]:
    """The tangent of a row function in x and dx, linear in dx: closely, and in plain operations.

    The first is as accurate as the row function's jvp; the second may be differentiated in x,
    where entries of a row are the same too.
    """
    act = compiled.activation
    inputs = [act.inputs[0], symbol("dx")]
    jvp = calculus.row_jvp(act.formula, *inputs)
    plain = _linear(lower(plain_rows(jvp, set(inputs)), inputs, ()))
    assert plain is not None, f"the tangent of {act.name} is not linear"
    return _linear(compiled.functions["jvp"].program) or plain, plain


def _linear(program: Program) -> Program | None:
    """The program with sums that are linear in its last input; None where it is not."""
    moving: set[Arg] = {program.inputs[-1]}
    body: list[Instr] = []
    for instr in program.body:
        depends = [a in moving for a in instr.args]
        if any(depends):
            linear = (
                instr.op in _LINEAR_IN_ALL
                or (instr.op in ("mul", "mul_high") and sum(depends) == 1)
                or (instr.op == "div" and not depends[1])
                or (instr.op == "where" and not depends[0])
            )
            if not linear:
                return None
            moving.add(instr.dest)
            plainly = {"row_sum": "row_total", "mul_high": "mul"}
            instr = replace(instr, op=plainly.get(instr.op, instr.op))
        body.append(instr)
    return replace(program, body=tuple(body))
