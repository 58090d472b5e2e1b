"""What a document has said so far: its subject, functions, symbols, assumptions."""

from __future__ import annotations

import re
from typing import Any

from sympy import Expr

from .. import lang, registry
from . import subjects
from .functions import NORMAL_CDF, Named
from .meaning import Scope
from .repairs import Repair
from .tokens import Scanner, Tok, expand

LETTER_FUNCTIONS = ("Phi", "phi", "varphi")
#: Letters of functions that a document may define anew.
OWN_LETTERS = (*LETTER_FUNCTIONS, "sigma")


class Context:
    """What a document has said so far: subject, functions, symbols with values, assumptions."""

    def __init__(
        self, file: str, macros: dict[str, tuple[int, str]], repairs: list[Repair] | None = None
    ) -> None:
        self.file, self.macros = file, macros
        self.repairs: list[Repair] = [] if repairs is None else repairs
        self.heading = ""
        self.current = ""  #: the activation that the statement at hand defines
        self.weak = ""
        self.ahead = ""
        self.item = self.weak_until = 0
        self.said_at = -1
        self.strong = False
        self.tentative = False  #: the formula at hand stands under a condition
        self.siblings = False
        self.approximations: set[str] = set()
        self.pending: Any = None
        self.functions: dict[str, Named] = {}
        self.values: dict[tuple[str, str], Expr] = {}
        self.assumed: dict[tuple[str, str], Any] = {}
        self.cdf: set[str] = set()

    @property
    def subject(self) -> str:
        """The activation that a formula without a name of its own is about."""
        return self.heading or self.weak or self.ahead

    def function(self, name: str) -> Any:
        """The function of that name at this place of the document."""
        if name in self.functions and name in OWN_LETTERS:
            return self.functions[name]
        if name in self.cdf:
            return Named("normal_cdf", NORMAL_CDF(lang.x))
        if name == "tanh" or name in self._parameters():
            return None
        declared = subjects.function(name)
        if declared is not None and self.siblings and declared.name in subjects.SIBLINGS:
            return subjects.function(subjects.SIBLINGS[declared.name])
        if declared is not None and declared.activation not in (self.current, self.subject):
            return subjects.at_defaults(declared)
        if declared is not None:
            return declared
        if name in self.functions:
            return self.functions[name]
        if re.fullmatch(r"[fghF]|act|activation", name) and self.subject:
            return subjects.function(self.subject)
        return None

    def _parameters(self) -> set[str]:
        act = registry.load(self.subject) if self.subject else None
        return {p.name for p in act.parameters} if act is not None else set()

    def known(self, run: str, called: bool) -> bool:
        """Whether a run of letters is one name and no product."""
        if run in self.functions or subjects.function(run) is not None:
            return True
        if run in self._parameters():
            return True
        return run.lower() in _SYMBOLS or (called and len(run) > 3)


_SYMBOLS = frozenset(
    "input output slope threshold value scale negative_slope min_val max_val lambd net act".split()
)


def scope(context: Context, variables: dict[str, Expr], far: bool = False) -> Scope:
    """The scope of one formula."""
    return Scope(context.function, dict(variables), far=far)


def tokens_of(text: str, context: Context) -> list[Tok]:
    """The tokens of a formula as printed, the document's macros written out."""
    return Scanner(expand(text, context.macros), context.known).tokens()
