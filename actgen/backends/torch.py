"""PyTorch: a composite of plain operations that autograd, compile and export can see through."""

from __future__ import annotations

from . import BIT_AND, BIT_OR, INFIX, UNARY, Backend, Op, Signatures, literals

#: Python floats, which take the tensor's dtype.
literal = literals("math")

_SAME_NAME = (
    "abs",
    "sqrt",
    "exp",
    "expm1",
    "log",
    "log1p",
    "sinh",
    "cosh",
    "tanh",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "asinh",
    "acosh",
    "atanh",
    "isnan",
    "erf",
    "erfc",
    "sigmoid",
)

#: Activation → torch's own function of the same arguments, one kernel where ours is a composite:
#: those whose values hold the contract at every parameter (`actgen verify` measures them).
FUSED: dict[str, str] = {
    **{
        name: name
        for name in (
            *("elu", "hardshrink", "hardsigmoid", "leaky_relu", "relu", "relu6", "selu"),
            *("softshrink", "threshold"),
        )
    },
    "rrelu": "leaky_relu",
}

BACKEND = Backend(
    name="torch",
    literal=literal,
    packages=("torch",),
    extra="torch",
    dtypes=("float16", "bfloat16", "float32", "float64"),
    ops={
        **INFIX,
        **{name: Op(f"torch.{name}({{0}})") for name in _SAME_NAME},
        # torch.sign(nan) is 0.
        "sign": Op("torch.where(torch.isnan({0}), {0}, torch.sign({0}))"),
        "minimum": Op("torch.clamp({0}, max={1})"),
        "maximum": Op("torch.clamp({0}, min={1})"),
        "mul_high": INFIX["mul"],
        "mul_low": Op("_mul_low({0}, {1})"),
        "add_low": Op("_add_low({0}, {1})"),
        "pow": Op("torch.pow({0}, {1})"),
        "where": Op("torch.where({0}, {1}, {2})"),
        "and": Op("{0} & {1}", BIT_AND, (UNARY, UNARY)),
        "or": Op("{0} | {1}", BIT_OR, (UNARY, UNARY)),
        "not": Op("~{0}", UNARY, (UNARY,)),
        "softplus": Op("nn.functional.softplus({0})"),
        "erfcx": Op("torch.special.erfcx({0})"),
        "row_sum": Op("_row_sum({0})"),
        "row_max": Op("torch.amax({0}, -1, keepdim=True)"),
    },
    helpers={"mul_low": ("wide",), "add_low": ("wide",), "row_sum": ("sum",)},
    spread="{0} * torch.ones_like({1})",
    spread_test="({0}) & (torch.ones_like({1}) > 0.0)",
    signatures=Signatures(
        array="Tensor",
        value="Value",
        result="Tensor",
        plain=("Tensor", "Value"),
        row_last=("dim: int = {axis}",),
    ),
    usage="Every function takes floating tensors of any shape and device; parameters are numbers "
    "or tensors that broadcast. All are differentiable to any order. 16-bit tensors are computed "
    "in float32 and rounded once.",
    row_usage="Every function takes floating tensors; a row lies along `dim`. All are "
    "differentiable to any order. 16-bit tensors are computed in float32 and rounded once.",
    default=literal,
)
