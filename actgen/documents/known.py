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
from .claims import CONDITION, Claim, Constant, Equal, Property, Tends, Within
from .functions import CDF_NOTE
from .reader import Document, Item
from .verdicts import Verdict, Verdicts

FORMS = {"latex": "display", "code": "code", "property": "property"}


@dataclass(frozen=True)
class Expected:
    """What is expected of one verdict: outcome, and where they say more its condition and cure."""

    line: int
    text: str
    outcome: str
    condition: str = ""
    suggestion: str = ""


@dataclass(frozen=True)
class Known:
    """A claims file: what it cites, the document that it stands for, the outcomes by line."""

    title: str
    citation: str
    document: Document
    expected: tuple[Expected, ...]


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
    document = Document(Path(path).stem)
    expected: list[Expected] = []
    for n, entry in enumerate(data["claim"], 1):
        try:
            document.items += _items(entry)
            expected += _expected(entry)
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


def _expected(entry: dict[str, Any]) -> Iterator[Expected]:
    outcomes = entry["outcomes"]
    more = [entry.get(name, [""] * len(outcomes)) for name in ("conditions", "suggestions")]
    for outcome, condition, suggestion in zip(outcomes, *more, strict=True):
        yield Expected(entry["line"], entry["text"], outcome, condition, suggestion)


def dump(found: Verdicts, title: str, citation: str) -> str:
    """A claims file of the verdicts on a document: its formulas, no sentence of it."""
    parts = [f"title = {_quoted(title)}", f"citation = {_quoted(citation)}", ""]
    groups: list[tuple[Claim, str, str, list[Verdict]]] = []
    for v in found:
        stated = _stated(v.claim)
        if stated is None:
            continue
        text, form = stated
        last = groups[-1] if groups else None
        same = (
            last is not None
            and last[0].location == v.claim.location
            and (v.claim.form == "latex" or last[0].subject == v.claim.subject)
        )
        if last and same and (last[1] == text or not text):
            last[3].append(v)
        else:
            groups.append((v.claim, text, form, [v]))
    for claim, text, form, verdicts in groups:
        parts += ["[[claim]]", f"line = {claim.location.line}"]
        if claim.location.equation:
            parts.append(f"equation = {_quoted(claim.location.equation)}")
        subject = claim.context or claim.subject * claim.generic
        subject = subject if claim.form == "latex" else claim.subject
        if subject:
            parts.append(f"subject = {_quoted(subject)}")
        if form != "latex":
            parts.append(f"form = {_quoted(form)}")
        if (
            isinstance(claim.expression, Equal)
            and claim.expression.approximate
            and "≈" not in text
            and r"\approx" not in text
        ):
            parts.append("approximates = true")
        parts.append(f"text = {_quoted(text)}")
        columns = {
            "outcomes": [v.outcome for v in verdicts],
            "conditions": [v.condition for v in verdicts],
            "suggestions": [v.suggestion for v in verdicts],
        }
        for name, values in columns.items():
            if any(values):
                parts.append(f"{name} = [{', '.join(map(_quoted, values))}]")
        parts.append("")
    return "\n".join(parts)


def _quoted(text: str) -> str:
    if "'" not in text and "\n" not in text:
        return f"'{text}'"
    if "'''" not in text and not text.endswith("'"):
        return f"'''{text}'''"
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _stated(claim: Claim) -> tuple[str, str] | None:
    """A claim as a formula and its form; None for a sentence that was not understood."""
    if claim.form == "code" and claim.kind == "value":
        return claim.text.replace("np.", "\\"), "latex"
    if claim.form == "code":
        # A default is a claim of the function that it belongs to.
        return ("" if claim.kind == "constant" else claim.text), "code"
    if claim.form == "latex":
        said = r" \quad \text{Gaussian cdf}" if CDF_NOTE in claim.notes else ""
        return None if claim.reason == CONDITION else (claim.text + said, "latex")
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
        return (
            rf"\lim_{{x \to {latex(e.at)}}} {f}{chr(39) * e.order}(x) = {latex(e.value)}",
            "latex",
        )
    if isinstance(e, Constant):
        return rf"\{e.symbol} = {e.digits}", "latex"
    if isinstance(e, Equal) and e.approximate:
        other = next(
            (
                n
                for n in registry.names()
                if registry.load(n).formula.subs(registry.load(n).defaults) == e.right
            ),
            "",
        )
        return (rf"{f}(x) \approx \operatorname{{{other}}}(x)", "latex") if other else None
    if isinstance(e, Equal):
        return _equation(e, f)
    return None


def _equation(e: Equal, f: str) -> tuple[str, str]:
    head = f"{f}{chr(39) * e.order}(x)"
    where = "" if not e.assume else rf" \quad \text{{for }} {sympy.latex(e.assume[0])}"
    return f"{head} = {sympy.latex(e.right)}{where}", "latex"


def _plain(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
