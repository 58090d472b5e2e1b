"""The functions of one number of an activation: f, f', or what a gate multiplies; their zeros."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import flint
import numpy as np
from flint import arb
from numpy.typing import NDArray

from . import calculus, model
from .accuracy import FORMATS
from .compiled import Compiled, Function
from .oracle import Oracle
from .spec import Activation

Array = NDArray[Any]


def source() -> str:
    """What decides on tables besides their own modules."""
    return Path(__file__).read_text()


def value_of(function: Function, act: Activation) -> Callable[[Array], Array]:
    """Its value in float64, the parameters at their defaults; what it does not depend on is 1."""
    program, x = function.program, variable(act)
    numbers = {p.name: model.constant(p.value) for p in act.parameters}

    def f(at: Array) -> Array:
        with np.errstate(all="ignore"):
            given = {**dict.fromkeys(program.inputs, np.ones(())), **numbers}
            given[x] = np.asarray(at, np.float64)
            y = model.evaluate(program, given, FORMATS["float64"])[0]
        return np.broadcast_to(np.asarray(y, np.float64), np.shape(at))

    return f


def exactly(function: Function, act: Activation, bits: int = 100) -> Callable[[arb], arb]:
    """The same at an exact number, from its definition, with so many right bits."""
    oracle, x = Oracle(function.truth, act.inputs, act.defaults), variable(act)
    return lambda at: oracle.exact([at if v.name == x else arb(1) for v in act.inputs], bits)


def variable(act: Activation) -> str:
    """The input that a table is of."""
    other = linear(act)
    return next(str(v) for v in act.inputs if str(v) != other)


def linear(act: Activation) -> str:
    """The input v of a gated function v g(w), the other one being w; "" where there is none."""
    for v in act.inputs if act.is_gated else ():
        if v not in calculus.derivative(act.formula, v).free_symbols:
            return str(v)
    return ""


def gates(act: Activation) -> dict[str, tuple[str, str, list[str]]]:
    """Kernels of v g(w): the function whose table they read, at what, and the factors."""
    v, w = linear(act), variable(act)
    if not v:
        return {}
    gate, slope = f"derivative_{v}", "second_derivative_" + "".join(map(str, act.inputs))
    return {
        "_forward": (gate, w, [v]),
        f"_{gate}": (gate, w, []),
        f"_derivative_{w}": (slope, w, [v]),
        f"_{slope}": (slope, w, []),
        f"_vjp_{v}": (gate, w, ["dout"]),
        f"_vjp_{w}": (slope, w, [v, "dout"]),
    }


def products(
    act: Activation, kernels: list[dict[str, Any]]
) -> Iterator[tuple[str, str, str, list[str]]]:
    """Kernels that are a function of one number times others: its kernel, of what, the others."""
    found = gates(act) if act.is_gated else {}
    for kernel in () if act.is_row else kernels:
        name, (x, *factors) = kernel["name"], kernel["arrays"]
        if not act.is_gated:
            yield name, kernel["of"] or name, x, factors
        elif name in found:
            of, x, factors = found[name]
            yield name, f"_{of}", x, factors


def is_plain(compiled: Compiled, kernel: str, x: str, factors: list[str]) -> bool:
    """Whether a kernel depends on nothing but x and the factors."""
    function = compiled.functions.get(kernel.removeprefix("_"))
    read = frozenset() if function is None else function.program.used
    return not compiled.activation.is_gated or bool(factors) or read == {x}


def zeros(f: Callable[[Array], Array]) -> tuple[float, ...]:
    """The zeros nearest to 0, three at most, one of order m m times."""
    found = [0.0] * _order_at_0(f)
    edges = np.arange(-(1 << 11), (1 << 11) + 1) * 2.0**-7
    y = f(edges)
    for i in np.flatnonzero((y[:-1] * y[1:] < 0.0) & np.isfinite(y[:-1]) & np.isfinite(y[1:])):
        low, high = edges[i], edges[i + 1]
        for _ in range(60):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if f(middle) * y[i] > 0.0 else (low, middle)
        if abs(f(high) - f(low)) < 0.5 * abs(y[i + 1] - y[i]):  # no pole, no jump
            found.append(float(0.5 * (low + high)))
    return tuple(sorted(found, key=abs)[:3])


def refined(f: Callable[[arb], arb], zero: float) -> arb:
    """A simple zero of an exact function, to about a hundred bits, from one that is near."""
    with flint.ctx.workprec(160):
        a, b = arb(zero) + arb(2) ** -40, arb(zero)
        for _ in range(5):
            low, high = f(a).mid(), f(b).mid()
            if high == low:
                break
            a, b = b, (b - high * (b - a) / (high - low)).mid()
        return b


def _order_at_0(f: Callable[[Array], Array]) -> int:
    if f(np.zeros(1))[0] != 0.0:
        return 0
    t = 2.0**-16
    y = f(np.array([-2.0 * t, -t, t, 2.0 * t]))
    with np.errstate(all="ignore"):
        ratios = np.abs([y[0] / y[1], y[3] / y[2]])
    orders = np.round(np.log2(ratios[np.isfinite(ratios) & (ratios > 0.0)]))
    return int(min(max(orders.min(), 0), 3)) if orders.size else 0
