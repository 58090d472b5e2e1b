"""Conditions as SymPy: if x > 0, -2.5 ≤ x ≤ 2.5, x ∈ [0, 1); intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sympy
from sympy import Expr

from .tokens import NotUnderstood, Tok, split
from .trees import split_words

COMPARE: Mapping[str, Callable[[Expr, Expr], Any]] = {
    "<": sympy.Lt, "<=": sympy.Le, ">": sympy.Gt, ">=": sympy.Ge, "=": sympy.Eq, "!=": sympy.Ne,
}  # fmt: skip


class Conditions:
    """The part of `meaning.Scope` that reads conditions."""

    side: Any

    def condition(self, tokens: list[Tok]) -> Any:
        """The SymPy condition that tokens such as `if x > 0` say."""
        words = [t for t in tokens if t.kind == "WORD"]
        if any(t.text == "otherwise" for t in words):
            return sympy.true
        either = []
        for part in split_words(tokens, "or"):
            both = []
            for piece in split_words(part, "and"):
                for clause in split(piece, {"COMMA", "SEMI", "QUAD"}):
                    clause = [t for t in clause if t.kind not in ("WORD", "DOT", "COLON", "PROSE")]
                    while clause and clause[0].kind == "OPEN" and clause[-1].kind == "CLOSE":
                        clause = clause[1:-1]
                    if clause:
                        both.append(self.relation(clause))
            if both:
                either.append(sympy.And(*both))
        if not either:
            raise NotUnderstood("a condition that says nothing")
        return sympy.Or(*either)

    def relation(self, tokens: list[Tok]) -> Any:
        """A chain of comparisons: -2.5 <= x <= 2.5."""
        signs = [t.text for t in tokens if t.kind == "REL"]
        sides = list(split(tokens, {"REL"}))
        if not signs or len(sides) != len(signs) + 1:
            raise NotUnderstood("a condition without a comparison")
        parts = []
        for sign, a, b in zip(signs, sides, sides[1:], strict=False):
            if sign == "in":
                low, high, closed = self.interval(b)
                value = self.side(a)
                parts.append(value >= low if closed[0] else value > low)
                parts.append(value <= high if closed[1] else value < high)
                continue
            if sign not in COMPARE:
                raise NotUnderstood(f"{sign} has no place in a condition")
            parts.append(COMPARE[sign](self.side(a), self.side(b)))
        return sympy.And(*parts)

    def interval(self, tokens: list[Tok]) -> tuple[Expr, Expr, tuple[bool, bool]]:
        """An interval: its ends and whether each belongs to it."""
        tokens = [t for t in tokens if t.kind not in ("DOT", "QUAD")]
        while tokens and tokens[-1].kind == "COMMA":
            tokens = tokens[:-1]
        if tokens and tokens[0].kind == "SET" and tokens[0].text == "R":
            rest = tokens[1:]
            if not rest:
                return -sympy.oo, sympy.oo, (False, False)
            shown = "".join(t.text for t in rest)
            if shown in ("^+", "+", "_+", "CARET+"):
                return sympy.Integer(0), sympy.oo, (False, False)
            raise NotUnderstood("a set that is not an interval")
        if len(tokens) < 5 or tokens[0].kind != "OPEN" or tokens[-1].kind != "CLOSE":
            raise NotUnderstood("a set that is not an interval")
        parts = list(split(tokens[1:-1], {"COMMA", "SEMI"}))
        if len(parts) != 2:
            raise NotUnderstood("a set that is not an interval")
        low, high = map(self.side, parts)
        return low, high, (tokens[0].text == "[", tokens[-1].text == "]")
