"""Checks of PyTorch: autograd, in both directions and to high orders."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.autograd.functional import jacobian

from ..spec import Activation
from .check import Check
from .torch_compare import (
    double,
    expect,
    gradients,
    near,
    near_each,
    near_where_finite,
    third_difference,
    weights,
)
from .torch_subject import Subject

SMALL = (3, 2, 2)


def backward(s: Subject) -> None:
    """In float32 and float64, for inputs and parameters."""
    for dtype in (torch.float32, torch.float64):
        inputs, values = s.inputs(dtype=dtype), s.values(dtype=dtype)
        given = gradients(_call(s, inputs, values), *inputs, *values.values())
        near_each(given, reference(s, inputs, values), f"{dtype} gradient")


def _call(s: Subject, inputs: Any, values: dict[str, Tensor]) -> Any:
    """f of the inputs and then the parameters, by position."""
    return lambda *a: s.f(*a[: len(inputs)], **_named(values, a))


def _named(values: dict[str, Tensor], arguments: Any) -> dict[str, Tensor]:
    return dict(zip(values, arguments[len(arguments) - len(values) :], strict=True))


def reference(s: Subject, inputs: Any, values: dict[str, Tensor]) -> list[Tensor]:
    """The cotangents of inputs and parameters by the closed forms, in float64."""
    wide, wide_values = double(inputs), {k: v.double() for k, v in values.items()}
    dy = weights(s.f(*wide, **wide_values))
    found = list(s.vjp(*wide, dy, **wide_values))
    return found + [s.vjp_parameter(name, *wide, dy, **wide_values) for name in values]


def hard_backward(s: Subject) -> None:
    """No 0·inf: the gradients at ±inf, at large inputs and at kinks."""
    for dtype in (torch.float32, torch.float64):
        inputs = s.hard(dtype)
        given = gradients(s.f, *inputs)
        near_where_finite(given, reference(s, inputs, {}), f"{dtype} gradient")


def hard_parameters(s: Subject) -> None:
    """No 0·inf: the gradients of parameters at ±inf, at large inputs and at kinks."""
    inputs = s.hard()
    values = s.values(inputs[0].shape, torch.float32)
    given = gradients(lambda *a: s.f(*inputs, **_named(values, a)), *values.values())
    dy = weights(s.f(*inputs)).double()
    wide, wide_values = double(inputs), {k: v.double() for k, v in values.items()}
    truth = [dy * s.gradient(name, *wide, **wide_values) for name in values]
    near_where_finite(given, truth, "gradient of a parameter")


def numeric(s: Subject) -> None:
    """torch.autograd.gradcheck: both modes, against finite differences."""
    torch.autograd.gradcheck(*_checked(s), check_forward_ad=True, fast_mode=True)


def batched(s: Subject) -> None:
    """torch.autograd's own vectorised Jacobians, by either mode."""
    inputs = s.inputs(SMALL)
    y = s.f(*inputs)
    units = torch.eye(y.numel(), dtype=y.dtype)
    truth = [
        torch.stack(rows).reshape(*y.shape, *i.shape)
        for rows, i in zip(zip(*(s.vjp(*inputs, u.view(y.shape)) for u in units)), inputs)
    ]
    for strategy in ("reverse-mode", "forward-mode"):
        given = jacobian(s.f, inputs, vectorize=True, strategy=strategy)
        near_each(given, truth, f"{strategy} Jacobian")


def numeric_second(s: Subject) -> None:
    """torch.autograd.gradgradcheck: reverse and forward over reverse."""
    torch.autograd.gradgradcheck(*_checked(s), check_fwd_over_rev=True, fast_mode=True)


def _checked(s: Subject) -> tuple[Any, tuple[Tensor, ...]]:
    inputs, values = s.inputs(SMALL), s.values()
    leaves = [t.requires_grad_() for t in (*inputs, *values.values())]
    return _call(s, inputs, values), tuple(leaves)


def fourth(s: Subject) -> None:
    """Four backward passes, each through the last one's graph."""
    inputs = s.inputs(SMALL)
    moves = [weights(i) for i in inputs]

    def along(t: Any) -> list[Tensor]:
        return [i + t * m for i, m in zip(inputs, moves, strict=True)]

    t = torch.zeros((), dtype=torch.float64, requires_grad=True)
    y = s.f(*along(t))
    dy = weights(y)
    value = (y * dy).sum()
    for _ in range(4):
        # A constant has no graph, as with torch's own leaky_relu from the third order on.
        flat = not value.requires_grad
        value = value * 0 if flat else torch.autograd.grad(value, t, create_graph=True)[0]
    truth = third_difference(lambda h: (s.jvp(*along(h), *moves) * dy).sum())
    near(value, truth, "fourth derivative", scale=1e4)


def forward_mode(s: Subject) -> None:
    """torch.autograd.forward_ad, inputs and parameters at once."""
    inputs, values = s.inputs(), s.values()
    tangents = [weights(t) for t in (*inputs, *values.values())]
    with forward_ad.dual_level():
        duals = [
            forward_ad.make_dual(t, d)
            for t, d in zip((*inputs, *values.values()), tangents, strict=True)
        ]
        y = s.f(*duals[: len(inputs)], **_named(values, duals))
        tangent = forward_ad.unpack_dual(y).tangent
    expect(tangent is not None, "no tangent")
    truth = s.jvp(*inputs, *tangents[: len(inputs)])
    for name, d in zip(values, tangents[len(inputs) :], strict=True):
        truth = truth + d * s.gradient(name, *inputs)
    near(tangent, truth, "tangent")


def hard_forward_mode(s: Subject) -> None:
    """No 0·inf: tangents at ±inf, at large inputs and at kinks."""
    inputs = s.hard()
    tangents = [weights(i) for i in inputs]
    with forward_ad.dual_level():
        y = s.f(*map(forward_ad.make_dual, inputs, tangents))
        tangent = forward_ad.unpack_dual(y).tangent
    truth = s.jvp(*double(inputs), *double(tangents))
    near_where_finite([tangent], [truth], "tangent")


def saves_one(s: Subject) -> None:
    """Its inputs or its output, each once; nothing else of their size."""
    inputs = [i.requires_grad_() for i in s.inputs((64, 3, 4, 5), torch.float32)]
    kept: dict[int, int] = {}

    def pack(t: Tensor) -> Tensor:
        if t.numel() * t.element_size() > 64:  # parameters and scalars aside
            kept[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        s.f(*inputs)
    limit = sum(i.untyped_storage().nbytes() for i in inputs)
    each = limit // len(inputs) // inputs[0].numel()
    bytes_each = sum(kept.values()) / inputs[0].numel()
    expect(
        sum(kept.values()) <= limit,
        f"{bytes_each:g} bytes an element are saved, not {each * len(inputs)}",
    )


def modified_input(s: Subject) -> None:
    """After the input was changed in place: an error or the right gradient, never a wrong one."""
    inputs = s.inputs()
    truth = reference(s, inputs, {})
    copies = [i.clone().requires_grad_() for i in inputs]
    given = [c * 1.0 for c in copies]
    y = s.f(*given)
    for g in given:
        g.mul_(3.0)
    try:
        found = torch.autograd.grad(y, copies, weights(y))
    except RuntimeError as error:
        expect("inplace operation" in str(error), f"another error: {error}")
        return
    near_each(found, truth, "gradient")


def checkpointing(s: Subject, reentrant: bool) -> None:
    """torch.utils.checkpoint gives the same gradient."""
    from torch.utils.checkpoint import checkpoint

    inputs = s.inputs()
    leaves = [i.clone().requires_grad_() for i in inputs]
    y = checkpoint(s.f, *leaves, use_reentrant=reentrant)
    y.backward(weights(y))
    near_each([leaf.grad for leaf in leaves], reference(s, inputs, {}), "gradient")


def offloading(s: Subject) -> None:
    """torch.autograd.graph.save_on_cpu gives the same gradient."""
    inputs = s.inputs()
    with torch.autograd.graph.save_on_cpu():
        given = gradients(s.f, *inputs)
    near_each(given, reference(s, inputs, {}), "gradient")


def parametric(act: Activation) -> bool:
    """It has parameters."""
    return bool(act.parameters)


def _row(name: str, run: Any, **options: Any) -> Check:
    return Check(name, "autograd", run, **options)


CHECKS = (
    _row("backward", backward),
    _row("backward at hard inputs", hard_backward),
    _row("backward of parameters at hard inputs", hard_parameters, applies=parametric),
    _row("gradcheck", numeric),
    _row("batched Jacobians", batched),
    _row("gradgradcheck", numeric_second),
    _row("fourth derivative", fourth),
    _row("forward mode", forward_mode),
    _row("forward mode at hard inputs", hard_forward_mode),
    _row("saves one tensor", saves_one),
    _row("input changed in place", modified_input),
    _row("checkpoint", partial(checkpointing, reentrant=False)),
    _row("checkpoint, reentrant", partial(checkpointing, reentrant=True)),
    _row("saved tensors moved", offloading),
)
