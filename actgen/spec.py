"""An activation as its author declares it."""

from __future__ import annotations

import keyword
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import sympy
from sympy import Expr, Symbol

from . import calculus
from .errors import FormulaError, FormulaWarning
from .lang import RowMax, RowPick, RowSum, symbol, x

Number: TypeAlias = "float | int | Expr"

#: Words that generated files use for themselves; a parameter of such a name would shadow them.
RESERVED = frozenset(
    "np torch nn math jax jnp lax functools cuda real out dy dx axis dim rng inf nan self cls "
    "input output stream x y e pi forward derivative inplace dtype device generator i n float int "
    "abs min max bool".split()
)


@dataclass(frozen=True)
class Uniform:
    """A parameter drawn uniformly from [low, high], per element, in training."""

    low: float
    high: float

    @property
    def mean(self) -> float:
        """The value that evaluation uses."""
        return (self.low + self.high) / 2


@dataclass(frozen=True)
class Parameter:
    """A parameter of an activation.

    `low` and `high` bound its domain (None: unbounded); `learned` parameters get a gradient,
    `per_channel` ones have one value a channel; `random` ones are drawn in training.
    """

    name: str
    default: Number | None = None
    low: Number | None = None
    high: Number | None = None
    learned: bool = False
    per_channel: bool = False
    random: Uniform | None = None

    @property
    def symbol(self) -> Symbol:
        """The SymPy symbol of that name."""
        return symbol(self.name)

    @property
    def value(self) -> Expr:
        """The default as an exact SymPy number (the mean of a random parameter)."""
        raw = self.random.mean if self.random is not None else self.default
        return sympy.nsimplify(raw, rational=True) if isinstance(raw, int) else exact(raw)


def exact(number: Any) -> Expr:
    """A Python float or int as the rational it is; SymPy numbers as they are."""
    if isinstance(number, Expr):
        return number
    if number in (float("inf"), float("-inf")):
        return sympy.oo if number > 0 else -sympy.oo
    return sympy.Rational(number)


def check_identifier(name: str, what: str) -> None:
    """Raise FormulaError unless `name` can be a file name and a Python identifier."""
    cure = "use lower-case letters, digits and _, starting with a letter, at most 48 of them"
    shown = name if len(name) <= 60 else name[:57] + "…"
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,47}", name):
        raise FormulaError(f"{what} {shown!r} is no identifier", cure=cure)
    if what == "name" and name != name.lower():
        raise FormulaError(f"{what} {shown!r} has capital letters", cure=f"write {name.lower()!r}")
    if keyword.iskeyword(name) or keyword.issoftkeyword(name) or name in RESERVED:
        raise FormulaError(
            f"{what} {shown!r} is a word of Python or of the generated files",
            cure=f"choose another, for example {name + '_'!r}",
        )


@dataclass(frozen=True)
class Activation:
    """One activation function.

    `formula` is SymPy over `inputs` and the parameters' symbols. A formula with RowSum or RowMax
    works on rows (one axis of an array, `axis` by default); one with two inputs is gated.
    `aliases` maps no further than names: `conventions` says whose defaults an alias follows.
    `peers` names the same function elsewhere, by library.

    Raises FormulaError for a bad name, an undeclared symbol or a parameter without default;
    warns FormulaWarning for a parameter that the formula never uses.
    """

    name: str
    formula: Expr
    inputs: tuple[Symbol, ...] = (x,)
    parameters: tuple[Parameter, ...] = ()
    aliases: tuple[str, ...] = ()
    source: str = ""
    peers: Mapping[str, str] = field(default_factory=dict, hash=False)
    conventions: Mapping[str, str] = field(default_factory=dict, hash=False)
    axis: int = -1
    note: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "formula", sympy.sympify(self.formula))
        check_identifier(self.name, "name")
        for alias in self.aliases:
            check_identifier(alias, "name")
        seen: set[str] = set()
        for p in self.parameters:
            check_identifier(p.name, "parameter")
            if p.name in seen:
                raise FormulaError(f"parameter {p.name!r} is declared twice")
            seen.add(p.name)
            if p.default is None and p.random is None:
                raise FormulaError(
                    f"parameter {p.name!r} has no default", cure="give it one: name=1.0"
                )
        known = {*self.inputs, *(p.symbol for p in self.parameters)}
        for unknown in sorted(self.formula.free_symbols - known, key=str):
            raise FormulaError(
                f"{self.name}: undeclared symbol {str(unknown)!r}",
                cure=f"declare it as a parameter: --param {unknown}=1.0",
            )
        for p in self.parameters:
            if p.symbol not in self.formula.free_symbols:
                warnings.warn(
                    f"{self.name}: parameter {p.name!r} is never used by the formula; "
                    "remove it or use it",
                    FormulaWarning,
                    stacklevel=3,
                )

    # What kind of function it is.

    @property
    def is_row(self) -> bool:
        """Whether it works on rows (softmax, maxout) rather than on elements."""
        return bool(self.formula.has(RowSum, RowMax, RowPick))

    @property
    def reduces(self) -> bool:
        """Whether a row gives one value (maxout) rather than a row (softmax)."""
        return self.is_row and not self.formula.xreplace(calculus.row_parts(self.formula)).has(
            *self.inputs
        )

    @property
    def is_gated(self) -> bool:
        """Whether it takes two inputs, a value and a gate."""
        return len(self.inputs) > 1

    def parameter(self, name: str) -> Parameter:
        """The parameter of that name; FormulaError if there is none."""
        for p in self.parameters:
            if p.name == name:
                return p
        known = ", ".join(p.name for p in self.parameters) or "none"
        raise FormulaError(f"{self.name} has no parameter {name!r}", cure=f"it has: {known}")

    @property
    def defaults(self) -> dict[Symbol, Expr]:
        """The parameters' default values, exact."""
        return {p.symbol: p.value for p in self.parameters}

    def with_defaults(self, values: Mapping[str, float]) -> Activation:
        """The activation with other defaults; FormulaError for a parameter it does not have."""
        for name in values:
            self.parameter(name)
        changed = (
            replace(p, default=values[p.name], random=None) if p.name in values else p
            for p in self.parameters
        )
        return replace(self, parameters=tuple(changed)) if values else self

    # Its calculus, as SymPy expressions.

    def derivative(self, order: int = 1, wrt: str | None = None) -> Expr:
        """∂ⁿf/∂xⁿ (or in the input named `wrt`); for rows the Jacobian's diagonal."""
        var = self.inputs[0] if wrt is None else symbol(wrt)
        if var not in self.inputs:
            raise FormulaError(f"{self.name} has no input {wrt!r}")
        take = calculus.row_diagonal if self.is_row else calculus.derivative
        expr = self.formula
        for _ in range(order):
            expr = take(expr, var)
        return expr

    def gradient(self, name: str) -> Expr:
        """∂f/∂parameter."""
        return calculus.derivative(self.formula, self.parameter(name).symbol)

    def kinks(self) -> list[calculus.Kink]:
        """Points where f or f′ jumps (elementwise functions of one input)."""
        if self.is_row or self.is_gated:
            return []
        return calculus.kinks(self.formula, self.inputs[0], self.defaults)

    def _repr_latex_(self) -> str:
        name = self.name.replace("_", r"\_")
        inputs = ", ".join(map(str, self.inputs))
        return rf"$\displaystyle \mathrm{{{name}}}({inputs}) = {sympy.latex(self.formula)}$"
