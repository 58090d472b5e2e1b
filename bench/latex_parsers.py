"""Which LaTeX parser reads what activation papers print: SymPy's two, latex2sympy2_extended, ours.

python bench/latex_parsers.py    (pip install lark latex2sympy2_extended, and antlr for two of them)

Each formula has the value that it must have; "wrong" is a reading that is another function, which
is worse than none.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sympy

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from actgen import lang
from actgen.documents.context import Context, scope, tokens_of
from actgen.documents.zero import proves_zero
from tests.test_documents import LATEX

x = lang.x


def own(text: str) -> Any:
    context = Context("bench", {})
    return scope(context, {"x": x}).side(tokens_of(text, context))


def parsers() -> dict[str, Callable[[str], Any]]:
    found: dict[str, Callable[[str], Any]] = {"actgen (lark, LALR)": own}
    try:
        from sympy.parsing.latex import parse_latex_lark

        found["sympy, lark"] = parse_latex_lark
    except ImportError:
        print("sympy's lark parser needs lark")
    try:
        from latex2sympy2_extended import latex2sympy

        found["latex2sympy2_extended"] = latex2sympy
    except ImportError:
        print("latex2sympy2_extended is not installed")
    return found


def real(expr: Any) -> Any:
    """The other parsers' symbols as ours."""
    if isinstance(expr, sympy.Basic):
        return expr.xreplace({s: lang.symbol(s.name) for s in expr.atoms(sympy.Symbol)})
    return expr


def main() -> None:
    warnings.simplefilter("ignore")
    formulas = [(t, e) for t, e in LATEX if t.isascii()]
    print(f"{'parser':24} right  wrong  refused  of {len(formulas)}, seconds")
    for name, parse in parsers().items():
        right = wrong = refused = 0
        start = time.perf_counter()
        for text, expected in formulas:
            try:
                got = real(parse(text))
                same = got == expected or proves_zero(got - expected)
            except Exception:
                refused += 1
                continue
            right, wrong = right + same, wrong + (not same)
        seconds = time.perf_counter() - start
        print(f"{name:24} {right:5}  {wrong:5}  {refused:7}  {seconds:.1f}")


if __name__ == "__main__":
    main()
