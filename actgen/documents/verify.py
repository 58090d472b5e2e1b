"""A document from text to verdicts: the items in order, each into claims, each claim judged."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import sympy

from .. import lang, registry
from . import claims, code, formulas, known, prose, restrictions, subjects, tables
from .claims import Claim, Location
from .context import Context
from .equality import witness
from .judge import judge
from .properties import PROPERTIES
from .reader import TICKS, Document, Item, inline, read, read_text
from .repairs import repair
from .verdicts import Verdict, Verdicts

#: Seconds that one document may take; what is left then is undecided, and says so.
SECONDS = 900.0


def verify_document(
    path: str | Path, progress: Callable[[str], None] | None = None, seconds: float = SECONDS
) -> Verdicts:
    """The verdict on every claim about an activation in a Markdown, LaTeX or text file.

    Raises FormulaError if the file cannot be read as text. A formula that cannot be read is a
    verdict `not_understood` with its reason. After `seconds` the rest is undecided.
    """
    if str(path).endswith(".toml"):
        return verify(known.read(path).document, progress, seconds)
    return verify(read(path), progress, seconds)


def verify_text(text: str, name: str = "text") -> Verdicts:
    """The same for a text."""
    return verify(read_text(text, name))


def verify(
    document: Document, progress: Callable[[str], None] | None = None, seconds: float = SECONDS
) -> Verdicts:
    """The verdicts on a document that was read."""
    context = Context(document.name, document.macros, document.repairs)
    found = [replace(c, context=context.heading) for c in claims_in(document, context)]
    end = time.monotonic() + seconds
    verdicts = []
    for claim in found:
        if time.monotonic() > end and claim.expression is not None:
            late = f"the {seconds:g} s for this document were over"
            verdicts.append(Verdict(claim, "undecided", late))
        else:
            assumed = {
                name: condition
                for (subject, name), condition in context.assumed.items()
                if subject == claim.subject
            }
            values = {
                name: value
                for (subject, name), value in context.values.items()
                if subject in ("", claim.subject) or not claim.subject
            }
            verdicts.append(judge(claim, assumed, values))
        if progress is not None:
            progress(str(claim.location))
    return Verdicts(document.name, tuple(verdicts), tuple(document.repairs))


def claims_in(document: Document, context: Context) -> Iterator[Claim]:
    """Every claim of a document, its context followed from item to item."""
    for i, item in enumerate(document.items):
        context.item = i
        if i > context.weak_until:
            context.weak = ""
        context.ahead = _ahead(document.items[i + 1 : i + 3])
        if item.kind == "heading":
            yield from _heading(item, context)
        elif item.kind == "display":
            if item.approximates:
                context.approximations.add(item.equation)
            yield from formulas.claims_of(item.text, item.line, item.equation, context)
        elif item.kind == "subject":
            if item.text != context.heading:
                context.heading, context.strong = item.text, bool(item.text)
        elif item.kind == "property":
            yield _property(item, context)
        elif item.kind == "row":
            yield from _row(item, context)
        elif item.kind == "code" and not code.is_python(item.text):
            for n, line in enumerate(item.text.split("\n")):
                if line.strip():
                    yield from prose.claims_of(line.strip(), item.line + n, context)
        elif item.kind == "code":
            yield from code.claims_of(item.text, item.line, context)
        else:
            yield from _prose(item, context)


def _property(item: Item, context: Context) -> Claim:
    """`not zero-centred`, `saturates exponential`: a property by name."""
    words = item.text.split(" ")
    negated = words[0] == "not"
    name = " ".join(words[negated:])
    value: object = None
    if name not in PROPERTIES:
        name, _, last = name.rpartition(" ")
        value = tuple(map(sympy.Rational, last.split(","))) if "," in last else last
    expression = claims.Property(name, value, negated)
    place = Location(context.file, item.line)
    return Claim(item.text, place, "shape", context.heading, expression, form="property")


def _ahead(items: Iterable[Item]) -> str:
    for item in items:
        if item.kind == "heading":
            return "" if item.marked else subjects.heading_subject(item.text)
        if item.kind == "prose":
            return subjects.subject_of(item.text[:80])
    return ""


def _heading(item: Item, context: Context) -> Iterator[Claim]:
    named = subjects.heading_subject(item.text)
    plain = set(re.sub(r"[^A-Za-z ]", " ", item.text).lower().split())
    if named:
        context.heading, context.strong = named, True
    elif item.marked and not plain <= _OF_THE_SAME:
        context.heading, context.strong = "", False
    elif plain & _RESET and plain <= _RESET | _FILL:
        context.heading = ""
    elif not plain <= _OF_THE_SAME:
        context.strong = False
    if named or item.marked:
        context.functions.clear()
    context.weak = ""
    yield from _inline(item, context)


#: Words of headings inside of a section about one activation.
_OF_THE_SAME = frozenset(
    "backward forward pass formula formulas equation definition derivative derivatives gradient "
    "properties property range plot graph code python implementation implimentation implimentaion "
    "implementations advantages disadvantages pros cons example examples usage note notes "
    "mathematical math expression alternatively output first second in pytorch numpy tensorflow "
    "jax keras the of and its function activation parameters shape args arguments returns see "
    "also".split()
)
#: Headings that begin something new, without a name.
_RESET = frozenset(
    "activation activations function functions introduction overview conclusion".split()
)
_FILL = frozenset(
    "the a of in and common popular used commonly types other non linear list".split()
)


def _prose(item: Item, context: Context) -> Iterator[Claim]:
    bullet = re.match(r"\s*[-*+•]\s+\*\*", item.text)
    heading = context.heading
    named = subjects.subject_of(item.text)
    if bullet and named:
        context.heading = named
    elif named and not context.heading:
        context.weak, context.weak_until = named, context.item + 2
        context.said_at = context.item
    yield from prose.claims_of(item.text, item.line, context)
    yield from _inline(item, context)
    printed = re.match(r"Out\s*\[.*?\]:\s*(.*)", item.text)
    if printed:
        yield from code.value_claim(printed.group(1), context)
    context.heading = heading


def _inline(item: Item, context: Context) -> Iterator[Claim]:
    """The formulas inside of a line, set or as code."""
    text = item.text
    pieces = list(inline(text))
    for i, (start, end, formula) in enumerate(pieces):
        line = item.line + text.count("\n", 0, start)
        before, after = text[max(0, start - 200) : start], text[end : end + 60]
        if not _worth(formula):
            continue
        where, restricted = restrictions.around(text, pieces, i)
        formula += rf" \quad \text{{for }} {where}" if where else ""
        if _AFTER_IF.search(before) and restrictions.CONDITION.match(formula):
            place = Location(context.file, line)
            yield Claim(formula, place, "formula", context.subject, None, claims.CONDITION)
            continue
        said = subjects.mentions(before.rpartition(". ")[2])
        weak, context.weak = (
            context.weak,
            said[-1].activation if said and not context.heading else context.weak,
        )
        if _CDF.match(after):
            context.cdf |= set(re.findall(r"\\?(phi|varphi)\b", formula))
        heading = context.heading
        label = re.search(r"([A-Z][\w -]{2,40}):\s*$", before)
        if (
            label
            and subjects.mentions(label.group(1))
            and not subjects.heading_subject(label.group(1))
        ):
            context.heading = ""  # a variant: Shifted ReLU
        of = subjects.mentions(after)
        if of and re.fullmatch(r"\s*,?\s*(?:for|of)\s+(?:the\s+)?", after[: of[0].start]):
            context.heading = of[0].activation
        own = context.functions.get("sigma")
        if own is not None and "sigmoid" in {m.activation for m in subjects.mentions(before[-80:])}:
            del context.functions["sigma"]  # the logistic function again, by name
        context.tentative = bool(restricted)
        for claim in formulas.claims_of(formula, line, "", context):
            yield replace(claim, restricted=restricted)
        context.tentative = False
        context.weak, context.heading = weak or context.weak, heading
    if text.count("$$") % 2:
        place = Location(context.file, item.line + text.count("\n", 0, text.index("$$")))
        reason = "a $$ without its partner: where the formula ends is not known"
        yield Claim(text[text.index("$$") :], place, "formula", context.subject, None, reason)
    for found in TICKS.finditer(text):
        inside = found.group("code")
        if re.search(r"[-+*/=(].*[a-z)\d]", inside) and len(inside) > 4:
            line = item.line + text.count("\n", 0, found.start())
            beside = _WHERE.match(text, found.end())
            lone = re.search(r"[\w)]\s*[*/+\-]\s*$", text[: found.start()])
            yield from code.inline_claims(
                inside, line, context, beside["where"] if beside else "", bool(lone)
            )


def _row(item: Item, context: Context) -> Iterator[Claim]:
    """A row of a table: its first cell names the activation, its columns say what of it."""
    heading, strong, functions = context.heading, context.strong, dict(context.functions)
    named = subjects.heading_subject(item.row[0][1])
    context.heading, context.strong, context.weak, context.ahead = named, bool(named), "", ""
    for head, text, line in item.row[1:]:
        text = repair(text, line, context.repairs)
        what = tables.meaning(head)
        math = [formula for _, _, formula in inline(text)]
        blocks = re.findall(r"\.\. math::\s*(.*?)(?=\n\s*\.\.|\Z)", text, re.S)
        words = re.sub(r"\$[^$]*\$|:math:`[^`]*`", " ", text)
        if math and re.search(r"\b(?:if|else|for|when|otherwise|elsewhere)\b", words):
            # `$0$ if $x < 0$ else $1$` is one formula.
            joined, at = "", 0
            for opens, closes, formula in inline(text):
                joined += _as_text(text[at:opens]) + formula
                at = closes
            math = [joined + _as_text(text[at:])]
        for formula in math + blocks:
            for claim in formulas.cell(formula, what, line, context):
                yield claim
                if _is_another(claim):
                    context.heading = ""  # a variant: its range is its own
        if what == "range" and not math:
            yield from formulas.cell(text, what, line, context)
    context.heading, context.strong, context.functions = heading, strong, functions


_AFTER_IF = re.compile(r"\b(?:if|when|for|whenever|case)\s*$", re.I)


def _is_another(claim: Claim) -> bool:
    """Whether a definition in a row is certainly not its activation at the defaults."""
    e = claim.expression
    if claim.kind != "definition" or not isinstance(e, claims.Equal) or not claim.subject:
        return False
    own = subjects.defaults(registry.load(claim.subject))
    left, right = e.left.subs(own), e.right.subs(own)
    if left.free_symbols | right.free_symbols != {lang.x}:
        return False
    places = [{lang.x: sympy.Rational(v)} for v in ("1", "-2")]
    return all(witness(left, right, at) is not None for at in places)


def _as_text(words: str) -> str:
    found = re.findall(r"[A-Za-z]+|,", words)
    return " ".join(word if word == "," else rf"\text{{ {word} }}" for word in found)


#: Behind a formula: its φ is the distribution function.
_CDF = re.compile(
    r"\s*(?:→|\$\\rightarrow\$)?\s*(?:the )?(?:gaussian|normal)?\s*(?:cdf|cumulative)", re.I
)

#: A condition right behind a formula: `x` if `x > 0`, … for x < 0.
_WHERE = re.compile(r"\s*,?\s*(?:if|for|when)\s+`?(?:if\s+)?(?P<where>[^`.,;\n]*[<>=][^`.,;\n]*)`?")


def _worth(formula: str) -> bool:
    """Whether a piece of mathematics says anything: more than a symbol or a number."""
    if re.match(r"\s*(?:[<>=≤≥→]|\\(?:le|ge|rightarrow|to|geq|leq)\b)", formula):
        return False
    return bool(
        re.search(
            r"=|<|>|≤|≥|\\(?:le|ge|in|to|approx|lt|gt|leq|geq|rightarrow|equiv|sim)\b|∈|≈|→",
            formula,
        )
    ) or (len(formula) > 25 and bool(re.search(r"[-+]|\\frac|\\sum", formula)))


__all__ = ["Location", "Verdicts", "claims_in", "verify", "verify_document", "verify_text"]
