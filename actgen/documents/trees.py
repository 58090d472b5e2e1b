"""What a tree of the parser is: a name, a number, a plain product."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from lark import Token, Tree

from .tokens import Tok

#: Lark mixes trees and tokens among the children of a tree.
Node: TypeAlias = Any


def is_minus_one(argument: Any) -> bool:
    tokens = (
        list(argument.scan_values(lambda t: isinstance(t, Token)))
        if isinstance(argument, Tree)
        else []
    )
    return [t.value.text for t in tokens if t.type in ("MINUS", "NUM", "NAME")] == ["-", "1"]


def told(name: str) -> str:
    return {"sigma": "σ", "phi": "φ", "Phi": "Φ", "varphi": "φ"}.get(name, name)


def split_words(tokens: list[Tok], word: str) -> Iterator[list[Tok]]:
    run: list[Tok] = []
    for t in tokens:
        if t.kind == "WORD" and t.text == word:
            yield run
            run = []
        else:
            run.append(t)
    yield run


def name_of(tree: Node) -> str:
    return str(tree.children[0].value.text)


def single(tree: Any) -> Any:
    """The one base that a tree of sums, terms and chains comes down to; None if it is more."""
    while isinstance(tree, Tree) and tree.data in (
        "argument",
        "sum",
        "term",
        "chain",
        "factor",
        "items",
    ):
        children = [c for c in tree.children if isinstance(c, Tree) or c.type in ("NAME", "NUM")]
        signed = any(
            isinstance(c, Token) and c.type in ("MINUS", "PM", "FRAC") for c in tree.children
        )
        if len(children) != 1 or signed:
            return None
        tree = children[0]
    return tree


def plain(tree: Any) -> str:
    """The name or number that a tree is; letters in a row are one name; "" if it is more."""
    inner = single(tree)
    if isinstance(inner, Token):
        return str(inner.value.text)
    if isinstance(inner, Tree) and inner.data in ("name", "number"):
        return name_of(inner)
    chain = chain_of(tree) or []
    parts = [letter(f) for f in chain]
    return "".join(parts) if parts and all(parts) else ""


def chain_of(tree: Any) -> list[Any] | None:
    """The factors of a side that is one product without stroke or sign."""
    while isinstance(tree, Tree) and tree.data in ("argument", "sum", "term", "items"):
        children = [c for c in tree.children if isinstance(c, Tree)]
        signed = any(isinstance(c, Token) and c.type in ("MINUS", "PM") for c in tree.children)
        if len(children) != 1 or signed:
            return None
        tree = children[0]
    return list(tree.children) if isinstance(tree, Tree) and tree.data == "chain" else None


def letter(factor: Any) -> str:
    base = factor.children[0]
    return name_of(base) if isinstance(base, Tree) and base.data in ("name", "number") else ""
