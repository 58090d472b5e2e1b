"""Checks of PyTorch: dtypes, and what is computed inside for narrow ones."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from .check import Check
from .torch_autograd import parametric, reference
from .torch_compare import (
    double,
    expect,
    gradients,
    near,
    near_where_finite,
    refused,
    rounded,
    same,
    weights,
)
from .torch_subject import Subject


def forward(s: Subject) -> None:
    """Shape, dtype and values in every floating dtype."""
    for dtype in (torch.float32, torch.float64):
        inputs = s.inputs(dtype=dtype)
        y = s.f(*inputs)
        expect(y.dtype == dtype, f"{y.dtype} from {dtype}")
        near(y, s.f(*double(inputs)), f"{dtype}")
        hard = s.hard(dtype)
        near_where_finite([s.f(*hard)], [s.f(*double(hard))], f"{dtype} at hard inputs")


def narrow(s: Subject, dtype: torch.dtype) -> None:
    """float32 inside, one rounding: forward, backward and forward mode."""
    inputs = s.inputs(dtype=dtype)
    wide = double(inputs)
    y = s.f(*inputs)
    expect(y.dtype == dtype, f"{y.dtype} from {dtype}")
    rounded(y, s.f(*wide), "f")
    for given, truth in zip(gradients(s.f, *inputs), reference(s, wide, {}), strict=True):
        expect(given.dtype == dtype, f"a gradient in {given.dtype}")
        rounded(given, truth, "gradient")
    tangents = tuple(map(weights, inputs))
    _, tangent = torch.func.jvp(s.f, inputs, tangents)
    expect(tangent.dtype == dtype, f"a tangent in {tangent.dtype}")
    rounded(tangent, s.jvp(*wide, *double(tangents)), "tangent")


def narrow_parameters(s: Subject, dtype: torch.dtype) -> None:
    """A parameter in float32 with 16-bit inputs: each gradient in its own dtype."""
    inputs, values = s.inputs(dtype=dtype), s.values((), torch.float32)
    leaves = {k: v.requires_grad_() for k, v in values.items()}
    y = s.f(*inputs, **leaves)
    expect(y.dtype == dtype, f"{y.dtype} from {dtype} and float32 parameters")
    found = torch.autograd.grad(y, list(leaves.values()), weights(y))
    truth = reference(s, inputs, {k: v.detach() for k, v in leaves.items()})[len(inputs) :]
    for given, true in zip(found, truth, strict=True):
        expect(given.dtype == torch.float32, f"a parameter's gradient in {given.dtype}")
        # A sum of rounded terms.
        near(given, true, "gradient of a parameter", scale=10.0)


def autocast(s: Subject) -> None:
    """torch.autocast in bfloat16: the dtype that comes in goes out."""
    inputs = s.inputs(dtype=torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        y = s.f(*inputs)
        weight = torch.eye(5, requires_grad=True)
        product = torch.nn.functional.linear(inputs[0], weight)
        through = s.f(product, *inputs[1:])
    expect(y.dtype == torch.bfloat16, f"{y.dtype} from bfloat16")
    same(y, s.f(*inputs), "f under autocast")
    same(through.detach(), s.f(product.detach(), *inputs[1:]), "f of a layer's output")
    (grad,) = torch.autograd.grad(through, weight, weights(through))
    cotangent = s.vjp(*double(inputs), weights(through).double())[0]
    truth = cotangent.reshape(-1, 5).T @ inputs[0].double().reshape(-1, 5)
    # A layer's gradient is a sum of products that were rounded to 8 bits.
    error = float((grad.double() - truth).abs().max())
    expect(error <= 0.01 * float(truth.abs().max()), f"the layer's gradient is off by {error:.2g}")


def integers(s: Subject) -> None:
    """Integers, booleans and complex numbers are refused as torch refuses them."""
    for dtype in (torch.int64, torch.int8, torch.bool, torch.complex64):
        inputs = [torch.ones(2, 3, 4, 5).to(dtype)] * len(s.act.inputs)
        refused(partial(s.f, *inputs), NotImplementedError, s.act.name, "floating", str(dtype))


def _row(name: str, run: Any, **options: Any) -> Check:
    return Check(name, "dtypes", run, **options)


CHECKS = (
    _row("float32 and float64", forward),
    _row("float16", partial(narrow, dtype=torch.float16)),
    _row("bfloat16", partial(narrow, dtype=torch.bfloat16)),
    _row(
        "float16, parameters in float32",
        partial(narrow_parameters, dtype=torch.float16),
        applies=parametric,
    ),
    _row(
        "bfloat16, parameters in float32",
        partial(narrow_parameters, dtype=torch.bfloat16),
        applies=parametric,
    ),
    _row("autocast", autocast),
    _row("integers refused", integers),
)
