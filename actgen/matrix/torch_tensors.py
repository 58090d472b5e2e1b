"""Checks of PyTorch: the kinds of tensors: layouts, shapes, without values, subclasses."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

from ..compiler import compile
from ..spec import Activation
from .check import Check
from .torch_autograd import reference
from .torch_compare import (
    double,
    expect,
    gradients,
    near,
    near_each,
    refused,
    same,
    same_shape,
    weights,
)
from .torch_subject import Subject


def elementwise(act: Activation) -> bool:
    """It works on elements, gated or not."""
    return not act.is_row


def layouts(s: Subject) -> None:
    """Transposed, strided, expanded and offset inputs: the same values and gradients."""
    inputs = s.inputs(dtype=torch.float32)
    views = {
        "transposed": lambda t: t.transpose(-1, -2).contiguous().transpose(-1, -2),
        "strided": lambda t: t.repeat_interleave(2, -1)[..., ::2],
        "expanded": lambda t: t[:, :, :, :1].expand(t.shape),
        "offset": lambda t: torch.cat([t.new_zeros(1), t.flatten()])[1:].view(t.shape),
    }
    for name, view in views.items():
        given = tuple(map(view, inputs))
        plain = tuple(g.clone(memory_format=torch.contiguous_format) for g in given)
        y, expected = s.f(*given), s.f(*plain)
        # Vector instructions round otherwise than the scalar ones of strided loops.
        near(y, expected, name)
        leaves = [g.detach().requires_grad_() for g in given]
        out = s.f(*leaves)
        found = torch.autograd.grad(out, leaves, weights(out))
        near_each(found, reference(s, plain, {}), f"gradient, {name}")


def channels_last(s: Subject) -> None:
    """channels_last in, channels_last out, also of the gradient."""
    layout = torch.channels_last
    inputs = [i.contiguous(memory_format=layout) for i in s.inputs(dtype=torch.float32)]
    leaves = [i.requires_grad_() for i in inputs]
    y = s.f(*leaves)
    near(y, s.f(*double(inputs)), "f")
    grads = torch.autograd.grad(y, leaves, weights(y))
    near_each(grads, reference(s, inputs, {}), "gradient")
    # torch.softmax itself gives contiguous rows.
    if not s.act.is_row:
        expect(y.is_contiguous(memory_format=layout), f"strides {y.stride()} come out")


def takes_inplace(act: Activation) -> bool:
    """Its derivative can be written in its output: it may overwrite its input."""
    return "inplace: bool" in compile(act, "torch").source


def inplace(s: Subject) -> None:
    """inplace=True: the input's own memory, the same values and gradients; leaves are refused."""
    (x,) = s.inputs()
    leaf = x.clone().requires_grad_()
    given = leaf * 1.0
    y = s.f(given, inplace=True)
    expect(y.data_ptr() == given.data_ptr(), "the result has memory of its own")
    near(y.detach(), s.f(x), "f")
    (grad,) = torch.autograd.grad(y, leaf, weights(y))
    near_each([grad], reference(s, [x], {}), "gradient")
    refused(partial(s.f, leaf, inplace=True), RuntimeError, "leaf", "in-place")
    if any(p.learned for p in s.act.parameters):
        return  # like nn.PReLU, its module has no such argument
    again = x.clone()
    found = s.module(inplace=True).double().eval()(again)
    expect(found.data_ptr() == again.data_ptr(), "the module's result has memory of its own")
    near(found, s.module().double().eval()(x), "module")


def scalar(s: Subject) -> None:
    """0-d tensors, forward and backward."""
    inputs = s.inputs(())
    near(s.f(*inputs), s.f(*(i.view(1) for i in inputs)).view(()), "f")
    flat = [i.view(1) for i in inputs]
    truth = [t.view(()) for t in reference(s, flat, {})]
    near_each(gradients(s.f, *inputs), truth, "gradient")


def empty(s: Subject) -> None:
    """Tensors without elements, forward and backward."""
    for shape in ((0, 3, 2, 5), (2, 3, 0, 5)) if s.act.axis == -1 else ((0, 3, 2, 5),):
        inputs = [torch.zeros(shape, requires_grad=True) for _ in s.act.inputs]
        y = s.f(*inputs)
        expect(y.numel() == 0, f"{y.numel()} elements from none")
        y.sum().backward()
        for i in inputs:
            same_shape(i.grad, i, "gradient")


def nan(s: Subject) -> None:
    """NaN in, NaN out: forward, and the gradient of that element too."""
    inputs = [i.clone() for i in s.inputs(dtype=torch.float32)]
    inputs[0][0, 0, 0, 0] = torch.nan
    y = s.f(*inputs)
    expect(bool(torch.isnan(y.reshape(y.shape[0], -1)[0]).any()), "NaN is swallowed by f")
    expect(not bool(torch.isnan(y[1:]).any()), "NaN spreads to other samples")


def sparse(s: Subject) -> None:
    """Sparse tensors are refused by an error that says what is expected."""
    for name in ("to_sparse_coo", "to_sparse_csr"):
        inputs = [getattr(i[0, 0], name)() for i in s.inputs(dtype=torch.float32)]
        kinds = (NotImplementedError, TypeError, RuntimeError)
        refused(partial(s.f, *inputs), kinds, s.act.name, "sparse")


def meta(s: Subject) -> None:
    """Meta tensors: shapes without values, also of the gradient."""
    inputs = [i.to("meta").requires_grad_() for i in s.inputs(dtype=torch.bfloat16)]
    y = s.f(*inputs)
    plain = s.f(*s.inputs(dtype=torch.bfloat16))
    same_shape(y, plain, "f")
    expect(y.device.type == "meta" and y.dtype == plain.dtype, f"{y.dtype} on {y.device}")
    for g, i in zip(torch.autograd.grad(y, inputs, torch.empty_like(y)), inputs, strict=True):
        same_shape(g, i, "gradient")
        expect(g.device.type == "meta", f"a gradient on {g.device}")


def fake(s: Subject) -> None:
    """Fake tensors: shapes, dtypes and devices without values, also of the gradient."""
    with FakeTensorMode():
        inputs = [torch.empty(4, 3, 2, 5, requires_grad=True) for _ in s.act.inputs]
        y = s.f(*inputs)
        grads = torch.autograd.grad(y, inputs, torch.empty_like(y))
    same_shape(y, s.f(*s.inputs()), "f")
    expect(isinstance(y, FakeTensor), f"a {type(y).__name__} comes out")
    for g, i in zip(grads, inputs, strict=True):
        same_shape(g, i, "gradient")
        expect(isinstance(g, FakeTensor), f"a {type(g).__name__} as gradient")


class Tagged(torch.Tensor):  # type: ignore[misc]
    """A user's subclass of Tensor."""


def subclass(s: Subject) -> None:
    """A subclass of Tensor comes out as that subclass."""
    inputs = s.inputs()
    y = s.f(*(i.as_subclass(Tagged) for i in inputs))
    expect(type(y) is Tagged, f"a {type(y).__name__} comes out")
    near(y.as_subclass(Tensor), s.f(*inputs), "f")


def jagged(s: Subject) -> None:
    """Nested tensors of jagged layout, forward and backward."""
    parts = [s.inputs((n, 4)) for n in (3, 5)]
    offsets = torch.tensor([0, 3, 8])
    leaves = [
        torch.nested.nested_tensor_from_jagged(torch.cat(p), offsets).detach().requires_grad_()
        for p in zip(*parts)
    ]
    y = s.f(*leaves)
    for part, found in zip(parts, y.unbind(), strict=True):
        near(found, s.f(*part), "f")
    y.values().sum().backward()
    for n, part in enumerate(parts):
        truth = s.vjp(*part, torch.ones_like(part[0]))
        near_each([leaf.grad.unbind()[n] for leaf in leaves], truth, "gradient")


def modes(s: Subject) -> None:
    """no_grad and inference_mode: no graph, the same values."""
    inputs = [i.requires_grad_() for i in s.inputs()]
    expected = s.f(*inputs)
    expect(expected.requires_grad, "no graph although a gradient is wanted")
    for mode in (torch.no_grad(), torch.inference_mode()):
        with mode:
            y = s.f(*inputs)
            expect(not y.requires_grad, "a graph although none is wanted")
            same(y, expected.detach(), "f")


def _row(name: str, run: Any, **options: Any) -> Check:
    return Check(name, "tensors", run, **options)


def _small(act: Activation) -> bool:
    """Its rows may lie in tensors of no axis (softmax2d's may not)."""
    return act.axis == -1


CHECKS = (
    _row("non-contiguous", layouts),
    _row("channels_last", channels_last),
    _row("in place", inplace, applies=takes_inplace),
    _row("0-d", scalar, applies=_small),
    _row("empty", empty),
    _row("NaN", nan),
    _row("sparse refused", sparse),
    _row("meta tensors", meta),
    _row("fake tensors", fake),
    _row("subclass of Tensor", subclass),
    _row("jagged tensors", jagged, applies=elementwise),
    _row("no_grad and inference_mode", modes),
)
