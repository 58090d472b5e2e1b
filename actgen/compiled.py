"""An activation after compilation: the program of each of its functions."""

from __future__ import annotations

from dataclasses import dataclass

from sympy import Expr

from .program import Program
from .spec import Activation
from .stabilise import Choice


@dataclass(frozen=True)
class Function:
    """One function of an activation: what it is called, what it means, how it is computed.

    `truth` is the expression derived from the formula as written, `expr` the lifted one;
    `choice` tells how the program was chosen (None for row functions, which have one form);
    `lean` computes on which side of a tie results near 0 lie (None where there are no ties).
    """

    name: str
    truth: Expr
    expr: Expr
    program: Program
    choice: Choice | None = None
    lean: Program | None = None


@dataclass(frozen=True)
class Compiled:
    """An activation with the program of each of its functions."""

    activation: Activation
    functions: dict[str, Function]
