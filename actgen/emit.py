"""From programs to source text: expressions with as few names as a good engineer would use.

Templates hold slots only; all that depends on a program is decided here.
"""

from __future__ import annotations

import functools
import importlib.resources
import keyword
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jinja2
import sympy
from sympy import Expr
from sympy.printing.str import StrPrinter

from . import model, near
from .atoms import AtomFunction
from .backends import CALL, UNARY, Backend, Op
from .errors import InternalError
from .program import BOOLEAN, Arg, Instr, Program
from .spec import RESERVED

#: Names for values that need one, by the operation that makes them.
_HINTS = {
    "exp": "e",
    "expm1": "m",
    "erfc": "c",
    "erf": "c",
    "tanh": "t",
    "log1p": "ln",
    "sqrt": "r",
    "where": "w",
    "row_sum": "s",
    "row_max": "top",
}

#: A value used once is written where it is used, up to this many characters.
INLINE = 64
#: No statement is longer than this; parts of it get names until it fits.
WIDTH = 84


class _Text(StrPrinter):  # type: ignore[misc]
    """Formulas for docstrings: branches as Python's conditional, our functions by name."""

    def _print_Piecewise(self, expr: Expr) -> str:
        text = ""
        for value, cond in expr.args:
            shown = self._print(value)
            shown = f"({shown})" if isinstance(value, sympy.Piecewise) else shown
            text += shown if cond == True else f"{shown} if {self._print(cond)} else "  # noqa: E712
        return f"({text})"

    def _print_Max(self, expr: Expr) -> str:
        return f"max({', '.join(map(self._print, expr.args))})"

    def _print_Min(self, expr: Expr) -> str:
        return f"min({', '.join(map(self._print, expr.args))})"

    def _print_Abs(self, expr: Expr) -> str:
        return f"|{self._print(expr.args[0])}|"

    def _print_RowSum(self, expr: Expr) -> str:
        return f"row_sum({self._print(expr.args[0])})"

    def _print_RowMax(self, expr: Expr) -> str:
        return f"row_max({self._print(expr.args[0])})"

    def _print_RowTop(self, expr: Expr) -> str:
        return f"row_top({self._print(expr.args[0])})"

    def _print_RowPick(self, expr: Expr) -> str:
        return f"row_pick({self._print(expr.args[0])})"


def text(expr: Expr) -> str:
    """A formula as one line of plain text."""
    shown = str(_Text().doprint(expr))
    return shown[1:-1] if isinstance(expr, sympy.Piecewise) else shown


def legend(exprs: Iterable[Expr]) -> list[str]:
    """What the stable primitives in some formulas mean: gauss(u) = exp(-u**2), …"""
    atoms = {type(a).atom for e in exprs for a in e.atoms(AtomFunction) if hasattr(a, "atom")}
    return [f"{a.name}(u) = {text(a.definition)}" for a in sorted(atoms, key=lambda a: a.name)]


def wrap(label: str, body: str, width: int = 96) -> list[str]:
    """`label body` broken at spaces, continuation lines indented under the body."""
    lines, line = [], label
    for word in body.split(" "):
        if len(line) + 1 + len(word) > width and line.strip():
            lines.append(line.rstrip())
            line = " " * len(label)
        line += " " + word
    return [*lines, line.rstrip()]


class _Printer:
    """Prints one program for one backend."""

    def __init__(self, program: Program, backend: Backend, width: int) -> None:
        self.program, self.backend, self.width = program, backend, width
        self.taken = {*program.inputs, *program.parameters}
        self.uniform = program.uniform
        self.made = {i.dest: i for i in program.body}
        self.uses = Counter(a for i in program.body for a in i.args if isinstance(a, str))
        self.uses.update(out for out in program.outputs if isinstance(out, str))
        self.text: dict[str, tuple[str, int]] = {
            name: (name, CALL) for name in (*program.inputs, *program.parameters)
        }
        self.lines: list[str] = []
        self.ops: set[str] = set()

    def operand(self, arg: Arg, need: int) -> str:
        if isinstance(arg, str):
            shown, binds = self.text[arg]
        else:
            shown = self.backend.literal(model.constant(arg))
            binds = UNARY if shown.startswith("-") else CALL
        return f"({shown})" if binds < need else shown

    def name(self, instr: Instr) -> str:
        stem = _HINTS.get(instr.op, "v")
        first = instr.args[0]
        if instr.op in ("minimum", "maximum") and first in self.program.inputs:
            stem = f"{first}c"
        elif instr.op in BOOLEAN:
            stem = "mask"
        names = [stem, *(f"{stem}{i}" for i in range(2, 999))]
        free = next(
            n
            for n in names
            if n not in self.taken and n not in RESERVED - {"e"} and not keyword.iskeyword(n)
        )
        self.taken.add(free)
        return free

    def spread(self, instr: Instr) -> list[str]:
        """The operands of a selection, one of them given the inputs' shape if none has it."""
        op = self.backend.ops["where"]
        test, *values = instr.args
        if self.backend.eager:
            for v in values:
                if isinstance(v, str) and not self.text[v][0].isidentifier():
                    self.assign(self.made[v], self.text[v][0])
        shown = [self.operand(test, op.needs[0]), *map(self.operand, values, op.needs[1:])]
        flat = all(not isinstance(v, str) or v in self.uniform for v in values)
        if test in self.uniform and self.backend.spread_test != "{0}":
            shown[0] = self.backend.spread_test.format(shown[0], self.program.inputs[0])
        if flat and self.backend.spread != "{0}":
            shown[1] = self.backend.spread.format(
                self.operand(values[0], UNARY), self.program.inputs[0]
            )
        return shown

    def run(self) -> list[str]:
        for instr in self.program.body:
            op = self.backend.ops.get(instr.op)
            if op is None:
                raise InternalError(f"{self.backend.name} cannot print {instr.op!r}")
            self.ops.add(instr.op)
            shown = self.show(instr, op)
            while len(shown) > self.width and self.hoist(instr):
                shown = self.show(instr, op)
            last = instr is self.program.body[-1]
            repeated = op.text.count("{0}") > 1
            if self.uses[instr.dest] > 1 or repeated or (len(shown) > INLINE and not last):
                self.assign(instr, shown)
            else:
                self.text[instr.dest] = (shown, op.binds)
        return [self.operand(out, 0) for out in self.program.outputs]

    def show(self, instr: Instr, op: Op) -> str:
        if instr.op == "where":
            return op.text.format(*self.spread(instr))
        operands = [self.operand(a, n) for a, n in zip(instr.args, op.needs, strict=False)]
        if self.backend.hold != "{0}" and instr.op in ("add", "sub"):
            operands = [
                self.hold(a, b, s) for a, b, s in zip(instr.args, instr.args[::-1], operands)
            ]
        return op.text.format(*operands)

    def fixed(self, arg: Arg) -> bool:
        """Whether a compiler may know the value: a number, or made of parameters alone."""
        return not isinstance(arg, str) or arg in self.uniform

    def made_with(self, arg: Arg, ops: tuple[str, ...]) -> bool:
        """Whether an operand is made by one of the operations with a value that is fixed."""
        made = self.made.get(arg) if isinstance(arg, str) else None
        return made is not None and made.op in ops and any(map(self.fixed, made.args))

    def hold(self, arg: Arg, other: Arg, shown: str) -> str:
        """An operand of a sum, kept apart where (v + 1) + 2 could become v + 3.

        A product as well where v·a + b, or what is left of them, is 0: fused it would not be.
        """
        sums, products, rest = ("add", "sub"), ("mul", "div"), ("mul_low", "add_low")
        apart = self.made_with(arg, sums) and (self.fixed(other) or self.made_with(other, sums))
        left = isinstance(other, str) and other in self.made and self.made[other].op in rest
        if not apart and not (self.made_with(arg, products) and (left or self.fixed(other))):
            return shown
        self.ops.add("hold")
        return self.backend.hold.format(self.operand(arg, 0))

    def assign(self, instr: Instr, shown: str) -> None:
        name = self.name(instr)
        self.lines.append(f"{name} = {shown}")
        self.text[instr.dest] = (name, CALL)

    def hoist(self, instr: Instr) -> bool:
        """Give the longest operand that is written out a name of its own."""
        written = [
            a for a in instr.args if isinstance(a, str) and not self.text[a][0].isidentifier()
        ]
        if not written:
            return False
        longest = max(written, key=lambda a: len(self.text[a][0]))
        made = next(i for i in self.program.body if i.dest == longest)
        self.assign(made, self.text[longest][0])
        return True


def statements(
    program: Program, backend: Backend, width: int = WIDTH
) -> tuple[list[str], list[str], set[str]]:
    """(statements, results, operations used) of a program in a backend's language."""
    printer = _Printer(program, backend, width)
    results = printer.run()
    return printer.lines, results, printer.ops


def tuple_lines(items: Sequence[str], width: int = 88) -> list[str]:
    """`return a, b`, one item a line where it is too long."""
    line = f"return {', '.join(items)}"
    return [line] if len(line) <= width else ["return (", *(f"    {i}," for i in items), ")"]


def define(name: str, arguments: Sequence[str], returns: str, width: int = 100) -> str:
    """`def name(arguments) -> returns:`, one argument a line where it is too long."""
    arrow = f" -> {returns}" if returns else ""
    line = f"def {name}({', '.join(arguments)}){arrow}:"
    if len(line) <= width:
        return line
    inner = f"    {', '.join(arguments)}"
    if len(inner) <= width:
        return f"def {name}(\n{inner}\n){arrow}:"
    return f"def {name}(\n" + "".join(f"    {a},\n" for a in arguments) + f"){arrow}:"


def call(before: str, name: str, arguments: Sequence[str], width: int) -> list[str]:
    """`before name(arguments)`, broken as formatters do where it is longer than `width`."""
    start = f"{before}{name}("
    line = f"{start}{', '.join(arguments)})"
    if len(line) <= width:
        return [line]
    inner = f"    {', '.join(arguments)}"
    if len(inner) <= width:
        return [start, inner, ")"]
    return [start, *(f"    {a}," for a in arguments), ")"]


def function_lines(program: Program, backend: Backend) -> tuple[list[str], set[str]]:
    """The body of a function that returns the program's outputs, and the operations it uses."""
    lines, results, ops = statements(program, backend)
    return [*lines, f"return {', '.join(results)}"], ops


def helpers(ops: Iterable[str], backend: Backend) -> list[str]:
    """The helper templates that a file with these operations must carry."""
    return sorted({name for op in ops for name in backend.helpers.get(op, ())})


def exports(names: Iterable[str]) -> str:
    """The value of `__all__`, one name a line where that is too long; CONSTANTS, Classes, rest."""
    ordered = sorted(names, key=lambda n: (not n.isupper(), not n[0].isupper(), n))
    if len(repr(ordered)) < 80:
        return repr(ordered).replace("'", '"')
    return "[\n" + "".join(f'    "{n}",\n' for n in ordered) + "]"


# Templates.


@functools.cache
def _environment() -> jinja2.Environment:
    def load(name: str) -> str | None:
        resource = importlib.resources.files("actgen.templates").joinpath(*name.split("/"))
        return resource.read_text(encoding="utf-8") if resource.is_file() else None

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(load),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Python source, not HTML
    )
    environment.filters["block"] = _indented
    environment.globals["near"] = near
    return environment


def _indented(lines: Sequence[str], width: int) -> str:
    return "\n".join(" " * width + line if line else "" for line in lines)


def render(template: str, slots: Mapping[str, Any]) -> str:
    """A template of `templates/` with its slots filled, ending in one newline."""
    return _environment().get_template(template).render(**slots).rstrip() + "\n"
