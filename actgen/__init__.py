"""actgen: accurate activation functions, compiled from one formula.

act = actgen.load("silu")                    # a declared activation
act = actgen.parse("x*tanh(log(1+exp(a*x)))", name="my_mish", parameters={"a": 1.0})
k = actgen.compile(act, backend="numpy")     # numpy | cuda | torch | jax
k.forward(x, a=2.0); k.derivative(x); k.vjp(x, dy); k.source
actgen.verify(act, backend="numpy", dtype="float32")
actgen.verify_document("paper.md")           # -> Verdicts
actgen.get_activation("leaky_relu", negative_slope=0.2)      # an nn.Module
actgen.calculate_gain("mish"); actgen.swap_activations(model)
"""

from __future__ import annotations

from .accuracy import Measurement
from .compiler import compile
from .documents import Verdict, Verdicts, verify_document
from .errors import (
    ActgenError,
    BackendUnavailable,
    BuildError,
    ContractError,
    FormulaError,
    FormulaWarning,
)
from .facts import Facts, facts
from .formula import parse
from .kernel import Kernel
from .models import calculate_gain, get_activation, swap_activations
from .registry import load, names
from .spec import Activation, Parameter, Uniform
from .verify import Measurements, verify

__all__ = [
    "ActgenError",
    "Activation",
    "BackendUnavailable",
    "BuildError",
    "ContractError",
    "Facts",
    "FormulaError",
    "FormulaWarning",
    "Kernel",
    "Measurement",
    "Measurements",
    "Parameter",
    "Uniform",
    "Verdict",
    "Verdicts",
    "calculate_gain",
    "compile",
    "facts",
    "get_activation",
    "load",
    "names",
    "parse",
    "swap_activations",
    "verify",
    "verify_document",
]

__version__ = "0.1.0"
