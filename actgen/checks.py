"""Cross-checks that need no error bound: derivatives, autograd, peers, one backend and another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import flint
import numpy as np
from flint import arb
from sympy import Symbol

from . import model
from .accuracy import FORMATS
from .calculus import break_points
from .compiled import Compiled
from .compiler import compile, compile_activation
from .lang import symbol
from .oracle import Oracle, Undecided, exact_row, from_float
from .peers import LIBRARIES
from .running import runner
from .spec import Activation

#: Ordinary inputs, away from the kinks of every declared activation.
ORDINARY = (-7.3, -4.1, -2.2, -1.37, -0.71, -0.33, 0.27, 0.62, 1.19, 1.83, 2.9, 4.7, 8.6)


def ordinary(act: Activation) -> list[float]:
    """Ordinary inputs that are no kink."""
    kinks = [
        float(p.subs(act.defaults)) for p in break_points(act.formula, act.inputs[0], act.defaults)
    ]
    away = [x for x in ORDINARY if all(abs(x - k) > 0.01 for k in kinks)]
    if act.is_row or act.is_gated:
        return away
    oracle = Oracle(act.formula, act.inputs, act.defaults)
    return [x for x in away if oracle(x).is_finite()]


# Derivatives against finite differences.


def finite_differences(act: Activation) -> list[str]:
    """Where a derivative is not the central difference of the formula, with 400 bits."""
    compiled = compile_activation(act)
    if act.is_row:
        return _row_differences(compiled)
    pairs: list[tuple[str, str, Symbol]] = []
    if act.is_gated:
        for v in act.inputs:
            pairs.append(("forward", f"derivative_{v}", v))
        for i, v in enumerate(act.inputs):
            pairs += [(f"derivative_{v}", f"second_derivative_{v}{w}", w) for w in act.inputs[i:]]
    else:
        x = act.inputs[0]
        pairs += [("forward", "derivative", x), ("derivative", "second_derivative", x)]
    pairs += [("forward", f"grad_{p.name}", p.symbol) for p in act.parameters if p.value.is_finite]
    found = []
    points = ordinary(act)
    for of, name, var in pairs:
        for x in points:
            problem = _difference(compiled, of, name, var, x)
            if problem:
                found.append(problem)
                break
    return found


def _difference(compiled: Compiled, of: str, name: str, var: Symbol, x: float) -> str:
    act = compiled.activation
    symbols = [*act.inputs, *(p.symbol for p in act.parameters if p.value.is_finite)]
    fixed = {p.symbol: p.value for p in act.parameters if not p.value.is_finite}
    values = [x, *([0.6 * x + 0.11] * (len(act.inputs) - 1))]
    values += [model.constant(p.value) for p in act.parameters if p.value.is_finite]
    step = arb(2) ** -120
    i = symbols.index(var)
    with flint.ctx.workprec(600):
        at = [from_float(v) for v in values]
        ends = [[*at[:i], at[i] + s * step, *at[i + 1 :]] for s in (1, -1)]
    try:
        up, down = (
            Oracle(compiled.functions[of].truth, symbols, fixed).exact(e, 400) for e in ends
        )
        stated = Oracle(compiled.functions[name].truth, symbols, fixed).exact(at, 200)
    except Undecided:
        return ""
    with flint.ctx.workprec(600):
        slope = (up - down) / (2 * step)
        gap = abs(slope - stated)
    if gap <= abs(stated) * arb(2) ** -150 + arb(2) ** -180:
        return ""
    return f"{act.name}: {name} at {x}: {stated} is not the slope {slope}"


def _row_differences(compiled: Compiled) -> list[str]:
    """vjp and jvp of a row function against differences of the whole row."""
    act = compiled.activation
    x, dy, dx = act.inputs[0], symbol("dy"), symbol("dx")
    row = [0.31, -1.2, 2.7, 0.9, -0.4]
    step = 2.0**-40
    forward = compiled.functions["forward"].truth
    jacobian = []
    for i in range(len(row)):
        ends = []
        for s in (1, -1):
            moved = [v + s * step * (k == i) for k, v in enumerate(row)]
            ends.append(exact_row(forward, {x: moved}, 200))
        jacobian.append([float((u - d) / (2 * step)) for u, d in zip(*ends, strict=True)])
    columns = np.array(jacobian)  # [input, output]
    found = []
    cotangent = [0.7, -0.2, 1.1, 0.4, -0.9][: columns.shape[1]]
    vjp = [
        float(v) for v in exact_row(compiled.functions["vjp"].truth, {x: row, dy: cotangent}, 100)
    ]
    if not np.allclose(columns @ np.array(cotangent), vjp, rtol=1e-9, atol=1e-12):
        found.append(f"{act.name}: vjp {vjp} is not that of the differences {columns @ cotangent}")
    tangent = [0.7, -0.2, 1.1, 0.4, -0.9]
    jvp = [float(v) for v in exact_row(compiled.functions["jvp"].truth, {x: row, dx: tangent}, 100)]
    if not np.allclose(columns.T @ np.array(tangent), jvp, rtol=1e-9, atol=1e-12):
        found.append(f"{act.name}: jvp {jvp} is not that of the differences")
    if not act.reduces:
        diagonal = [
            float(v) for v in exact_row(compiled.functions["derivative"].truth, {x: row}, 100)
        ]
        if not np.allclose(np.diag(columns), diagonal, rtol=1e-9, atol=1e-12):
            found.append(f"{act.name}: derivative {diagonal} is not the Jacobian's diagonal")
    return found


# PyTorch.


def gradcheck(act: Activation) -> list[str]:
    """torch.autograd.gradcheck (both modes) and gradgradcheck of the generated function."""
    import torch

    kernel = compile(act, "torch")
    points = torch.tensor(ordinary(act)[:10], dtype=torch.float64)
    arrays = (
        [points.view(2, 5)]
        if act.is_row
        else [points, *([points.flip(0) * 0.6 + 0.1] * (len(act.inputs) - 1))]
    )
    arrays = [a.clone().requires_grad_() for a in arrays]
    learned = [p for p in act.parameters if p.value.is_finite]
    values = [
        torch.tensor(model.constant(p.value), dtype=torch.float64, requires_grad=True)
        for p in learned
    ]

    def call(*args: Any) -> Any:
        given = dict(zip((p.name for p in learned), args[len(arrays) :], strict=True))
        if act.is_row:
            return kernel.forward(*args[: len(arrays)], dim=-1)
        return kernel.forward(*args[: len(arrays)], **given)

    found = []
    for name, check, extra in (
        ("gradcheck", torch.autograd.gradcheck, {"check_forward_ad": True}),
        ("gradgradcheck", torch.autograd.gradgradcheck, {}),
    ):
        try:
            check(call, (*arrays, *values), **extra)
        except RuntimeError as problem:
            found.append(f"{act.name}: {name}: {str(problem).splitlines()[0]}")
    return found


# JAX.


def check_grads(act: Activation) -> list[str]:
    """jax.test_util.check_grads of the generated function: both modes, to second order."""
    from jax.test_util import check_grads

    kernel = compile(act, "jax")
    library = LIBRARIES["jax"]
    points = np.array(ordinary(act)[:10])
    learned = [p for p in act.parameters if p.value.is_finite]
    with library.context():
        arrays = [points.reshape(2, 5)] if act.is_row else [points, 0.6 * points[::-1] + 0.1]
        numbers = [np.float64(model.constant(p.value)) for p in learned]
        given = [library.array(a, FORMATS["float64"]) for a in arrays[: len(act.inputs)]]

        def call(*args: Any) -> Any:
            named = dict(zip((p.name for p in learned), args[len(given) :], strict=True))
            along = {"axis": -1} if act.is_row else {}
            return kernel.forward(*args[: len(given)], **named, **along)

        try:
            # Central differences of twice differentiated functions hold six digits.
            check_grads(call, (*given, *numbers), order=2, atol=1e-4, rtol=1e-4)
        except AssertionError as problem:
            return [f"{act.name}: check_grads: {str(problem).strip().splitlines()[0]}"]
    return []


#: What checks derivatives by automatic differentiation, by backend.
DIFFERENTIABLE: dict[str, Callable[[Activation], list[str]]] = {
    "torch": gradcheck,
    "jax": check_grads,
}


# Peers.


def peers(act: Activation) -> list[str]:
    """The formula against the same function of other libraries, in float64 on ordinary inputs.

    The peer's own rounding, and its cancellations against 1, are allowed for: 1e-12 of the
    greatest of |x|, |f(x)| and 1. A library that is not installed is passed over.
    """
    named = [name for name in LIBRARIES if name in act.peers]
    return [line for name in named if not LIBRARIES[name].missing for line in _peer(act, name)]


def _peer(act: Activation, name: str) -> list[str]:
    points = ordinary(act)
    if act.is_row:
        points = points[:5]
        x = np.array(points).reshape([-1, *[1] * (-act.axis - 1)])
        true = [float(v) for v in exact_row(act.formula, {act.inputs[0]: points})]
    else:
        others = [[0.6 * p + 0.11 for p in points]] * (len(act.inputs) - 1)
        x = np.array([points, *others]).ravel()
        oracle = Oracle(act.formula, act.inputs, act.defaults)
        true = [float(oracle(*p)) for p in zip(points, *others, strict=True)]
    theirs = np.ravel(LIBRARIES[name].values(act, x, FORMATS["float64"]))
    for at, t, y in zip(points, true, theirs, strict=False):
        if not abs(t - y) <= 1e-12 * max(1.0, abs(at), abs(t)):
            call = act.peers[name].split("(")[0]
            return [f"{act.name}: {call} gives {float(y)!r} at {at}, the formula {t!r}"]
    return []


# One backend and another.

#: How far backends may differ in float64 on ordinary inputs, relative to the greater of 1 and the
#: value: a few roundings of a cancelling sum, nothing more.
AGREE = 1e-12


def agreement(act: Activation, targets: Sequence[str]) -> list[str]:
    """Every function on every backend in float64 on ordinary inputs; those that differ."""
    compiled = compile_activation(act)
    if act.is_row or len(targets) < 2:
        return []
    points = np.array(ordinary(act))
    arrays = [points, *([0.6 * points + 0.11] * (len(act.inputs) - 1))]
    values = {p.name: model.constant(p.value) for p in act.parameters}
    runs = {target: runner(compiled, target) for target in targets}
    found = []
    for f in compiled.functions.values():
        results = {
            t: np.asarray(run(f, arrays, values, FORMATS["float64"])) for t, run in runs.items()
        }
        first = results[targets[0]]
        for target, y in results.items():
            if not np.all(np.abs(y - first) <= AGREE * np.maximum(1.0, np.abs(first))):
                found.append(f"{act.name}: {f.name} on {target} differs from {targets[0]}")
    return found
