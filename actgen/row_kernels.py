"""A row program as stages: loops over the row that reduce it, then one for the result.

What depends on the same reductions is reduced in one loop. Elementwise instructions are computed
again in each loop that needs them, or kept where that is dear; what is the same all along the row
is computed once between the loops.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from . import emit
from .approximate import GPU_COSTS
from .atoms import COSTS
from .backends import Backend
from .program import ROW_OPS, Arg, Instr, Program, rename, varying, with_inverses, with_operations

#: Statements stand five levels deep.
WIDTH = 68
_WORD, _ASSIGNED = re.compile(r"\w+"), re.compile(r"(\w+) = ")


def dear(op: str) -> bool:
    """Whether an operation costs more than to keep its result in memory."""
    return COSTS.get(op.removesuffix("_near"), 1) >= 10


def _costs_more_than_one(op: str) -> bool:
    """Whether an operation costs more than to keep its result in a register."""
    return GPU_COSTS.get(op, 1) > 1


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
        self.varying = varying(self.program, self.constant_inputs)
        self.depth: dict[str, int] = {}
        for i in self.program.body:
            above = [self.depth.get(a, 0) for a in i.args if isinstance(a, str)]
            self.depth[i.dest] = max(above, default=0) + (i.op in ROW_OPS)

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
    program: Program,
    backend: Backend,
    constant_inputs: Sequence[str],
    keeps: Callable[[str], bool] | None,
) -> tuple[list[Stage], set[str]]:
    """The stages of a row program and the operations they use.

    `constant_inputs` have one value a row. A program whose output is the same all along the row
    ends in a stage without loads. `keeps`: the operations whose results are kept for later stages.
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
        new = _worth_keeping(body, later, values[number + 1 :], keeps) if keeps else []
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


def _worth_keeping(
    body: Sequence[Instr],
    later: Sequence[Instr],
    outputs: Sequence[Sequence[Arg]],
    keeps: Callable[[str], bool],
) -> list[str]:
    """What of a stage later ones need where it is dear: the last results, not those before."""
    shared = {i.dest for i in body} & {i.dest for i in later}
    kept: set[Arg] = set()
    for i in body:
        if i.dest in shared and (keeps(i.op) or any(a in kept for a in i.args)):
            kept.add(i.dest)
    needed = {a for i in later if i.dest not in kept for a in i.args}
    needed |= {v for several in outputs for v in several}
    return [i.dest for i in body if i.dest in kept and i.dest in needed]


def loops(
    style: str,
    found: Sequence[Stage],
    single: Sequence[str],
    one: bool,
    plain: bool,
    functions: Sequence[Entry | None] = (),
) -> list[str]:
    """The statements of one row of a kernel; `one`: the row gives one value.

    `plain`: sums are without their rounding errors. `functions`: those of entries, a stage each.
    """
    return STYLES[style](found, single, one, plain, functions)


@dataclass(frozen=True)
class Entry:
    """The device function of one entry in a stage: what its lines make of loads and of the row."""

    name: str
    arguments: tuple[str, ...]
    lines: tuple[str, ...]
    results: tuple[str, ...]
    #: How many of the arguments are loads; the others are the same all along the row.
    loads: int

    @property
    def text(self) -> tuple[str, ...]:
        """The statements: what is returned alone has no name."""
        start = f"{self.results[0]} = "
        last = max((i for i, line in enumerate(self.lines) if line[0] not in " )"), default=0)
        if len(self.results) == 1 and self.lines[last:] and self.lines[last].startswith(start):
            first, *rest = self.lines[last:]
            return (*self.lines[:last], f"return {first.removeprefix(start)}", *rest)
        return (*self.lines, f"return {', '.join(self.results)}")


def entries(kernel: str, found: Sequence[Stage], single: Sequence[str]) -> list[Entry | None]:
    """A function for each stage; None where results are what was loaded."""
    known = [f"{name}_row" for name in single]
    several: list[Entry | None] = []
    for number, stage in enumerate(found, 1):
        known += [m.group(1) for line in stage.before if (m := _ASSIGNED.match(line))]
        results = tuple(dict.fromkeys(_results(stage)))
        loads = [f"{a}_k" if a in _inputs(found) else a for a in stage.loads]
        words = set(_WORD.findall(" ".join([*stage.lines, *results])))
        shared = [name for name in known if name in words]
        arguments = *loads, *shared
        entry = Entry(f"{kernel}_{number}", arguments, stage.lines, results, len(loads))
        plain = not stage.lines and {*results} <= {*loads}
        several.append(None if plain or not loads else entry)
        known += [name for _, name, _ in stage.reduced]
    return several


def _results(stage: Stage) -> list[str]:
    terms = [term for _, _, term in stage.reduced] or [stage.stored]
    return [*terms, *(value for _, value in stage.kept)]


def shapes(several: Sequence[Entry]) -> list[dict[str, Any]]:
    """Of how many loads entries make how many results, and the texts of that."""
    found = []
    for loads, results in sorted({(e.loads, len(e.results)) for e in several}):
        names, values = "abcdef"[:loads], "uvwxyz"[:results]
        both = [f"first[{i}] + last[{i}]" for i in range(results)]
        found.append(
            {
                "loads": loads,
                "results": results,
                "names": ", ".join(names),
                "entry": ", ".join(f"{a}[0]" for a in names),
                "made": ", ".join(values),
                "tuples": ", ".join(f"({u},)" for u in values),
                "first": ", ".join(f"{a}[:half]" for a in names),
                "last": ", ".join(f"{a}[half:]" for a in names),
                "both": ", ".join(both) if results > 1 else "first + last",
            }
        )
    return found


def _by_threads(
    found: Sequence[Stage],
    single: Sequence[str],
    one: bool,
    plain: bool,
    functions: Sequence[Entry | None],
    once: bool = False,
) -> list[str]:
    """For several threads or one, which read the row as often as there are stages.

    Or once, where each has one vector of the row and keeps what later stages need of it.
    """
    each = "if inside:" if once else "for k in range(first, groups, threads):"
    at, inputs = "at" if once else "base + k * step", _inputs(found)
    lines = [f"{name}_row = load({name}, row)" for name in single]
    have: set[str] = set()
    for stage, entry in zip(found, functions, strict=True):
        lines += stage.before
        if one and not stage.reduced:
            lines += ["if first == 0:", f"    store(out, row, {stage.stored})"]
            continue
        new = [a for a in stage.loads if a in inputs and a not in have]
        body = [f"{a}_all = read({a}, {at})" for a in new]
        # The names of results, each with all entries of a vector.
        given = [f"{a}_all" for a in stage.loads]
        names = {f"{a}_k" if a in inputs else a: f"{a}_all" for a in stage.loads}
        if entry is not None:
            kept = {value: f"{name}_all" for name, value in stage.kept}
            terms = {term: f"{name}_terms" for _, name, term in stage.reduced}
            names = {stage.stored: "y_all"} | terms | kept
            made = ", ".join(names[value] for value in entry.results)
            shared = entry.arguments[entry.loads :]
            values = ", ".join([*given, *shared])
            whole = f"{made} = {entry.name}({values})"
            parts = [f"{made} = {entry.name}(", f"    {values}", ")"]
            body += [whole] if len(whole) <= WIDTH + 16 else parts
        start, join, end = _reduced(stage, plain, names)
        body += join if stage.reduced else [f"write(out, {at}, {names[stage.stored]})"]
        if once:
            # What a thread without a vector has of it is not used.
            lines += [f"{name}_all = none" for name in (*new, *(name for name, _ in stage.kept))]
            have.update(new)
        lines += [*start, each, *(f"    {line}" for line in body), *end]
    return lines


def _reduced(
    stage: Stage, plain: bool, names: Mapping[str, str]
) -> tuple[list[str], list[str], list[str]]:
    """What a stage's reductions start with, how the terms of a vector join them, and their ends."""
    start: list[str] = []
    join: list[str] = []
    end: list[str] = []
    for kind, name, term in stage.reduced:
        first, then, last = _THREADS[kind, plain]
        start.append(first.format(name))
        join.append(then.format(name, names[term]))
        end.append(last.format(name))
    return start, join, end


def _blocks(
    found: Sequence[Stage], single: Sequence[str], one: bool, plain: bool, _: Sequence[Any]
) -> list[str]:
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

#: The same by the threads of a block: (reduction, whether it is plain) → of a name and of terms.
_THREADS = {
    ("row_max", True): (
        _GREATEST := (
            "{0} = real(-math.inf)",
            "{0} = highest({0}, {1})",
            "{0} = greatest({0})",
        )
    ),
    ("row_max", False): _GREATEST,
    ("row_sum", True): (
        "{0}_part = real(0.0)",
        "{0}_part = added({0}_part, {1})",
        "{0} = total({0}_part)",
    ),
    ("row_sum", False): (
        "{0}_part = real(0.0), real(0.0)",
        "{0}_part = added_exactly({0}_part, {1})",
        "{0} = total_exactly({0}_part)",
    ),
}

#: How a row is gone through: by the threads of a block of a device, or in blocks by one core.
STYLES: dict[str, Callable[..., list[str]]] = {
    "threads": _by_threads,
    "once": functools.partial(_by_threads, once=True),
    "blocks": _blocks,
}


def by_threads(
    name: str,
    program: Program,
    backend: Backend,
    single: Sequence[str],
    one: bool,
    how: tuple[bool, bool],
) -> dict[str, Any]:
    """The slots of a row kernel for threads: of long rows, and of those that are read once.

    `how`: whether sums are plain, and whether those of a row that is read once are.
    """
    found, _ = stages(program, backend, single, keeps=None)
    kept, _ = stages(program, backend, single, keeps=_costs_more_than_one)
    several = entries(name, found, single)
    alike = {replace(e, name=""): e for e in several if e}
    of_once = [
        alike.get(replace(e, name=""), e) if e else None
        for e in entries(f"{name}_once", kept, single)
    ]
    return {
        "lines": loops("threads", found, single, one, how[0], several),
        "once": loops("once", kept, single, one, how[1], of_once),
        "entries": list(dict.fromkeys(e for e in (*several, *of_once) if e)),
    }
