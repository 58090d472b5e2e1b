"""Markdown, LaTeX, reStructuredText, wikitext or plain text as a list of items with their lines.

An item is a heading, a line of prose with its inline mathematics, a display formula or a piece of
code. Nothing is judged here, and nothing is dropped but page furniture and comments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import FormulaError
from .repairs import Repair, repair
from .tables import Table, tables

MAX_BYTES = 20_000_000


@dataclass(frozen=True)
class Item:
    """`kind`: heading, prose, display, code or row. `equation` is its printed number."""

    kind: str
    text: str
    line: int
    equation: str = ""
    row: tuple[tuple[str, str, int], ...] = ()  #: of a table: head, text and line of each cell
    approximates: bool = False  #: the text around it says so
    marked: bool = False  #: a heading by its markup, not only by its looks


@dataclass
class Document:
    """A document as read: its items in order, its macros, and what was mended."""

    name: str
    items: list[Item] = field(default_factory=list)
    macros: dict[str, tuple[int, str]] = field(default_factory=dict)
    repairs: list[Repair] = field(default_factory=list)


def read(path: str | Path) -> Document:
    """The document in a file; FormulaError for what is no text."""
    place = Path(path)
    try:
        raw = place.read_bytes()
    except OSError as wrong:
        reason = wrong.strerror or str(wrong)
        raise FormulaError(f"{path}: {reason}", cure="give the path of a text file") from None
    if len(raw) > MAX_BYTES:
        raise FormulaError(
            f"{path}: {len(raw):,} bytes; at most {MAX_BYTES:,} are read", cure="split the document"
        )
    if raw.startswith((b"%PDF", b"PK\x03\x04", b"\x89PNG")) or b"\0" in raw[:4096]:
        raise FormulaError(
            f"{path}: a binary file, not text", cure="convert it to Markdown, LaTeX or plain text"
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        line = raw[: wrong.start].count(b"\n") + 1
        raise FormulaError(
            f"{path}, line {line}: not UTF-8 text",
            cure="save it as UTF-8: iconv -f latin1 -t utf-8",
        ) from None
    if not text.strip():
        raise FormulaError(f"{path}: the file is empty", cure="give a document with formulas")
    return read_text(text, place.name)


def read_text(text: str, name: str = "text") -> Document:
    """The document that a text is."""
    document = Document(name)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if re.search(r"\\(?:section|begin\{document|documentclass|newcommand|def\\)", text):
        text = re.sub(r"(?<!\\)%.*", "", text)
    text = _take_macros(text, document)
    document.items = [_mended(item, document.repairs) for item in _items(text)]
    return document


def _mended(item: Item, report: list[Repair]) -> Item:
    """The item with its mathematics repaired."""
    if item.kind == "display":
        return replace(item, text=repair(item.text, item.line, report))
    if item.kind != "prose":
        return item

    def mend(found: re.Match[str]) -> str:
        line = item.line + item.text.count("\n", 0, found.start())
        return repair(found.group(), line, report)

    return replace(item, text=INLINE.sub(mend, item.text))


_MACRO = re.compile(
    r"\\(?:re)?newcommand\*?\s*\{?\\([A-Za-z]+)\}?\s*(?:\[(\d)\])?\s*(?=\{)|\\def\s*\\([A-Za-z]+)\s*(?=\{)"
    r"|\\DeclareMathOperator\*?\s*\{?\\([A-Za-z]+)\}?\s*(?=\{)"
)


def _take_macros(text: str, document: Document) -> str:
    """The text without its definitions of macros, lines kept."""
    result, i = [], 0
    for found in _MACRO.finditer(text):
        if found.start() < i:
            continue
        depth, end = 0, found.end()
        while end < len(text):
            depth += (text[end] == "{") - (text[end] == "}")
            end += 1
            if depth == 0:
                break
        else:
            continue
        body = text[found.end() + 1 : end - 1]
        name = found.group(1) or found.group(3) or found.group(4)
        if found.group(4):
            body = rf"\operatorname{{{body}}}"
        document.macros[name] = (int(found.group(2) or 0), body)
        result += [text[i : found.start()], "\n" * text.count("\n", found.start(), end)]
        i = end
    return "".join([*result, text[i:]])


#: Inline mathematics in prose: $…$, \(…\), :math:`…`, <math>…</math>.
INLINE = re.compile(
    r"(?<![\\$])\$(?!\$)(?P<dollar>(?:[^$\\]|\\.)+?)\$(?!\$)|\\\((?P<round>.+?)\\\)"
    r"|:math:`(?P<role>[^`]+)`|<math[^>]*>(?P<wiki>.*?)</math>"
    r"|\[math\](?P<copied>.*?)\[/math\]",
    re.S,
)
#: What shows that a $ closed one formula and opened nothing.
_NO_MATH = re.compile(
    r"\*\*|##|[À-ÖØ-öø-ÿ]|(?<![\\{A-Za-z])[a-z]{4,} [a-z]{2,} [a-z]{2,}|\n\s*[-*] "
)


def inline(text: str) -> Iterator[tuple[int, int, str]]:
    """Each piece of inline mathematics: where it starts and ends, and what is inside."""
    at = 0
    while (found := INLINE.search(text, at)) is not None:
        inside = next(g for g in found.groups() if g is not None)
        if found["dollar"] is not None and _NO_MATH.search(
            re.sub(r"\\(?:text|mbox)\w*\{[^}]*\}", "", inside)
        ):
            at = found.start() + 1
            continue
        yield found.start(), found.end(), inside
        at = found.end()


#: Inline code in prose.
TICKS = re.compile(r"(?<!:math:)(?<![`\w:])(`{1,2})(?P<code>[^`]+)\1(?!`)")

_DISPLAY = re.compile(
    r"(?<!\\)\$\$(?P<dollars>(?:(?!\n[ \t]*\n).)*?)\$\$"
    r"|(?<!\\)\\\[(?P<square>.*?)\\\]"
    r"|\\begin\{(?P<env>equation|align|gather|multline|eqnarray|displaymath|math|flalign)(?P<star>\*?)\}"
    r"(?P<body>.*?)\\end\{(?P=env)(?P=star)\}",
    re.S,
)
_FENCE = re.compile(
    r"^(?P<indent>[ \t]*)(?P<fence>```+|~~~+)[^\n]*\n(?P<code>.*?)^(?P=indent)?[ \t]*(?P=fence)[ \t]*$",
    re.S | re.M,
)
_BLOCK = re.compile(
    r"^(?P<indent>[ \t]*)\.\. (?P<name>math|code|code-block|literal)::[ \t]*(?P<same>[^\n]*)\n(?P<body>(?:[ \t]*\n|(?P=indent)[ \t]+\S[^\n]*\n?)*)",
    re.M,
)
_LISTING = re.compile(r"\\begin\{(lstlisting|verbatim|minted)\}(?P<code>.*?)\\end\{\1\}", re.S)
_NUMBER = re.compile(
    r"(?:\\quad|\\qquad|\\hfill|\s)\s*\(?\(\s*(\d+(?:\.\d+)*[a-z]?)\s*\)\s*[.,]?\s*$"
)
_TAG = re.compile(r"\\tag\*?\{\(?([^}]*?)\)?\}|\\label\{[^}]*\}")


def _items(text: str) -> Iterator[Item]:
    """Items in order; each kind of block cuts the text, what is left are lines."""
    blocks: list[tuple[int, int, str, Any]] = []

    def free(start: int, end: int) -> bool:
        return all(end <= a or b <= start for a, b, _, _ in blocks)

    for found in _FENCE.finditer(text):
        blocks.append((found.start(), found.end(), "code", found.group("code")))
    for found in _LISTING.finditer(text):
        if free(*found.span()):
            blocks.append((*found.span(), "code", found.group("code")))
    for table in tables(text):
        if free(table.start, table.end) and len(table.rows) > 1:
            blocks.append((table.start, table.end, "table", table))
    for found in _BLOCK.finditer(text):
        kind = "display" if found.group("name") == "math" else "code"
        body = "\n".join((found.group("same"), found.group("body")))
        if free(*found.span()):
            blocks.append((*found.span(), kind, body.replace(":label:", "%")))
    for found in _DISPLAY.finditer(text):
        if free(*found.span()):
            body = next(
                g for g in (found["dollars"], found["square"], found["body"]) if g is not None
            )
            blocks.append((*found.span(), "display", body))
    i = 0
    for start, end, kind, body in sorted(blocks):
        yield from _lines(text[i:start], text.count("\n", 0, i) + 1)
        if kind == "table":
            yield from _rows(body, text.count("\n", 0, start) + 1)
            i = end
            continue
        at = text.index(body, start) if body in text[start:end] else start
        line = text.count("\n", 0, at) + 1
        if kind == "display":
            yield from _display(body, line)
        elif r"\begin{" in body:
            yield Item("display", body.strip(), line)
        else:
            yield Item("code", body, line)
        i = end
    yield from _lines(text[i:], text.count("\n", 0, i) + 1)


def _rows(table: Table, line: int) -> Iterator[Item]:
    heads = [text for text, _ in table.rows[0]]
    for row in table.rows[1:]:
        cells = tuple(
            (heads[i] if i < len(heads) else "", text, line + shift)
            for i, (text, shift) in enumerate(row)
        )
        yield Item("row", " | ".join(text for text, _ in row), cells[0][2], row=cells)


def _display(body: str, line: int) -> Iterator[Item]:
    body = re.sub(r"^\s*%.*$", "", body, flags=re.M)
    blocks = re.split(r"\n[ \t]*\n", body)  # reStructuredText: formulas apart by blank lines
    for block in blocks:
        if block.strip():
            tag = _TAG.search(block)
            number = tag.group(1) or "" if tag else ""
            block = _TAG.sub("", block)
            found = _NUMBER.search(block.rstrip())
            if found:
                number, block = found.group(1), block[: found.start()]
            shift = len(block) - len(block.lstrip("\n \t"))
            yield Item("display", block.strip(), line + block.count("\n", 0, shift), number)
        line += block.count("\n") + 2


_HASHES = re.compile(r"^\s{0,3}(#{1,6})\s+(.*?)\s*#*$")
_SECTION = re.compile(r"^\s*\\(?:sub)*(?:section|paragraph|chapter)\*?\s*\{(.*)\}\s*$")
_WIKI = re.compile(r"^\s*(={2,6})\s*(.*?)\s*\1\s*$")
_RULE = re.compile(r"^\s*([=\-~^\"'*+#`:.])\1{2,}\s*$")
_FURNITURE = re.compile(
    r"^\s*(?:(?:\. ?){3,}|[-_*=]{3,}|\d+|\[\d+\]|!\[.*\]\(.*\)|Figure \d+\.?)\s*$"
)


def _lines(text: str, first: int) -> Iterator[Item]:
    """Headings and prose; lines that continue a sentence are joined to it."""
    lines = text.split("\n")
    run: list[str] = []
    start = first

    def ended() -> Iterator[Item]:
        if run:
            yield Item("prose", "\n".join(s.strip() for s in run), start)
            run.clear()

    for n, raw in enumerate(lines):
        line = raw.strip()
        heading = _HASHES.match(raw) or _SECTION.match(raw) or _WIKI.match(raw)
        if heading:
            yield from ended()
            yield Item("heading", heading.groups()[-1], first + n, marked=True)
            continue
        under = lines[n + 1] if n + 1 < len(lines) else ""
        if line and not run and _RULE.match(under) and len(under.strip()) >= min(len(line), 4):
            yield from ended()
            yield Item("heading", line, first + n, marked=True)
            continue
        if not line or _RULE.match(raw) or _FURNITURE.match(raw):
            yield from ended()
            continue
        row = re.match(r"\s*(?:[-*+•]|\d+[.)]|\|)\s+|\s*\|", raw)
        if row and run:
            yield from ended()
        alone = not run and not (under.strip() and not _RULE.match(under))
        if alone and _is_title(line):
            yield Item("heading", line, first + n)
            continue
        if not run:
            start = first + n
        run.append(line)
        if line.endswith("|"):
            yield from ended()
    yield from ended()


def _is_title(line: str) -> bool:
    """A short line alone that ends no sentence: a heading that lost its mark."""
    plain = re.sub(r"\$[^$]*\$|`[^`]*`", "", line)
    if (
        len(line) > 80
        or re.match(r"[-*+•]\s|\|", line)
        or line.startswith(("<", "http", "In [", "Out"))
    ):
        return False
    if re.search(r"[.!?;=]\s*$|[=<>≤≥∈]", plain) or re.search(r"\$.*\$", line):
        return False
    return bool(re.search(r"[A-Za-z]{3,}", plain)) and len(plain.split()) <= 9
