"""NumPy: plain ufuncs over blocks, computed in float64 and rounded once."""

from __future__ import annotations

from . import BIT_AND, BIT_OR, INFIX, UNARY, Backend, Op, Signatures, literals

#: float64 literals.
literal = literals("np")

_SAME_NAME = (
    "abs",
    "sign",
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
    "minimum",
    "maximum",
    "isnan",
)
_ARC = ("asin", "acos", "atan", "asinh", "acosh", "atanh")

USAGE = (
    "Every function takes real arrays of any shape and strides, or scalars; they broadcast. "
    "The result has their floating dtype (float64 for integers); `out` takes it, as for a ufunc."
)
ROW_USAGE = (
    "Every function takes real arrays; a row lies along `axis`. The result has their "
    "floating dtype (float64 for integers), computed in float64 and rounded once."
)

BACKEND = Backend(
    name="numpy",
    literal=literal,
    packages=("numpy",),
    extra="",
    dtypes=("float16", "bfloat16", "float32", "float64"),
    ops={
        **INFIX,
        **{
            name: Op(
                f"np.{name}({{0}}, {{1}})"
                if name in ("minimum", "maximum")
                else f"np.{name}({{0}})"
            )
            for name in _SAME_NAME
        },
        **{name: Op(f"np.arc{name[1:]}({{0}})") for name in _ARC},
        "pow": Op("np.power({0}, {1})"),
        "where": Op("_where({0}, {1}, {2})"),
        "and": Op("{0} & {1}", BIT_AND, (UNARY, UNARY)),
        "or": Op("{0} | {1}", BIT_OR, (UNARY, UNARY)),
        "not": Op("~{0}", UNARY, (UNARY,)),
        "mul_high": INFIX["mul"],
        "mul_low": Op("_mul_low({0}, {1})"),
        "add_low": Op("_add_low({0}, {1})"),
        "erf": Op("_erf({0})"),
        "erfc": Op("_erfc({0})"),
        "row_sum": Op("np.sum({0}, axis=-1, keepdims=True)"),
        "row_max": Op("np.max({0}, axis=-1, keepdims=True)"),
    },
    helpers={
        "where": ("where",),
        **dict.fromkeys(("erf", "erfc"), ("erf", "where")),
        **dict.fromkeys(("mul_low", "add_low"), ("wide",)),
    },
    signatures=Signatures(
        array="ArrayLike",
        value="ArrayLike",
        result="Array",
        plain=("Array", "Any"),
        last=("*", "out: Array | None = None"),
    ),
    usage=f"{USAGE} Values are computed in float64 and rounded once.",
    row_usage=ROW_USAGE,
    default=literal,
    leans=True,
    variants=("narrow",),
    double=True,
)
