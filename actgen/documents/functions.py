"""Functions by name: what a document may use without defining it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sympy
from sympy import Expr, Symbol

from .. import calculus, lang
from .tokens import NotUnderstood


@dataclass(frozen=True)
class Named:
    """A function with a name: `formula` over its inputs, then its parameters in order.

    `activation` is the declared one that it is, if it is one.
    """

    name: str
    formula: Expr
    inputs: tuple[Symbol, ...] = (lang.x,)
    parameters: tuple[Symbol, ...] = ()
    activation: str = ""
    guessed: bool = False  #: its formula rests on a letter that was guessed
    defaults: tuple[tuple[Symbol, Expr], ...] = ()  #: of parameters that a call leaves out

    def __call__(self, *args: Expr) -> Expr:
        formals = (*self.inputs, *self.parameters)
        if len(args) > len(formals):
            takes = len(self.inputs)
            raise NotUnderstood(f"{self.name} takes {takes} argument(s), not {len(args)}")
        return self.formula.xreplace(
            {**dict(self.defaults), **dict(zip(formals, args, strict=False))}
        )

    def derivative(self, order: int, wrt: Symbol | None = None) -> Named:
        """The function's derivative, branch by branch."""
        expr = self.formula
        take = calculus.row_diagonal if expr.has(lang.RowSum, lang.RowMax) else calculus.derivative
        for _ in range(order):
            expr = take(expr, wrt or self.inputs[0])
        name = self.name + "'" * order if wrt is None else f"∂{self.name}/∂{wrt}"
        return Named(name, expr, self.inputs, self.parameters, defaults=self.defaults)


#: Functions that need no declaration, by name; the first argument is the input.
BUILTIN: dict[str, Callable[..., Expr]] = {
    **{
        name: getattr(sympy, name)
        for name in "exp log tanh sinh cosh sin cos tan erf erfc sqrt sign".split()
    },
    "sgn": sympy.sign, "abs": sympy.Abs, "max": sympy.Max, "min": sympy.Min,
    "sech": lambda u: 1 / sympy.cosh(u), "coth": lambda u: sympy.cosh(u) / sympy.sinh(u),
    "log1p": lambda u: sympy.log(1 + u), "expm1": lambda u: sympy.exp(u) - 1,
    "arctan": sympy.atan, "arcsin": sympy.asin, "arccos": sympy.acos,
    "arsinh": sympy.asinh, "arcsinh": sympy.asinh, "artanh": sympy.atanh, "arctanh": sympy.atanh,
}  # fmt: skip

NORMAL_CDF: Callable[[Expr], Expr] = lambda u: (1 + sympy.erf(u / sympy.sqrt(2))) / 2  # noqa: E731
NORMAL_PDF: Callable[[Expr], Expr] = (  # noqa: E731
    lambda u: sympy.exp(-(u**2) / 2) / sympy.sqrt(2 * sympy.pi)
)

CDF_NOTE = "φ is read as the normal distribution function, as the document says"

#: Letters that usually stand for a function; a document's own definition goes before.
LETTERS: dict[str, Callable[[Expr], Expr]] = {
    "sigma": lang.sigmoid,
    "Phi": NORMAL_CDF,
    "phi": NORMAL_PDF,
    "varphi": NORMAL_PDF,
    "normal_pdf": NORMAL_PDF,
    "normal_cdf": NORMAL_CDF,
}

CONSTANTS: dict[str, Expr] = {"pi": sympy.pi, "oo": sympy.oo}
