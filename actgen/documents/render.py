"""Tokens as readable text, and names of symbols as their letters."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .commands import GREEK
from .tokens import Tok

_SIGNS = {
    "STAR": "·", "SLASH": "/", "CARET": "^", "UNDER": "_", "OPENBAR": "|", "CLOSEBAR": "|",
    "SUM": "Σ", "INDICATOR": "1", "DOTS": "…", "DOT": ".", "QUAD": " ", "SETOPEN": "{",
    "SETCLOSE": "}", "NABLA": "∇", "LIM": "lim", "ROOT": "√", "PM": "±",
}  # fmt: skip
_RELATIONS = {
    "<=": "≤",
    ">=": "≥",
    "!=": "≠",
    "~": "≈",
    "->": "→",
    "in": "∈",
    "=>": "⇒",
    "law": "~",
}
_GREEK = (
    "alpha α beta β gamma γ delta δ epsilon ε zeta ζ eta η theta θ iota ι kappa κ lambda λ mu μ "
    "nu ν xi ξ rho ρ sigma σ tau τ phi φ varphi φ chi χ psi ψ omega ω Gamma Γ Delta Δ Theta Θ "
    "Lambda Λ Sigma Σ Phi Φ Psi Ψ Omega Ω pi π oo ∞ normal_pdf φ normal_cdf Φ"
).split()
_LETTERS = dict(zip(_GREEK[::2], _GREEK[1::2], strict=True))


def letters(text: str) -> str:
    """`alpha <= 1` as α ≤ 1."""
    text = re.sub(r"\b[A-Za-z]+(?=_\d|\b)", lambda m: _LETTERS.get(m.group(), m.group()), text)
    return text.replace("<=", "≤").replace(">=", "≥")


def shown_name(name: str) -> str:
    """A name as it is read; the density and the distribution function told apart."""
    if name in ("normal_pdf", "normal_cdf"):
        what = "the density" if name == "normal_pdf" else "the distribution function"
        return f"{_LETTERS[name]} ({what})"
    return _LETTERS.get(name, name)


def render(tokens: Sequence[Tok]) -> str:
    """Tokens as readable text: fractions with a stroke, cases in braces."""
    # Beside a density that an edit put in, the document's φ is the distribution function.
    cdf = any(t.text == "normal_pdf" for t in tokens)
    return re.sub(r"\s+", " ", "".join(_parts(list(tokens), cdf))).strip()


def _parts(tokens: list[Tok], cdf: bool) -> list[str]:
    parts: list[str] = []
    i = 0
    while i < len(tokens):
        t = tokens[i]
        i += 1
        if t.kind in ("FRAC", "SQRT"):
            inside = []
            for _ in range(2 if t.kind == "FRAC" else 1):
                text, i = _argument(tokens, i, cdf)
                inside.append(text)
            parts.append("/".join(inside) if t.kind == "FRAC" else "√" + inside[0])
        elif t.kind == "LB":
            before = tokens[i - 2].kind if i > 1 else ""
            text, i = _argument(tokens, i - 1, cdf, before not in ("CARET", "UNDER"))
            parts.append(text)
        else:
            parts.append(_one(t, parts, cdf))
    return parts


def _argument(tokens: list[Tok], i: int, cdf: bool, bare: bool = False) -> tuple[str, int]:
    """A group in braces, in brackets where it needs them, and what follows it."""
    if i >= len(tokens):
        return "", i
    if tokens[i].kind != "LB":
        return "".join(_parts([tokens[i]], cdf)), i + 1
    depth, end = 0, i
    for end in range(i, len(tokens)):
        depth += (tokens[end].kind == "LB") - (tokens[end].kind == "RB")
        if depth == 0:
            break
    inside = tokens[i + 1 : end]
    text = "".join(_parts(inside, cdf)).strip()
    plain = (
        len(inside) <= 1
        or bare
        or (inside[0].kind == "OPEN" and _closes(inside) == len(inside) - 1)
    )
    return (text if plain else f"({text})"), end + 1


def _closes(tokens: list[Tok]) -> int:
    depth = 0
    for i, t in enumerate(tokens):
        depth += (t.kind == "OPEN") - (t.kind == "CLOSE")
        if depth == 0:
            return i
    return -1


def _one(t: Tok, parts: list[str], cdf: bool) -> str:
    if t.kind == "CASES":
        rows = "; ".join(f"{render(v)} {render(c)}".strip() for v, c in t.inside)
        return f"{{{rows}}}"
    if t.kind == "REL":
        return f" {_RELATIONS.get(t.text, t.text)} "
    if t.kind == "PLUS":
        return " + "
    if t.kind == "MINUS":
        binary = parts and parts[-1].strip() and parts[-1].rstrip()[-1:] not in "({[=≤≥<>·/^|+,"
        return " − " if binary else "−"
    if t.kind in ("WORD", "PROSE"):
        return f" {t.text} "
    if t.kind == "COMMA":
        return ", "
    if t.kind == "NAME":
        name = "Φ" if cdf and t.text in ("phi", "varphi") else _LETTERS.get(t.text, t.text)
        long = len(name) > 1 and t.text not in GREEK
        return (
            f" {name}"
            if long and parts and (parts[-1][-1:].isalnum() or parts[-1] == ")")
            else name
        )
    return _SIGNS.get(t.kind, t.text)
