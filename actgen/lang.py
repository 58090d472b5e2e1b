"""The words in which a formula is written: symbols and functions, all of them SymPy's.

Formulas stay naive: `sigmoid(u)` here is nothing but 1/(1 + exp(-u)). Finding the form that
survives floating point is the compiler's work, not the author's.
"""

from __future__ import annotations

from typing import Any

import sympy
from sympy import (
    Abs,
    And,
    E,
    Eq,
    Expr,
    Max,
    Min,
    Ne,
    Not,
    Or,
    Piecewise,
    Rational,
    acos,
    acosh,
    asin,
    asinh,
    atan,
    atanh,
    cos,
    cosh,
    erf,
    erfc,
    exp,
    log,
    oo,
    pi,
    sign,
    sin,
    sinh,
    sqrt,
    tan,
    tanh,
)

__all__ = [
    "Abs",
    "And",
    "E",
    "Eq",
    "Max",
    "Min",
    "Ne",
    "Not",
    "Or",
    "Piecewise",
    "Rational",
    "RowMax",
    "RowPick",
    "RowSum",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "cos",
    "cosh",
    "erf",
    "erfc",
    "exp",
    "log",
    "oo",
    "pi",
    "relu",
    "row_max",
    "row_sum",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "softplus",
    "sqrt",
    "symbol",
    "tan",
    "tanh",
    "x",
    "y",
]


def symbol(name: str) -> sympy.Symbol:
    """The real symbol of that name; the same name is the same symbol everywhere."""
    return sympy.Symbol(name, real=True)


x, y = symbol("x"), symbol("y")


class RowSum(sympy.Function):  # type: ignore[misc]
    """The sum of its argument over the row (one axis of the array)."""

    nargs = 1
    is_real = True


class RowMax(sympy.Function):  # type: ignore[misc]
    """The greatest value of its argument over the row."""

    nargs = 1
    is_real = True


class RowPick(sympy.Function):  # type: ignore[misc]
    """∂RowMax/∂x: 1 at the greatest entry of the row, shared evenly among ties, else 0."""

    nargs = 1
    is_real = True


class RowTop(sympy.Function):  # type: ignore[misc]
    """1 at the greatest entries of the row, else 0; only the compiler makes it."""

    nargs = 1
    is_real = True


row_sum, row_max = RowSum, RowMax


def sigmoid(u: Any) -> Expr:
    """1/(1 + exp(-u))."""
    return 1 / (1 + exp(-u))


def softplus(u: Any) -> Expr:
    """log(1 + exp(u))."""
    return log(1 + exp(u))


def relu(u: Any) -> Expr:
    """max(u, 0)."""
    return Max(u, 0)
