"""Reads documents that print activation formulas and says which of them are true.

reader → tokens → syntax → meaning → claims → judge → page: text with places, LaTeX tokens, trees,
SymPy, what is claimed, what is true of it, and how that is shown.
"""

from __future__ import annotations

from .verdicts import Verdict, Verdicts
from .verify import verify_document, verify_text

__all__ = ["Verdict", "Verdicts", "verify_document", "verify_text"]
