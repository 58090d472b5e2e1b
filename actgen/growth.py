"""How factors of a product behave far out: what decays, what is bounded, what may grow."""

from __future__ import annotations

from collections.abc import Callable

import sympy
from sympy import Expr

from .atoms import decay, gauss, sech2, sigmoid

#: How a factor behaves far out: the first decay or are bounded, the rest may grow.
_DECAYING = (
    "decay",
    "square",
    "halves",
    "sigmoid",
    "gauss",
    "sech",
    "sech2",
    "exp",
    "erfc",
    "RowPick",
)
_BOUNDED = ("erfcx", "tanh", "erf", "sign", "sin", "cos", "atan")
#: Factors that grow nowhere.
SMALL = (*_DECAYING, *_BOUNDED)

#: Factors that may be subnormal where what they are multiplied by is great: with an exponential
#: that can be multiplied in by its roots.
ROOTED: dict[type, Callable[[Expr], Expr]] = {
    gauss: lambda f: decay(-sympy.expand(f.args[0] ** 2)),
    sech2: lambda f: 4 * decay(-2 * sympy.Abs(f.args[0])) * sigmoid(2 * sympy.Abs(f.args[0])) ** 2,
}


def growth(expr: Expr) -> int:
    """0 for what decays or stays small on one side, 1 for what is bounded, 2 for what may grow."""
    name = type(expr).__name__
    if name in _DECAYING:
        return 0
    if expr.is_number or name in _BOUNDED:
        return 1
    if isinstance(expr, sympy.Add):
        return max(map(growth, expr.args))
    if isinstance(expr, sympy.Mul):
        return 0 if any(growth(arg) == 0 for arg in expr.args) else max(map(growth, expr.args))
    if isinstance(expr, sympy.Pow) and expr.exp.is_positive:
        return growth(expr.base)
    return 2
