r"""Repairs of what conversion did to LaTeX: a table, each use of which is reported.

Escapes swallow a letter (`\frac` becomes a form feed and `rac`, `\text` a tab and `ext`), Markdown
swallows one of two backslashes, HTML leaves its entities. A repair only touches mathematics.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Repair:
    """What was mended where, for the reader to see."""

    line: int
    found: str
    replaced: str
    why: str


@dataclass(frozen=True)
class Row:
    """One row of the table: a pattern, what replaces it, and why."""

    pattern: re.Pattern[str]
    replacement: str | Callable[[re.Match[str]], str]
    why: str


def _row(pattern: str, replacement: str | Callable[[re.Match[str]], str], why: str) -> Row:
    return Row(re.compile(pattern), replacement, why)


_LOST = r"(?<![A-Za-z\\])"
_ESCAPE = "a letter of a command was lost to an escape"

ROWS: tuple[Row, ...] = (
    _row(_LOST + r"\x0c?rac(?=\s*\{|\d)", r"\\frac", _ESCAPE),
    _row(_LOST + r"\x08?egin(?=\{)", r"\\begin", _ESCAPE),
    _row(_LOST + r"\x07?lpha(?![A-Za-z])", r"\\alpha ", _ESCAPE),
    _row(_LOST + r"\x08?eta(?![A-Za-z])(?!\s*\()", r"\\beta ", _ESCAPE),
    _row(r"(?<![A-Za-z\\])\t?ext(?=\s*\{)", r"\\text", _ESCAPE),
    _row(_LOST + r"\t?anh(?=\s*[({\\])", r"\\tanh", _ESCAPE),
    _row(_LOST + r"\t?imes(?![A-Za-z])", r"\\times ", _ESCAPE),
    _row(_LOST + r"\t?heta(?![A-Za-z])", r"\\theta ", _ESCAPE),
    _row(r"\n\s*ight(?=\s*[)\]|}.])", r"\\right", _ESCAPE),
    _row(r"\n\s*eq(?=\s)", r"\\neq", _ESCAPE),
    _row(r"\n\s*abla(?![A-Za-z])", r"\\nabla ", _ESCAPE),
    _row(r"\\\\(?=(?:frac|begin|end|alpha|beta|text|left|right|exp|log|sigma|cdot|le|ge)\b)", r"\\",
         "a doubled backslash"),
    _row(r"\\mathrm\{(tan|sin|cos)\}\s*h(?![A-Za-z])", r"\\\1h", "a name in two fonts"),
    _row(r"\^\{\\mathrm\{\^\{\\prime\}\}\}|\\mathrm\{\^\{\\prime\}\}", "'", "a prime inside of fonts"),
    _row(r"&lt;", "<", "an HTML entity"),
    _row(r"&gt;", ">", "an HTML entity"),
    _row(r"&amp;", "&", "an HTML entity"),
    _row(r"\\_(?=\{)", "_", "an escaped underscore before an index"),
    _row(r"(?<=[a-z])_\{(pool|shape|size)\}", r"_\1", "an underscore made an index"),
)  # fmt: skip

_CASES = re.compile(r"(\\begin\{([dr]?cases\*?|array|aligned|align\*?)\})(.*?)(\\end\{\2\})", re.S)
#: A single backslash before a space (or at a line's end) inside of rows was two.
_SINGLE = re.compile(r"(?<!\\)\\(?=\s)")


def repair(text: str, line: int, report: list[Repair]) -> str:
    """`text` mended; what was done is appended to `report`."""
    for row in ROWS:
        text = _apply(row, text, line, report)

    def rows(match: re.Match[str]) -> str:
        body = match.group(3)
        if r"\\" in body or not _SINGLE.search(body):
            return match.group()
        at = line + text.count("\n", 0, match.start())
        count = len(_SINGLE.findall(body))
        report.append(
            Repair(at, "\\ " * count, r"\\ " * count, "one backslash at the end of a row")
        )
        return match.group(1) + _SINGLE.sub(r"\\\\", body) + match.group(4)

    return _CASES.sub(rows, text)


def _apply(row: Row, text: str, line: int, report: list[Repair]) -> str:
    def mend(match: re.Match[str]) -> str:
        new = row.replacement(match) if callable(row.replacement) else match.expand(row.replacement)
        at = line + text.count("\n", 0, match.start())
        report.append(Repair(at, match.group().strip("\n"), new.strip(), row.why))
        return new

    return row.pattern.sub(mend, text)
