"""JAX: closed forms to second order in plain operations; every transformation sees through."""

from __future__ import annotations

from . import BIT_AND, BIT_OR, INFIX, PRODUCT, UNARY, Backend, Op, Signatures, literals

#: Python floats, which take the array's dtype.
literal = literals("jnp")

_SAME_NAME = ("abs", "sign", "sqrt", "exp", "log", "sin", "cos", "tan", "isnan")
_ARC = ("asin", "acos", "atan", "asinh", "acosh")
#: XLA's own are several ulp off.
_OWN = ("expm1", "log1p", "sinh", "cosh", "tanh", "atanh", "erf", "erfc")
_PAIRS = ("minimum", "maximum", "mul_low", "add_low")

BACKEND = Backend(
    name="jax",
    literal=literal,
    packages=("jax",),
    extra="jax",
    dtypes=("float16", "bfloat16", "float32", "float64"),
    ops={
        **INFIX,
        **{name: Op(f"jnp.{name}({{0}})") for name in _SAME_NAME},
        **{name: Op(f"jnp.arc{name[1:]}({{0}})") for name in _ARC},
        **{name: Op(f"_{name}({{0}})") for name in _OWN},
        **{name: Op(f"_{name}({{0}}, {{1}})") for name in _PAIRS},
        "mul_high": Op("_held({0} * {1})", needs=(PRODUCT, UNARY)),
        "pow": Op("jnp.power({0}, {1})"),
        "where": Op("jnp.where({0}, {1}, {2})"),
        "and": Op("{0} & {1}", BIT_AND, (UNARY, UNARY)),
        "or": Op("{0} | {1}", BIT_OR, (UNARY, UNARY)),
        "not": Op("~{0}", UNARY, (UNARY,)),
        "row_sum": Op("_row_sum({0})"),
        "row_total": Op("jnp.sum({0}, -1, keepdims=True)"),
        "row_max": Op("jnp.max({0}, -1, keepdims=True)"),
    },
    helpers={
        **dict.fromkeys(("minimum", "maximum"), ("branches",)),
        **dict.fromkeys(("mul_low", "add_low"), ("held", "wide")),
        **dict.fromkeys(("hold", "mul_high"), ("held",)),
        **dict.fromkeys(("erf", "erfc"), ("held", "wide", "erf")),
        **dict.fromkeys(("sinh", "cosh", "atanh"), ("held", "log1p", "expm1", "hyperbolic")),
        "expm1": ("expm1",),
        "log1p": ("held", "log1p"),
        "tanh": ("tanh",),
        "row_sum": ("held", "sum"),
    },
    signatures=Signatures(
        array="ArrayLike",
        value="ArrayLike",
        result="Array",
        plain=("Array", "Array"),
    ),
    hold="_held({0})",
    usage="Every function takes floating arrays or numbers of any shape; parameters are numbers or "
    "arrays that broadcast. All are differentiable to any order, in their parameters too. 16-bit "
    "arrays are computed in float32 and rounded once.",
    row_usage="Every function takes floating arrays; a row lies along `axis`. f is differentiable "
    "to any order; the others too, where no two entries of a row are the greatest. What jax.grad "
    "and jax.jvp give is in plain operations, vjp and jvp below are within the contract. 16-bit "
    "arrays are computed in float32 and rounded once.",
    default=literal,
    linear=True,
    flushes=True,
)
