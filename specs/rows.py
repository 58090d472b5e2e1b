"""Row functions: each works on one axis of an array."""

from actgen.lang import exp, log, row_max, row_sum, x
from actgen.spec import Activation

softmax = Activation(
    "softmax",
    exp(x) / row_sum(exp(x)),
    peers={
        "torch": "torch.nn.functional.softmax(x, dim=-1)",
        "torch.nn": "torch.nn.Softmax",
        "jax": "jax.nn.softmax",
    },
)

softmin = Activation(
    "softmin",
    exp(-x) / row_sum(exp(-x)),
    peers={"torch": "torch.nn.functional.softmin(x, dim=-1)", "torch.nn": "torch.nn.Softmin"},
)

softmax2d = Activation(
    "softmax2d",
    exp(x) / row_sum(exp(x)),
    axis=-3,
    note="softmax over the channels (axis -3) of an image",
    peers={"torch": "torch.nn.functional.softmax(x, dim=-3)", "torch.nn": "torch.nn.Softmax2d"},
)

log_softmax = Activation(
    "log_softmax",
    log(exp(x) / row_sum(exp(x))),
    aliases=("logsoftmax",),
    peers={
        "torch": "torch.nn.functional.log_softmax(x, dim=-1)",
        "torch.nn": "torch.nn.LogSoftmax",
        "jax": "jax.nn.log_softmax",
    },
)

maxout = Activation(
    "maxout",
    row_max(x),
    source="arXiv:1302.4389",
    note="the greatest of a group; a tie shares the derivative evenly",
    peers={"torch": "torch.amax(x, dim=-1)"},
)
