"""Checks of PyTorch: bad input, refused by torch's own kind of error with what was expected."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from ..spec import Activation
from .check import Check
from .torch_autograd import parametric
from .torch_compare import expect, refused
from .torch_subject import Subject
from .torch_tensors import elementwise

#: Sizes of a gated module's input along its dimension that no two halves fill.
ODD = (1, 3, 5)


def not_tensors(s: Subject) -> None:
    """Lists, numbers and None: TypeError."""
    for wrong in ([1.0, 2.0], 1.0, None):
        others = s.inputs()[1:]
        refused(partial(s.f, wrong, *others), TypeError, s.act.name, "tensor", type(wrong).__name__)


def parameter_shapes(s: Subject) -> None:
    """A parameter that does not broadcast: RuntimeError with both sizes."""
    inputs = s.inputs()
    for name, value in s.values((7,)).items():
        refused(partial(s.f, *inputs, **{name: value}), RuntimeError, "7", "5")
        leaf = value.requires_grad_()
        refused(partial(s.f, *inputs, **{name: leaf}), RuntimeError, "7", "5")


def parameter_dtypes(s: Subject) -> None:
    """An integer, boolean or complex tensor as parameter: RuntimeError or TypeError."""
    inputs = s.inputs()
    for dtype in (torch.int64, torch.bool, torch.complex64):
        for name, value in s.values().items():
            wrong = value.to(dtype)
            kinds = (RuntimeError, TypeError)
            refused(partial(s.f, *inputs, **{name: wrong}), kinds, name, "floating", str(dtype))


def parameter_kinds(s: Subject) -> None:
    """A parameter that is neither a number nor a tensor: TypeError."""
    for name in s.values():
        for wrong in ("1", None, [1.0]):
            refused(partial(s.f, *s.inputs(), **{name: wrong}), TypeError, name)


def devices(s: Subject) -> None:
    """Inputs and a parameter on different devices: RuntimeError naming both."""
    inputs = s.inputs()
    for name, value in s.values((5,)).items():
        for leaf in (value, value.clone().requires_grad_()):
            wrong = leaf.detach().to("meta").requires_grad_(leaf.requires_grad)
            refused(partial(s.f, *inputs, **{name: wrong}), RuntimeError, "device", "cpu", "meta")


def gate_devices(s: Subject) -> None:
    """Value and gate on different devices: RuntimeError naming both."""
    x, y = s.inputs()
    refused(partial(s.f, x, y.to("meta")), RuntimeError, "device", "cpu", "meta")


def gate_shapes(s: Subject) -> None:
    """Value and gate that do not broadcast: RuntimeError with both sizes."""
    x, y = s.inputs()
    refused(partial(s.f, x, y[..., :3]), RuntimeError, "5", "3")


def gate_dtypes(s: Subject) -> None:
    """Value and gate of different dtypes: promoted as torch's operators do, or refused."""
    x, y = s.inputs()
    try:
        result = s.f(x.float(), y)
    except (RuntimeError, TypeError) as error:
        expect("dtype" in str(error) or "float64" in str(error), f"an unclear message: {error}")
        return
    expect(result.dtype == torch.float64, f"{result.dtype} of float32 and float64")


def halves(s: Subject) -> None:
    """A size that cannot be halved: RuntimeError, as nn.GLU raises."""
    for size in ODD:
        refused(partial(s.module(), torch.ones(2, size)), RuntimeError, "even", str(size))


def channels(s: Subject) -> None:
    """As many parameters as channels, or one: RuntimeError with both numbers."""
    module = s.module(num_parameters=7)
    refused(partial(module, torch.ones(2, 3, 4)), RuntimeError, "7", "3")
    refused(partial(module, torch.ones(3)), RuntimeError, "7")


def axes(s: Subject) -> None:
    """An axis that is not there: IndexError, as torch.softmax raises."""
    x = s.inputs()[0]
    refused(partial(s.f, x, dim=7), IndexError, "dimension", "7")
    refused(partial(s.f, x, dim=-9), IndexError, "dimension", "-9")
    refused(partial(s.f, x, dim="last"), TypeError)


def few_axes(s: Subject) -> None:
    """Too few axes for its rows: IndexError, or ValueError as nn.Softmax2d raises."""
    refused(partial(s.module(), torch.ones(2, 3)), (IndexError, ValueError), "dim")


def integer_gradients(s: Subject) -> None:
    """requires_grad on an integer tensor: torch's RuntimeError, from a module's parameter too."""
    module = s.module()
    for name, _ in module.named_parameters():
        refused(partial(module.to, torch.int64), TypeError, "floating")
        refused(partial(setattr, module, name, torch.ones(1)), TypeError, "Parameter")
    x = torch.arange(4)
    refused(lambda: s.f(x.requires_grad_()), RuntimeError, "floating")


def _row(name: str, run: Any, applies: Any = lambda act: True) -> Check:
    return Check(name, "bad input", run, applies=applies)


def _channelled(act: Activation) -> bool:
    return any(p.per_channel for p in act.parameters)


def _gated(act: Activation) -> bool:
    return act.is_gated


CHECKS = (
    _row("not a tensor", not_tensors),
    _row("parameter of a wrong shape", parameter_shapes, parametric),
    _row("parameter of a wrong dtype", parameter_dtypes, parametric),
    _row("parameter of a wrong type", parameter_kinds, parametric),
    _row("parameter on another device", devices, parametric),
    _row("gate on another device", gate_devices, _gated),
    _row("gate of a wrong shape", gate_shapes, _gated),
    _row("gate of another dtype", gate_dtypes, _gated),
    _row("size that cannot be halved", halves, _gated),
    _row("wrong number of channels", channels, _channelled),
    _row("axis out of range", axes, lambda act: act.is_row),
    _row("too few axes", few_axes, lambda act: act.axis < -2),
    _row("requires_grad on integers", integer_gradients, elementwise),
)
