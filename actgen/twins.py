"""Smooth twins: the functions of an activation in native operations, to be differentiated.

A stabilised program is accurate, but its own derivative need not be: it takes |x| apart, patches
and guards. Where a framework insists on differentiating operations (torch.func inside
torch.compile, orders beyond the closed forms), the value is the program's and the derivatives are
those of its twin: the lifted formula in functions that the framework differentiates well, each
branch evaluated only where it holds.
"""

from __future__ import annotations

from collections.abc import Sequence

import sympy
from sympy import Expr, Symbol

from . import atoms
from .atoms import AtomFunction, maximum, minimum, u
from .calculus import as_branches
from .guards import guard_branches
from .lower import lower
from .program import Program

#: Atoms that frameworks have, with derivatives of their own: operations under the same names.
NATIVE: frozenset[type[AtomFunction]] = frozenset((atoms.sigmoid, atoms.softplus, atoms.erfcx))

_far = maximum(minimum(u, sympy.Integer(80)), sympy.Integer(-80))
_rise = atoms.sigmoid(2 * u)
#: The other atoms in differentiable functions that overflow nowhere near the ordinary numbers.
PLAIN: dict[type[AtomFunction], Expr] = {
    atoms.gauss: sympy.exp(-(u**2)),
    atoms.decay: sympy.exp(u),
    atoms.sech: 1 / sympy.cosh(_far),
    atoms.sech2: 4 * _rise * atoms.sigmoid(-2 * u),
    atoms.logcosh: atoms.softplus(2 * u) - u - sympy.log(2),
    atoms.hypot1: sympy.sqrt(1 + u**2),
    atoms.expasinh: u + sympy.sqrt(1 + u**2),
    atoms.acot: sympy.pi / 2 - sympy.atan(u),
    atoms.finite: u,
    atoms.below_oo: u,
    atoms.above_oo: u,
}


def twin(expr: Expr, inputs: Sequence[Symbol], parameters: Sequence[Symbol]) -> Program:
    """The program of a lifted expression with right derivatives of every order."""
    for x in inputs:
        expr = expr.replace(
            lambda e, x=x: isinstance(e, (sympy.Max, sympy.Min)) and e.has(x),
            lambda e, x=x: as_branches(e, x),
        )
    for function, plain in PLAIN.items():
        expr = expr.replace(function, lambda arg, plain=plain: plain.subs(u, arg))
    for x in inputs:
        expr = guard_branches(expr, x)
    return lower(expr, inputs, parameters, native=NATIVE)
