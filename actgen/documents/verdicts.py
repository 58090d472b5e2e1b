"""A verdict on a claim, and those on a document: the types."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from sympy import Expr

from .claims import Claim
from .equality import Witness
from .repairs import Repair

OUTCOMES = (
    "holds", "fails", "holds_if", "convention", "approximates", "undecided", "not_understood",
)  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """What is true of a claim. `outcome` is one of OUTCOMES.

    `proof` says how it is known (or why it is not), `condition` under what it holds,
    `counterexample` an exact input with the values of both sides, `suggestion` the single edit
    that makes a false formula true, `error` the greatest error of an approximation.
    """

    claim: Claim
    outcome: str
    proof: str = ""
    condition: str = ""
    counterexample: Witness | None = None
    suggestion: str = ""
    error: str = ""
    sides: tuple[Expr, Expr] | None = field(default=None, compare=False, repr=False)

    @property
    def text(self) -> str:
        """The verdict's reasons in one line."""
        parts = [
            self.condition and f"if {self.condition}",
            self.error,
            self.counterexample and str(self.counterexample),
            self.proof,
            self.suggestion and f"true is: {self.suggestion}",
            *self.claim.notes,
        ]
        return "; ".join(str(p) for p in parts if p)


@dataclass(frozen=True)
class Verdicts:
    """The verdicts on one document in order, and what was mended to read it."""

    name: str
    verdicts: tuple[Verdict, ...]
    repairs: tuple[Repair, ...] = ()

    def __iter__(self) -> Iterator[Verdict]:
        return iter(self.verdicts)

    def __len__(self) -> int:
        return len(self.verdicts)

    def __getitem__(self, i: int) -> Verdict:
        return self.verdicts[i]

    def count(self) -> dict[str, int]:
        """How many verdicts of each outcome."""
        return {o: n for o in OUTCOMES if (n := sum(v.outcome == o for v in self.verdicts))}
