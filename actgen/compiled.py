"""An activation after compilation: the program of each of its functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sympy import Expr, Symbol

from . import cases
from .program import Program
from .reference import Reference
from .spec import Activation
from .stabilise import Choice


@dataclass(frozen=True)
class Function:
    """One function of an activation: what it is called, what it means, how it is computed.

    `truth` is the expression derived from the formula as written, `expr` the lifted one;
    `choice` tells how the program was chosen (None for row functions, which have one form);
    `lean` computes on which side of a tie results near 0 lie (None where there are no ties);
    `double` is right in float64, `narrow` computes in float64 what is rounded to float32, `half` in
    float32 what is rounded to 16 bits (None where nothing is cheaper than `program`).
    """

    name: str
    truth: Expr
    expr: Expr
    program: Program
    choice: Choice | None = None
    lean: Program | None = None
    narrow: Program | None = None
    half: Program | None = None
    double: Program | None = None


@dataclass(frozen=True)
class Compiled:
    """An activation with the program of each of its functions."""

    activation: Activation
    functions: dict[str, Function]

    @property
    def truths(self) -> dict[str, tuple[Expr, Expr]]:
        """The formula as written and the lifted one of each function."""
        return {f.name: (f.truth, f.expr) for f in self.functions.values()}

    def references(self, setting: Mapping[Symbol, Expr]) -> dict[str, Reference]:
        """The truth of every function at a parameter setting."""
        return cases.references(self.activation, self.truths, setting)
