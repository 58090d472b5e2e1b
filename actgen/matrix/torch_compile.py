"""Checks of PyTorch: torch.compile with Inductor, alone and around torch.func."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from math import inf
from typing import Any

import torch
from torch import Tensor, func
from torch._inductor import config as inductor
from torch._inductor import metrics

from ..spec import Activation
from .check import Check
from .torch_autograd import reference
from .torch_compare import (
    double,
    expect,
    gradients,
    near,
    near_each,
    near_where_finite,
    rounded,
    weights,
)
from .torch_func import ONE, every, jacobian, weighted
from .torch_modules import stirred
from .torch_subject import Subject
from .torch_tensors import elementwise

#: Verified: a compiled torch.nn.functional.silu raises the same.
TWICE = "pytorch#91469: of no compiled function, torch's own included"


#: Operations after which Inductor gives a value a name while it compiles: 50 on a CPU by default,
#: with which long polynomials take three times as long to compile.
NAMED = 8


@contextmanager
def fresh() -> Iterator[None]:
    """Nothing that was compiled before is taken again, nor kept."""
    torch._dynamo.reset()
    metrics.reset()
    # One thread compiles: worker processes of Inductor's own would outlive the check.
    with inductor.patch(
        compile_threads=1, force_disable_caches=True, realize_opcount_threshold=NAMED
    ):
        yield
    torch._dynamo.reset()


def compiled(f: Callable[..., Any], dynamic: bool = False) -> Callable[..., Any]:
    """f compiled as one graph."""
    run: Callable[..., Any] = torch.compile(f, fullgraph=True, dynamic=dynamic)
    return run


def static(s: Subject) -> None:
    """fullgraph: f and the gradients of inputs and parameters."""
    inputs, values = s.inputs(dtype=torch.float32), s.values(dtype=torch.float32)
    names = list(values)

    def call(*a: Tensor) -> Tensor:
        return s.f(*a[: len(inputs)], **dict(zip(names, a[len(inputs) :])))

    with fresh():
        run = compiled(call)
        near(run(*inputs, *values.values()), s.f(*double(inputs)), "f")
        given = gradients(run, *inputs, *values.values())
    # Sums of parameters' gradients are taken in another order.
    for g, e in zip(given, reference(s, inputs, values), strict=True):
        near(g, e, "gradient", scale=10.0 if g.dim() == 0 else 1.0)


def dynamic(s: Subject) -> None:
    """fullgraph and dynamic: one graph for several shapes, forward and backward."""
    with fresh(), torch._dynamo.config.patch(error_on_recompile=True):
        run = compiled(s.f, dynamic=True)
        for shape in ((4, 3, 2, 5), (7, 6, 8, 9)):
            inputs = s.inputs(shape, torch.float32)
            near_each(gradients(run, *inputs), reference(s, inputs, {}), f"gradient of {shape}")


def hard(s: Subject) -> None:
    """f and the gradient at ±inf, at large inputs and at kinks are those of the closed forms."""
    inputs = s.hard()
    with fresh():
        run = compiled(s.f)
        near_where_finite([run(*inputs)], [s.f(*double(inputs))], "f")
        near_where_finite(gradients(run, *inputs), reference(s, inputs, {}), "gradient")


def narrow(s: Subject, dtype: torch.dtype) -> None:
    """float32 inside, one rounding: compiled as in eager, forward and backward."""
    inputs = s.inputs(dtype=dtype)
    with fresh():
        run = compiled(s.f)
        y = run(*inputs)
        grads = gradients(run, *inputs)
    expect(y.dtype == dtype, f"{y.dtype} from {dtype}")
    rounded(y, s.f(*double(inputs)), "f")
    for given, truth in zip(grads, reference(s, inputs, {}), strict=True):
        expect(given.dtype == dtype, f"a gradient in {given.dtype}")
        rounded(given, truth, "gradient")


def fused(s: Subject) -> None:
    """One kernel each way, with elementwise neighbours, where Inductor may fuse 512 nodes."""
    # It does 64 by default, and takes two kernels for the backward of gelu_tanh.
    leaves = [i.requires_grad_() for i in s.inputs(dtype=torch.float32)]

    def block(*a: Tensor) -> Tensor:
        return s.f(*(v * 0.5 for v in a)) + 1.0

    with fresh(), inductor.patch(max_fusion_size=512):
        y = compiled(block)(*leaves)
        before = metrics.generated_kernel_count
        torch.autograd.grad(y, leaves, weights(y))
        after = metrics.generated_kernel_count - before
    expect(before == 1, f"{before} kernels forward")
    expect(after == 1, f"{after} kernels backward")


def of_grad(s: Subject) -> None:
    """compile(func.grad), also at ±inf, at large inputs and at kinks."""
    inputs, ends = s.inputs(dtype=torch.float32), s.hard()
    with fresh():
        run = compiled(func.grad(weighted(s), every(inputs)))
        near_each(run(*inputs), reference(s, inputs, {}), "gradient")
        plain = compiled(func.grad(lambda *a: s.f(*a).sum(), every(inputs)))
        ones = torch.ones_like(s.f(*double(ends)))
        near_where_finite(plain(*ends), s.vjp(*double(ends), ones), "gradient at hard inputs")


def of_vmap_grad(s: Subject) -> None:
    """compile(func.vmap(func.grad))."""
    inputs = s.inputs(dtype=torch.float32)
    with fresh():
        given = compiled(func.vmap(func.grad(weighted(s), every(inputs))))(*inputs)
    each = [reference(s, [i[n] for i in inputs], {}) for n in range(inputs[0].shape[0])]
    near_each(given, [torch.stack(g) for g in zip(*each)], "gradients")


def of_jvp(s: Subject) -> None:
    """compile(func.jvp), also at ±inf, at large inputs and at kinks."""
    with fresh():
        for inputs in (s.inputs(dtype=torch.float32), s.hard()):
            tangents = tuple(map(weights, inputs))
            y, tangent = compiled(lambda i, t: func.jvp(s.f, i, t))(inputs, tangents)
            near_where_finite([y], [s.f(*double(inputs))], "f")
            truth = s.jvp(*double(inputs), *double(tangents))
            if s.act.is_row and truth.shape == inputs[0].shape:
                # Entries that are infinite alike have no derivative but by convention.
                alike = _infinite_twice(inputs[0], s.act.axis)
                tangent, truth = (t.masked_fill(alike, 0.0) for t in (tangent, truth))
            near_where_finite([tangent], [truth], "tangent")


def _infinite_twice(x: Tensor, dim: int) -> Tensor:
    """Where an entry is infinite and another one of its row is the same."""
    counts = [((x == end).sum(dim, keepdim=True) > 1) & (x == end) for end in (inf, -inf)]
    return counts[0] | counts[1]


def of_jacobian(s: Subject) -> None:
    """compile(func.jacrev)."""
    inputs = s.inputs(ONE, torch.float32)
    with fresh():
        given = compiled(func.jacrev(s.f, every(inputs)))(*inputs)
    near_each(given, jacobian(s, double(inputs)), "Jacobian")


def of_hessian(s: Subject) -> None:
    """compile(func.hessian)."""
    inputs = s.inputs(ONE, torch.float32)
    with fresh():
        given = compiled(func.hessian(weighted(s), every(inputs)))(*inputs)
    truth = func.jacrev(lambda *a: s.vjp(*a, weights(s.f(*a))), every(inputs))(*double(inputs))
    for row, true_row in zip(given, truth, strict=True):
        near_each(row, true_row, "Hessian")


def of_module(s: Subject) -> None:
    """The module compiled, in training: the gradients of input and parameters."""
    module = stirred(s).train(s.kind != "random")
    x = s.packed(*s.inputs())
    leaves = [x.clone().requires_grad_(), *module.parameters()]
    truth = module(leaves[0])
    expected = torch.autograd.grad(truth, leaves, weights(truth))
    with fresh():
        y = compiled(module)(leaves[0])
        near(y, truth, "module")
        near_each(torch.autograd.grad(y, leaves, weights(y)), expected, "gradient")


def drawing(s: Subject) -> None:
    """The module that draws at random, compiled in training: the gradient is of the same draws."""
    (bounds,) = (p.random for p in s.act.parameters if p.random is not None)
    x = torch.full((64,), -1.0, requires_grad=True)
    with fresh():
        y = compiled(s.module().train())(x)
        (grad,) = torch.autograd.grad(y.sum(), x)
    near(grad, -y, "gradient")
    expect(bounds.low <= float(grad.min()) < float(grad.max()) <= bounds.high, "out of bounds")


def under_autocast(s: Subject) -> None:
    """compile under torch.autocast, after a layer."""
    layer = torch.nn.Linear(5, 5)
    inputs = s.inputs(dtype=torch.float32)
    rest = [i.bfloat16() for i in inputs[1:]]

    def block(x: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return s.f(layer(x), *rest)

    with fresh():
        run = compiled(block)
        y, expected = run(inputs[0]), block(inputs[0])
        expect(y.dtype == torch.bfloat16, f"{y.dtype} out of bfloat16")
        # The layer's own product may be rounded otherwise: one bfloat16 step either way.
        error = float((y - expected).detach().double().abs().max())
        expect(error <= 2.0**-6 * float(expected.detach().abs().max()), f"off by {error:.2g}")
        gradients(run, inputs[0])


def twice(s: Subject) -> None:
    """A second backward pass through a compiled function."""
    leaves = [i.requires_grad_() for i in s.inputs()]
    with fresh():
        y = compiled(s.f)(*leaves)
        first = torch.autograd.grad(y, leaves, weights(y), create_graph=True)
        torch.autograd.grad(sum(g.sum() for g in first), leaves, allow_unused=True)


def random(act: Activation) -> bool:
    """Its module draws a parameter in training."""
    return any(p.random is not None for p in act.parameters)


def _row(name: str, run: Any, **options: Any) -> Check:
    return Check(name, "compile", run, heavy=True, **options)


CHECKS = (
    _row("compile", static),
    _row("compile, dynamic", dynamic),
    _row("compile at hard inputs", hard),
    _row("compile in float16", partial(narrow, dtype=torch.float16)),
    _row("compile in bfloat16", partial(narrow, dtype=torch.bfloat16)),
    _row("compiled: one kernel each way", fused, applies=elementwise),
    _row("compile(grad)", of_grad),
    _row("compile(vmap(grad))", of_vmap_grad),
    _row("compile(jvp)", of_jvp),
    _row("compile(jacrev)", of_jacobian),
    _row("compile(hessian)", of_hessian),
    _row("compiled module", of_module),
    _row("compiled module that draws", drawing, applies=random),
    _row("compile under autocast", under_autocast),
    _row("compile, then backward twice", twice, limitation=TWICE),
)
