"""Pictures of activations (needs matplotlib)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from .compiler import compile
from .errors import BackendUnavailable, FormulaError
from .spec import Activation


def small(x: Any, curves: Sequence[Any], mark: float | None = None) -> str:
    """A thumbnail of curves over `x` as SVG, a dashed line at `mark`; "" without matplotlib."""
    try:
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
    except ImportError:
        return ""
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "actgen", "font.size": 7}):
        figure, ax = plt.subplots(figsize=(2.0, 1.3), layout="constrained")
        for y, style in zip(curves, ("-", "--"), strict=False):
            ax.plot(x, np.where(np.abs(y) < 1e6, y, np.nan), style, lw=1.4)
        if mark is not None:
            ax.axvline(mark, color="0.5", lw=0.8, ls=":")
        ax.tick_params(length=2)
        ax.locator_params(nbins=4)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None}, transparent=True)
        plt.close(figure)
    return text.getvalue().partition("<svg")[1] + text.getvalue().partition("<svg")[2]


def draw(acts: Sequence[Activation], output: str, low: float = -6.0, high: float = 6.0) -> None:
    """f, f′ and f″ of elementwise activations in one picture, written to `output`."""
    try:
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
    except ImportError:
        raise BackendUnavailable("plots need matplotlib\n  pip install 'actgen[plot]'") from None
    for act in acts:
        if act.is_row or act.is_gated:
            raise FormulaError(
                f"{act.name} is no function of one number", cure="plot an elementwise one"
            )
    x = np.linspace(low, high, 1201)
    figure, axes = plt.subplots(
        len(acts), 1, figsize=(6.4, 3.2 * len(acts)), squeeze=False, layout="constrained"
    )
    for ax, act in zip(axes[:, 0], acts, strict=True):
        kernel = compile(act, "numpy")
        for y, label, style in (
            (kernel.forward(x), "f", "-"),
            (kernel.derivative(x), "f′", "--"),
            (kernel.second_derivative(x), "f″", ":"),
        ):
            ax.plot(x, y, style, label=label)
        ax.axhline(0, color="0.8", lw=0.8, zorder=0)
        ax.axvline(0, color="0.8", lw=0.8, zorder=0)
        ax.set_title(act.name)
        ax.legend()
    try:
        figure.savefig(output, dpi=120)
    except ValueError as problem:
        raise FormulaError(str(problem), cure="write a .png, .svg or .pdf") from None
    finally:
        plt.close(figure)
