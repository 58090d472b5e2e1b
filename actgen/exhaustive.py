"""Every float32 number through the tables of the Numba files, against the float64 program."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .compiler import compile, compile_activation
from .registry import load
from .tabling import plans

#: Numbers tried at a time: 64 MiB of them.
CHUNK = 1 << 24


@dataclass(frozen=True)
class Worst:
    """The greatest error of a function in ulp of float32, where it is, how many were tried."""

    function: str
    ulp: float
    at: float
    tried: int


def worst(name: str, stride: int = 1) -> Iterator[Worst]:
    """Each tabled function of an activation, at every stride-th of the 2**32 float32 numbers.

    Errors are against the float64 results of the same file, which verify measures.
    BackendUnavailable where numba is not installed.
    """
    act = load(name)
    kernel = compile(act, "numba")
    module, greatest = kernel.module, _greatest()
    for function, plan in plans(compile_activation(act)).items():
        if plan.layout is None:
            continue
        suffix = "" if function == "forward" else f"_{function}"
        f = getattr(module, name + suffix)
        found, at, tried = 0.0, math.nan, 0
        for start in range(0, 1 << 32, CHUNK * stride):
            end = min(start + CHUNK * stride, 1 << 32)
            x = np.arange(start, end, stride, dtype=np.uint64).astype(np.uint32).view(np.float32)
            with np.errstate(invalid="ignore"):  # signalling NaN
                error, i = greatest(f(x), f(x.astype(np.float64)))
            tried += x.size
            if error > found:
                found, at = error, float(x[i])
        yield Worst(function, found, at, tried)


def _greatest() -> Any:
    numba: Any = importlib.import_module("numba")

    @numba.njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def greatest(y: Any, true: Any) -> tuple[float, int]:
        """The greatest |y − true| in ulp of float32, and where; infinite for a wrong NaN."""
        found, at = 0.0, 0
        for i in range(y.size):
            t = true[i]
            near = np.float32(t)
            if y[i] == near or (math.isnan(near) and math.isnan(y[i])):
                error = abs(y[i] - t) if abs(t) < math.inf and abs(near) < math.inf else 0.0
            elif math.isnan(near) or math.isnan(y[i]) or math.isinf(y[i]):
                error = math.inf
            else:
                error = abs(y[i] - t)
            if error > 0.0:
                size = max(abs(t), 2.0**-126)
                error *= 2.0 ** (23 - math.floor(math.log2(size)))
                if error > found:
                    found, at = error, i
        return found, at

    return greatest
