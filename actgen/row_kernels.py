"""A row program as stages: loops over the row that reduce it, then one for the result.

What depends on the same reductions is reduced in one loop. Elementwise instructions are computed
again in each loop that needs them, or kept where that is dear; what is the same all along the row
is computed once between the loops.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import sympy

from . import emit
from .atoms import COSTS
from .backends import Backend
from .program import ROW_OPS, Arg, Instr, Program, rename, with_operations

#: Statements stand five levels deep.
WIDTH = 68
#: An instruction as dear as that is computed once an element, where results can be kept.
DEAR = 10


@dataclass(frozen=True)
class Stage:
    """One loop over the row: `loads` of inputs, statements, and what is made of their results.

    `reduced` are (row_sum or row_max, name, term); `stored` is the row's result, in the last
    stage; `kept` are (name, value) that later stages load. `before` are statements ahead of it.
    """

    before: tuple[str, ...]
    loads: tuple[str, ...]
    lines: tuple[str, ...]
    reduced: tuple[tuple[str, str, str], ...]
    stored: str
    kept: tuple[tuple[str, str], ...]


class _Row:
    """A row program with the names that its parts have in a loop."""

    def __init__(self, program: Program, constant_inputs: Sequence[str]) -> None:
        names: dict[str, str] = {}
        for i in program.body:
            if i.op in ROW_OPS:
                stem = "top" if i.op == "row_max" else "sum"
                same = [n for n in names.values() if n.startswith(stem)]
                names[i.dest] = f"{stem}{len(same) + 1}"
        # Inputs are read into names of their own, which the arrays cannot have.
        names |= {n: f"{n}_row" if n in constant_inputs else f"{n}_k" for n in program.inputs}
        self.arrays = {f"{n}_k": n for n in program.inputs}
        self.constant_inputs = [names[n] for n in constant_inputs]
        self.program = rename(program, names)
        self.varying = set(self.program.inputs) - set(self.constant_inputs)
        self.depth: dict[str, int] = {}
        for i in self.program.body:
            above = [self.depth.get(a, 0) for a in i.args if isinstance(a, str)]
            self.depth[i.dest] = max(above, default=0) + (i.op in ROW_OPS)
            if i.op not in ROW_OPS and any(a in self.varying for a in i.args):
                self.varying.add(i.dest)

    def slice(self, values: Sequence[Arg], known: Sequence[str]) -> tuple[Instr, ...]:
        """The elementwise instructions that values depend on, in order, but for what is known."""
        needed = set(values) - set(known)
        found = []
        for i in reversed(self.program.body):
            if i.dest in needed and i.dest in self.varying:
                needed |= {a for a in i.args if a in self.varying and a not in known}
                found.append(i)
        return tuple(reversed(found))


def stages(
    program: Program, backend: Backend, constant_inputs: Sequence[str], keeps: bool
) -> tuple[list[Stage], set[str]]:
    """The stages of a row program and the operations they use.

    `constant_inputs` have one value a row. A program whose output is the same all along the row
    ends in a stage without loads. `keeps`: dear results are kept for later stages.
    """
    row = _Row(program, constant_inputs)
    program = row.program
    reductions = [i for i in program.body if i.op in ROW_OPS]
    levels = [
        [i for i in reductions if row.depth[i.dest] == level]
        for level in sorted({row.depth[i.dest] for i in reductions})
    ]
    values = [[i.args[0] for i in level] for level in levels] + [list(program.outputs[:1])]
    found: list[Stage] = []
    ops: set[str] = set()
    known: list[str] = list(row.constant_inputs)
    kept: list[str] = []
    for number, wanted in enumerate(values):
        level = levels[number] if number < len(levels) else []
        # What the row shares, so far uncomputed, and by now can be.
        before: list[str] = []
        for i in program.body:
            ready = row.depth[i.dest] <= number and i.dest not in known
            if ready and i.op not in ROW_OPS and i.dest not in row.varying:
                piece = Program((), tuple(known), (i,), (i.dest,))
                text, results, used = emit.statements(piece, backend, WIDTH)
                ops |= used
                before += text or [f"{i.dest} = {results[0]}"]
                known.append(i.dest)
        body = row.slice(wanted, kept)
        later = [i for v in values[number + 1 :] for i in row.slice(v, kept)]
        new = _worth_keeping(body, later, values[number + 1 :]) if keeps else []
        inputs = tuple(n for n in (*program.inputs, *kept) if n in row.varying)
        piece = Program(inputs, tuple(known), body, (*wanted, *new))
        lines, results, used = emit.statements(piece, backend, WIDTH)
        ops |= used
        ops |= {i.op for i in level}
        reduced = [(i.op, i.dest, y) for i, y in zip(level, results, strict=False)]
        found.append(
            Stage(
                tuple(before),
                tuple(row.arrays.get(n, n) for n in inputs if n in piece.used),
                tuple(lines),
                tuple(reduced),
                "" if level else results[0],
                tuple(zip(new, results[len(wanted) :], strict=True)),
            )
        )
        known += [i.dest for i in level]
        kept += new
    return found, ops


def near(program: Program, backend: Backend) -> Program:
    """The program with operations good enough for float32, where the backend has them."""
    program = with_inverses(program)
    names = {i.op: f"{i.op}_near" for i in program.body if f"{i.op}_near" in backend.ops}
    return with_operations(program, names)


def with_inverses(program: Program) -> Program:
    """The program with divisions by what the row shares as multiplications."""
    varying = _Row(program, ()).varying
    body: list[Instr] = []
    for i in program.body:
        if i.op == "div" and i.args[1] not in varying and i.dest in varying:
            inverse = Instr(f"inverse_{i.args[1]}", "div", (sympy.Integer(1), i.args[1]))
            body += [] if inverse in body else [inverse]
            body.append(Instr(i.dest, "mul", (i.args[0], inverse.dest)))
        else:
            body.append(i)
    return replace(program, body=tuple(body))


def _worth_keeping(
    body: Sequence[Instr], later: Sequence[Instr], outputs: Sequence[Sequence[Arg]]
) -> list[str]:
    """What of a stage later ones need where it is dear: the last results, not those before."""
    shared = {i.dest for i in body} & {i.dest for i in later}
    dear: set[Arg] = set()
    for i in body:
        cost = COSTS.get(i.op.removesuffix("_near"), 1)
        if i.dest in shared and (cost >= DEAR or any(a in dear for a in i.args)):
            dear.add(i.dest)
    needed = {a for i in later if i.dest not in dear for a in i.args}
    needed |= {v for several in outputs for v in several}
    return [i.dest for i in body if i.dest in dear and i.dest in needed]


def loops(
    style: str, found: Sequence[Stage], single: Sequence[str], one: bool, plain: bool
) -> list[str]:
    """The statements of one row of a kernel; `one`: the row gives one value.

    `plain`: sums are without their rounding errors.
    """
    return STYLES[style](found, single, one, plain)


def _threads(found: Sequence[Stage], single: Sequence[str], one: bool, plain: bool) -> list[str]:
    """For the threads of a block, which read the row as often as there are stages."""
    return _by_threads(found, single, one, {})


def _held(found: Sequence[Stage], single: Sequence[str], one: bool, plain: bool) -> list[str]:
    """The same, which read the row once: shared memory holds what later stages need of it."""
    return _by_threads(found, single, one, held(found), plain)


def _by_threads(
    found: Sequence[Stage],
    single: Sequence[str],
    one: bool,
    slots: Mapping[str, int],
    plain: bool = False,
) -> list[str]:
    # An entry's own thread alone reads and writes what shared memory holds of it.
    lines = [f"{name}_row = load({name}, row)" for name in single]
    each = "for k in range(cuda.threadIdx.x, n, cuda.blockDim.x):"
    read: set[str] = set()
    for stage in found:
        lines += stage.before
        body = []
        for a in stage.loads:
            value = a if a in slots and a not in _inputs(found) else f"{a}_k"
            if a in slots and (a in read or value == a):
                body.append(f"    {value} = held[{slots[a]} * n + k]")
                continue
            body.append(f"    {value} = load({a}, base + k * inner)")
            if a in slots:
                body.append(f"    held[{slots[a]} * n + k] = {value}")
            read.add(a)
        body += [f"    {line}" for line in stage.lines]
        body += [f"    held[{slots[name]} * n + k] = {value}" for name, value in stage.kept]
        start: list[str] = []
        join: list[str] = []
        end: list[str] = []
        for kind, name, term in stage.reduced:
            if kind == "row_max":
                start.append(f"{name} = real(-math.inf)")
                join += [
                    f"    term = {term}",
                    f"    {name} = term if term > {name} or term != term else {name}  # NaN wins",
                ]
                end.append(f"{name} = greatest({name})")
            elif plain:
                start.append(f"{name} = real(0.0)")
                join.append(f"    {name} += {term}")
                end.append(f"{name} = total({name}, real(0.0))")
            else:
                start.append(f"{name} = {name}_low = real(0.0)")
                join += [
                    f"    term = {term}",
                    f"    {name}, {name}_low = plus({name}, {name}_low, term)",
                ]
                end.append(f"{name} = total({name}, {name}_low)")
        if stage.reduced:
            lines += [*start, each, *body, *join, *end]
        elif one:
            lines += ["if cuda.threadIdx.x == 0:", f"    store(out, row, {stage.stored})"]
        else:
            lines += [each, *body, f"    y = {stage.stored}", "    store(out, base + k * inner, y)"]
    return lines


def _blocks(found: Sequence[Stage], single: Sequence[str], one: bool, plain: bool) -> list[str]:
    """For one core: terms of a block of the row are computed, then reduced, in vectors both."""
    lines = [f"{name}_row = float64({name}_at[row])" for name in single]
    kept: list[str] = []
    for stage in found:
        lines += stage.before
        body = [
            f"    {a} = {a}_kept[k]" if a in kept else f"    {a}_k = float64({a}_at[{{0}}])"
            for a in stage.loads
        ]
        body += [f"    {line}" for line in stage.lines]
        kept += [name for name, _ in stage.kept]
        body += [f"    {name}_kept[k] = {value}" for name, value in stage.kept]
        held = [name for name in kept if any(f"{name}_kept[" in line for line in body)]
        if one and not stage.reduced:
            lines.append(f"out_at[row] = {stage.stored}")
            continue
        # Sums with their rounding errors are of blocks of terms, the rest of numbers one by one.
        blocks = [name for kind, name, _ in stage.reduced if (kind, plain) in _BLOCKS]
        start: list[str] = []
        join: list[str] = []
        end: list[str] = []
        for kind, name, term in stage.reduced:
            if name in blocks:
                i = blocks.index(name)
                body.append(f"    terms[{i}, k] = {term}")
                first, then, last = [line.format(name, i) for line in _BLOCKS[kind, plain]]
                join.append(then)
            else:
                first, then, last = [line.format(name, term) for line in _EACH[kind]]
                body.append(f"    {then}")
            start.append(first)
            end += [last] if last else []
        if not stage.reduced:
            body.append(f"    out_at[base + k] = {stage.stored}")
        # A slice, as indices that might count from the end are slow.
        part = ", first : first + count" if blocks else ""
        loop = [
            *(f"{name}_kept = kept[{kept.index(name)}{part}]" for name in held),
            f"for k in range({'count' if blocks else 'n'}):",
            *(line.format("base + first + k" if blocks else "base + k") for line in body),
            *join,
        ]
        if blocks:
            inner = ["count = min(_TERMS, n - first)", *loop]
            loop = ["for first in range(0, n, _TERMS):", *(f"    {line}" for line in inner)]
        lines += [*start, *loop, *end]
    return lines


def _inputs(found: Sequence[Stage]) -> set[str]:
    """What stages load that none of them has made."""
    made = {name for stage in found for name, _ in stage.kept}
    return {a for stage in found for a in stage.loads} - made


def held(found: Sequence[Stage]) -> dict[str, int]:
    """What a block's shared memory holds of a row: name → place.

    Results that later stages load, and inputs that more than one stage does. A place is taken again
    once no later stage loads what was there.
    """
    last = {a: i for i, stage in enumerate(found) for a in stage.loads}
    several = {a for a in _inputs(found) if sum(a in s.loads for s in found) > 1}
    places: dict[str, int] = {}
    until: list[int] = []  # the stage that loads from each place last
    for i, stage in enumerate(found):
        # A stage loads all it needs before it keeps a result, but keeps an input as it loads it.
        new = [(a, i) for a in stage.loads if a in several and a not in places]
        for name, free in [*new, *((name, i + 1) for name, _ in stage.kept)]:
            place = next((p for p, end in enumerate(until) if end < free), len(until))
            until[place:] = [last[name], *until[place + 1 :]]
            places[name] = place
    return places


def scratch(found: Sequence[Stage], plain: bool) -> dict[str, int]:
    """How many results a row keeps for later stages, and how many terms are reduced in blocks."""
    blocks = [sum((kind, plain) in _BLOCKS for kind, _, _ in s.reduced) for s in found]
    return {"kept": sum(len(s.kept) for s in found), "terms": max(blocks, default=0)}


#: A reduction of numbers one by one → what it starts with, how a number joins it, its end.
_EACH = {
    "row_max": (
        "{0}_bits, {0}_size = _LEAST, _NO_SIZE",
        "{0}_bits, {0}_size = _higher({0}_bits, {0}_size, {1})",
        "{0} = _top({0}_bits, {0}_size)",
    ),
    "row_sum": ("{0} = 0.0", "{0} = _added({0}, {1})", ""),
}
#: The same of blocks of terms: (reduction, whether it is plain) → of a name and a block's number.
_BLOCKS = {
    ("row_sum", False): (
        "_clear(lanes[{1}])",
        "_sum(terms[{1}], count, lanes[{1}])",
        "{0} = _total(lanes[{1}])",
    ),
}

#: How a row is gone through: by the threads of a block of a device, or in blocks by one core.
STYLES = {"threads": _threads, "held": _held, "blocks": _blocks}
