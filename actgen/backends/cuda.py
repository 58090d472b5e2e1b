"""Numba-CUDA: scalar device functions inside grid-stride kernels; no float64 in float32 ones."""

from __future__ import annotations

import math

from . import AND, INFIX, NOT, OR, UNARY, Backend, Op, Signatures


def literal(value: float) -> str:
    """A literal of the kernel's own type `real`: a bare Python float would be float64."""
    if math.isinf(value):
        return "real(math.inf)" if value > 0 else "real(-math.inf)"
    return "real(math.nan)" if math.isnan(value) else f"real({value!r})".replace("e+", "e")


def default(value: float) -> str:
    """A parameter's default in Python, outside the kernels."""
    return repr(value) if math.isfinite(value) else f"{'-' if value < 0 else ''}math.inf"


_USAGE = (
    "Every function takes arrays that live on the device (torch tensors, CuPy or Numba arrays) or "
    "NumPy arrays, which are copied there and back"
)
_STRIDED = (
    "Views of two strides, such as the halves of a packed array, are read and written in place; "
    "others that are not contiguous are copied."
)
_WIDTH = "float64 is computed in float64, everything else in float32."
_LAST = ("*", "out: Any = None", "stream: Any = 0")

_SAME_NAME = (
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
    "erf",
    "erfc",
    "isnan",
)

#: The operations for 16 bits, and what each takes of the special function unit.
_NEAR: dict[str, tuple[str, ...]] = {
    "exp_flushed": ("exp2",),
    "exp_low": ("exp2",),
    "exp_near": (),
    "div_near": ("inverse",),
    "log1p_unit": (),
    "log1p_near": (),
    "expm1_near": ("exp2",),
    "erfc_near": ("exp2", "inverse"),
    "erfc_normal_near": ("exp2", "inverse"),
    "erfcx_near": ("inverse",),
}

BACKEND = Backend(
    name="cuda",
    literal=literal,
    packages=("numba", "numba.cuda"),
    extra="cuda",
    dtypes=("float16", "bfloat16", "float32", "float64"),
    ops={
        **INFIX,
        **{name: Op(f"math.{name}({{0}})") for name in _SAME_NAME},
        "abs": Op("abs({0})"),
        "pow": Op("math.pow({0}, {1})"),
        "sign": Op("_sign({0})"),
        # Written out: min, max and FMNMX drop NaN. The comparison is false for NaN, which stays.
        "minimum": Op("_minimum({0}, {1})"),
        "maximum": Op("_maximum({0}, {1})"),
        "where": Op("_where({0}, {1}, {2})"),
        **{n: Op(f"_{n}({{0}}, {{1}})") for n in ("mul_high", "mul_low", "add_low")},
        **{n: Op(f"_{n}({{0}})") for n in _NEAR},
        "div_near": Op("_div_near({0}, {1})"),
        "and": Op("{0} and {1}", AND, (AND, NOT)),
        "or": Op("{0} or {1}", OR, (OR, AND)),
        "not": Op("not {0}", NOT, (UNARY,)),
    },
    helpers={
        **dict.fromkeys(("mul_high", "mul_low", "add_low"), ("wide",)),
        **{name: (*unit, name) for name, unit in _NEAR.items()},
        "sign": ("sign",),
        "minimum": ("minimum",),
        "maximum": ("maximum",),
        "where": ("where",),
    },
    signatures=Signatures(
        array="Any",
        value="float",
        result="Any",
        last=_LAST,
        row_last=("axis: int = {axis}", *_LAST),
    ),
    usage=f"{_USAGE}. {_STRIDED} {_WIDTH}",
    row_usage=f"{_USAGE}; a row lies along `axis`. {_WIDTH}",
    default=default,
    loops="threads",
    tables="shared",
    variants=("half",),
)
