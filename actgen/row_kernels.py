"""A row program as stages: a loop for each reduction, then one for the result.

Elementwise instructions are computed again in each loop that needs them; what is the same all
along the row is computed once between the loops.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from . import emit
from .backends import Backend
from .program import ROW_OPS, Arg, Instr, Program, rename

#: Statements stand five levels deep.
WIDTH = 68


@dataclass(frozen=True)
class Stage:
    """One loop over the row: `loads` of inputs, statements, and what it reduces or stores.

    `kind` is row_sum, row_max, or store; `before` are statements ahead of the loop.
    """

    kind: str
    name: str
    before: tuple[str, ...]
    loads: tuple[str, ...]
    lines: tuple[str, ...]
    value: str


def stages(
    program: Program, backend: Backend, constant_inputs: Sequence[str]
) -> tuple[list[Stage], set[str]]:
    """The stages of a row program and the operations they use.

    `constant_inputs` have one value a row. A program whose output is the same all along the row
    ends in a stage without loads.
    """
    names: dict[str, str] = {}
    for i in program.body:
        if i.op in ROW_OPS:
            stem = "top" if i.op == "row_max" else "sum"
            same = [n for n in names.values() if n.startswith(stem)]
            names[i.dest] = f"{stem}{len(same) + 1}"
    # Inputs are read into names of their own, which the arrays cannot have.
    names |= {n: f"{n}_row" if n in constant_inputs else f"{n}_k" for n in program.inputs}
    arrays = {f"{n}_k": n for n in program.inputs}
    constant_inputs = [names[n] for n in constant_inputs]
    program = rename(program, names)
    varying = set(program.inputs) - set(constant_inputs)
    for i in program.body:
        if i.op not in ROW_OPS and any(a in varying for a in i.args):
            varying.add(i.dest)
    found: list[Stage] = []
    ops: set[str] = set()
    known: list[str] = list(constant_inputs)
    waiting: list[Instr] = []

    def flush() -> tuple[str, ...]:
        """Statements for what the row shares, so far uncomputed."""
        lines: list[str] = []
        for instr in waiting:
            piece = Program((), tuple(known), (instr,), (instr.dest,))
            text, results, used = emit.statements(piece, backend, WIDTH)
            ops.update(used)
            lines += text or [f"{instr.dest} = {results[0]}"]
            known.append(instr.dest)
        waiting.clear()
        return tuple(lines)

    def stage(kind: str, name: str, value: Arg) -> Stage:
        before = flush()
        body = _slice(program, value, varying)
        inputs = tuple(n for n in program.inputs if n in varying)
        piece = Program(inputs, tuple(known), body, (value,))
        lines, results, used = emit.statements(piece, backend, WIDTH)
        ops.update(used)
        loads = tuple(arrays[n] for n in inputs if n in piece.used)
        return Stage(kind, name, before, loads, tuple(lines), results[0])

    for instr in program.body:
        if instr.op in ROW_OPS:
            found.append(stage(instr.op, instr.dest, instr.args[0]))
            known.append(instr.dest)
        elif instr.dest not in varying:
            waiting.append(instr)
    found.append(stage("store", "", program.outputs[0]))
    return found, ops


def _slice(program: Program, value: Arg, varying: set[str]) -> tuple[Instr, ...]:
    """The elementwise instructions that `value` depends on, in order."""
    needed = {value}
    for instr in reversed(program.body):
        if instr.dest in needed and instr.dest in varying:
            needed |= {a for a in instr.args if a in varying}
    return tuple(i for i in program.body if i.dest in needed and i.dest in varying)


def loops(style: str, found: Sequence[Stage], single: Sequence[str], one: bool) -> list[str]:
    """The statements of one row of a kernel; `one`: the row gives one value."""
    return STYLES[style](found, single, one)


def _threads(found: Sequence[Stage], single: Sequence[str], one: bool) -> list[str]:
    lines = [f"{name}_row = load({name}, row)" for name in single]
    each = "for k in range(cuda.threadIdx.x, n, cuda.blockDim.x):"
    for stage in found:
        lines += stage.before
        body = [f"    {a}_k = load({a}, base + k * inner)" for a in stage.loads]
        body += [f"    {line}" for line in stage.lines]
        if stage.kind == "row_max":
            lines += [
                f"{stage.name} = real(-math.inf)",
                each,
                *body,
                f"    v = {stage.value}",
                f"    {stage.name} = v if v > {stage.name} or v != v else {stage.name}  # NaN wins",
                f"{stage.name} = greatest({stage.name})",
            ]
        elif stage.kind == "row_sum":
            lines += [
                f"{stage.name} = low = real(0.0)",
                each,
                *body,
                f"    term = {stage.value}",
                f"    {stage.name}, low = plus({stage.name}, low, term)",
                f"{stage.name} = total({stage.name}, low)",
            ]
        elif one:
            lines += ["if cuda.threadIdx.x == 0:", f"    store(out, row, {stage.value})"]
        else:
            lines += [each, *body, f"    y = {stage.value}", "    store(out, base + k * inner, y)"]
    return lines


def _blocks(found: Sequence[Stage], single: Sequence[str], one: bool) -> list[str]:
    """For one core: terms of a block of the row are computed, then reduced, in vectors both."""
    lines = [f"{name}_row = float64({name}_at[row])" for name in single]
    for stage in found:
        lines += stage.before

        def body(index: str, last: str, stage: Stage = stage) -> list[str]:
            loads = [f"{a}_k = float64({a}_at[{index}])" for a in stage.loads]
            return [f"    {line}" for line in (*loads, *stage.lines, last)]

        if stage.kind == "store":
            store = f"out_at[row] = {stage.value}"
            each = ["for k in range(base, base + n):", *body("k", f"out_at[k] = {stage.value}")]
            lines += [store] if one else each
            continue
        start, join, end = _REDUCTIONS[stage.kind]
        lines += [
            start.format(stage.name),
            "for first in range(base, base + n, _TERMS):",
            "    count = min(_TERMS, base + n - first)",
            "    for k in range(count):",
            *(f"    {line}" for line in body("first + k", f"terms[k] = {stage.value}")),
            f"    {join.format(stage.name)}",
            *(line.format(stage.name) for line in end),
        ]
    return lines


#: Reduction → what it starts with, how a block of terms joins it, what ends it.
_REDUCTIONS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "row_max": ("{0} = -math.inf", "{0} = _greater({0}, _top(terms, count))", ()),
    "row_sum": ("_clear(lanes)", "_sum(terms, count, lanes)", ("{0} = _total(lanes)",)),
}

#: How a row is gone through: by the threads of a block of a device, or in blocks by one core.
STYLES = {"threads": _threads, "blocks": _blocks}
