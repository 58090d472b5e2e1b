"""Tokens as readable text."""

from __future__ import annotations

from collections.abc import Sequence

from .tokens import Tok


_SHOWN = {
    "STAR": "·", "SLASH": "/", "CARET": "^", "UNDER": "_", "FRAC": "\\frac", "SQRT": "\\sqrt",
    "LB": "{", "RB": "}", "OPENBAR": "|", "CLOSEBAR": "|", "SUM": "Σ", "INDICATOR": "1", "DOTS": "…",
    "DOT": ".", "QUAD": " ", "SETOPEN": "{", "SETCLOSE": "}", "NABLA": "∇",
}  # fmt: skip
_LETTERS = dict(
    zip(
        "alpha beta gamma delta lambda mu sigma phi varphi Phi theta pi normal_pdf normal_cdf oo".split(),
        "α β γ δ λ μ σ φ φ Φ θ π φ Φ ∞".split(),
        strict=True,
    )
)


def shown_name(name: str) -> str:
    if name in ("normal_pdf", "normal_cdf"):
        what = "the density" if name == "normal_pdf" else "the distribution function"
        return f"{_LETTERS[name]} ({what})"
    return _LETTERS.get(name, name)


def render(tokens: Sequence[Tok]) -> str:
    """Tokens as readable text."""
    # Beside a density that an edit put in, the document's φ is the distribution function.
    cdf = any(t.text == "normal_pdf" for t in tokens)
    parts: list[str] = []
    for t in tokens:
        if t.kind == "CASES":
            rows = "; ".join(f"{render(v)} {render(c)}".strip() for v, c in t.inside)
            parts.append(f"{{{rows}}}")
        elif t.kind == "REL" or t.kind in ("PLUS",):
            parts.append(f" {t.text} ")
        elif t.kind == "MINUS":
            parts.append(" − " if parts and parts[-1][-1:] not in "({" else "−")
        elif t.kind == "WORD":
            parts.append(f" {t.text} ")
        elif t.kind == "NAME" and cdf and t.text in ("phi", "varphi"):
            parts.append("Φ")
        elif t.kind == "NAME":
            name = _LETTERS.get(t.text, t.text)
            parts.append(f" {name}" if parts and parts[-1][-1:].isalpha() and len(name) > 1 else name)
        else:
            parts.append(_SHOWN.get(t.kind, t.text))
    return "".join(parts).strip()
