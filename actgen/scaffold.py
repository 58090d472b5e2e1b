"""The spec file that `actgen new` writes: the formula as SymPy, as an author would declare it."""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Expr
from sympy.printing.str import StrPrinter

from . import lang
from .errors import InternalError
from .spec import Activation, Parameter


class _Python(StrPrinter):  # type: ignore[misc]
    """SymPy that Python reads back exactly: fractions stay fractions."""

    def _print_Rational(self, expr: Expr) -> str:
        return f"Rational({expr.p}, {expr.q})"

    def _print_Half(self, expr: Expr) -> str:
        return "Rational(1, 2)"


def spec_text(act: Activation) -> str:
    """The text of a spec file that declares `act`; InternalError if it would not read back."""
    formula = _Python().doprint(act.formula)
    parameters = [p.symbol for p in act.parameters]
    words = {w for w in lang.__all__ if w in _words(formula)} - {s.name for s in parameters}
    words |= {"symbol"} if parameters else set()
    words |= {s.name for s in act.inputs}
    lines = [
        f'"""{act.name}, declared by `actgen new`."""',
        "",
        f"from actgen.lang import {', '.join(sorted(words))}",
    ]
    lines += [f"from actgen.spec import Activation{', Parameter' if parameters else ''}", ""]
    lines += [f'{s.name} = symbol("{s.name}")' for s in parameters] + [""] * bool(parameters)
    lines += [f"{act.name} = Activation(", f'    "{act.name}",', f"    {formula},"]
    if act.is_gated:
        lines.append(f"    inputs=({', '.join(s.name for s in act.inputs)}),")
    if parameters:
        given = ", ".join(
            f'Parameter("{p.name}", {float(p.value)!r}{_domain(p)})' for p in act.parameters
        )
        lines.append(f"    parameters=({given},),")
    text = "\n".join([*lines, ")", ""])
    scope: dict[str, Any] = {}
    exec(compile(text, f"specs/{act.name}.py", "exec"), scope)
    if (
        sympy.simplify(scope[act.name].formula - act.formula) != 0
        and scope[act.name].formula != act.formula
    ):
        raise InternalError(f"the spec of {act.name} would not read back: {formula}")
    return text


def _domain(p: Parameter) -> str:
    bounds = (("low", p.low), ("high", p.high))
    return "".join(f", {name}={value}" for name, value in bounds if value is not None)


def _words(text: str) -> set[str]:
    word, found = "", set()
    for char in text + " ":
        if char.isalnum() or char == "_":
            word += char
        else:
            found.add(word)
            word = ""
    return found
