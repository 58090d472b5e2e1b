"""What is written on a factor: powers, primes, indices of entries, conditions of indicators."""

from __future__ import annotations

from typing import Any

import sympy
from lark import Token, Tree
from sympy import Expr, Symbol

from .. import lang
from .functions import NORMAL_CDF
from .tokens import NotUnderstood
from .trees import Node, plain, single

MAX_POWER = 64
INVERSE = {"tanh": sympy.atanh, "sinh": sympy.asinh, "tan": sympy.atan}


class Scripts:
    """The part of `meaning.Scope` that reads scripts."""

    variables: dict[str, Expr]
    bound: tuple[str, ...]
    note: Any
    symbol: Any
    _argument: Any
    _factors: Any
    _relation_of: Any
    value: Any

    # Scripts.

    def _scripted(self, value: Expr, scripts: list[Any], name: str = "") -> Expr:
        for s in scripts:
            if s.data in ("power", "small"):
                value = self._powered(value, s, name)
            elif s.data == "primes" or (s.data == "power" and self.primes(s)):
                raise NotUnderstood("a prime on what is no function")
            elif s.data == "factorial":
                raise NotUnderstood("a factorial")
            elif s.data == "index" and (not name or name == "e"):
                raise NotUnderstood("an index of what is no name")
        return value

    def _powered(self, value: Expr, script: Node, name: str = "") -> Expr:
        if script.data == "small":
            text = "".join(c.value.text for c in script.children)
            if text == "+":
                return sympy.Max(value, 0)
            exponent = sympy.Integer(-1 if text.startswith("-") else 1)
            for char in text.lstrip("-"):
                exponent *= self.symbol("x") if char == "x" else sympy.Integer(char)
            return sympy.exp(exponent) if name == "e" else value**exponent
        argument = script.children[-1]
        if isinstance(argument, Tree) and argument.data == "positive":
            return sympy.Max(value, 0)
        if isinstance(argument, Tree) and argument.data in ("starred", "condition"):
            raise NotUnderstood("an exponent that is no number")
        if plain(argument) in ("T", "⊤"):
            self.note("a transposed vector times a vector is read as one number")
            return value
        power = self._argument(argument)
        if name == "e":
            return sympy.exp(power)
        if power == -1 and name in INVERSE:
            return INVERSE[name](value.args[0])
        if power.is_number and not abs(sympy.N(power, 10)) <= MAX_POWER:
            raise NotUnderstood(f"an exponent beyond {MAX_POWER}")
        if value == 0 and not power.is_positive:
            raise NotUnderstood("a power of zero")
        return value**power

    def primes(self, script: Node) -> int:
        """How often a script differentiates."""
        if script.data == "primes":
            return sum(len(c.value.text) for c in script.children)
        if script.data == "power":
            argument = script.children[-1]
            if isinstance(argument, Tree) and argument.data == "primed":
                marks: list[Any] = [c for c in argument.children if not isinstance(c, Tree)]
                return sum(len(c.value.text) for c in marks if c.type == "PRIME")
            inner = single(argument)
            if isinstance(inner, Tree) and inner.data == "group":
                order = plain(inner.children[1])
                return int(order) if order.isdigit() and int(order) < 5 else 0
        return 0

    def _indexed(self, name: str, scripts: list[Any]) -> Expr:
        """A name with its index: an entry of the row, a channel, or a name of its own."""
        for s in scripts:
            if s.data != "index":
                continue
            index = plain(s.children[-1])
            if not index:
                raise NotUnderstood(f"the index of {name}")
            if name == "delta":
                raise NotUnderstood("Kronecker's δ")
            if index.isdigit() or len(index.rstrip("+-0123456789")) > 2:
                return lang.symbol(f"{name}_{index}")
            entry = self.variables.get(name) in (lang.x, lang.y)
            if entry and self.bound and index not in self.bound:
                raise NotUnderstood(f"the entry {name}_{index} inside a sum over {self.bound[0]}")
        return self.symbol(name)

    def _index_symbol(self, scripts: list[Any]) -> Symbol:
        for s in scripts:
            if s.data == "index":
                value = self._argument(s.children[-1])
                if isinstance(value, Symbol):
                    return value
        return lang.x

    def _bound_index(self, scripts: list[Any]) -> str:
        for s in scripts:
            if s.data == "index":
                argument = s.children[-1]
                if isinstance(argument, Tree) and argument.data == "condition":
                    relation = next(c for c in argument.children if isinstance(c, Tree))
                    return plain(relation.children[0]) or "i"
                return plain(argument) or "i"
        raise NotUnderstood("a sum without its index")

    def _under(self, index: str, rest: list[Any]) -> list[Expr]:
        if not rest:
            raise NotUnderstood("a sum of nothing")
        before, self.bound = self.bound, (index,)
        try:
            return list(self._factors(rest))
        finally:
            self.bound = before

    def _indicator(self, scripts: list[Any], rest: list[Any]) -> tuple[Expr, int]:
        for s in scripts:
            if s.data == "index":
                inner = s.children[-1]
                if isinstance(inner, Tree) and inner.data == "condition":
                    tree = next(c for c in inner.children if isinstance(c, Tree))
                    return sympy.Piecewise((1, self._relation_of(tree)), (0, True)), 1
        if rest:
            base = rest[0].children[0]
            if isinstance(base, Tree) and base.data == "related":
                condition = self._relation_of(base.children[1])
                return sympy.Piecewise((1, condition), (0, True)), 2
        raise NotUnderstood("an indicator without its condition")

    def _probability(self, group: Node) -> Expr:
        relation = group.children[1]
        signs = [c.value.text for c in relation.children if isinstance(c, Token)]
        values = [c for c in relation.children if isinstance(c, Tree)]
        if group.data != "related" or signs not in (["<="], ["<"]):
            raise NotUnderstood("a probability")
        self.note("P(X ≤ x) is read as the standard normal distribution function")
        return NORMAL_CDF(self.value(values[1]))
