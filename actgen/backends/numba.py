"""Numba on the CPU: scalar float64 functions inside serial loops that LLVM vectorises."""

from __future__ import annotations

from . import BIT_AND, BIT_OR, CONDITIONAL, INFIX, NOT, OR, UNARY, Backend, Op, Signatures, literals
from .numpy import ROW_USAGE, USAGE

#: float64 literals.
literal = literals("math")

#: Written in the templates, as a call to libm would keep a loop from being vectorised.
_OWN = {
    "exp": ("bits", "exp"),
    "expm1": ("bits", "expm1"),
    "log": ("bits", "log"),
    "log1p": ("bits", "log"),
    "sinh": ("bits", "exp", "expm1", "hyperbolic"),
    "cosh": ("bits", "exp", "expm1", "hyperbolic"),
    "tanh": ("bits", "exp", "expm1", "hyperbolic"),
    "erf": ("bits", "exp", "erf"),
    "erfc": ("bits", "exp", "erf"),
    "sign": ("sign",),
    "minimum": ("minimum",),
    "maximum": ("maximum",),
    "exp_near": ("bits", "exp_near"),
    "mul_low": ("wide",),
    "add_low": ("wide",),
}
#: libm's, one call an element.
_SCALAR = ("sin", "cos", "tan", "asin", "acos", "atan", "asinh", "acosh", "atanh")
_PAIRS = ("minimum", "maximum", "mul_low", "add_low")

BACKEND = Backend(
    name="numba",
    literal=literal,
    packages=("numba",),
    extra="numba",
    dtypes=("float16", "bfloat16", "float32", "float64"),
    ops={
        **INFIX,
        **{
            name: Op(f"_{name}({{0}}, {{1}})" if name in _PAIRS else f"_{name}({{0}})")
            for name in _OWN
        },
        **{name: Op(f"math.{name}({{0}})") for name in ("sqrt", *_SCALAR)},
        "abs": Op("abs({0})"),
        "isnan": Op("math.isnan({0})"),
        "pow": Op("math.pow({0}, {1})"),
        "mul_high": INFIX["mul"],
        "where": Op("{1} if {0} else {2}", CONDITIONAL, (OR, OR, CONDITIONAL)),
        # Not `and` and `or`: without branches.
        "and": Op("{0} & {1}", BIT_AND, (UNARY, UNARY)),
        "or": Op("{0} | {1}", BIT_OR, (UNARY, UNARY)),
        "not": Op("not {0}", NOT, (UNARY,)),
    },
    helpers={**_OWN, "row_max": ("bits",)},
    signatures=Signatures(
        array="ArrayLike",
        value="ArrayLike",
        result="Array",
        last=("*", "out: Array | None = None"),
    ),
    usage=f"{USAGE} "
    "Values are computed in float64 and rounded once; 16-bit ones are looked up in a table of "
    "these, float32 ones at the default parameters in tables where that is faster. Contiguous "
    "arrays of one float dtype with numbers for parameters are fast, large ones in threads: as "
    "many as set_num_threads says, else torch's number where torch is loaded, else "
    "OMP_NUM_THREADS, else one a core.",
    row_usage=ROW_USAGE,
    default=literal,
    leans=True,
    loops="blocks",
    exports=("set_num_threads",),
    compiles=True,
    eager=True,
    tables="memory",
    variants=("narrow",),
    double=True,
)
