"""Pictures of activations (needs matplotlib)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .compiler import compile
from .errors import BackendUnavailable, FormulaError
from .spec import Activation


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
