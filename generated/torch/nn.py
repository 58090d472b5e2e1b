"""The activations as modules, with the names and arguments of torch.nn.

    from actgen.generated.torch import nn

Written by actgen; do not edit.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import Module

from . import functional
from .celu import CELU
from .elu import ELU
from .geglu import Geglu
from .gelu_sigmoid import GeluSigmoid
from .gelu_tanh import GeluTanh
from .glu import GLU
from .hard_sigmoid import HardSigmoid
from .hardshrink import Hardshrink
from .hardsigmoid import Hardsigmoid
from .hardswish import Hardswish
from .hardtanh import Hardtanh
from .heaviside import Heaviside
from .keras_relu import KerasRelu
from .leaky_relu import LeakyReLU
from .logsigmoid import LogSigmoid
from .maxout import Maxout
from .mish import Mish
from .prelu import PReLU
from .reglu import Reglu
from .relu import ReLU
from .relu6 import ReLU6
from .rrelu import RReLU
from .selu import SELU
from .sigmoid import Sigmoid
from .silu import SiLU
from .softmax2d import Softmax2d
from .softplus_threshold import Softplus
from .softshrink import Softshrink
from .softsign import Softsign
from .swiglu import Swiglu
from .swish import Swish
from .tanh import Tanh
from .tanhshrink import Tanhshrink
from .threshold import Threshold

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "Geglu",
    "GeluSigmoid",
    "GeluTanh",
    "HardSigmoid",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "Heaviside",
    "KerasRelu",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Maxout",
    "Mish",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "Reglu",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Swiglu",
    "Swish",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]


class GELU(Module):
    """gelu as a module, with erf ("none") or its approximation with tanh ("tanh")."""

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        return functional.gelu(input, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class Softmax(Module):
    """softmax as a module; `dim` as torch chooses it where it is None."""

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return functional.softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmin(Module):
    """softmin as a module; `dim` as torch chooses it where it is None."""

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return functional.softmin(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """log_softmax as a module; `dim` as torch chooses it where it is None."""

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return functional.log_softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"
