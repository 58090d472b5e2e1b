"""A program evaluated in a format with every operation correctly rounded, the same on any machine.

float32 operations are computed in float64 and rounded; float64 ones are NumPy's and libm's. The
choice among candidates rests on this model, so that two machines choose alike.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import sympy
from sympy import Expr

from .accuracy import Format
from .near import OPERATIONS, SIDES
from .program import Program, bind, interpret


def _mul_low(a: Any, b: Any) -> Any:
    """a·b − fl(a·b) by Dekker's splitting, in the arithmetic of a."""
    split = np.result_type(a, b).type(4097 if np.result_type(a, b) == np.float32 else 134217729)
    (ah, al), (bh, bl) = ((h := split * v - (split * v - v), v - h) for v in (a, b))
    return al * bl - (((a * b - ah * bh) - al * bh) - ah * bl)


def _add_low(a: Any, b: Any) -> Any:
    """a + b − fl(a + b) (Knuth's two-sum)."""
    total = a + b
    part = total - a
    return (a - (total - part)) + (b - part)


_UFUNCS: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "mul_high": np.multiply,
    "mul_low": _mul_low,
    "add_low": _add_low,
    "neg": np.negative,
    "abs": np.abs,
    "sign": np.sign,
    "sqrt": np.sqrt,
    "pow": np.power,
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "minimum": np.minimum,
    "maximum": np.maximum,
    "gt": np.greater,
    "ge": np.greater_equal,
    "lt": np.less,
    "le": np.less_equal,
    "eq": np.equal,
    "ne": np.not_equal,
    "and": np.logical_and,
    "or": np.logical_or,
    "not": np.logical_not,
    "isnan": np.isnan,
    "where": np.where,
    **OPERATIONS,
    "erf": np.vectorize(math.erf, otypes=[float]),
    "erfc": np.vectorize(math.erfc, otypes=[float]),
}

#: So many numbers are evaluated at a time.
BLOCK = 1 << 13
NEAR = frozenset(OPERATIONS)
#: Exact or correctly rounded in every format as they are.
EXACT = frozenset(
    "add sub mul div mul_high mul_low add_low neg abs sign sqrt minimum maximum where isnan "
    "gt ge lt le eq ne and or not".split()
)


@functools.lru_cache(1 << 14)
def constant(expr: Expr) -> float:
    """An exact number as the nearest float64."""
    if expr in (sympy.oo, -sympy.oo):
        return math.inf if expr == sympy.oo else -math.inf
    return math.nan if expr is sympy.nan else float(sympy.N(expr, 30))


@functools.cache
def operations(name: str, dtype: Any, side: int = SIDES[0]) -> Callable[..., Any]:
    """One operation, rounded to the format; approximations are off to that side."""
    ufunc = _UFUNCS[name]
    if name in NEAR:
        return functools.partial(ufunc, side=side)
    if dtype == np.float64 or name in EXACT:
        return ufunc
    return lambda *args: ufunc(*(np.asarray(a, np.float64) for a in args)).astype(dtype)


class _Ops(Mapping[str, Callable[..., Any]]):
    def __init__(self, dtype: Any, side: int = SIDES[0]) -> None:
        self.dtype, self.side = dtype, side

    def __getitem__(self, name: str) -> Callable[..., Any]:
        return operations(name, self.dtype, self.side)

    def __iter__(self) -> Any:
        return iter(_UFUNCS)

    def __len__(self) -> int:
        return len(_UFUNCS)


def _work(fmt: Format) -> Any:
    """The dtype in which results of a format are computed."""
    return np.float64 if fmt.dtype == np.float64 else np.float32


def evaluate(
    program: Program, values: Mapping[str, Any], fmt: Format, side: int = SIDES[0]
) -> list[Any]:
    """The outputs in the format; 16-bit formats compute in float32 and round once."""
    work = _work(fmt)
    arrays = {name: np.asarray(v, np.float64).astype(work) for name, v in values.items()}
    run = bind(program, _Ops(work, side), lambda c: work(constant(c)))
    shape = np.broadcast_shapes(*(np.shape(v) for v in arrays.values()))
    found = [np.empty(shape, fmt.dtype) for _ in program.outputs]
    with np.errstate(all="ignore"):
        for block in _blocks(shape):
            some = {n: v[block] if np.shape(v) == shape else v for n, v in arrays.items()}
            for whole, out in zip(found, run(some), strict=True):
                whole[block] = np.asarray(out, work).astype(fmt.dtype)
    return found


def _blocks(shape: tuple[int, ...]) -> list[Any]:
    """Parts of a long line that stay in the cache; else all of it at once."""
    if len(shape) != 1:
        return [...]
    return [slice(i, i + BLOCK) for i in range(0, shape[0], BLOCK)]


def evaluate_row(program: Program, rows: Sequence[Any], fmt: Format, side: int = SIDES[0]) -> Any:
    """The same of a row program, on one row (and one-value inputs); sums are rounded once."""
    work = _work(fmt)

    def total(row: Any) -> Any:
        wide = np.asarray(row, np.float64)
        if not np.isfinite(wide).all():
            return np.sum(row, keepdims=True)
        return np.asarray([math.fsum(wide)]).astype(work)

    ops = {
        **dict(_Ops(work, side)),
        "row_sum": total,
        "row_max": lambda row: np.max(row, keepdims=True),
    }
    values = {n: np.asarray(r, work) for n, r in zip(program.inputs, rows, strict=True)}
    y = interpret(program, values, ops, lambda c: np.asarray([constant(c)], work))[0]
    return y.astype(fmt.dtype)
