"""The left sides of definitions: f(x), ELU'(x, α), d/dx σ(x), ∂f/∂α."""

from __future__ import annotations

from dataclasses import dataclass

from lark import Token, Tree

from .functions import CONSTANTS, LETTERS
from .meaning import Scope, of_entry
from .syntax import parse
from .tokens import NotUnderstood, Tok
from .trees import chain_of, letter, name_of, plain


@dataclass(frozen=True)
class Head:
    """A side that is a function at plain symbols: f(x), ELU'(x, α), d/dx σ(x), ∂f/∂α."""

    name: str
    args: tuple[str, ...]
    order: int = 0
    wrt: str = ""
    entry: bool = False  #: an index names an entry of its value: σ(z)_i


def head(tokens: list[Tok], scope: Scope) -> Head | None:
    """What a side defines, if it is the head of a definition or of a derivative."""
    tokens = [t for t in tokens if t.kind != "QUAD"]
    try:
        chain = chain_of(parse(tokens))
    except NotUnderstood:
        return None
    if not chain:
        return None
    order, wrt = 0, ""
    first = chain[0].children[0]
    if isinstance(first, Tree) and first.data == "frac":
        top, bottom = (c for c in first.children if isinstance(c, Tree))
        above, below = chain_of(top), chain_of(bottom)
        if not above or not below or len(below) != 2 or letter(above[0]) not in ("d", "∂"):
            return None
        powers = [s for s in above[0].children[1:] if s.data == "power"]
        order = int(plain(powers[0].children[-1]) or 1) if powers else 1
        wrt, chain = letter(below[1]), above[1:] + chain[1:]
    elif isinstance(first, Tree) and first.data == "nabla":
        order, wrt = 1, next((plain(s.children[-1]) for s in chain[0].children[1:]), "x")
        chain = chain[1:]
    if not chain or len(chain) > 2:
        return None
    base, scripts = chain[0].children[0], list(chain[0].children[1:])
    if not (isinstance(base, Tree) and base.data == "name"):
        return None
    name, scripts = scope.whole_name(name_of(base), scripts)
    if name in LETTERS and any(s.data == "index" for s in scripts):
        # σ_k is another function than σ.
        index = next(plain(s.children[-1]) for s in scripts if s.data == "index")
        name, scripts = f"{name}_{index}", [s for s in scripts if s.data != "index"]
    for s in scripts:
        primes = scope.primes(s)
        order += primes
        if not primes and s.data != "index":
            return None
        if s.data == "index" and not of_entry(plain(s.children[-1])):
            return None
    if len(chain) == 1:
        return Head(name, (), order, wrt)
    group = chain[1].children[0]
    outer = list(chain[1].children[1:])
    if not (isinstance(group, Tree) and group.data == "group") or any(
        s.data != "index" for s in outer
    ):
        return None
    args = []
    for item in group.children[1].children:
        if isinstance(item, Token):
            continue
        inner = chain_of(item)
        if not inner or len(inner) != 1 or not letter(inner[0]) or letter(inner[0])[0].isdigit():
            return None
        if any(s.data != "index" for s in inner[0].children[1:]):
            return None
        if letter(inner[0]) in (*CONSTANTS, "e"):
            return None
        args.append(letter(inner[0]))
    return Head(name, tuple(args), order, wrt, bool(outer))
