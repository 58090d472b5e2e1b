"""S-shaped functions, their piecewise linear likenesses, and their integrals and remainders."""

from actgen.lang import Abs, Piecewise, Rational, exp, log, symbol, tanh, x
from actgen.spec import Activation, Parameter

beta, lambd, threshold = symbol("beta"), symbol("lambd"), symbol("threshold")
min_val, max_val = symbol("min_val"), symbol("max_val")

sigmoid = Activation(
    "sigmoid",
    1 / (1 + exp(-x)),
    aliases=("logistic",),
    peers={
        "torch": "torch.nn.functional.sigmoid",
        "torch.nn": "torch.nn.Sigmoid",
        "jax": "jax.nn.sigmoid",
    },
)

_tanh = Activation(
    "tanh",
    (exp(x) - exp(-x)) / (exp(x) + exp(-x)),
    peers={"torch": "torch.nn.functional.tanh", "torch.nn": "torch.nn.Tanh", "jax": "jax.nn.tanh"},
)

logsigmoid = Activation(
    "logsigmoid",
    log(1 / (1 + exp(-x))),
    aliases=("log_sigmoid",),
    peers={
        "torch": "torch.nn.functional.logsigmoid",
        "torch.nn": "torch.nn.LogSigmoid",
        "jax": "jax.nn.log_sigmoid",
    },
)

softplus = Activation(
    "softplus",
    log(1 + exp(beta * x)) / beta,
    aliases=("smooth_relu",),
    parameters=(Parameter("beta", 1.0, low=0),),
    source="Dugas et al., NIPS 2000",
    peers={"jax": "jax.nn.softplus"},
)

softplus_threshold = Activation(
    "softplus_threshold",
    Piecewise((x, beta * x > threshold), (log(1 + exp(beta * x)) / beta, True)),
    parameters=(Parameter("beta", 1.0, low=0), Parameter("threshold", 20.0)),
    conventions={
        "softplus_threshold": "softplus as torch computes it: x itself once βx > threshold"
    },
    peers={"torch": "torch.nn.functional.softplus", "torch.nn": "torch.nn.Softplus"},
)

softsign = Activation(
    "softsign",
    x / (1 + Abs(x)),
    aliases=("soft_sign",),
    source="Turian et al., 2009",
    peers={
        "torch": "torch.nn.functional.softsign",
        "torch.nn": "torch.nn.Softsign",
        "jax": "jax.nn.soft_sign",
    },
)

hardtanh = Activation(
    "hardtanh",
    Piecewise((max_val, x > max_val), (min_val, x < min_val), (x, True)),
    parameters=(Parameter("min_val", -1.0), Parameter("max_val", 1.0)),
    aliases=("hard_tanh",),
    peers={
        "torch": "torch.nn.functional.hardtanh",
        "torch.nn": "torch.nn.Hardtanh",
        "jax": "jax.nn.hard_tanh",
    },
)

hard_sigmoid = Activation(
    "hard_sigmoid",
    Piecewise((0, x < Rational(-5, 2)), (1, x > Rational(5, 2)), (x / 5 + Rational(1, 2), True)),
    conventions={
        "hard_sigmoid": "slope 0.2 as in Keras 2 and ONNX; torch, jax and Keras 3 take 1/6"
    },
    peers={"keras2": "keras.activations.hard_sigmoid"},
)

hardsigmoid = Activation(
    "hardsigmoid",
    Piecewise((0, x <= -3), (1, x >= 3), (x / 6 + Rational(1, 2), True)),
    conventions={"hardsigmoid": "slope 1/6 as in torch, jax and Keras 3"},
    peers={
        "torch": "torch.nn.functional.hardsigmoid",
        "torch.nn": "torch.nn.Hardsigmoid",
        "jax": "jax.nn.hard_sigmoid",
    },
)

hardshrink = Activation(
    "hardshrink",
    Piecewise((x, x > lambd), (x, x < -lambd), (0, True)),
    parameters=(Parameter("lambd", 0.5, low=0),),
    peers={"torch": "torch.nn.functional.hardshrink", "torch.nn": "torch.nn.Hardshrink"},
)

softshrink = Activation(
    "softshrink",
    Piecewise((x - lambd, x > lambd), (x + lambd, x < -lambd), (0, True)),
    parameters=(Parameter("lambd", 0.5, low=0),),
    peers={"torch": "torch.nn.functional.softshrink", "torch.nn": "torch.nn.Softshrink"},
)

tanhshrink = Activation(
    "tanhshrink",
    x - tanh(x),
    peers={"torch": "torch.nn.functional.tanhshrink", "torch.nn": "torch.nn.Tanhshrink"},
)
