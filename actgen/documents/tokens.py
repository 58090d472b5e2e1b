"""LaTeX mathematics (and plain Unicode) as tokens: the scanner; its tables are in `commands`.

Layout commands vanish, fonts yield their content, rows of cases become one token that holds them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .commands import (
    ACCENTS,
    CHARACTERS,
    COMMANDS,
    ENVIRONMENTS,
    FONTS,
    FUNCTIONS,
    GREEK,
    IGNORED,
    LAYERS,
    SKIPPED,
    WORDS,
)

MAX_LENGTH, MAX_DEPTH, MAX_TOKENS, MAX_EXPANSIONS = 6000, 40, 1500, 500


class NotUnderstood(ValueError):
    """A formula, or a part of one, that cannot be read; the message says why."""


@dataclass(frozen=True)
class Tok:
    """One token: its kind, its text as written, and for rows and sets what is inside."""

    kind: str
    text: str
    inside: Any = None


_NUMBER = re.compile(r"(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?")
_RUN = re.compile(r"[A-Za-z]+(?:\d+(?![.\d]))?(?:\\?_[A-Za-z]{2,}\d*)*")
_COMMAND = re.compile(r"\\([A-Za-z]+\*?|.)", re.S)
_PROBABILITY = re.compile(
    r"([pP])\s*(?:\\left)?\(([^()|]*?)(?:\||\\mid|\\vert)([^()]*?)(?:\\right)?\)"
)
_ONE_EACH = re.compile(r"\s*([0-9A-Za-z])(?:\s*([0-9A-Za-z]))?")
_IDENTITY = re.compile(
    r"(?:\\mathbb|\\mathbf|\\mathrm|\\mathds|\\bm|\\boldsymbol)\s*\{?\s*([1IRN])\s*\}?"
)


def group(text: str, start: int) -> tuple[str, int]:
    """The argument at `start`: the inside of its braces or one token, and where it ends."""
    while start < len(text) and text[start].isspace():
        start += 1
    if start >= len(text):
        raise NotUnderstood("an argument is missing at the end")
    if text[start] == "\\":
        found = _COMMAND.match(text, start)
        if found:
            return found.group(), found.end()
    if text[start] != "{":
        return text[start], start + 1
    depth = 0
    for i in range(start, len(text)):
        if text[i] == "\\":
            continue
        escaped = i > 0 and text[i - 1] == "\\" and (i < 2 or text[i - 2] != "\\")
        if escaped:
            continue
        depth += (text[i] == "{") - (text[i] == "}")
        if depth > MAX_DEPTH:
            raise NotUnderstood(f"braces nested deeper than {MAX_DEPTH}")
        if depth == 0:
            return text[start + 1 : i], i + 1
    raise NotUnderstood("a brace { is never closed")


def expand(text: str, macros: Mapping[str, tuple[int, str]]) -> str:
    r"""`text` with the document's own macros (\newcommand) written out; bounded."""
    count, i = 0, 0
    while macros and i < len(text):
        found = _COMMAND.match(text, i)
        if not found:
            i += 1
            continue
        if found.group(1) not in macros:
            i = found.end()
            continue
        count += 1
        if count > MAX_EXPANSIONS or len(text) > MAX_LENGTH:
            raise NotUnderstood(f"the macro \\{found.group(1)} never ends: it calls itself")
        arity, body = macros[found.group(1)]
        end = found.end()
        for n in range(1, arity + 1):
            argument, end = group(text, end)
            body = body.replace(f"#{n}", argument)
        if arity == 0 and not re.fullmatch(r"\\?[A-Za-z]+\s*(?:\{[^{}]*\})?", body.strip()):
            body = "{" + body + "}"
        text = text[:i] + body + text[end:]
    return text


class Scanner:
    """The tokens of one formula. `known` tells which runs of letters are one name."""

    def __init__(self, text: str, known: Any) -> None:
        if len(text) > MAX_LENGTH:
            raise NotUnderstood(
                f"a formula of {len(text)} characters; at most {MAX_LENGTH} are read"
            )
        self.text, self.known = text, known

    def tokens(self) -> list[Tok]:
        """All of them; NotUnderstood where there is something that cannot be read."""
        depth = deepest = 0
        for i, char in enumerate(self.text):
            if self.text[i - 1 : i] != "\\" or char in "([":
                depth += (char in "{([") - (char in "})]")
                deepest = max(deepest, depth)
        if deepest > MAX_DEPTH:
            raise NotUnderstood(f"brackets nested deeper than {MAX_DEPTH}")
        found = list(self._scan())
        if len(found) > MAX_TOKENS:
            raise NotUnderstood(f"a formula of {len(found)} parts; at most {MAX_TOKENS} are read")
        return list(_bars(_without_left_brace(list(_bare(found)))))

    def _scan(self) -> Iterator[Tok]:
        text, i = self.text, 0
        while i < len(text):
            char = text[i]
            if char.isspace():
                i += 1
                continue
            found = _PROBABILITY.match(text, i)
            if found:
                plain = re.sub(r"[\s\\]|left|right", "", found.group(2))
                yield Tok("NAME", f"{found.group(1)}({plain}|{found.group(3).strip()})")
                i = found.end()
                continue
            if char == "\\":
                found = _IDENTITY.match(text, i)
                if found:
                    i = found.end()
                    letter = found.group(1)
                    yield Tok("SET", "R") if letter in "RN" else Tok("INDICATOR", "1")
                    continue
                parts, i = self._command(i)
                yield from parts
                continue
            if (char.isascii() and char.isdigit()) or (
                char == "." and text[i + 1 : i + 2].isdigit()
            ):
                found = _NUMBER.match(text, i)
                assert found is not None
                number, i = found.group(), found.end()
                if re.search(r"[eE]", number) and not re.search(r"[eE][+-]?\d+$", number):
                    raise NotUnderstood(f"the number {number!r}")
                yield Tok("NUM", number)
                continue
            if char.isascii() and char.isalpha():
                found = _RUN.match(text, i)
                assert found is not None
                run, i = found.group(), found.end()
                ahead = text[i : i + 8].lstrip()
                yield from self._letters(
                    run, ahead[:1] in ("(", "'") or ahead.startswith("\\left(")
                )
                continue
            if text.startswith(("<=", ">=", "!=", "==", ":=", "->", "=>", "**", "//"), i):
                two, i = text[i : i + 2], i + 2
                yield {
                    "**": Tok("CARET", "^"), "//": Tok("BAD", "//"), "==": Tok("REL", "="),
                    ":=": Tok("REL", "="),
                }.get(two, Tok("REL", two))  # fmt: skip
                continue
            if char not in CHARACTERS:
                if char == ".":
                    i += 1  # the end of a sentence, or a dot product at the baseline
                    yield Tok("DOT", ".")
                    continue
                yield Tok("BAD", f"the character {char!r} has no meaning")
                i += 1
                continue
            kind, value = CHARACTERS[char]
            if kind != "SPACE":
                yield Tok(kind, value or char)
            i += 1

    def _letters(self, run: str, called: bool) -> Iterator[Tok]:
        """A run of letters: a word, a known name, or a product of one-letter symbols."""
        run = run.replace("\\_", "_")
        if run.lower() in WORDS:
            yield Tok("WORD", WORDS[run.lower()] or run.lower())
        elif run in FUNCTIONS:
            yield Tok("NAME", FUNCTIONS[run])
        elif len(run) == 1 or run in GREEK or self.known(run, called):
            yield Tok("NAME", run)
        elif "_" in run:
            first, _, rest = run.partition("_")
            yield from self._letters(first, False)
            yield from (Tok("UNDER", "_"), Tok("LB", ""), Tok("NAME", rest), Tok("RB", ""))
        elif run[-1].isdigit():
            letters = run.rstrip("0123456789")
            yield from self._letters(letters, False)
            yield from (
                Tok("UNDER", "_"),
                Tok("LB", ""),
                Tok("NUM", run[len(letters) :]),
                Tok("RB", ""),
            )
        else:
            tail = next(
                (k for k in range(1, len(run)) if called and self.known(run[k:], True)), None
            )
            letters = run if tail is None else run[:tail]
            yield from (Tok("NAME", letter) for letter in letters)
            if tail is not None:
                yield from self._letters(run[tail:], called)

    def _command(self, i: int) -> tuple[list[Tok], int]:
        found = _COMMAND.match(self.text, i)
        if not found:
            raise NotUnderstood("a backslash at the end")
        name, end = found.group(1), found.end()
        name = name.rstrip("*") if name not in ("\\",) else name
        if name in ("left", "right") and self.text[end : end + 1] == ".":
            return [], end + 1
        if name == "\\":
            skip = re.match(r"\s*\[[^\]]*(?:pt|em|ex|cm|mm)\]", self.text[end:])
            return [Tok("ROW", r"\\")], end + (skip.end() if skip else 0)
        if name.isspace() or name in IGNORED:
            return [], end
        if name in SKIPPED:
            return [], group(self.text, end)[1]
        if name == "begin":
            return self._environment(end)
        if name == "end":
            raise NotUnderstood(r"an \end without its \begin")
        if name in ACCENTS:
            inside, end = group(self.text, end)
            return [Tok("NAME", f"{name}_{inside.strip(chr(92))}")], end
        if name in FONTS:
            inside, end = group(self.text, end)
            return self._font(name, inside), end
        if name == "_":
            return [Tok("UNDER", "_")], end
        if name == "sqrt" and self.text[end : end + 1] == "[":
            raise NotUnderstood("a root that is not a square root")
        if name in COMMANDS:
            kind, value = COMMANDS[name]
            if kind == "FRAC" and (bare := _ONE_EACH.match(self.text, end)):
                # Without braces TeX takes one character each.
                parts = [Tok("NUM" if c.isdigit() else "NAME", c) for c in bare.groups() if c]
                return [Tok(kind, name), *parts], bare.end()
            if kind == "BAD":
                return [Tok("BAD", f"{value} is not read")], end
            return [Tok(kind, value or name)], end
        if name in ("%", "#", "$"):
            return [], end
        if self.known(name, False):
            return [Tok("NAME", name)], end
        return [Tok("BAD", f"the command \\{name} is not known")], end

    def _font(self, font: str, inside: str) -> list[Tok]:
        plain = re.sub(r"\s+", " ", inside.replace("\\_", "_").replace("\\ ", " ")).strip()
        if not plain:
            return []
        word = plain.lower().strip(" ,.;:~")
        if word in WORDS:
            return [Tok("WORD", WORDS[word] or word)]
        lead = re.match(r"(if|for|when|where|otherwise|and|or)\b", word)
        if lead and font in ("text", "mbox", "textrm", "mathrm", "hbox", "textit"):
            rest = Scanner(plain[lead.end() :], self.known).tokens() if plain[lead.end() :] else []
            return [Tok("WORD", WORDS.get(lead.group(), "") or lead.group()), *rest]
        if re.fullmatch(r"[A-Za-z][A-Za-z0-9_ \-]*", plain):
            if plain in FUNCTIONS:
                return [Tok("NAME", FUNCTIONS[plain])]
            if " " in plain and not self.known(plain, False):
                return [Tok("PROSE", plain)]
            return [Tok("NAME", plain)]
        if font.startswith(("text", "mbox", "hbox", "emph")) and re.search(r"[A-Za-z]{3,} ", plain):
            return [Tok("PROSE", plain)]
        return [Tok("LB", ""), *Scanner(inside, self.known).tokens(), Tok("RB", "")]

    def _environment(self, end: int) -> tuple[list[Tok], int]:
        name, end = group(self.text, end)
        opening, depth, i = "\\begin{" + name + "}", 1, end
        closing = "\\end{" + name + "}"
        while depth:
            close = self.text.find(closing, i)
            if close < 0:
                raise NotUnderstood(f"\\begin{{{name}}} without \\end{{{name}}}")
            again = self.text.find(opening, i, close)
            depth += 1 if again >= 0 else -1
            i = again + len(opening) if again >= 0 else close + len(closing)
        body = self.text[end : i - len(closing)]
        if name in ENVIRONMENTS:
            if name == "array":
                body = body[group(body, 0)[1] :] if body.lstrip().startswith("{") else body
            inside = Scanner(body, self.known).tokens()
            try:
                return [Tok("CASES", name, tuple(_rows(inside)))], i
            except NotUnderstood:
                if name in ("array", "matrix"):
                    return [t for t in inside if t.kind != "AMP"], i
                raise
        if name in LAYERS:
            return Scanner(body, self.known).tokens(), i
        raise NotUnderstood(f"the environment {name}")


def _rows(tokens: list[Tok]) -> Iterator[tuple[list[Tok], list[Tok]]]:
    """The rows of a cases environment: value and condition."""
    for row in split(tokens, {"ROW"}):
        cells = [cell for cell in split(row, {"AMP"}) if cell]
        if not cells:
            continue
        if len(cells) == 1:
            at = next((i for i, t in enumerate(row) if t.kind in ("WORD", "QUAD") and i), None)
            if at is None:
                commas = _commas(row)
                at = commas[-1] if commas else None
            if at is None:
                raise NotUnderstood("a row of cases without its condition")
            cells = [row[:at], row[at:]]
        value = cells[0]
        while value and value[-1].kind in ("COMMA", "QUAD", "SEMI", "DOT"):
            value = value[:-1]
        yield value, [t for cell in cells[1:] for t in cell]


def _commas(tokens: list[Tok]) -> list[int]:
    depth, found = 0, []
    for i, t in enumerate(tokens):
        depth += (t.kind in ("LB", "OPEN", "SETOPEN")) - (t.kind in ("RB", "CLOSE", "SETCLOSE"))
        if t.kind == "COMMA" and depth == 0:
            found.append(i)
    return found


def split(tokens: list[Tok], kinds: set[str]) -> Iterator[list[Tok]]:
    """The runs of tokens between those of some kinds that stand outside of brackets."""
    depth = 0
    run: list[Tok] = []
    for t in tokens:
        depth += (t.kind in ("LB", "OPEN", "SETOPEN")) - (t.kind in ("RB", "CLOSE", "SETCLOSE"))
        if t.kind in kinds and depth <= 0:
            yield run
            run = []
        else:
            run.append(t)
    yield run


def _bare(tokens: list[Tok]) -> Iterator[Tok]:
    """Braces around one word, or one name that is no argument, taken off: {f}(x), {for}.

    A 1 with an index is an indicator.
    """
    i = 0
    while i < len(tokens):
        if (tokens[i].kind, tokens[i].text) == ("NUM", "1") and (
            [t.kind for t in tokens[i + 1 : i + 2]] == ["UNDER"]
        ):
            yield Tok("INDICATOR", "1")
            i += 1
            continue
        inside = tokens[i + 1 : i + 3]
        kinds = [t.kind for t in inside]
        before = tokens[i - 1].kind if i else ""
        free = before not in ("CARET", "UNDER", "FRAC", "SQRT", "RB")
        if tokens[i].kind == "LB" and (
            kinds == ["WORD", "RB"] or (kinds == ["NAME", "RB"] and free)
        ):
            yield inside[0]
            i += 3
        else:
            yield tokens[i]
            i += 1


def _without_left_brace(tokens: list[Tok]) -> list[Tok]:
    r"""Rows that stand between \left\{ and \right. without the brace."""
    return [
        t
        for i, t in enumerate(tokens)
        if not (
            t.kind == "SETOPEN"
            and [n.kind for n in tokens[i + 1 : i + 2]] == ["CASES"]
            and [n.kind for n in tokens[i + 2 : i + 3]] != ["SETCLOSE"]
        )
    ]


_ENDS_VALUE = frozenset("NUM NAME RB CLOSE CLOSEBAR PRIME CASES POWER BANG".split())


def _bars(tokens: list[Tok]) -> Iterator[Tok]:
    """Each | as the opening or the closing of an absolute value."""
    open_at: list[int] = []
    depth = 0
    before = ""
    for t in tokens:
        if t.kind in ("LB", "OPEN", "SETOPEN"):
            depth += 1
        elif t.kind in ("RB", "CLOSE", "SETCLOSE"):
            depth -= 1
            while open_at and open_at[-1] > depth:
                open_at.pop()
        if t.kind == "BAR":
            if open_at and open_at[-1] == depth and before in _ENDS_VALUE:
                open_at.pop()
                t = Tok("CLOSEBAR", "|")
            else:
                open_at.append(depth)
                t = Tok("OPENBAR", "|")
        before = t.kind
        yield t
