"""Programs that are right in any format that holds their numbers: each value rounded once."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import sympy

from . import model
from .backends import Backend
from .program import BOOLEAN, Arg, Program

#: What returns one of its arguments or the negative of one.
_SELECTS = frozenset(("where", "minimum", "maximum", "neg", "abs"))
#: What rounds, of arguments that are not rounded.
_ROUNDS = frozenset(("add", "sub", "mul", "div"))


def roundings(program: Program) -> int | None:
    """How often, at most, what is returned was rounded in float32: 0, 1 or None for more.

    None, too, where a number of the program is not a float32 number.
    """
    found: dict[Arg, int | None] = dict.fromkeys((*program.inputs, *program.parameters), 0)

    def of(arg: Arg) -> int | None:
        if not isinstance(arg, str):
            value = float(model.constant(arg))
            exact = not math.isfinite(value) or sympy.Rational(value) == arg
            return 0 if exact and np.array_equal(np.float32(value), value, True) else None
        return found[arg]

    for instr in program.body:
        known = [of(arg) for arg in instr.args]
        most = None if None in known else max(n for n in known if n is not None)
        if instr.op in _SELECTS:
            if instr.op == "where" and known[0] != 0:
                most = None
        elif instr.op in BOOLEAN:
            most = 0 if most == 0 else None
        else:
            most = 1 if instr.op in _ROUNDS and most == 0 else None
        found[instr.dest] = most
    (out,) = program.outputs
    return of(out)


def in_single(backend: Backend) -> Backend:
    """The backend with float32 literals, which do not widen what is float32."""
    return replace(backend, literal=lambda value: f"float32({backend.literal(value)})")
