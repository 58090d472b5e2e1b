"""Verdicts for people and programs: a table in the terminal, JSON, Markdown, a page of HTML."""

from __future__ import annotations

import importlib.resources
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import sympy
from sympy import Expr, Symbol

from .. import lang
from .claims import Claim, Constant, Equal, Property, Tends, Within
from .prose import plain
from .render import letters
from .verdicts import OUTCOMES, Verdict, Verdicts

WORDS = {
    "holds": "holds",
    "fails": "fails",
    "holds_if": "holds if",
    "convention": "holds up to a convention",
    "approximates": "approximates",
    "undecided": "undecided",
    "not_understood": "not understood",
}
COLOURS = {
    "holds": "green", "fails": "bold red", "holds_if": "yellow", "convention": "cyan",
    "approximates": "blue", "undecided": "magenta", "not_understood": "bright_black",
}  # fmt: skip


def formula(claim: Claim) -> str:
    """What is judged as plain text: of a chain the one link, of a sentence what it says too."""
    text = " ".join((claim.part or claim.text).split())
    text = re.sub(r"^[-*+•]\s+", "", plain(text)) if claim.form == "prose" else text
    said = reading(claim) if claim.form == "prose" else ""
    return f"{text} ⇒ {said}" if said else text


#: Properties whose names do not read as a sentence.
PHRASES = {
    "slopes": "has no slopes but {value}",
    "saturates": "approaches its limits at {value} rate",
    "sums to one": "sums to 1 over a row",
    "defined": "has a value for every real x",
    "case of": "is a special case of {value}",
    "order": "is C^{value} and no smoother",
    "bounded": "is bounded: {value}",
}


def reading(claim: Claim) -> str:
    """What a sentence was taken to say, as a formula; "" where it is a plain property."""
    e, f = claim.expression, claim.subject
    if isinstance(e, Within):
        a, b = "[" if e.closed[0] else "(", "]" if e.closed[1] else ")"
        return letters(f"{f}{chr(39) * e.order}(x) ∈ {a}{e.low}, {e.high}{b}")
    if isinstance(e, Tends):
        return letters(f"{f}{chr(39) * e.order}(x) → {e.value} as x → {e.at}")
    if isinstance(e, Constant):
        return letters(f"{e.symbol} = {e.digits}")
    if isinstance(e, Property):
        value = "" if e.value is None else f" {e.value}"
        told = PHRASES.get(e.name, f"is {e.name}{value}").format(value=e.value)
        return f"{f} {'not: ' * e.negated}{told}"
    return ""


def summary(found: Verdicts) -> str:
    """The counts in one line."""
    counts = found.count()
    told = ", ".join(f"{n} {WORDS[o]}" for o, n in counts.items()) or "no claim about an activation"
    mended = f"; {len(found.repairs)} repairs" if found.repairs else ""
    return f"{found.name}: {told}{mended}"


def as_dict(found: Verdicts) -> dict[str, Any]:
    """A document's verdicts as plain data."""
    return {
        "document": found.name,
        "counts": found.count(),
        "verdicts": [verdict_dict(v) for v in found],
        "repairs": [
            {"line": r.line, "found": r.found, "replaced": r.replaced, "why": r.why}
            for r in found.repairs
        ],
    }


def verdict_dict(v: Verdict) -> dict[str, Any]:
    """One verdict as plain data; empty fields are left out."""
    c, w = v.claim, v.counterexample
    data = {
        "line": c.location.line,
        "equation": c.location.equation,
        "text": c.text,
        "part": c.part,
        "form": c.form,
        "kind": c.kind,
        "subject": c.subject,
        "outcome": v.outcome,
        "proof": v.proof,
        "condition": v.condition,
        "error": v.error,
        "suggestion": v.suggestion,
        "counterexample": w
        and {"at": {str(s): str(x) for s, x in w.point.items()}, "left": w.left, "right": w.right},
        "notes": list(c.notes),
    }
    return {name: value for name, value in data.items() if value or name in ("line", "outcome")}


def markdown(documents: Sequence[Verdicts]) -> str:
    """Every verdict as tables of Markdown, one a document."""
    lines: list[str] = []
    for found in documents:
        lines += [f"## {found.name}", "", summary(found).partition(": ")[2].capitalize() + ".", ""]
        lines += ["| line | claim | about | verdict | how it is known |", "|--:|---|---|---|---|"]
        for v in found:
            c = v.claim
            text = _cell(formula(c))
            number = f"{c.location.line}" + (
                f" ({c.location.equation})" if c.location.equation else ""
            )
            about = f"{c.kind} of {c.subject}" if c.subject else c.kind
            verdict = f"**{WORDS[v.outcome]}**" if v.outcome == "fails" else WORDS[v.outcome]
            lines.append(
                f"| {number} | {text} | {about} | {verdict} | {_escaped(letters(v.text))} |"
            )
        lines.append("")
    return "\n".join(lines)


def _cell(text: str) -> str:
    shown = text
    shown = shown if len(shown) <= 160 else shown[:157] + "…"
    return f"`{_escaped(shown).replace('`', '')}`"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


# HTML.


def html(documents: Sequence[Verdicts]) -> str:
    """One self-contained page: formulas as MathML, verdicts, plots of both sides."""
    from jinja2 import Environment

    source = importlib.resources.files("actgen.templates").joinpath("documents/page.html.jinja")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["letters"] = letters
    page = environment.from_string(source.read_text("utf-8"))
    shown = [
        {
            "summary": summary(found),
            "repairs": found.repairs,
            "rows": [
                {
                    "v": v,
                    "where": str(v.claim.location).partition(":")[2],
                    "word": WORDS[v.outcome],
                    "math": typeset(v.claim),
                    "plot": plot(v),
                    "said": formula(v.claim),
                    "chain": v.claim.text.count("=") > v.claim.part.count("="),
                }
                for v in found
            ],
        }
        for found in documents
    ]
    return page.render(documents=shown, outcomes=[(o, WORDS[o]) for o in OUTCOMES])


def typeset(claim: Claim) -> str:
    """The formula as MathML; "" for code, prose and what cannot be set."""
    if claim.form != "latex":
        return ""
    try:
        from latex2mathml.converter import convert

        text = re.sub(r"\\(?:label|tag)\{[^}]*\}|&(?=\s*=)", "", claim.text)
        return str(convert(text, display="block"))
    except Exception:  # whatever the converter stumbles on, the text itself is shown
        return ""


def sides(claim: Claim) -> tuple[Expr, Expr] | None:
    """Two functions of x to draw: both sides, or a function and the end of its range."""
    e = claim.expression
    if isinstance(e, Equal):
        pair = (e.left, e.right)
    elif isinstance(e, Within) and e.high.is_finite:
        pair = (e.expr, e.high)
    elif isinstance(e, Within):
        pair = (e.expr, e.low if e.low.is_finite else e.expr)
    else:
        return None
    return pair


def plot(v: Verdict) -> str:
    """A small picture of both sides as SVG; "" where there is nothing to draw."""
    from .. import registry
    from ..plots import small

    pair = v.sides or sides(v.claim)
    if pair is None or any(p.has(lang.RowSum, lang.RowMax, lang.y) for p in pair):
        return ""
    if not any(lang.x in p.free_symbols for p in pair):
        return ""
    act = registry.load(v.claim.subject) if v.claim.subject else None
    values: dict[Symbol, Expr] = dict(act.defaults) if act is not None else {}
    at = v.counterexample.point if v.counterexample is not None else {}
    free = sorted((pair[0].free_symbols | pair[1].free_symbols) - {lang.x}, key=str)
    for s in free:
        values[s] = at.get(s, values.get(s, sympy.Rational(1, 2)))
    mark = at.get(lang.x)
    span = (
        4.0
        if mark is None or not mark.is_number or abs(float(mark)) < 4
        else 1.5 * abs(float(mark))
    )
    grid = np.linspace(-span, span, 241)
    curves = [_values(p.subs(values), grid) for p in pair]
    if any(c is None for c in curves):
        return ""
    return small(grid, curves, None if mark is None else float(mark))


_MATH = {"erf": np.vectorize(math.erf), "erfc": np.vectorize(math.erfc)}


def _values(expr: Expr, grid: Any) -> Any:
    try:
        with np.errstate(all="ignore"):
            found = sympy.lambdify(lang.x, expr, modules=[_MATH, "numpy"])(grid)
        return np.broadcast_to(np.asarray(found, dtype=float), grid.shape)
    except (TypeError, ValueError, NameError, ZeroDivisionError, OverflowError, KeyError):
        return None
