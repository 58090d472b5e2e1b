"""Checks of PyTorch: torch.func, its transforms alone and in one another."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, func, nn

from ..spec import Activation
from .check import Check
from .torch_autograd import parametric, reference
from .torch_compare import (
    double,
    expect,
    near,
    near_each,
    near_where_finite,
    third_difference,
    weights,
)
from .torch_subject import Subject

#: One sample: small, for whole Jacobians.
ONE = (3, 2, 2)


def learned(act: Activation) -> bool:
    """Its module holds parameters that are trained."""
    return any(p.learned for p in act.parameters)


def weighted(s: Subject) -> Any:
    """f as a number: its results weighted."""

    def loss(*inputs: Any, **values: Any) -> Tensor:
        y = s.f(*inputs, **values)
        return (y * weights(y)).sum()

    return loss


def every(inputs: Any) -> tuple[int, ...]:
    """The positions of all inputs."""
    return tuple(range(len(inputs)))


def jacobian(s: Subject, inputs: Any) -> list[Tensor]:
    """∂f_i/∂x_j for each input, a row at a time by the closed vjp."""
    y = s.f(*inputs)
    rows = []
    for unit in torch.eye(y.numel(), dtype=y.dtype):
        rows.append(s.vjp(*inputs, unit.view(y.shape)))
    return [torch.stack(r).reshape(*y.shape, *i.shape) for r, i in zip(zip(*rows), inputs)]


def grad(s: Subject) -> None:
    """func.grad in all inputs."""
    inputs = s.inputs()
    near_each(func.grad(weighted(s), every(inputs))(*inputs), reference(s, inputs, {}), "gradient")


def hard_grad(s: Subject) -> None:
    """No 0·inf: func.grad at ±inf, at large inputs and at kinks."""
    inputs = s.hard()
    given = func.grad(lambda *a: _plain_sum(s, a), every(inputs))(*inputs)
    ones = torch.ones_like(s.f(*double(inputs)))
    near_where_finite(given, s.vjp(*double(inputs), ones), "gradient")


def _plain_sum(s: Subject, inputs: Any) -> Tensor:
    return s.f(*inputs).sum()


def grad_of_parameters(s: Subject) -> None:
    """func.grad in the parameters."""
    inputs, values = s.inputs(), s.values()
    found = func.grad(lambda v: weighted(s)(*inputs, **v))(values)
    truth = reference(s, inputs, values)[len(inputs) :]
    near_each([found[name] for name in values], truth, "gradient")


def vmap(s: Subject) -> None:
    """func.vmap along the first and the last but one axis, and within itself."""
    inputs = s.inputs((3, *ONE, 4))
    y = s.f(*inputs)
    near(func.vmap(s.f)(*inputs), y, "vmap")
    moved = [i.movedim(0, 2) for i in inputs]
    near(func.vmap(s.f, in_dims=2)(*moved), y, "vmap of axis 2")
    near(func.vmap(func.vmap(s.f))(*inputs), y, "vmap of vmap")


def vmap_parameters(s: Subject) -> None:
    """func.vmap over parameters: one value for each sample."""
    inputs, values = s.inputs(), s.values((4,))
    spread = {k: v + 0.25 * torch.arange(4) for k, v in values.items()}
    truth = [s.f(*(i[n] for i in inputs), **{k: v[n] for k, v in spread.items()}) for n in range(4)]
    near(func.vmap(lambda v, *a: s.f(*a, **v))(spread, *inputs), torch.stack(truth), "vmap")


def vmap_grad(s: Subject) -> None:
    """func.vmap of func.grad: a gradient for each sample."""
    inputs = s.inputs()
    given = func.vmap(func.grad(weighted(s), every(inputs)))(*inputs)
    each = [reference(s, [i[n] for i in inputs], {}) for n in range(inputs[0].shape[0])]
    near_each(given, [torch.stack(g) for g in zip(*each)], "gradients")


def jvp(s: Subject) -> None:
    """func.jvp."""
    inputs = s.inputs()
    tangents = tuple(map(weights, inputs))
    y, tangent = func.jvp(s.f, inputs, tangents)
    near(y, s.f(*inputs), "f")
    near(tangent, s.jvp(*inputs, *tangents), "tangent")


def vjp(s: Subject) -> None:
    """func.vjp."""
    inputs = s.inputs()
    y, pull = func.vjp(s.f, *inputs)
    near_each(pull(weights(y)), s.vjp(*inputs, weights(y)), "cotangent")


def linearize(s: Subject) -> None:
    """func.linearize: a tangent map that can be used again."""
    inputs = s.inputs()
    y, push = func.linearize(s.f, *inputs)
    near(y, s.f(*inputs), "f")
    for factor in (1.0, -0.5):
        tangents = [factor * weights(i) for i in inputs]
        near(push(*tangents), s.jvp(*inputs, *tangents), "tangent")


def jacobians(s: Subject) -> None:
    """func.jacrev and func.jacfwd."""
    inputs = s.inputs(ONE)
    truth = jacobian(s, inputs)
    near_each(func.jacrev(s.f, every(inputs))(*inputs), truth, "jacrev")
    near_each(func.jacfwd(s.f, every(inputs))(*inputs), truth, "jacfwd")


def hessian(s: Subject) -> None:
    """func.hessian, and jacrev of jacrev: differences of the closed form's first derivative."""
    inputs = s.inputs(ONE)
    dy = weights(s.f(*inputs))
    step = 2.0**-13
    blocks = []
    for i, given in enumerate(inputs):
        columns = []
        for unit in torch.eye(given.numel(), dtype=given.dtype):
            ends = []
            for sign in (step, -step):
                moved = list(inputs)
                moved[i] = given + sign * unit.view(given.shape)
                ends.append(s.vjp(*moved, dy))
            columns.append([(up - down) / (2 * step) for up, down in zip(*ends)])
        rows = [torch.stack(c, -1) for c in zip(*columns)]
        blocks.append([r.reshape(*r.shape[:-1], *given.shape) for r in rows])
    transforms = {"hessian": func.hessian, "jacrev of jacrev": _twice(func.jacrev)}
    for name, transform in transforms.items():
        found = transform(weighted(s), every(inputs))(*inputs)
        for j in every(inputs):
            for i in every(inputs):
                near(found[j][i], blocks[i][j], f"{name} {j}{i}", scale=10.0)


def _twice(transform: Any) -> Any:
    return lambda f, argnums: transform(transform(f, argnums), argnums)


def nested(s: Subject) -> None:
    """Four jacfwd in one another against differences: derivatives of any order."""
    inputs = s.inputs(ONE)
    moves = [weights(i) for i in inputs]
    dy = weights(s.f(*inputs))

    def along(t: Any) -> list[Tensor]:
        return [i + t * m for i, m in zip(inputs, moves, strict=True)]

    def value(t: Tensor) -> Tensor:
        return (s.f(*along(t)) * dy).sum()

    fourth: Any = value
    for _ in range(4):
        fourth = func.jacfwd(fourth)
    truth = third_difference(lambda h: (s.jvp(*along(h), *moves) * dy).sum())
    near(fourth(torch.zeros((), dtype=torch.float64)), truth, "fourth derivative", scale=1e4)


def per_sample(s: Subject) -> None:
    """Gradients of a model's weights for each sample, through functional_call."""
    module = nn.Sequential(nn.Linear(6, 6), s.module(), nn.Flatten(0)).double().eval()
    inputs = s.inputs((5, 3, 2, 6))[0]
    parameters = {k: v.detach() for k, v in module.named_parameters()}

    def loss(p: Any, x: Tensor) -> Tensor:
        y = func.functional_call(module, p, (x,))
        return (y * weights(y)).sum()

    found = func.vmap(func.grad(loss), in_dims=(None, 0))(parameters, inputs)
    for n, x in enumerate(inputs):
        module.zero_grad()
        y = module(x)
        (y * weights(y)).sum().backward()
        for name, p in module.named_parameters():
            near(found[name][n], p.grad, f"gradient of {name} for sample {n}")


def functionalize(s: Subject) -> None:
    """func.functionalize, forward and backward."""
    inputs = s.inputs()
    near(func.functionalize(s.f)(*inputs), s.f(*inputs), "f")
    found = func.functionalize(func.grad(weighted(s), every(inputs)))(*inputs)
    near_each(found, reference(s, inputs, {}), "gradient")


def ensemble(s: Subject) -> None:
    """func.stack_module_state and vmap: several modules, each with its own parameters."""
    modules = [s.module().double() for _ in range(3)]
    with torch.no_grad():
        for n, module in enumerate(modules):
            for p in module.parameters():
                p += 0.25 * n
    parameters, buffers = func.stack_module_state(modules)
    x = s.packed(*s.inputs())
    found = func.vmap(lambda p, b: func.functional_call(modules[0], (p, b), (x,)))(
        parameters, buffers
    )
    near(found, torch.stack([m(x) for m in modules]), "ensemble")
    expect(found.shape[0] == 3, "not three results")


def _row(name: str, run: Any, **options: Any) -> Check:
    return Check(name, "torch.func", run, **options)


CHECKS = (
    _row("grad", grad),
    _row("grad at hard inputs", hard_grad),
    _row("grad of parameters", grad_of_parameters, applies=parametric),
    _row("vmap", vmap),
    _row("vmap over parameters", vmap_parameters, applies=parametric),
    _row("vmap(grad)", vmap_grad),
    _row("jvp", jvp),
    _row("vjp", vjp),
    _row("linearize", linearize),
    _row("jacrev and jacfwd", jacobians),
    _row("hessian", hessian),
    _row("jacfwd, four times", nested),
    _row("per-sample gradients", per_sample),
    _row("ensemble of modules", ensemble, applies=learned),
    _row("functionalize", functionalize),
)
