"""Tables of activations: a row names one, its columns print formula, derivative, range, smoothness.

Markdown pipes, LaTeX tabular and tblr, reStructuredText list-tables, MediaWiki tables: each as
rows of cells with their lines. What a column means its head says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

Cell = tuple[str, int]  # text, line offset


@dataclass(frozen=True)
class Table:
    """A table as found: where it starts and ends in the text, its rows, the first is the head."""

    start: int
    end: int
    rows: tuple[tuple[Cell, ...], ...]


_PIPES = re.compile(
    r"^[ \t]*\|[^\n]*\|[ \t]*\n[ \t]*\|?[ \t:|-]*---[ \t:|-]*\n(?:[ \t]*\|[^\n]*\n?)+", re.M
)
_LATEX = re.compile(
    r"\\begin\{(?P<env>tabular\*?|tabularx|tblr|longtable|longtblr)\}(?P<body>.*?)\\end\{(?P=env)\}",
    re.S,
)
_LIST = re.compile(
    r"^(?P<indent>[ \t]*)\.\. list-table::[^\n]*\n(?P<body>(?:[ \t]*\n|(?P=indent)[ \t]+[^\n]*\n?)*)",
    re.M,
)
_WIKI = re.compile(r"^\{\|.*?^\|\}", re.S | re.M)


def tables(text: str) -> Iterator[Table]:
    """Every table of a text in the four notations."""
    for found in _PIPES.finditer(text):
        yield Table(*found.span(), tuple(_pipe_rows(found.group())))
    for found in _LATEX.finditer(text):
        shift = text.count("\n", found.start(), found.start("body"))
        yield Table(*found.span(), tuple(_latex_rows(found["body"], shift)))
    for found in _LIST.finditer(text):
        shift = text.count("\n", found.start(), found.start("body"))
        yield Table(*found.span(), tuple(_list_rows(found["body"], shift)))
    for found in _WIKI.finditer(text):
        yield Table(*found.span(), tuple(_wiki_rows(found.group())))


def _pipe_rows(text: str) -> Iterator[tuple[Cell, ...]]:
    for n, line in enumerate(text.split("\n")):
        if not line.strip() or re.fullmatch(r"[\s|:\-]+", line):
            continue
        # Bars inside of mathematics and code are no borders.
        masked = re.sub(r"\$[^$]*\$|`[^`]*`|\\\|", lambda m: "x" * len(m.group()), line.strip())
        inner = line.strip()
        cuts = [i for i, char in enumerate(masked) if char == "|"]
        if len(cuts) >= 2:
            yield tuple((inner[a + 1 : b].strip(), n) for a, b in zip(cuts, cuts[1:]))


def _latex_rows(body: str, shift: int) -> Iterator[tuple[Cell, ...]]:
    inside = re.sub(
        r"\\begin\{(\w+\*?)\}.*?\\end\{\1\}|\$[^$]*\$",
        lambda m: re.sub(r"[^\n]", "x", m.group()), body, flags=re.S,
    )  # fmt: skip
    start = 0
    for end in [*(m.start() for m in re.finditer(r"\\\\", inside)), len(body)]:
        row, mask = body[start:end], inside[start:end]
        line = shift + body.count("\n", 0, start + len(row) - len(row.lstrip()))
        cuts = [
            -1,
            *(i for i, c in enumerate(mask) if c == "&" and mask[i - 1 : i] != "\\"),
            len(row),
        ]
        cells = tuple((row[a + 1 : b].strip(), line) for a, b in zip(cuts, cuts[1:]))
        start = end + 2
        if len(cells) > 1:
            yield tuple(
                (
                    re.sub(
                        r"\\(?:hline|toprule|midrule|bottomrule)|\\textbf|\{\|.*?\|\}", "", c
                    ).strip(),
                    n,
                )
                for c, n in cells
            )


def _list_rows(body: str, shift: int) -> Iterator[tuple[Cell, ...]]:
    row: list[Cell] = []
    for n, line in enumerate(body.split("\n")):
        first = re.match(r"\s*\* -\s?(.*)", line)
        further = re.match(r"\s*-\s(.*)", line)
        if first:
            if row:
                yield tuple(row)
            row = [(first.group(1), shift + n)]
        elif further and row:
            row.append((further.group(1), shift + n))
        elif row and line.strip() and not re.match(r"\s*:\w", line):
            row[-1] = (row[-1][0] + "\n" + line, row[-1][1])
    if row:
        yield tuple(row)


def _wiki_rows(text: str) -> Iterator[tuple[Cell, ...]]:
    row: list[Cell] = []
    for n, line in enumerate(text.split("\n")):
        if line.startswith(("|-", "|}", "{|", "|+")):
            if len(row) > 1:
                yield tuple(row)
            row = []
        elif line.startswith(("|", "!")):
            for part in re.split(r"\|\||!!", line[1:]):
                cell = (
                    re.sub(r"^[^|<\[{]*\|(?!\|)", "", part)
                    if "<math" not in part.partition("|")[0]
                    else part
                )
                row.append((cell.strip(), n))
        elif row:
            row[-1] = (row[-1][0] + "\n" + line, row[-1][1])
    if len(row) > 1:
        yield tuple(row)


#: What the head of a column says that its cells print.
COLUMNS: tuple[tuple[str, str], ...] = (
    (r"deriv|gradient|g'|f'|f′|f\^\\prime|prime", "derivative"),
    (r"range|bereich|interval|output", "range"),
    (r"continu|smooth|order|differentiab", "smoothness"),
    (r"equation|formula|function, |definition|expression|f\s*\(|g\s*\(|\by\b|math", "definition"),
)


#: Columns of something else: another order, under a condition, in another variable.
_OTHER = re.compile(
    r"second|third|anti|integral|primitive|inverse|in terms of|[<>≤≥]|\\[lg]e?q?\b|\bfor\b|\blog\b|''|″",
    re.I,
)


def meaning(head: str) -> str:
    """What a column prints, by its head; "" for what is not read."""
    if _OTHER.search(head):
        return ""
    for pattern, what in COLUMNS:
        if re.search(pattern, head, re.I):
            return what
    return "definition" if re.fullmatch(r"\W*function\W*", head, re.I) else ""
