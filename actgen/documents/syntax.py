"""The tokens of one side of a formula to a tree, by Lark's LALR(1) parser and latex.lark.

Of 43 formulas as papers print them SymPy's own Lark grammar read 4 rightly and 8 wrongly, and
latex2sympy2_extended 12 and 13 (it drops primes and reads erf as e·r·f): `bench/latex_parsers.py`.
So Lark itself is taken, the generator below SymPy's, with a grammar that leaves names to tables.
"""

from __future__ import annotations

import functools
import importlib.resources
from collections.abc import Iterator
from typing import Any

import lark

from .tokens import NotUnderstood, Tok


class _Given(lark.lexer.Lexer):
    """Tokens that are there already."""

    def __init__(self, conf: Any) -> None:
        pass

    def lex(self, tokens: Any) -> Iterator[lark.Token]:  # type: ignore[override]
        for i, t in enumerate(tokens):
            yield lark.Token(t.kind, t, start_pos=i)


@functools.cache
def _parser() -> lark.Lark:
    grammar = importlib.resources.files(__package__).joinpath("latex.lark").read_text("utf-8")
    return lark.Lark(grammar, parser="lalr", lexer=_Given)


def parse(tokens: list[Tok]) -> lark.Tree[lark.Token]:
    """The tree of a side; NotUnderstood with what stood where nothing fits."""
    bad = next((t.text for t in tokens if t.kind == "BAD"), "")
    if bad:
        raise NotUnderstood(bad)
    try:
        return _parser().parse(tokens)
    except lark.exceptions.UnexpectedToken as wrong:
        at = wrong.token
        if at.type == "$END":
            raise NotUnderstood("it ends where a value is expected") from None
        shown = " ".join(t.text for t in tokens[max(at.start_pos - 4, 0) : at.start_pos + 1])
        raise NotUnderstood(f"{at.value.text!r} has no meaning after {shown!r}") from None
    except lark.exceptions.LarkError as wrong:
        raise NotUnderstood(str(wrong).splitlines()[0]) from None
