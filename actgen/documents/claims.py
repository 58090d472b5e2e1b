"""What a document claims: the types."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sympy import Expr, Symbol

from .tokens import Tok


@dataclass(frozen=True)
class Location:
    """Where a claim stands: the file, the line (from 1) and the printed equation number."""

    file: str
    line: int
    equation: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" + (f" ({self.equation})" if self.equation else "")


@dataclass(frozen=True)
class Equal:
    """left = right for all inputs at which `assume` holds.

    `own` are the parameters of the declared activation on the left, `foreign` symbols that only
    the document knows; `again` reads the right side anew from other tokens (or in the other way
    of an ambiguous a/bc), for suggestions; `order` is that of the derivative claimed (0: f itself).
    """

    left: Expr
    right: Expr
    own: tuple[Symbol, ...] = ()
    foreign: tuple[Symbol, ...] = ()
    assume: tuple[Any, ...] = ()
    order: int = 0
    approximate: bool = False
    tokens: tuple[Tok, ...] = field(default=(), compare=False, repr=False)
    before: tuple[Tok, ...] = field(default=(), compare=False, repr=False)
    again: Callable[[list[Tok], str], Expr] | None = field(default=None, compare=False, repr=False)
    ambiguous: bool = False
    guessed: bool = False
    kink: bool = False  #: a derivative where there is none
    instead: Expr | None = field(default=None, compare=False)  #: the subject's own, if left is not


@dataclass(frozen=True)
class Within:
    """low ≤ f⁽ᵒʳᵈᵉʳ⁾(x) ≤ high (closed ends) or < (open ones), for all x."""

    expr: Expr
    low: Expr
    high: Expr
    closed: tuple[bool, bool] = (True, True)
    order: int = 0
    assume: tuple[Any, ...] = ()
    exact: bool = False  #: these are all values, not only bounds of them


@dataclass(frozen=True)
class Tends:
    """f⁽ᵒʳᵈᵉʳ⁾(x) → value as x → at."""

    expr: Expr
    at: Expr
    value: Expr
    order: int = 0


@dataclass(frozen=True)
class Constant:
    """A symbol of the document has this value; `digits` are as printed."""

    symbol: str
    value: Expr
    digits: str


@dataclass(frozen=True)
class Property:
    """The subject has a property by name (`judge.PROPERTIES`), with a value where it needs one."""

    name: str
    value: Any = None
    negated: bool = False


Assertion = Equal | Within | Tends | Constant | Property


@dataclass(frozen=True)
class Claim:
    """One thing that a document says: as printed, where, what kind, about what, and as mathematics.

    `expression` is None where it was not understood, and `reason` says why. `kind` is one of
    definition, derivative, identity, special_case, range, limit, approximation, value, smoothness,
    parity, constant, domain, shape.
    """

    text: str
    location: Location
    kind: str
    subject: str = ""
    expression: Assertion | None = None
    reason: str = ""
    notes: tuple[str, ...] = ()
    form: str = "latex"
    part: str = ""  #: the one relation that is judged, as plain text
    context: str = ""  #: the activation that its place is about
    generic: bool = False  #: its head is a letter such as f: which function it is, its place says
    strong: bool = False  #: its own heading names the subject
    restricted: str = ""  #: words around it that may deny or restrict it
    cure: Equal | None = field(default=None, compare=False, repr=False)


#: Why a comparison behind `if` is no claim.
CONDITION = "a condition of its sentence; it claims nothing by itself"


#: Letters that papers use for the one parameter of a function.
PARAMETERS = frozenset("a alpha beta gamma lambda lambd p slope k c".split())
