"""The activations as functions, with the names and signatures of torch.nn.functional.

    from actgen.generated.torch import functional as F

Written by actgen; do not edit.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .celu import celu as _celu
from .elu import elu as _elu
from .geglu import geglu
from .gelu import gelu as _gelu
from .gelu_sigmoid import gelu_sigmoid
from .gelu_tanh import gelu_tanh as _gelu_tanh
from .glu import glu as _glu
from .hard_sigmoid import hard_sigmoid
from .hardshrink import hardshrink as _hardshrink
from .hardsigmoid import hardsigmoid as _hardsigmoid
from .hardswish import hardswish as _hardswish
from .hardtanh import hardtanh as _hardtanh
from .heaviside import heaviside
from .keras_relu import keras_relu
from .leaky_relu import leaky_relu as _leaky_relu
from .log_softmax import log_softmax as _log_softmax
from .logsigmoid import logsigmoid as _logsigmoid
from .maxout import maxout
from .mish import mish as _mish
from .prelu import prelu as _prelu
from .reglu import reglu
from .relu import relu as _relu
from .relu6 import relu6 as _relu6
from .rrelu import rrelu as _rrelu
from .selu import selu as _selu
from .sigmoid import sigmoid as _sigmoid
from .silu import silu as _silu
from .softmax import softmax as _softmax
from .softmax2d import softmax2d
from .softmin import softmin as _softmin
from .softplus_threshold import softplus_threshold as _softplus_threshold
from .softshrink import softshrink as _softshrink
from .softsign import softsign as _softsign
from .swiglu import swiglu
from .swish import swish
from .tanh import tanh as _tanh
from .tanhshrink import tanhshrink as _tanhshrink
from .threshold import threshold as _threshold

__all__ = [
    "celu",
    "celu_",
    "elu",
    "elu_",
    "geglu",
    "gelu",
    "gelu_sigmoid",
    "glu",
    "gumbel_softmax",
    "hard_sigmoid",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "heaviside",
    "keras_relu",
    "leaky_relu",
    "leaky_relu_",
    "log_softmax",
    "logsigmoid",
    "maxout",
    "mish",
    "prelu",
    "reglu",
    "relu",
    "relu6",
    "relu_",
    "rrelu",
    "rrelu_",
    "selu",
    "selu_",
    "sigmoid",
    "silu",
    "softmax",
    "softmax2d",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "swiglu",
    "swish",
    "tanh",
    "tanhshrink",
    "threshold",
    "threshold_",
]


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """celu; see celu.py."""
    return _celu(input, alpha, inplace=inplace)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """elu; see elu.py."""
    return _elu(input, alpha, inplace=inplace)


def hardshrink(input: Tensor, lambd: float = 0.5, inplace: bool = False) -> Tensor:
    """hardshrink; see hardshrink.py."""
    return _hardshrink(input, lambd, inplace=inplace)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """hardsigmoid; see hardsigmoid.py."""
    return _hardsigmoid(input, inplace=inplace)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """hardswish; see hardswish.py."""
    return _hardswish(input, inplace=inplace)


def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """hardtanh; see hardtanh.py."""
    return _hardtanh(input, min_val, max_val, inplace=inplace)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """leaky_relu; see leaky_relu.py."""
    return _leaky_relu(input, negative_slope, inplace=inplace)


def logsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """logsigmoid; see logsigmoid.py."""
    return _logsigmoid(input, inplace=inplace)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """mish; see mish.py."""
    return _mish(input, inplace=inplace)


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """relu; see relu.py."""
    return _relu(input, inplace=inplace)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """relu6; see relu6.py."""
    return _relu6(input, inplace=inplace)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """selu; see selu.py."""
    return _selu(input, inplace=inplace)


def sigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """sigmoid; see sigmoid.py."""
    return _sigmoid(input, inplace=inplace)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """silu; see silu.py."""
    return _silu(input, inplace=inplace)


def softshrink(input: Tensor, lambd: float = 0.5, inplace: bool = False) -> Tensor:
    """softshrink; see softshrink.py."""
    return _softshrink(input, lambd, inplace=inplace)


def softsign(input: Tensor, inplace: bool = False) -> Tensor:
    """softsign; see softsign.py."""
    return _softsign(input, inplace=inplace)


def tanh(input: Tensor, inplace: bool = False) -> Tensor:
    """tanh; see tanh.py."""
    return _tanh(input, inplace=inplace)


def tanhshrink(input: Tensor, inplace: bool = False) -> Tensor:
    """tanhshrink; see tanhshrink.py."""
    return _tanhshrink(input, inplace=inplace)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """gelu, with erf ("none") or its approximation with tanh ("tanh")."""
    if approximate not in ("none", "tanh"):
        expected = f"expected approximate to be 'none' or 'tanh', got {approximate!r}"
        raise RuntimeError(f"gelu: {expected}")
    return _gelu(input) if approximate == "none" else _gelu_tanh(input)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half along `dim` times the sigmoid of the second."""
    if input.dim() == 0 or input.shape[dim] % 2:
        expected = f"expected an even size along dim {dim}"
        raise RuntimeError(f"glu: {expected}, got {tuple(input.shape)}")
    x, y = input.chunk(2, dim)
    return _glu(x, y)


def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """softmax of (logits + Gumbel noise)/tau; one-hot with `hard`, with the soft gradient."""
    noise = -torch.empty_like(logits).exponential_().log()
    soft = _softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    index = soft.argmax(dim, keepdim=True)
    return torch.zeros_like(logits).scatter_(dim, index, 1.0) - soft.detach() + soft


def log_softmax(
    input: Tensor,
    dim: int | None = None,
    _stacklevel: int = 3,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """log_softmax along `dim`, of the input in `dtype` where that is given."""
    row = input if dtype is None else input.to(dtype)
    return _log_softmax(row, _row_axis(input, dim))


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """prelu; `weight` has one value, or one a channel (dimension 1)."""
    channels = input.shape[1] if input.dim() > 1 else 1
    if weight.numel() not in (1, channels):
        expected = f"expected 1 or {channels} parameters, one a channel (dimension 1)"
        raise RuntimeError(f"prelu: {expected}, got {weight.numel()}")
    shape = (-1, *[1] * (input.dim() - 2)) if weight.numel() > 1 else ()
    return _prelu(input, weight.view(shape))


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
    generator: torch.Generator | None = None,
) -> Tensor:
    """rrelu: slopes drawn from [lower, upper] in training, else their mean."""
    slope: float | Tensor = (lower + upper) / 2
    if training:
        slope = torch.empty_like(input).uniform_(lower, upper, generator=generator)
    return _rrelu(input, slope, inplace=inplace)


def softmax(
    input: Tensor,
    dim: int | None = None,
    _stacklevel: int = 3,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """softmax along `dim`, of the input in `dtype` where that is given."""
    row = input if dtype is None else input.to(dtype)
    return _softmax(row, _row_axis(input, dim))


def softmin(
    input: Tensor,
    dim: int | None = None,
    _stacklevel: int = 3,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """softmin along `dim`, of the input in `dtype` where that is given."""
    row = input if dtype is None else input.to(dtype)
    return _softmin(row, _row_axis(input, dim))


def softplus(input: Tensor, beta: float = 1, threshold: float = 20) -> Tensor:
    """softplus as torch computes it: the input itself once beta * input > threshold."""
    return _softplus_threshold(input, float(beta), float(threshold))


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """The input where it is greater than `threshold`, else `value`."""
    return _threshold(input, threshold, value, inplace=inplace)


def threshold_(input: Tensor, *args: Any, **options: Any) -> Tensor:
    """threshold in place of its input."""
    return threshold(input, *args, **options, inplace=True)


def relu_(input: Tensor, *args: Any, **options: Any) -> Tensor:
    """relu in place of its input."""
    return relu(input, *args, **options, inplace=True)


def hardtanh_(input: Tensor, *args: Any, **options: Any) -> Tensor:
    """hardtanh in place of its input."""
    return hardtanh(input, *args, **options, inplace=True)


def elu_(input: Tensor, *args: Any, **options: Any) -> Tensor:
    """elu in place of its input."""
    return elu(input, *args, **options, inplace=True)


def selu_(input: Tensor, *args: Any, **options: Any) -> Tensor:
    """selu in place of its input."""
    return selu(input, *args, **options, inplace=True)


def celu_(input: Tensor, *args: Any, **options: Any) -> Tensor:
    """celu in place of its input."""
    return celu(input, *args, **options, inplace=True)


def leaky_relu_(input: Tensor, *args: Any, **options: Any) -> Tensor:
    """leaky_relu in place of its input."""
    return leaky_relu(input, *args, **options, inplace=True)


def rrelu_(input: Tensor, *args: Any, **options: Any) -> Tensor:
    """rrelu in place of its input."""
    return rrelu(input, *args, **options, inplace=True)


def _row_axis(input: Tensor, dim: int | None) -> int:
    """torch's choice where none is given."""
    if dim is not None:
        return dim
    return 0 if input.dim() in (0, 1, 3) else 1
