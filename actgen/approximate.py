"""Programs for GPUs: float32 with the approximations that results of 16 bits allow."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import sympy

from . import model
from .atoms import COSTS, erfcx
from .program import Instr, Program, prune, with_operations

#: What each operation is exchanged for where results stay right, tried in this order.
INSTEAD = {
    "erfc": ("erfc_near",),
    "exp": ("exp_flushed", "exp_low", "exp_near"),
    "div": ("div_near",),
    "log1p": ("log1p_unit", "log1p_near"),
    "expm1": ("expm1_near",),
}
#: Atoms that are one operation there, not what they are expanded to.
NATIVE = {erfcx: "erfcx_near"}
#: In instructions of a GPU, about; of others as in COSTS, or 1.
GPU_COSTS = COSTS | {
    "where": 2,
    "exp": 9,
    "exp_flushed": 2,
    "exp_low": 3,
    "exp_near": 5,
    "div": 11,
    "div_near": 2,
    "log1p": 24,
    "log1p_near": 11,
    "log1p_unit": 8,
    "expm1": 22,
    "expm1_near": 10,
    "erfc": 40,
    "erfc_near": 18,
    "erfc_normal_near": 16,
    "erfcx_near": 11,
}
#: A second program, for results in a narrower format, costs so much less.
CHEAPER = 0.9


def gpu_cost(program: Program) -> int:
    """About the instructions that a GPU takes for an element."""
    return sum(GPU_COSTS.get(instr.op, 1) for instr in program.body)


def cheapest(
    programs: Iterable[Program], chosen: Program, holds: Callable[[Program], bool]
) -> Program | None:
    """The cheapest that holds, of the programs with approximations; None if little is gained."""

    def at_best(program: Program) -> int:
        return gpu_cost(with_operations(program, {op: names[0] for op, names in INSTEAD.items()}))

    best, least = None, CHEAPER * gpu_cost(chosen)
    every = dict.fromkeys(programs)
    for program in sorted(every, key=at_best):
        if at_best(program) >= least:
            break
        if not holds(program):
            continue
        for op, others in INSTEAD.items():
            exchanged = (with_operations(program, {op: other}) for other in others)
            if any(i.op == op for i in program.body):
                program = next((p for p in exchanged if holds(p)), program)
        if gpu_cost(program) < least:
            best, least = program, gpu_cost(program)
    return best


def with_native(program: Program) -> Program:
    """A program in which atoms are operations, with the operations that 16 bits have for them."""
    return with_operations(program, {atom.__name__: name for atom, name in NATIVE.items()})


def normal(program: Program) -> Program:
    """erfc(∓x/√2) as the operation of x, whose square is exact for x of 16 bits."""
    made = {i.dest: i for i in program.body}
    body = [_normal_erfc(i, made) for i in program.body]
    return prune(replace(program, body=tuple(body)))


def _normal_erfc(instr: Instr, made: dict[str, Instr]) -> Instr:
    arg = instr.args[0]
    scaled = made.get(arg) if instr.op == "erfc" and isinstance(arg, str) else None
    if scaled is None or scaled.op != "mul":
        return instr
    x, number = sorted(scaled.args, key=lambda a: not isinstance(a, str))
    if not isinstance(number, str) and model.constant(number) == -model.constant(sympy.sqrt(2) / 2):
        return replace(instr, op="erfc_normal_near", args=(x,))
    return instr
