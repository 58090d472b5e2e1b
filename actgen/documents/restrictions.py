"""Words beside a formula that restrict or deny it: for $x > 0$, at $x = 0$, it is wrong that."""

from __future__ import annotations

import re

from . import subjects

#: A symbol compared with a number or another symbol.
CONDITION = re.compile(r"^\s*[^=<>]*(?:[<>=≤≥]|\\(?:le|ge|lt|gt|leq|geq|in)\b)[^=<>]*$")

_FOR = re.compile(
    r"\s*,?\s*(?:for|when|if|whenever|on|as long as|provided)\s+(?:all\s+|any\s+|every\s+)?", re.I
)
_LEAD = re.compile(r"\b(?:for|at|when|if|where|on)\s+(?:all\s+|every\s+)?$", re.I)
_HAVE = re.compile(
    r"\s*,?\s*(?:we have|we get|it is|there is|the derivative is|the function is|then)?\s*", re.I
)
_SIGN = re.compile(r"\bfor (negative|positive) (?:x|inputs?|values)\b", re.I)

#: Words with which a sentence restricts or denies the formula in it.
_HEDGED = re.compile(
    r"\b(?:if|when|whenever|suppos\w*|setting|solv\w*|solutions?|fixed points?|rule|assum\w*|"
    r"mistakes?|wrong\w*|incorrect\w*|false\w*|would|cannot|not|never|near|around|regime|large|small|"
    r"class|such that|unless|saturat\w*|negative|positive|yields?|belief|i\.e|at)\b"
    r"|n't\b|\bfor (?!the\b|example|instance|any\b|all\b|every\b)",
    re.I,
)


#: A sentence that begins with its condition.
_OPENS = re.compile(
    r"\W*(?:for|when|if|as|at|near|in section|in the \w+ (?:regime|limit|region))\b", re.I
)


def around(text: str, pieces: list[tuple[int, int, str]], i: int) -> tuple[str, str]:
    """The condition printed beside the i-th formula of a text; a word that may restrict it."""
    start, end, formula = pieces[i]
    if "(" not in formula and "=" not in formula:
        return "", ""  # a condition itself
    if i + 1 < len(pieces):
        following, _, condition = pieces[i + 1]
        if _FOR.fullmatch(text[end:following]) and _on_input(condition):
            return condition, ""
    if i:
        before, until, condition = pieces[i - 1]
        between = _HAVE.fullmatch(text[until:start])
        if between and _LEAD.search(text[:before]) and _on_input(condition):
            return condition, ""
    sentence = _sentence(text, pieces, start, end)
    said = _SIGN.findall(sentence)
    if len(said) == 1:
        return ("x < 0" if said[0] == "negative" else "x > 0"), ""
    if _OPENS.match(sentence) and not subjects.mentions(sentence[:30]):
        return "", sentence.split()[0]
    hedge = _HEDGED.search(sentence)
    return "", hedge.group().strip() if hedge else ""


def _on_input(condition: str) -> bool:
    """x > 0, but not Φ(x) = … behind `where`."""
    return CONDITION.match(condition) is not None and "(" not in condition


def _sentence(text: str, pieces: list[tuple[int, int, str]], start: int, end: int) -> str:
    """The sentence around a formula, formulas blanked."""
    for a, b, _ in pieces:
        text = text[:a] + " " * (b - a) + text[b:]
    first = max((m.end() for m in re.finditer(r"[.!?]\s", text[:start])), default=0)
    last = re.search(r"[.!?](?:\s|$)", text[end:])
    return text[first : end + last.end() if last else len(text)]
