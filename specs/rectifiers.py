"""Rectifiers: the identity on one side, something smaller on the other."""

from actgen.lang import Eq, Max, Min, Piecewise, Rational, exp, oo, symbol, x
from actgen.spec import Activation, Parameter, Uniform

a, alpha, value = symbol("a"), symbol("alpha"), symbol("value")
negative_slope, threshold_ = symbol("negative_slope"), symbol("threshold")
max_value = symbol("max_value")

relu = Activation(
    "relu",
    Max(x, 0),
    aliases=("rectifier",),
    source="Nair and Hinton, ICML 2010",
    peers={"torch": "torch.nn.functional.relu", "torch.nn": "torch.nn.ReLU", "jax": "jax.nn.relu"},
)

leaky_relu = Activation(
    "leaky_relu",
    Piecewise((x, x >= 0), (negative_slope * x, True)),
    parameters=(Parameter("negative_slope", 0.01),),
    aliases=("lrelu",),
    conventions={"leaky_relu": "slope 0.01 as in torch and jax; Keras 3 takes 0.3 and 0.2"},
    source="Maas, Hannun and Ng, ICML 2013",
    peers={
        "torch": "torch.nn.functional.leaky_relu",
        "torch.nn": "torch.nn.LeakyReLU",
        "jax": "jax.nn.leaky_relu",
    },
)

prelu = Activation(
    "prelu",
    Piecewise((x, x >= 0), (a * x, True)),
    parameters=(Parameter("a", 0.25, learned=True, per_channel=True),),
    conventions={"prelu": "starts at 0.25 as in torch; flax starts at 0.01"},
    source="arXiv:1502.01852",
    peers={"torch": "torch.nn.functional.prelu(x, a)", "torch.nn": "torch.nn.PReLU"},
)

rrelu = Activation(
    "rrelu",
    Piecewise((x, x >= 0), (a * x, True)),
    parameters=(Parameter("a", random=Uniform(1 / 8, 1 / 3)),),
    source="arXiv:1505.00853",
    peers={"torch": "torch.nn.functional.rrelu(x)", "torch.nn": "torch.nn.RReLU"},
)

relu6 = Activation(
    "relu6",
    Min(Max(x, 0), 6),
    source="Krizhevsky, 2010",
    peers={
        "torch": "torch.nn.functional.relu6",
        "torch.nn": "torch.nn.ReLU6",
        "jax": "jax.nn.relu6",
    },
)

keras_relu = Activation(
    "keras_relu",
    Piecewise(
        (max_value, x >= max_value),
        (x, x >= threshold_),
        (negative_slope * (x - threshold_), True),
    ),
    parameters=(
        Parameter("negative_slope", 0.0, low=0),
        Parameter("max_value", oo),
        Parameter("threshold", 0.0),
    ),
    conventions={"keras_relu": "relu with Keras' slope, maximum and threshold, and its defaults"},
    peers={"keras": "keras.activations.relu"},
)

elu = Activation(
    "elu",
    Piecewise((x, x > 0), (alpha * (exp(x) - 1), True)),
    parameters=(Parameter("alpha", 1.0, low=0),),
    source="arXiv:1511.07289",
    peers={"torch": "torch.nn.functional.elu", "torch.nn": "torch.nn.ELU", "jax": "jax.nn.elu"},
)

celu = Activation(
    "celu",
    Piecewise((x, x > 0), (alpha * (exp(x / alpha) - 1), True)),
    parameters=(Parameter("alpha", 1.0, low=0),),
    source="arXiv:1704.07483",
    peers={"torch": "torch.nn.functional.celu", "torch.nn": "torch.nn.CELU", "jax": "jax.nn.celu"},
)

# The fixed point (mean 0, variance 1) determines both constants; printed to 32 digits.
selu = Activation(
    "selu",
    Rational("1.0507009873554804934193349852946")
    * Piecewise((x, x > 0), (Rational("1.6732632423543772848170429916717") * (exp(x) - 1), True)),
    source="arXiv:1706.02515",
    peers={"torch": "torch.nn.functional.selu", "torch.nn": "torch.nn.SELU", "jax": "jax.nn.selu"},
)

threshold = Activation(
    "threshold",
    Piecewise((x, x > threshold_), (value, True)),
    parameters=(Parameter("threshold", 0.0), Parameter("value", 0.0)),
    conventions={"threshold": "torch gives neither parameter a default; both are 0 here"},
    peers={
        "torch": "torch.nn.functional.threshold(x, threshold, value)",
        "torch.nn": "torch.nn.Threshold",
    },
)

heaviside = Activation(
    "heaviside",
    Piecewise((0, x < 0), (value, Eq(x, 0)), (1, True)),
    parameters=(Parameter("value", 0.5),),
    aliases=("step",),
    conventions={"heaviside": "1/2 at 0; torch and numpy ask for the value there"},
    peers={"torch": "torch.heaviside(x, value)", "numpy": "numpy.heaviside"},
)
