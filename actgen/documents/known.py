"""Claims files: what a document claims as formulas, with its citation and the verdicts expected.

TOML, facts only: formulas and code as printed, sentences as the formulas that they mean. Judged
like any document; the tests compare the outcomes with those in the file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sympy

from .. import registry
from ..errors import FormulaError
from .claims import Claim, Constant, Equal, Property, Tends, Within
from .reader import Document, Item
from .verify import Verdicts

FORMS = {"latex": "display", "code": "code", "property": "property"}


@dataclass(frozen=True)
class Known:
    """A claims file: what it cites, the document that it stands for, the outcomes by line."""

    title: str
    citation: str
    document: Document
    expected: tuple[tuple[int, str, str], ...]


def read(path: str | Path) -> Known:
    """The claims file at `path`; FormulaError with the place if it is none."""
    try:
        data = tomllib.loads(Path(path).read_text("utf-8"))
    except OSError as wrong:
        raise FormulaError(f"{path}: {wrong.strerror}", cure="give the path of a file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as wrong:
        raise FormulaError(f"{path}: {wrong}", cure="correct the TOML") from None
    for name in ("title", "citation", "claim"):
        if name not in data:
            raise FormulaError(f"{path}: no {name}", cure="see specs/documents for examples")
    document, expected = Document(Path(path).stem), []
    for n, entry in enumerate(data["claim"], 1):
        try:
            document.items += _items(entry)
            expected += [(entry["line"], entry["text"], o) for o in entry["outcomes"]]
        except (KeyError, TypeError) as wrong:
            raise FormulaError(f"{path}, claim {n}: {wrong} is missing or wrong") from None
    return Known(data["title"], data["citation"], document, tuple(expected))


def _items(entry: dict[str, Any]) -> Iterator[Item]:
    subject = entry.get("subject", "")
    yield Item("subject", subject, entry["line"])
    yield Item(
        FORMS[entry.get("form", "latex")], entry["text"], entry["line"], entry.get("equation", ""),
        approximates=bool(entry.get("approximates", False)),
    )  # fmt: skip


def dump(found: Verdicts, title: str, citation: str) -> str:
    """A claims file of the verdicts on a document: its formulas, no sentence of it."""
    parts = [f"title = {_quoted(title)}", f"citation = {_quoted(citation)}", ""]
    groups: list[tuple[Claim, str, str, list[str]]] = []
    for v in found:
        stated = _stated(v.claim)
        if stated is None:
            continue
        text, form = stated
        last = groups[-1] if groups else None
        if last and last[1] == text and last[0].location == v.claim.location and v.claim.form == "latex":
            last[3].append(v.outcome)
        else:
            groups.append((v.claim, text, form, [v.outcome]))
    for claim, text, form, outcomes in groups:
        parts += ["[[claim]]", f"line = {claim.location.line}"]
        if claim.location.equation:
            parts.append(f"equation = {_quoted(claim.location.equation)}")
        if claim.context:
            parts.append(f"subject = {_quoted(claim.context)}")
        if form != "latex":
            parts.append(f"form = {_quoted(form)}")
        if isinstance(claim.expression, Equal) and claim.expression.approximate and "≈" not in text and r"\approx" not in text:
            parts.append("approximates = true")
        parts += [f"text = {_quoted(text)}", f"outcomes = [{', '.join(map(_quoted, outcomes))}]", ""]
    return "\n".join(parts)


def _quoted(text: str) -> str:
    if "'" not in text and "\n" not in text:
        return f"'{text}'"
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _stated(claim: Claim) -> tuple[str, str] | None:
    """A claim as a formula and its form; None for a sentence that was not understood."""
    if claim.form == "code":
        return (claim.text, "code") if claim.kind != "constant" else None
    if claim.form == "latex":
        return claim.text, "latex"
    e = claim.expression
    if e is None or not claim.subject:
        return None
    f = rf"\operatorname{{{claim.subject}}}"
    latex = sympy.latex
    if isinstance(e, Property):
        value = "" if e.value is None else f" {_plain(e.value)}"
        return f"{'not ' * e.negated}{e.name}{value}", "property"
    if isinstance(e, Within):
        a, b = "[" if e.closed[0] else "(", "]" if e.closed[1] else ")"
        return rf"{f}{chr(39) * e.order}(x) \in {a}{latex(e.low)}, {latex(e.high)}{b}", "latex"
    if isinstance(e, Tends):
        return rf"\lim_{{x \to {latex(e.at)}}} {f}{chr(39) * e.order}(x) = {latex(e.value)}", "latex"
    if isinstance(e, Constant):
        return rf"\{e.symbol} = {e.digits}", "latex"
    if isinstance(e, Equal) and e.approximate:
        other = next(
            (n for n in registry.names() if registry.load(n).formula.subs(registry.load(n).defaults) == e.right),
            "",
        )
        return (rf"{f}(x) \approx \operatorname{{{other}}}(x)", "latex") if other else None
    if isinstance(e, Equal):
        return _equation(claim, e, f)
    return None


def _equation(claim: Claim, e: Equal, f: str) -> tuple[str, str]:
    head = f"{f}{chr(39) * e.order}(x)"
    where = "" if not e.assume else rf" \quad \text{{for }} {sympy.latex(e.assume[0])}"
    return f"{head} = {sympy.latex(e.right)}{where}", "latex"


def _plain(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
