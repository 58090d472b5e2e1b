"""The header of a generated file: its formulas, the contract it holds, how it is written again."""

from __future__ import annotations

from typing import Any

import sympy

from . import emit, model
from .atoms import offset, shifted
from .backends import Backend
from .compiled import Compiled
from .contract import promise
from .emit import text, wrap
from .spec import Activation, Parameter

FINITE = "no NaN or infinity where the true value is finite, the limit at ±inf, NaN for NaN."
FLUSHES = (
    "Where the device takes subnormal numbers for zeros, as XLA does on a CPU: but for numbers "
    "below 4 times the least normal one, which may count as zeros."
)

_PRIME = {"forward": "f", "derivative": "f'", "second_derivative": "f''"}


def header(compiled: Compiled, backend: Backend, spec_file: str) -> dict[str, Any]:
    """The slots of the header: formulas, parameters, kinks, source, contract, command."""
    act = compiled.activation
    arguments = ", ".join(map(str, act.inputs))
    lines: list[str] = []
    for f in compiled.functions.values():
        if f.name in ("vjp", "jvp"):
            label, shown = f"{f.name}(x, {'dy' if f.name == 'vjp' else 'dx'}) =", f.expr
        else:
            shown = act.formula if f.name == "forward" else f.expr
            label = f"{label_of(f.name, act)}({arguments}) ="
        lines += wrap(label, text(_plain(shown)))
    lines += emit.legend(_plain(f.expr) for f in compiled.functions.values())
    for p in act.parameters:
        lines += wrap(f"{p.name}:", _parameter(p))
    for kink in act.kinks():
        lines += wrap(
            f"Kink at {text(kink.at)}:",
            f"f is {text(kink.left)} | {text(kink.right)}, f' is {text(kink.left_derivative)} | "
            f"{text(kink.right_derivative)} on the left | right.",
        )
    for name, convention in act.conventions.items():
        lines += wrap(f"{name}:", f"{convention}.")
    if act.source:
        lines.append(f"Source: {act.source}.")
    return {
        "title": f"{act.name}: {act.note or 'an activation function with its derivatives'}.",
        "formulas": lines,
        "spec_file": spec_file,
        "command": f"actgen build {act.name} --backend {backend.name}",
        "contract": _contract(compiled, backend),
        "name": act.name,
        "usage": "\n".join(
            part.strip() for part in wrap("", backend.row_usage if act.is_row else backend.usage)
        ),
    }


def _contract(compiled: Compiled, backend: Backend) -> list[str]:
    """The contract, and which functions were found not to hold it."""
    broken = [f.name for f in compiled.functions.values() if f.choice and not f.choice.held]
    words = f"{promise(backend.name, compiled.activation.is_row)}; {FINITE}"
    words += f" {FLUSHES}" if backend.flushes else ""
    return wrap("Contract:", f"NOT HELD by {', '.join(broken)}; {words}" if broken else words)


def _plain(expr: sympy.Expr) -> sympy.Expr:
    """Without what the compiler put in: shifted(u, v) and offset(u, v) are u − v."""
    return expr.replace(lambda e: isinstance(e, (shifted, offset)), lambda e: e.args[0] - e.args[1])


def label_of(name: str, act: Activation) -> str:
    """A function's name in formulas: f', df/dalpha."""
    if name in _PRIME:
        return _PRIME[name]
    kind, _, wrt = name.rpartition("_")
    if kind == "grad":
        return f"df/d{wrt}"
    if kind.startswith("grad_") or name.startswith("grad_"):
        return f"df/d{name.removeprefix('grad_')}"
    if kind == "derivative":
        return f"df/d{wrt}"
    return f"d2f/{''.join('d' + c for c in wrt)}"


def _parameter(p: Parameter) -> str:
    if p.random is not None:
        low, high = sympy.nsimplify(p.random.low), sympy.nsimplify(p.random.high)
        return f"drawn from [{low}, {high}] for each element in training, their mean in evaluation."
    domain = {
        (True, True): "any real",
        (False, True): f"at least {p.low}",
        (True, False): f"at most {p.high}",
        (False, False): f"in [{p.low}, {p.high}]",
    }[p.low is None, p.high is None]
    kind = "learned, one a channel; " if p.per_channel else "learned; " if p.learned else ""
    return f"{kind}{domain}, default {_default(p)}."


def _default(p: Parameter) -> str:
    value = model.constant(p.value)
    return f"{value!r}"
