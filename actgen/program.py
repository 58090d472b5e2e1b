"""Straight-line programs: what a formula becomes once its operations and their order are fixed.

Nothing reassociates a Program. It is static single assignment: every instruction defines one new
name from names defined before it and exact numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from sympy import Expr, Integer

from .errors import InternalError

Arg: TypeAlias = "str | Expr"

#: Every operation and how many arguments it takes; backends print them, models evaluate them.
ARITY: dict[str, int] = {
    **dict.fromkeys(("add", "sub", "mul", "div", "pow", "minimum", "maximum"), 2),
    **dict.fromkeys(("gt", "ge", "lt", "le", "eq", "ne", "and", "or"), 2),
    **dict.fromkeys(("neg", "abs", "sign", "sqrt", "exp", "expm1", "log", "log1p", "not"), 1),
    **dict.fromkeys(("erf", "erfc", "sinh", "cosh", "tanh", "sin", "cos", "tan", "isnan"), 1),
    **dict.fromkeys(("asin", "acos", "atan", "asinh", "acosh", "atanh"), 1),
    # row_total: a sum that is nothing but linear, for tangents.
    **dict.fromkeys(("row_sum", "row_max", "row_total"), 1),
    # Atoms that frameworks have themselves, for programs that are differentiated.
    **dict.fromkeys(("sigmoid", "softplus", "erfcx"), 1),
    # a*b that no compiler may fuse into a sum, and the exact errors of a*b and a + b.
    **dict.fromkeys(("mul_high", "mul_low", "add_low"), 2),
    "where": 3,
    # Approximations of a GPU's special function unit, for results of 16 bits.
    **dict.fromkeys(("exp_flushed", "exp_low", "exp_near", "log1p_unit", "log1p_near"), 1),
    **dict.fromkeys(("expm1_near", "erfc_near", "erfc_normal_near", "erfcx_near"), 1),
    "div_near": 2,
}

BOOLEAN = frozenset(("gt", "ge", "lt", "le", "eq", "ne", "and", "or", "not", "isnan"))
ROW_OPS = frozenset(("row_sum", "row_max", "row_total"))


@dataclass(frozen=True)
class Instr:
    """dest = op(*args); an argument is a name or an exact SymPy number."""

    dest: str
    op: str
    args: tuple[Arg, ...]


@dataclass(frozen=True)
class Program:
    """`outputs` as functions of `inputs` (arrays) and `parameters` (arrays or scalars)."""

    inputs: tuple[str, ...]
    parameters: tuple[str, ...]
    body: tuple[Instr, ...]
    outputs: tuple[Arg, ...]

    @property
    def used(self) -> frozenset[str]:
        """The names of inputs and parameters that the program reads."""
        read = {arg for instr in self.body for arg in instr.args if isinstance(arg, str)}
        read |= {out for out in self.outputs if isinstance(out, str)}
        return frozenset(read & {*self.inputs, *self.parameters})

    @property
    def uniform(self) -> frozenset[str]:
        """Names whose value depends on parameters alone."""
        names = set(self.parameters)
        for instr in self.body:
            if all(not isinstance(a, str) or a in names for a in instr.args):
                names.add(instr.dest)
        return frozenset(names)


def validate(program: Program) -> Program:
    """The program itself, if it is one; InternalError names the first broken instruction."""
    defined = {*program.inputs, *program.parameters}
    for instr in program.body:
        if instr.op not in ARITY:
            raise InternalError(f"unknown operation {instr.op!r} in {instr}")
        if len(instr.args) != ARITY[instr.op]:
            raise InternalError(f"{instr.op} takes {ARITY[instr.op]} arguments: {instr}")
        for arg in instr.args:
            if isinstance(arg, str) and arg not in defined:
                raise InternalError(f"{arg!r} is used before it is defined: {instr}")
            if not isinstance(arg, str) and not arg.is_number:
                raise InternalError(f"{arg!r} is neither a name nor a number: {instr}")
        if instr.dest in defined:
            raise InternalError(f"{instr.dest!r} is defined twice")
        defined.add(instr.dest)
    for out in program.outputs:
        if isinstance(out, str) and out not in defined:
            raise InternalError(f"output {out!r} is not defined")
    return program


def interpret(
    program: Program,
    values: Mapping[str, Any],
    ops: Mapping[str, Callable[..., Any]],
    constant: Callable[[Expr], Any],
) -> list[Any]:
    """The outputs of the program under any arithmetic: balls, NumPy in a format, symbols."""
    return bind(program, ops, constant)(values)


def bind(
    program: Program, ops: Mapping[str, Callable[..., Any]], constant: Callable[[Expr], Any]
) -> Callable[[Mapping[str, Any]], list[Any]]:
    """The program under an arithmetic, as a function of its inputs and parameters."""
    names = [*program.inputs, *program.parameters]
    slots: dict[str | int, int] = {name: i for i, name in enumerate(names)}
    known: list[Any] = [None] * len(names)

    def slot(arg: Arg) -> int:
        if isinstance(arg, str):
            return slots[arg]
        if id(arg) not in slots:  # to hash a number takes long
            slots[id(arg)] = len(known)
            known.append(constant(arg))
        return slots[id(arg)]

    steps = []
    for instr in program.body:
        args = tuple(map(slot, instr.args))
        slots[instr.dest] = len(known)
        known.append(None)
        steps.append((ops[instr.op], args, slots[instr.dest]))
    outputs = [slot(out) for out in program.outputs]
    # What is not needed again makes room for what follows.
    needed, freed = set(outputs), []
    for _, args, dest in reversed(steps):
        freed.append([i for i in {*args, dest} if i not in needed and known[i] is None])
        needed.update(args)
    line = list(zip(steps, reversed(freed), strict=True))

    def run(values: Mapping[str, Any]) -> list[Any]:
        held = known.copy()
        held[: len(names)] = [values[name] for name in names]
        for (op, args, dest), done in line:
            held[dest] = op(*[held[i] for i in args])
            for i in done:
                held[i] = None
        return [held[i] for i in outputs]

    return run


def prune(program: Program) -> Program:
    """Without the instructions that no output depends on."""
    needed = {out for out in program.outputs if isinstance(out, str)}
    body = []
    for instr in reversed(program.body):
        if instr.dest in needed:
            needed |= {a for a in instr.args if isinstance(a, str)}
            body.append(instr)
    return replace(program, body=tuple(reversed(body)))


def with_operations(program: Program, names: Mapping[str, str]) -> Program:
    """The same program with some operations exchanged for others."""
    body = tuple(replace(i, op=names.get(i.op, i.op)) for i in program.body)
    return replace(program, body=body)


def without_divisors(program: Program) -> Program:
    """The same program, multiplied by the reciprocals of numbers that it divides by."""

    def product(instr: Instr) -> Instr:
        first, *rest = instr.args
        if instr.op != "div" or isinstance(rest[0], str):
            return instr
        return replace(instr, op="mul", args=(first, 1 / rest[0]))

    return replace(program, body=tuple(map(product, program.body)))


def varying(program: Program, shared: Collection[str] = ()) -> set[Arg]:
    """What differs along a row; `shared` are inputs that do not."""
    found: set[Arg] = set(program.inputs) - set(shared)
    for i in program.body:
        if i.op not in ROW_OPS and not found.isdisjoint(i.args):
            found.add(i.dest)
    return found


def with_inverses(program: Program, op: str = "div") -> Program:
    """The same program, with divisions by what a row shares as multiplications."""
    along = varying(program)
    body: list[Instr] = []
    for i in program.body:
        if i.op == op and i.args[1] not in along and i.dest in along:
            inverse = Instr(f"inverse_{i.args[1]}", op, (Integer(1), i.args[1]))
            body += [] if inverse in body else [inverse]
            body.append(replace(i, op="mul", args=(i.args[0], inverse.dest)))
        else:
            body.append(i)
    return replace(program, body=tuple(body))


def rename(program: Program, names: Mapping[str, str]) -> Program:
    """The same program with some names changed."""

    def new(arg: Arg) -> Arg:
        return names.get(arg, arg) if isinstance(arg, str) else arg

    return replace(
        program,
        inputs=tuple(names.get(n, n) for n in program.inputs),
        parameters=tuple(names.get(n, n) for n in program.parameters),
        body=tuple(
            Instr(names.get(i.dest, i.dest), i.op, tuple(map(new, i.args))) for i in program.body
        ),
        outputs=tuple(map(new, program.outputs)),
    )
