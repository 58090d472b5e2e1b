"""Smooth gates: x times something that rises from 0 to 1, and the gated linear units."""

from actgen.lang import (
    Max,
    Piecewise,
    Rational,
    erf,
    exp,
    log,
    pi,
    sigmoid,
    sqrt,
    symbol,
    tanh,
    x,
    y,
)
from actgen.spec import Activation, Parameter

beta = symbol("beta")

silu = Activation(
    "silu",
    x / (1 + exp(-x)),
    aliases=("swish_1",),
    conventions={"swish_1": "swish with β = 1, the default of keras.activations.swish"},
    source="arXiv:1702.03118",
    peers={"torch": "torch.nn.functional.silu", "torch.nn": "torch.nn.SiLU", "jax": "jax.nn.silu"},
)

swish = Activation(
    "swish",
    x * sigmoid(beta * x),
    parameters=(Parameter("beta", 1.0, learned=True),),
    source="arXiv:1710.05941",
)

gelu = Activation(
    "gelu",
    x * (1 + erf(x / sqrt(2))) / 2,
    source="arXiv:1606.08415",
    conventions={"gelu": "with erf, the default of torch, Keras and ONNX; jax defaults to tanh"},
    peers={
        "torch": "torch.nn.functional.gelu",
        "torch.nn": "torch.nn.GELU",
        "jax": "jax.nn.gelu(x, approximate=False)",
    },
)

gelu_tanh = Activation(
    "gelu_tanh",
    x * (1 + tanh(sqrt(2 / pi) * (x + Rational("0.044715") * x**3))) / 2,
    aliases=("gelu_new",),
    conventions={"gelu_tanh": "jax.nn.gelu's default", "gelu_new": "the name in transformers"},
    source="arXiv:1606.08415",
    peers={"torch": "torch.nn.functional.gelu(x, approximate='tanh')", "jax": "jax.nn.gelu"},
)

gelu_sigmoid = Activation(
    "gelu_sigmoid",
    x * sigmoid(Rational("1.702") * x),
    aliases=("quick_gelu",),
    conventions={"quick_gelu": "the name in transformers"},
    source="arXiv:1606.08415",
)

mish = Activation(
    "mish",
    x * tanh(log(1 + exp(x))),
    source="arXiv:1908.08681",
    peers={"torch": "torch.nn.functional.mish", "torch.nn": "torch.nn.Mish", "jax": "jax.nn.mish"},
)

hardswish = Activation(
    "hardswish",
    Piecewise((0, x <= -3), (x, x >= 3), (x * (x + 3) / 6, True)),
    aliases=("hard_swish", "hard_silu"),
    source="arXiv:1905.02244",
    peers={
        "torch": "torch.nn.functional.hardswish",
        "torch.nn": "torch.nn.Hardswish",
        "jax": "jax.nn.hard_swish",
    },
)

# Gated linear units: x is the value, y the gate; a packed array holds x in its first half.

glu = Activation(
    "glu",
    x * sigmoid(y),
    inputs=(x, y),
    source="arXiv:1612.08083",
    peers={
        "torch": "torch.nn.functional.glu(packed)",
        "torch.nn": "torch.nn.GLU",
        "jax": "jax.nn.glu",
    },
)

geglu = Activation(
    "geglu", x * y * (1 + erf(y / sqrt(2))) / 2, inputs=(x, y), source="arXiv:2002.05202"
)

swiglu = Activation("swiglu", x * y * sigmoid(y), inputs=(x, y), source="arXiv:2002.05202")

reglu = Activation("reglu", x * Max(y, 0), inputs=(x, y), source="arXiv:2002.05202")
