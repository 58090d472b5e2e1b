"""Documents: the five sources, LaTeX as papers write it, verdicts, bad input, the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import mpmath
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

import actgen
from actgen import lang
from actgen.documents import known, verify_text
from actgen.documents.cells import resolve
from actgen.documents.claims import Equal
from actgen.documents.context import Context, scope, tokens_of
from actgen.documents.edits import edits
from actgen.documents.repairs import ROWS, repair
from actgen.documents.show import as_dict, html, markdown
from actgen.documents.verdicts import OUTCOMES
from actgen.documents.verify import verify
from actgen.documents.zero import proves_zero

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted((ROOT / "specs" / "documents").glob("*.toml"))
RAW = ROOT.parent / "shared" / "documents"

x, alpha, beta = lang.x, lang.symbol("alpha"), lang.symbol("beta")
a, b = lang.symbol("a"), lang.symbol("b")
sigma = lang.sigmoid


def outcomes(text: str) -> list[str]:
    return [v.outcome for v in verify_text(text)]


def one(text: str):
    found = verify_text(text)
    assert len(found) == 1, [v.claim.text for v in found]
    return found[0]


# The five documents.


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_the_claims_of_the_documents_get_the_verdicts_expected(path: Path) -> None:
    expected = known.read(path)
    found = verify(expected.document)
    got = [(v.claim.location.line, v.outcome, v.condition, v.suggestion) for v in found]
    want = [(e.line, e.outcome, e.condition, e.suggestion) for e in expected.expected]
    assert got == want
    assert expected.citation and expected.title


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_a_claims_file_written_from_verdicts_reads_back(path: Path, tmp_path: Path) -> None:
    stored = known.read(path)
    written = tmp_path / "written.toml"
    written.write_text(known.dump(verify(stored.document), stored.title, stored.citation))
    back = known.read(written)
    assert (back.title, back.citation) == (stored.title, stored.citation)
    found = verify(back.document)
    got = [(v.claim.location.line, v.outcome, v.condition, v.suggestion) for v in found]
    want = [(e.line, e.outcome, e.condition, e.suggestion) for e in stored.expected]
    assert got == want


@pytest.mark.skipif(not RAW.is_dir(), reason="the source documents are not here")
def test_the_raw_documents_give_the_same_verdicts() -> None:
    raw = sorted(RAW.iterdir())
    assert len(raw) == len(FILES) == 5
    formulas = {}
    for path in raw:
        found = actgen.verify_document(path)
        formulas[path.name[:3]] = [
            (v.claim.location.line, v.outcome) for v in found if v.claim.form == "latex"
        ]
    names = ["slides-jax", "notebook", "slides-pytorch", "paper", "slides-nonlinearity"]
    for key, name in zip(sorted(formulas), names, strict=True):
        listed = known.read(ROOT / "specs" / "documents" / f"{name}.toml").expected
        lines = [(e.line, e.outcome) for e in listed]
        for claim in formulas[key]:
            # Conditions behind `if` are in the raw text only.
            assert claim in lines or claim[1] == "not_understood", (name, claim)


def test_the_misprints_of_the_documents_are_found() -> None:
    found = {v.claim.location.line: v for v in verify(known.read(FILES[1]).document)}
    erf = found[84]
    assert (erf.outcome, erf.claim.location.equation) == ("fails", "11")
    assert "x for 2" in erf.suggestion
    assert erf.counterexample.point == {x: 1}
    slides = known.read(ROOT / "specs/documents/slides-nonlinearity.toml")
    gelu = {v.claim.location.line: v for v in verify(slides.document)}[248]
    assert gelu.outcome == "fails" and "Φ(x) + xφ(x)" in gelu.suggestion


def test_the_page_of_the_documents_is_current() -> None:
    page = (ROOT / "docs" / "documents.md").read_text()
    found = [actgen.verify_document(p) for p in FILES]
    assert page.endswith(markdown(found)), (
        "run: actgen verify-document specs/documents/*.toml --markdown, below the page's text"
    )


# LaTeX.

LATEX = [
    (r"\frac{1}{1+e^{-x}}", 1 / (1 + sympy.exp(-x))),
    (r"\dfrac12 x + \tfrac{x}{3}", x / 2 + x / 3),
    (r"\left[ x \right] \cdot \left\{ 2 \right\}", 2 * x),
    (r"0.5x \left(1 + \tanh x\right)", x * (1 + sympy.tanh(x)) / 2),
    (r"\operatorname{ReLU}(x)", sympy.Max(x, 0)),
    (r"\mathrm{max}(0, x) + \min\{0, x\}", sympy.Max(x, 0) + sympy.Min(x, 0)),
    (r"(x)^+", sympy.Max(x, 0)),
    (r"x^{+}", sympy.Max(x, 0)),
    (r"|x| + \left|x-1\right|", sympy.Abs(x) + sympy.Abs(x - 1)),
    (r"x|x|", x * sympy.Abs(x)),
    (r"\mathbb{1}_{x>0}", sympy.Piecewise((1, x > 0), (0, True))),
    (r"\mathbf{1}(x \ge 0)", sympy.Piecewise((1, x >= 0), (0, True))),
    (r"\begin{cases} x & x \ge 0 \\ a x & x < 0 \end{cases}", sympy.Piecewise((x, x >= 0), (a * x, x < 0))),
    (r"\begin{cases} x, & \text{if } x > 0 \\ 0, & \text{otherwise} \end{cases}", sympy.Piecewise((x, x > 0), (0, True))),
    (r"\begin{cases} x \text{ if } x > 0, \\ 0 \text{ else} \end{cases}", sympy.Piecewise((x, x > 0), (0, True))),
    (r"\left\{\begin{array}{ll} 1 & \text{for } x > 0 \\ 0 & \text{for } x \leq 0 \end{array}\right.", sympy.Piecewise((1, x > 0), (0, x <= 0))),
    (r"\begin{cases} 1 & -1 \le x \le 1 \\ 0 & |x| > 1 \end{cases}", sympy.Piecewise((1, (x >= -1) & (x <= 1)), (0, sympy.Abs(x) > 1))),
    (r"x\sigma(x)(1-\sigma(x))", x * sigma(x) * (1 - sigma(x))),
    (r"\sigma^2(x)", sigma(x) ** 2),
    (r"\tanh^{-1}(x)", sympy.atanh(x)),
    (r"\log_2(x)", sympy.log(x) / sympy.log(2)),
    (r"\ln(1+e^x)", sympy.log(1 + sympy.exp(x))),
    (r"\Phi(x)", (1 + sympy.erf(x / sympy.sqrt(2))) / 2),
    (r"\phi(x)", sympy.exp(-(x**2) / 2) / sympy.sqrt(2 * sympy.pi)),
    (r"xP(X \le x)", x * (1 + sympy.erf(x / sympy.sqrt(2))) / 2),
    (r"\sqrt{2/\pi}", sympy.sqrt(2 / sympy.pi)),
    (r"e^{-x^2/2}", sympy.exp(-(x**2) / 2)),
    (r"\exp(-x)/2", sympy.exp(-x) / 2),
    (r"\alpha x \times \beta", alpha * beta * x),
    (r"a \otimes \sigma(b)", a * sigma(b)),
    (r"a \odot b", a * b),
    (r"\text{negative\_slope} \times x", lang.symbol("negative_slope") * x),
    (r"\frac{d}{dx} x^2", 2 * x),
    (r"\frac{d^2}{dx^2} x^3", 6 * x),
    (r"\frac{\partial}{\partial \alpha} \left(\alpha x\right)", x),
    (r"\sinh x / \cosh x", sympy.sinh(x) / sympy.cosh(x)),
    (r"\theta^T x", lang.symbol("theta") * x),
    (r"x_i", x),
    (r"\alpha_i x_i", alpha * x),
    (r"\frac{e^{x_i}}{\sum_{j=1}^{K} e^{x_j}}", sympy.exp(x) / lang.RowSum(sympy.exp(x))),
    (r"e^{x_i - \max_j x_j}", sympy.exp(x - lang.RowMax(x))),
    ("1/(1 + e^-x)", 1 / (1 + sympy.exp(-x))),
    ("e⁻ˣ + x²", sympy.exp(-x) + x**2),
    ("max(0, x)", sympy.Max(x, 0)),
    ("α·x ⋅ 2", 2 * alpha * x),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), LATEX, ids=[t for t, _ in LATEX])
def test_latex_is_read(text: str, expected: sympy.Expr) -> None:
    context = Context("test", {})
    got = scope(context, {"x": x}).side(tokens_of(text, context))
    assert got == expected or proves_zero(got - expected)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (r"$\sigma(x) = \frac{1}{1+e^{-x}$", "ends where"),
        (r"$\sigma(x) = \left( x$", "ends where"),
        (r"$\sigma(x) = \begin{cases} 1 & x > 0$", "without"),
        (r"$\sigma(x) = \foo{x} + 1$", r"\foo"),
        (r"$\sigma(x) = x!$", "factorial"),
        (r"$\sigma(x) = x^{100000}$", "exponent"),
        (r"$\sigma(x) = \int_0^x e^{-t} dt$", "integral"),
        (r"$\sigma(x, y) = x$", ""),
        ("$\\sigma(x) = " + "{" * 80 + "x" + "}" * 80 + "$", "nested"),
        ("$\\sigma(x) = " + "(" * 80 + "x" + ")" * 80 + "$", "nested"),
        ("$\\sigma(x) = " + "x+" * 4000 + "x$", "characters"),
    ],
)
def test_what_cannot_be_read_says_why_and_stops_nothing(text: str, reason: str) -> None:
    found = verify_text(text + "\n\n" + r"$$\sigma(x) = \frac{1}{1 + e^{-x}}$$")
    assert found[0].outcome in ("not_understood", "fails")
    assert reason in found[0].proof
    assert found[-1].outcome == "holds"


def test_macros_of_the_document_are_written_out_but_not_for_ever() -> None:
    text = r"""
\newcommand{\sig}[1]{\frac{1}{1+e^{-#1}}}
\DeclareMathOperator{\relu}{relu}
\newcommand{\loop}{\loop x}
$\sigma(x) = \sig{x}$

$\relu(x) = \max(x, 0)$

$\relu(x) = \loop$
"""
    found = verify_text(text)
    assert [v.outcome for v in found] == ["holds", "holds", "not_understood"]
    assert "calls itself" in found[2].proof


# Reader.


@pytest.mark.parametrize(
    ("broken", "whole"),
    [
        (r"rac{1}{2}", r"\frac{1}{2}"),
        (r"egin{cases} x & x > 0 \ 0 & x \le 0 \end{cases}", r"\begin{cases} x & x > 0 \\ 0 & x \le 0 \end{cases}"),
        (r"lpha x", r"\alpha  x"),
        (r"ext{softmax}", r"\text{softmax}"),
        ("\\left(x\night)", r"\left(x\right)"),
        (r"x &lt; 0", "x < 0"),
        (r"\mathrm{tan}h(x)", r"\tanh(x)"),
    ],
)  # fmt: skip
def test_repairs_are_made_and_reported(broken: str, whole: str) -> None:
    report: list = []
    assert repair(broken, 7, report) == whole
    assert report and all(r.line == 7 and r.why for r in report)


def test_no_repair_touches_whole_latex() -> None:
    text = r"\frac{1}{2} \begin{cases} \alpha \\ \beta \end{cases} \text{x} \theta \tanh \times \right)"
    report: list = []
    assert repair(text, 1, report) == text and not report
    assert all(row.why for row in ROWS)


STYLES = {
    "markdown": "## Softsign\n\nIt is $f(x) = \\frac{x}{1+|x|}$ here.\n",
    "latex": "\\section{Softsign}\n\\begin{equation}\\label{a}\nf(x) = \\frac{x}{1+|x|} % remark\n\\end{equation}\n",
    "brackets": "\\section*{Softsign}\n\\[ f(x) = \\frac{x}{1+|x|} \\]\n",
    "rst": "Softsign\n========\n\n.. math::\n    f(x) = \\frac{x}{1 + |x|}\n\n",
    "role": "Softsign\n--------\n\nIt is :math:`f(x) = \\frac{x}{1+|x|}`.\n",
    "wiki": "== Softsign ==\n<math>f(x) = \\frac{x}{1+|x|}</math>\n",
    "plain": "Softsign\n\nf(x) = x / (1 + |x|)\n",
    "code": "```\ndef softsign(x):\n    return x / (1 + np.abs(x))\n```\n",
    "torch": "```python\nclass Softsign(nn.Module):\n    def forward(self, x):\n        return x / (1 + x.abs())\n```\n",
    "inline code": "`softsign(x) = x / (1 + abs(x))`\n",
    "table": "| name | formula |\n|---|---|\n| Softsign | $\\frac{x}{1+|x|}$ |\n",
    "tabular": "\\begin{tabular}{ll}\nname & formula \\\\\nSoftsign & $\\frac{x}{1+|x|}$ \\\\\n\\end{tabular}\n",
    "fence": "### Softsign\n```\nf(x) = x / (1 + |x|)\n\nUse: anywhere\n```\n",
}


@pytest.mark.parametrize("style", STYLES)
def test_every_style_of_document_is_read(style: str) -> None:
    v = one(STYLES[style])
    assert (v.claim.subject, v.claim.kind, v.outcome) == ("softsign", "definition", "holds"), v


def test_places_are_told() -> None:
    found = verify_text(
        "a\n\n# Sigmoid\n\ntext\n$$\n\\sigma(x) = \\frac{1}{1+e^{-x}} \\quad (3)\n$$\n"
    )
    assert (found[0].claim.location.line, found[0].claim.location.equation) == (7, "3")


# Verdicts.

VERDICTS = [
    (r"$\sigma'(x) = \sigma(x)(1 - \sigma(x))$", "holds", ""),
    (r"$\sigma'(x) = \sigma(x)(1 + \sigma(x))$", "fails", "− for +"),
    (r"$\sigma(x) = \frac{1}{1+e^{x}}$", "fails", "−x for x"),
    (r"$\tanh(x) = 2\sigma(2x) - 1$", "holds", ""),
    (r"$\tanh(x) = 2\sigma(x) - 1$", "fails", "factor 2"),
    (r"$\tanh'(x) = 1 - \tanh^2(x)$", "holds", ""),
    (r"$\tanh'(x) = 1 - \tanh(x)$", "fails", "tanh² for tanh"),
    (r"$\text{softsign}'(x) = \frac{1}{1+|x|}$", "fails", "squared"),
    (r"$\text{softsign}'(x) = \frac{1}{(1+|x|)^2}$", "holds", ""),
    (r"$\text{GELU}'(x) = \Phi(x) + x\phi(x)$", "holds", ""),
    (r"$\text{GELU}'(x) = \Phi(x) + \phi(x)$", "fails", "factor x"),
    (r"$\text{ReLU}(x) = \frac{x + |x|}{2}$", "holds", ""),
    (r"$\text{ReLU}'(x) = \mathbb{1}_{x > 0}$", "convention", ""),
    (r"$\text{ReLU}'(x) = \begin{cases} 1 & x > 0 \\ 0 & x < 0 \end{cases}$", "holds", ""),
    (r"$\text{LeakyReLU}(x) = \max(\alpha x, x)$", "holds_if", ""),
    (r"$\text{LeakyReLU}(x) = \max(0.01 x, x)$", "holds", ""),
    (r"$\text{ELU}(x) = \max(0,x) + \min(0, \alpha(e^x - 1))$", "holds_if", ""),
    (r"$\text{CELU}(x) = \max(0,x) + \min(0, \alpha(e^{x/\alpha} - 1))$", "holds", ""),
    (r"$\text{ELU}(x) = \max(\alpha(e^x-1), x)$", "fails", ""),
    (r"$\frac{\partial}{\partial \alpha}\text{ELU}(x, \alpha) = \begin{cases} 0 & x > 0 \\ e^x - 1 & x \le 0\end{cases}$", "holds", ""),
    (r"$\text{SiLU}(x) = x\sigma(\beta x)$", "holds_if", ""),
    (r"$\text{softplus}'(x) = \sigma(x)$", "holds", ""),
    (r"$\text{softplus}'(x) = \frac{1}{1 + e^{x}}$", "fails", ""),
    (r"$\text{hardtanh}(x) = \max(-1, \min(1, x))$", "holds", ""),
    (r"$\text{mish}(x) = x \tanh(\text{softplus}(x))$", "holds", ""),
    (r"$\text{softmax}(x_i) = \frac{e^{x_i - \max_k x_k}}{\sum_j e^{x_j - \max_k x_k}}$", "holds", ""),
    (r"$\text{softmax}(x_i) = \frac{e^{-x_i}}{\sum_j e^{x_j}}$", "fails", ""),
    (r"$\sigma(0) = 0.5$", "holds", ""),
    (r"$\sigma(2) = 0.8808$", "holds", ""),
    (r"$\sigma(2) = 0.88$", "holds", ""),
    (r"$\sigma(2) = 0.90$", "fails", ""),
    (r"$\sigma(x) \in (0, 1)$", "holds", ""),
    (r"$\sigma(x) \in (0, 0.5)$", "fails", ""),
    (r"$0 < \sigma(x) \leq 1$", "holds holds", ""),
    (r"$\text{ReLU}(x) \in (0, x)$", "fails", ""),
    (r"$\lim_{x \to \infty} \sigma(x) = 1$", "holds", ""),
    (r"$\lim_{x \to -\infty} \tanh(x) = 1$", "fails", ""),
    (r"$\text{GELU}(x) \approx x\sigma(1.702x)$", "approximates", ""),
    (r"$\tanh(-x) = -\tanh(x)$", "holds", ""),
    (r"$\arctan(1/x) + \arctan(x) = \pi/2 + 0\sigma(x)$", "fails", ""),
    (r"$\log(1+e^x) - \log(1+e^{-x}) = x + 0\sigma(x)$", "holds", ""),
    ("# Sigmoid\nThe function squashes numbers to range [0,1].", "holds", ""),
    ("# Sigmoid\nSigmoid outputs are not zero-centered.", "holds", ""),
    ("# Sigmoid\nThe derivative of the sigmoid is always smaller than 0.2.", "fails", ""),
    ("# ReLU\nReLU is continuously differentiable.", "fails", ""),
    ("# Swish\nSwish is unbounded above.", "holds", ""),
    ("# Swish\nSwish is monotonic.", "fails", ""),
    ("# PReLU\nif $a = 0$, f becomes ReLU", "holds not_understood", ""),
    ("# Softplus\nIt is a smooth approximation to ReLU.", "approximates", ""),
    ("# Sum\nThe output lies in the range [0, 1].", "not_understood", ""),
    ("# ISRU\n$f(x) = \\frac{x}{\\sqrt{1+\\alpha x^2}}$", "not_understood", ""),
]  # fmt: skip


# What a reader in a hurry gets wrong: none of these may be judged as something else.
CAREFUL = [
    (r"$\sigma(x) = \frac12(1+\tanh\frac{x}{2})$", "holds"),
    (r"$\sigma' = \sigma(1-\sigma)$", "holds"),
    (r"$\sigma'' = \sigma'(1-2\sigma)$", "holds"),
    (r"$\hat\sigma(x) = \sigma(x)^2$", "not_understood"),
    (r"$\sigma_2(x) = \sigma(2x)$", "not_understood"),
    (r"$\max \sigma'(x) = 0.25$", "not_understood"),
    (r"$\sup_x \sigma(x) = 1$", "not_understood"),
    (r"$\tanh(\infty) = 1$", "not_understood"),
    (r"$\sigma(x) = \frac{1_{x>0}}{1+e^{-x}}$", "fails"),
    (r"$\sigma'(x) = \sigma(x) - y$", "undecided"),
    (r"$x = \log\frac{y}{1-y}$", "not_understood"),
    ("# Softmax\n$\\sigma(z)_i = \\frac{e^{z_i}}{\\sum_j e^{z_j}}$", "holds"),
    ("# Softmax\n$\\text{softmax}(x)_i = \\text{softmax}(x)_j$", "not_understood"),
    ("# Softmax\n$\\text{softmax}(x)_i = \\frac{e^{x_i}}{\\sum_{j \\ne i} e^{x_j}}$", "not_understood"),
    ("# Softmax\n$\\frac{\\partial s_i}{\\partial x_j} = s_i(\\delta_{ij} - s_j)$", "not_understood"),
    ("# Sigmoid\n$g(x) = 1 - \\sigma(x)$", "not_understood"),
    ("# Sigmoid\n$\\sigma'(x) = 1/4$ for $x = 0$", "holds not_understood"),
    ("# Sigmoid\n$\\sigma(x) < 1/2$ for $x > 0$", "fails not_understood"),
    ("# Sigmoid\nIt is a mistake to write $\\sigma'(x) = \\sigma(x)(1 + \\sigma(x))$.", "undecided"),
    ("# Sigmoid\nLet $\\sigma(x) = \\max(0, x)$. Then $\\sigma(2x) = 2\\sigma(x)$.", "holds holds"),
    ("# ReLU\n$\\nabla \\text{ReLU}(6) = 0$", "fails"),
    ("# ReLU\n$\\nabla \\text{ReLU}(0) = 0$", "convention"),
    ("# ReLU\n$f'(0) = 1/2$", "convention"),
    ("# ReLU\n$\\lim_{x \\to 0} \\text{ReLU}'(x) = 0$", "undecided"),
    ("# ReLU\n$f''(x) = \\delta(x)$", "not_understood"),
    ("# ReLU\n$f(x) = \\begin{cases} 0 & x < 0 \\\\ x & x \\ge 0 \\\\ 5 & x > 5 \\end{cases}$", "not_understood"),
    ("# ReLU variants\nShifted ReLU: $f(x) = \\max(-1, x)$", "not_understood"),
    ("# Leaky ReLU vs ReLU\n$f(x) = \\max(0, x)$ for ReLU", "holds"),
    ("# CELU\n$f'(x) = \\begin{cases} 1 & x \\ge 0 \\\\ e^{x/\\alpha} & x < 0 \\end{cases}$", "holds"),
    ("# SwiGLU\n$\\text{SwiGLU}(a, b) = \\text{SiLU}(a) b$", "convention"),
    ("`def`\n```\ndef sigmoid_derivative(y):\n    return y * (1 - y)\n```", "holds"),
    ("Unlike tanh, sigmoid is not zero-centered.", "not_understood"),
    ("Tanh is never monotonic.", "not_understood"),
    ("# Tanh\nImages are bounded between 0 and 255.", "not_understood"),
    ("Clipped ReLU outputs values between 0 and 6.", "not_understood"),
    ("ELU is strictly positive for x > 0.", "not_understood"),
    ("# ReLU\nIts derivative is discontinuous at 0.", "not_understood"),
    ("ELU is not continuously differentiable.", "holds_if"),
    ("The sigmoid is monotonically decreasing.", "not_understood"),
    ("SELU is bounded below by -1.", "not_understood"),
    ("The tanh approximation of GELU is monotonic.", "not_understood"),
    ("Sigmoid and ReLU are bounded between 0 and 1.", "not_understood"),
    ("ELU is unbounded in α.", "not_understood"),
    ("On [0, 1), sigmoid has range [0.5, 1).", "not_understood"),
    ("GELU is monotonic on the positive half-line.", "not_understood"),
    ("Sigmoid is odd up to a shift of 1/2.", "not_understood"),
    ("Hard tanh is odd.", "holds"),
    ("# Sigmoid\nFor $z \\gg 0$, $\\sigma'(z) = 0$.", "undecided"),
    ("# Sigmoid\n$\\sigma_k(x) = \\frac{1}{1+e^{-kx}}$", "not_understood"),
    ("```\ndef tanh_grad(x):\n    return 1 - x ** 2\n```", "undecided"),
    ("| Function | Range for x>0 |\n|---|---|\n| sigmoid | (0.5, 1) |", ""),
    ("Tanh is an odd function.", "holds"),
    ("Sigmoid is an odd function.", "fails"),
    ("Softplus is convex.", "holds"),
    ("The range of sigmoid is (-1, 1).", "fails"),
    ("Sigmoid outputs values between -1 and 1.", "holds"),
    ("# Tanh\nTanh is bounded below. It is not monotonic.", "holds fails"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "outcome"), CAREFUL, ids=[t for t, _ in CAREFUL])
def test_what_is_easily_misread(text: str, outcome: str) -> None:
    found = verify_text(text)
    assert " ".join(v.outcome for v in found) == outcome, [(v.claim.text, v.text) for v in found]


@pytest.mark.parametrize(("text", "outcome", "cure"), VERDICTS, ids=[t for t, *_ in VERDICTS])
def test_verdicts(text: str, outcome: str, cure: str) -> None:
    found = verify_text(text)
    assert " ".join(v.outcome for v in found) == outcome, [v.text for v in found]
    assert cure in found[0].suggestion
    if outcome == "fails" and isinstance(found[0].claim.expression, Equal):
        assert found[0].counterexample is not None


def test_conditions_are_exact() -> None:
    assert one(r"$\text{LeakyReLU}(x) = \max(\alpha x, x)$").condition == "alpha <= 1"
    assert one(r"$\text{ELU}(x) = \max(0,x) + \min(0, \alpha(e^x - 1))$").condition == "alpha >= 0"
    assert one(r"$\text{SiLU}(x) = x\sigma(\beta x)$").condition == "beta = 1"


def test_the_greatest_error_of_an_approximation_is_told() -> None:
    v = one(r"$\text{GELU}(x) \approx x\sigma(1.702x)$")
    assert "0.0203" in v.error and "2.27" in v.error
    v = one(
        r"$\text{GELU}(x) \approx 0.5x(1 + \tanh[\sqrt{2/\pi}(x + 0.044715x^3)])$",
    )
    assert "0.00047" in v.error


def test_an_unknown_function_is_not_taken_for_the_known_one_before_it() -> None:
    text = "# Sigmoid\n$f(x) = \\frac{1}{1+e^{-x}}$\n# Gaussian\n$f(x) = e^{-x^2}$\n\n$f'(x) = -2xe^{-x^2}$\n"
    found = verify_text(text)
    assert [v.outcome for v in found] == ["holds", "not_understood", "holds"]


def test_a_table_says_what_its_columns_mean() -> None:
    text = (
        "| Name | Formula | Derivative | Range |\n|---|---|---|---|\n"
        "| Swish | $x\\sigma(x)$ | $f(x) + \\sigma(x)(1-f(x))$ | $(-\\infty, \\infty)$ |\n"
        "| Tanh | $\\tanh(x)$ | $1 - f(x)^2$ | $(-1, 1)$ |\n| Bump | $e^{-x^2}$ | $x$ | $(0,1)$ |\n"
    )
    assert outcomes(text) == ["holds", "holds", "fails", "holds", "holds", "holds"]


# Never wrong: random formulas against mpmath.

_LEAVES = ["x", "1", "2", r"\sigma(x)", r"\tanh(x)", "e^{x}", "e^{-x}", "|x|", r"\max(0, x)"]
_JOINED = ["({0} + {1})", "({0} - {1})", "{0} \\cdot {1}", r"\frac{{{0}}}{{1 + ({1})^2}}"]


def _join(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(st.sampled_from(_JOINED), inner, inner).map(lambda t: t[0].format(*t[1:]))


_FORMULA = st.recursive(st.sampled_from(_LEAVES), _join, max_leaves=4)


@given(_FORMULA, _FORMULA)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_holds_and_fails_are_never_wrong(left: str, right: str) -> None:
    context = Context("test", {})
    sides = [scope(context, {"x": x}).side(tokens_of(t, context)) for t in (left, right)]
    for v in verify_text(f"${left} + 0\\sigma(x) = {right}$"):
        if v.outcome not in ("holds", "fails"):
            continue
        gaps = []
        with mpmath.workdps(40):
            for at in map(sympy.Rational, ("-13/4", "-1", "-1/7", "0", "1/3", "1", "9/4", "6")):
                f, g = (resolve(side, {x: at}).subs(x, at).evalf(40) for side in sides)
                gaps.append(abs(f - g))
        assert (max(gaps) < 1e-25) == (v.outcome == "holds"), (left, right, v)


@given(st.text(alphabet="xσ\\{}()[]^_$&=+-*/|'.,<> \n#`af{1}2ε", max_size=80))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_no_text_breaks_the_reader(text: str) -> None:
    for v in verify_text("# Sigmoid\n$" + text + "$\n\n" + text):
        assert v.outcome in OUTCOMES


def test_every_single_edit_changes_the_formula() -> None:
    context = Context("test", {})
    tokens = tokens_of(r"\frac{1}{1 + e^{-2x}} + \phi(x)", context)
    found = [edited for edited, _ in edits(tokens)]
    assert len(found) > 30
    assert all(edited != tokens for edited in found)


# Input, output, command line.


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b" \n\n", "empty"),
        (b"%PDF-1.7 ...", "binary"),
        (b"abc\0def", "binary"),
        (b"gr\xfc\xdfe", "UTF-8"),
    ],
)
def test_files_that_are_no_text(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "paper.md"
    path.write_bytes(content)
    with pytest.raises(actgen.FormulaError, match=message):
        actgen.verify_document(path)


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(actgen.FormulaError, match="No such file"):
        actgen.verify_document("nowhere.md")


def test_a_claims_file_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("title = 'a'\n")
    with pytest.raises(actgen.FormulaError, match="no citation"):
        actgen.verify_document(path)
    path.write_text("title = ")
    with pytest.raises(actgen.FormulaError, match="correct the TOML"):
        actgen.verify_document(path)


def test_many_formulas_are_all_judged() -> None:
    text = "# Sigmoid\n" + "".join(
        f"$$\\sigma(x) = \\frac{{{i}}}{{{i} + {i}e^{{-x}}}}$$\n\n" for i in range(1, 1001)
    )
    assert verify_text(text).count() == {"holds": 1000}


def test_time_that_is_over_is_said() -> None:
    from actgen.documents.reader import read_text

    found = verify(read_text("$\\sigma(x) = \\tanh(x)$"), seconds=-1.0)
    assert found[0].outcome == "undecided" and "over" in found[0].proof


def run(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "actgen", "verify-document", *args]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


def test_the_command(tmp_path: Path) -> None:
    (tmp_path / "good.md").write_text("# Tanh\n\n$\\tanh'(x) = 1 - \\tanh^2(x)$\n")
    (tmp_path / "bad.md").write_text("# Tanh\n\n$\\tanh'(x) = 1 - \\tanh(x)$ rac{1}{2}\n")
    (tmp_path / "none.md").write_bytes(b"\0")
    done = run("good.md", cwd=tmp_path)
    assert done.returncode == 0 and "holds" in done.stdout
    done = run("bad.md", "--json", "--html", "page.html", cwd=tmp_path)
    assert done.returncode == 1
    data = json.loads(done.stdout)
    assert data[0]["counts"] == {"fails": 1}
    assert data[0]["verdicts"][0]["counterexample"]["at"]
    page = (tmp_path / "page.html").read_text()
    assert "<math" in page and "<svg" in page and "counterexample" in page
    done = run("none.md", "bad.md", cwd=tmp_path)
    assert done.returncode == 2 and "binary" in done.stderr and "fails" in done.stdout


def test_the_page_and_the_data_say_the_same() -> None:
    found = verify_text("# Sigmoid\n$$\\sigma(x) = rac{1}{1+e^{-x}} = \\tanh(x) <b>$$\n", "a.md")
    data = as_dict(found)
    assert [v["outcome"] for v in data["verdicts"]] == [v.outcome for v in found]
    assert data["repairs"][0]["found"] == "rac"
    page = html([found])
    assert "<b>" not in page.replace("<b>sigmoid</b>", "")
