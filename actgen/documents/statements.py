"""Tokens of one formula as statements: chains of sides and relations, labels and conditions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from .tokens import NotUnderstood, Tok, split


@dataclass
class Statement:
    """A chain of sides and the relations between them, with labels, conditions and remarks."""

    sides: list[list[Tok]]
    relations: list[str]
    conditions: list[list[Tok]] = field(default_factory=list)
    label: str = ""
    remark: str = ""


_CUTS = ("where", "with", "for", "if", "when", "as", "while", "whenever")


def statements(tokens: list[Tok]) -> Iterator[Statement]:
    tokens = [t for t in tokens if t.kind != "AMP"]
    rows: list[list[Tok]] = []
    for row in split(tokens, {"ROW"}):
        row = trim(row)
        if not row:
            continue
        if rows and row[0].kind in ("REL", "PLUS", "MINUS", "STAR"):
            rows[-1] += row
        else:
            rows.append(row)
    for row in rows:
        yield from _row_statements(row)


def trim(tokens: list[Tok]) -> list[Tok]:
    while tokens and tokens[-1].kind in ("DOT", "COMMA", "SEMI", "QUAD"):
        tokens = tokens[:-1]
    while tokens and tokens[0].kind in ("DOT", "COMMA", "SEMI", "QUAD"):
        tokens = tokens[1:]
    return tokens


def _row_statements(tokens: list[Tok]) -> Iterator[Statement]:
    label, remark = "", ""
    prose = [t for t in tokens if t.kind == "PROSE"]
    if prose:
        before = tokens[0].kind == "PROSE"
        label = prose[0].text if before else ""
        remark = " ".join(t.text for t in prose if not before or t is not prose[0])
        tokens = [t for t in tokens if t.kind != "PROSE"]
    colon = next((i for i, t in enumerate(tokens) if t.kind == "COLON"), None)
    if colon is not None:
        if all(t.kind in ("NAME", "QUAD") for t in tokens[:colon]) and colon:
            label = label or tokens[0].text
        tokens = tokens[colon + 1 :]
    lead = next((i for i, t in enumerate(tokens) if t.kind == "QUAD"), None)
    if lead == 1 and tokens[0].kind == "NAME" and len(tokens) > 2:
        label, tokens = tokens[0].text, tokens[2:]
    tokens = _conditional(tokens)
    # What follows `where`, `for`, `if` are conditions on what stands before.
    main, conditions = tokens, []
    cut = _outside(tokens, lambda t: t.kind == "WORD" and t.text in _CUTS)
    if cut is not None:
        main, tail = tokens[:cut], tokens[cut:]
        conditions = list(_pieces(tail))
    alternatives = list(_split_word(main, "or"))
    joined: list[list[Tok]] = []
    for alternative in alternatives:
        joined += list(_split_word(alternative, "and"))
    if not any(trim(part) for part in joined):
        # `where σ(x) ∈ (0, 1)` alone is a statement of its own.
        joined, conditions = conditions, []
    for part in joined:
        for piece in _comma_pieces(trim(part), conditions):
            sides = [trim(s) for s in split(piece, {"REL"})]
            relations = [t.text for t, d in depths(piece) if t.kind == "REL" and d <= 0]
            if any(sides):
                yield Statement(sides, relations, conditions, label, remark)


def _conditional(tokens: list[Tok]) -> list[Tok]:
    """`1 if x > 0, else 0` as cases."""
    words = [(i, t.text) for i, (t, d) in enumerate(depths(tokens)) if d <= 0 and t.kind == "WORD"]
    at = next((i for i, text in words if text == "if"), None)
    if at is None:
        return tokens
    start = max((i + 1 for i, t in enumerate(tokens[:at]) if t.kind == "REL"), default=0)
    pieces = [trim(p) for p in split(tokens[start:], {"COMMA", "SEMI"})]
    cuts = [next((i for i, t in enumerate(p) if t.text == "if"), 0) for p in pieces]
    if len(pieces) > 1 and all(cuts):
        rows = tuple((p[:c], p[c:]) for p, c in zip(pieces, cuts, strict=True))
        return [*tokens[:start], Tok("CASES", "cases", rows)]
    other = next((i for i, text in words if text == "otherwise" and i > at), None)
    if other is None:
        return tokens
    value, condition, rest = tokens[start:at], tokens[at:other], tokens[other + 1 :]
    if not trim(value):
        return tokens
    if not trim(rest):  # `…, B otherwise`
        commas = [i for i, t in enumerate(condition) if t.kind == "COMMA"]
        if not commas:
            return tokens
        condition, rest = condition[: commas[-1]], condition[commas[-1] :]
    rows = ((trim(value), trim(condition)), (trim(rest), [Tok("WORD", "otherwise")]))
    return [*tokens[:start], Tok("CASES", "cases", rows)]


def _outside(tokens: list[Tok], fits: Callable[[Tok], bool]) -> int | None:
    return next((i for i, (t, d) in enumerate(depths(tokens)) if d <= 0 and fits(t)), None)


def depths(tokens: list[Tok]) -> Iterator[tuple[Tok, int]]:
    depth = 0
    for t in tokens:
        depth += (t.kind in ("LB", "OPEN", "SETOPEN")) - (t.kind in ("RB", "CLOSE", "SETCLOSE"))
        yield t, depth


def _split_word(tokens: list[Tok], word: str) -> Iterator[list[Tok]]:
    run: list[Tok] = []
    for t, depth in depths(tokens):
        if depth <= 0 and t.kind == "WORD" and t.text == word:
            yield run
            run = []
        else:
            run.append(t)
    yield run


def _pieces(tail: list[Tok]) -> Iterator[list[Tok]]:
    """Conditions after where, for, if, apart at commas, semicolons and further words."""
    run: list[Tok] = []
    for t, depth in depths(tail):
        if depth <= 0 and t.kind in ("COMMA", "SEMI", "QUAD", "WORD"):
            if run:
                yield run
            run = []
        else:
            run.append(t)
    if run:
        yield run


def _comma_pieces(tokens: list[Tok], conditions: list[list[Tok]]) -> Iterator[list[Tok]]:
    """Statements apart at commas; a comparison of a plain symbol is a condition of the others."""
    pieces = [p for p in split(tokens, {"COMMA", "SEMI", "QUAD"}) if trim(p)]
    kept: list[list[Tok]] = []
    for piece in map(trim, pieces):
        if kept and piece[0].kind == "OPEN" and piece[-1].kind == "CLOSE":
            inner = piece[1:-1]
            if any(t.kind == "REL" and d <= 0 for t, d in depths(inner)):
                conditions.append(inner)
                continue
        relations = [t.text for t, d in depths(piece) if t.kind == "REL" and d <= 0]
        plain = piece[0].kind in ("NAME", "NUM", "MINUS") and len(next(split(piece, {"REL"}))) <= 4
        if kept and relations and "=" not in relations and "~" not in relations and plain:
            conditions.append(piece)
        elif relations or not kept:
            kept.append(piece)
        elif piece[0].kind == "DOTS" or (piece[0].kind == "NUM" and len(piece) == 1):
            continue
        else:
            kept.append(piece)
    yield from kept


def entries(tokens: Sequence[Tok], inputs: Iterable[str]) -> set[str]:
    """The indices of entries of the input (x_i) and of rows of values (f(x)_i), bound ones apart.

    Raises NotUnderstood for a sum over a part of the row.
    """
    found: set[str] = set()
    bound: set[str] = set()
    for i, t in enumerate(tokens):
        if t.kind != "UNDER" or not i:
            continue
        inside, depth = [], 0
        for following in tokens[i + 1 :]:
            depth += (following.kind == "LB") - (following.kind == "RB")
            inside.append(following)
            if depth <= 0:
                break
        names = [n for n in inside if n.kind in ("NAME", "NUM")]
        before = tokens[i - 1]
        if before.kind == "SUM" or before.text in ("max", "min"):
            if any(n.kind == "REL" and n.text not in ("=", "in") for n in inside):
                raise NotUnderstood("a sum over a part of the row")
            bound |= {n.text for n in names[:1]}
            start = names[1].text if len(names) > 1 else "1"
            if len(names) > 2 or (len(names) == 2 and start not in ("0", "1")):
                raise NotUnderstood("a sum over a part of the row")
        elif before.kind == "CLOSE" or before.text in inputs or before.text in _ROW_VALUES:
            found.add("".join(n.text for n in names))
    return found - bound


#: Letters of functions whose index is an entry of their value.
_ROW_VALUES = frozenset("f g s p S softmax sigma".split())


def flat(tokens: Sequence[Tok]) -> list[Tok]:
    """The tokens with those inside of cases."""
    found: list[Tok] = []
    for t in tokens:
        found.append(t)
        if t.kind == "CASES":
            for value, condition in t.inside:
                found += flat(value) + flat(condition)
    return found
