"""The single edit of a false formula that makes it true: misprints as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from sympy import Expr, Symbol

from .. import lang
from ..limits import TimeLimit, time_limit
from .commands import GREEK
from .equality import GENERIC, INPUTS, compare, value
from .functions import BUILTIN, LETTERS
from .render import render
from .render import shown_name as _shown
from .tokens import NotUnderstood, Tok

SECONDS = 8.0

Edit = tuple[list[Tok], str]

_X = Tok("NAME", "x")
_MINUS, _PLUS, _PRIME = Tok("MINUS", "-"), Tok("PLUS", "+"), Tok("PRIME", "'")
_SQUARE = [Tok("CARET", "^"), Tok("NUM", "2")]

#: One name printed for another.
NAMES: Mapping[str, Sequence[str]] = {
    "phi": ("normal_pdf", "normal_cdf"), "varphi": ("normal_pdf", "normal_cdf"),
    "Phi": ("normal_pdf",), "sinh": ("cosh",), "cosh": ("sinh",), "sin": ("cos",), "cos": ("sin",),
    "max": ("min",), "min": ("max",), "tanh": ("sigma",), "sigma": ("tanh",), "exp": ("log",),
    "log": ("exp",), "erf": ("erfc",), "sech": ("tanh",),
}  # fmt: skip
NUMBERS = ("1", "2", "3", "4", "0.5", "0", "6")
RELATIONS = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


def edits(tokens: list[Tok]) -> Iterator[Edit]:
    """Every single edit, the likeliest misprints first."""
    for table in (_replaced, _signs, _primes, _dropped, _numbers, _powers, _inserted):
        yield from table(tokens)
    for i, t in enumerate(tokens):
        if t.kind == "CASES":
            yield from _rows(tokens, i)


def _put(tokens: list[Tok], i: int, new: list[Tok], used: int = 1) -> list[Tok]:
    return [*tokens[:i], *new, *tokens[i + used :]]


def _replaced(tokens: list[Tok]) -> Iterator[Edit]:
    for i, t in enumerate(tokens):
        if t.kind == "NUM":
            yield _put(tokens, i, [_X]), f"x for {t.text}"
        elif t.kind == "NAME":
            for other in NAMES.get(t.text, ()):
                yield _put(tokens, i, [Tok("NAME", other)]), f"{_shown(other)} for {_shown(t.text)}"
        elif t.kind == "COMMA":
            yield _put(tokens, i, []), "without the comma"


def _signs(tokens: list[Tok]) -> Iterator[Edit]:
    for i, t in enumerate(tokens):
        if t.kind == "PLUS":
            yield _put(tokens, i, [_MINUS]), "− for +"
        elif t.kind == "MINUS":
            yield _put(tokens, i, [_PLUS]), "+ for −"
    yield [_MINUS, Tok("LB", ""), *tokens, Tok("RB", "")], "with a minus sign before it"
    for i, t in enumerate(tokens):
        if t.kind == "NAME" and t.text == "x" and (i == 0 or tokens[i - 1].kind in ("LB", "OPEN")):
            yield _put(tokens, i, [_MINUS, t]), "−x for x"


def _primes(tokens: list[Tok]) -> Iterator[Edit]:
    for i, t in enumerate(tokens):
        if t.kind == "PRIME":
            yield _put(tokens, i, []), "without the prime"
        elif t.kind == "NAME" and tokens[i + 1 : i + 2] and tokens[i + 1].kind == "OPEN":
            yield _put(tokens, i, [t, _PRIME]), f"{_shown(t.text)}′ for {_shown(t.text)}"


def _dropped(tokens: list[Tok]) -> Iterator[Edit]:
    for i, t in enumerate(tokens):
        called = tokens[i + 1 : i + 2] and tokens[i + 1].kind in ("OPEN", "LB", "CARET")
        if t.kind in ("NUM", "NAME") and not (called and t.text in (*BUILTIN, *LETTERS)):
            stroke = i > 0 and tokens[i - 1].kind in ("STAR", "SLASH")
            if stroke:
                yield [*tokens[: i - 1], *tokens[i + 1 :]], f"without the factor {_shown(t.text)}"
            follows = tokens[i + 1 : i + 2] and tokens[i + 1].kind == "STAR"
            yield _put(tokens, i, [], 2 if follows else 1), f"without {_shown(t.text)}"
        elif t.kind == "CARET" and tokens[i + 1 : i + 2] and tokens[i + 1].kind == "NUM":
            yield _put(tokens, i, [], 2), f"without the power {tokens[i + 1].text}"
        elif t.kind == "POWER":
            yield _put(tokens, i, []), "without the power"


def _powers(tokens: list[Tok]) -> Iterator[Edit]:
    for i, t in enumerate(tokens):
        after = tokens[i + 1].kind if i + 1 < len(tokens) else ""
        if (
            t.kind in ("CLOSE", "RB")
            and after != "CARET"
            and not (t.kind == "RB" and after == "LB")
        ):
            yield _put(tokens, i, [t, *_SQUARE]), "squared"
        elif t.kind == "NAME" and t.text in BUILTIN and after in ("OPEN", "NAME"):
            yield _put(tokens, i, [t, *_SQUARE]), f"{t.text}² for {t.text}"


def _inserted(tokens: list[Tok]) -> Iterator[Edit]:
    star = Tok("STAR", "")
    starts = [
        0,
        *(i + 1 for i, t in enumerate(tokens) if t.kind in ("PLUS", "MINUS", "OPEN", "LB")),
    ]
    for i in starts:
        if i < len(tokens) and tokens[i].kind not in ("PLUS", "MINUS", "CLOSE", "RB"):
            yield [*tokens[:i], _X, star, *tokens[i:]], "with a factor x"
            yield [*tokens[:i], Tok("NUM", "2"), star, *tokens[i:]], "with a factor 2"
            yield [*tokens[:i], Tok("NUM", "0.5"), star, *tokens[i:]], "with a factor 1/2"
            for name in sorted({t.text for t in tokens if t.kind == "NAME" and t.text in GREEK}):
                if name not in LETTERS:
                    yield (
                        [*tokens[:i], Tok("NAME", name), star, *tokens[i:]],
                        f"with a factor {_shown(name)}",
                    )


def _numbers(tokens: list[Tok]) -> Iterator[Edit]:
    for i, t in enumerate(tokens):
        if t.kind == "NUM":
            for other in NUMBERS:
                if other != t.text:
                    yield _put(tokens, i, [Tok("NUM", other)]), f"{other} for {t.text}"
        elif t.kind == "NAME" and t.text in ("x",):
            yield _put(tokens, i, [Tok("NUM", "1")]), "1 for x"


def _rows(tokens: list[Tok], at: int) -> Iterator[Edit]:
    rows = list(tokens[at].inside)

    def with_row(k: int, row: tuple[list[Tok], list[Tok]]) -> list[Tok]:
        return _put(tokens, at, [Tok("CASES", tokens[at].text, (*rows[:k], row, *rows[k + 1 :]))])

    for k, (inside, condition) in enumerate(rows):
        for edited, what in edits(inside):
            if edited:
                yield with_row(k, (edited, condition)), f"{what} in row {k + 1}"
        for i, t in enumerate(condition):
            if t.kind == "REL" and t.text in RELATIONS:
                other = Tok("REL", RELATIONS[t.text])
                yield (
                    with_row(k, (inside, _put(condition, i, [other]))),
                    (f"{other.text} for {t.text} in row {k + 1}"),
                )
    if len(rows) == 2:
        (a, p), (b, q) = rows
        swapped = _put(tokens, at, [Tok("CASES", tokens[at].text, ((b, p), (a, q)))])
        yield swapped, "the two rows' values exchanged"


def suggest(
    left: Expr,
    tokens: Sequence[Tok],
    read: Callable[[list[Tok], str], Expr],
    rename: Mapping[Symbol, Expr] | None = None,
    assume: Sequence[object] = (),
) -> str:
    """The first single edit of `tokens` that makes it equal to `left`, told; "" for none."""
    try:
        with time_limit(SECONDS):
            for edited, what in edits(list(tokens)):
                try:
                    right = read(edited, "").xreplace(dict(rename or {}))
                except (NotUnderstood, ValueError, TypeError, ZeroDivisionError):
                    continue
                if _agrees(left, right) and compare(left, right, assume, seconds=3.0).outcome in (
                    "equal",
                    "points",
                ):
                    return f"{render(edited)} ({what})"
    except TimeLimit:
        pass
    return ""


def _agrees(left: Expr, right: Expr) -> bool:
    if left.has(lang.RowSum, lang.RowMax) or right.has(lang.RowSum, lang.RowMax):
        return True
    free = sorted((left.free_symbols | right.free_symbols) - {lang.x}, key=str)
    generic = {s: GENERIC[i % len(GENERIC)] for i, s in enumerate(free)}
    for at in INPUTS[:6]:
        point = {**generic, lang.x: at}
        a, b = value(left, point), value(right, point)
        if a is None or b is None or not a.overlaps(b):
            return False
    return True
