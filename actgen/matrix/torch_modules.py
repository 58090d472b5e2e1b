"""Checks of PyTorch: the nn.Module."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import torch
from torch import Tensor, nn

from ..modules import attribute
from ..spec import Activation
from .check import Check
from .torch_compare import expect, near, near_each, same, weights
from .torch_func import learned
from .torch_subject import Subject


def stirred(s: Subject) -> nn.Module:
    """A module in evaluation mode whose parameters are not its defaults."""
    module = s.module().double().eval()
    with torch.no_grad():
        for p in module.parameters():
            p += 0.375
    return module


def forward(s: Subject) -> None:
    """In evaluation it is f at the defaults; gated ones halve their input."""
    inputs = s.inputs()
    near(s.module().double().eval()(s.packed(*inputs)), s.f(*inputs), "module")


def training(s: Subject) -> None:
    """Its parameters get the gradients of the closed forms, and an optimiser moves them."""
    module, inputs = stirred(s).train(), s.inputs()
    values = dict(module.named_parameters())
    y = module(s.packed(*inputs))
    dy = weights(y)
    (y * dy).sum().backward()
    detached = {k: v.detach().clone() for k, v in values.items()}
    shaped = {k: v if v.numel() > 1 else v.reshape(()) for k, v in detached.items()}
    back = {attribute(p): p.name for p in s.act.parameters}
    given = {back[k]: v for k, v in shaped.items()}
    found = {k: s.vjp_parameter(back[k], *inputs, dy, **given) for k in values}
    truth = [found[k].reshape(values[k].shape) for k in values]
    near_each([v.grad for v in values.values()], truth, "gradient")
    torch.optim.SGD(module.parameters(), 0.1).step()
    for name, v in values.items():
        near(v.detach(), detached[name] - 0.1 * v.grad, f"{name} after a step", scale=10.0)


def random(s: Subject) -> None:
    """Training draws for each element within the bounds; evaluation takes the mean."""
    (p,) = (p for p in s.act.parameters if p.random is not None)
    bounds = p.random
    assert bounds is not None
    x = -torch.ones(4000, dtype=torch.float64, requires_grad=True)
    module = s.module().double().train()
    y = module(x)
    draws = -y.detach()
    expect(bounds.low <= float(draws.min()) < float(draws.max()) <= bounds.high, "out of bounds")
    expect(abs(float(draws.mean()) - bounds.mean) < 0.01, f"a mean of {float(draws.mean())}")
    (grad,) = torch.autograd.grad(y.sum(), x)
    near(grad, draws, "gradient, of the same draws")
    expect(not torch.equal(module(x), y), "the same draws twice")
    torch.manual_seed(3)
    first = module(x)
    torch.manual_seed(3)
    same(module(x), first, "after the same seed")
    near(module.eval()(x), s.f(x.detach(), **{p.name: bounds.mean}), "evaluation")
    each = torch.func.vmap(module.train(), randomness="different")(x.detach().view(4, 1000))
    expect(not torch.equal(each[0], each[1]), "vmap draws the same for each sample")


def states(s: Subject) -> None:
    """state_dict and load_state_dict, strictly; only learned parameters are in it."""
    module, other = stirred(s), s.module().double().eval()
    names = sorted(attribute(p) for p in s.act.parameters if p.learned)
    expect(sorted(module.state_dict()) == names, f"it holds {sorted(module.state_dict())}")
    other.load_state_dict(module.state_dict())
    x = s.packed(*s.inputs())
    same(other(x), module(x), "after load_state_dict")


def copies(s: Subject) -> None:
    """copy.deepcopy: the same function, parameters of its own."""
    module = stirred(s)
    other = copy.deepcopy(module)
    x = s.packed(*s.inputs())
    same(other(x), module(x), "the copy")
    for a, b in zip(module.parameters(), other.parameters(), strict=True):
        expect(a.data_ptr() != b.data_ptr(), "a parameter is shared")


def pickles(s: Subject) -> None:
    """pickle, and torch.save and load of a whole model."""
    module = stirred(s)
    x = s.packed(*s.inputs())
    same(pickle.loads(pickle.dumps(module))(x), module(x), "unpickled")
    buffer = io.BytesIO()
    torch.save(nn.Sequential(module), buffer)
    buffer.seek(0)
    same(torch.load(buffer, weights_only=False)(x), module(x), "loaded")


def functional(s: Subject) -> None:
    """torch.func.functional_call with other parameters, by keyword too."""
    module, other = s.module().double().eval(), stirred(s)
    x = s.packed(*s.inputs())
    state = dict(other.named_parameters())
    same(torch.func.functional_call(module, state, (x,)), other(x), "functional_call")
    same(torch.func.functional_call(module, state, (), {"input": x}), other(x), "by keyword")


def converted(s: Subject) -> None:
    """module.to(dtype): computes in that dtype, and holds its parameters in it."""
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        module = s.module().to(dtype).eval()
        y = module(s.packed(*s.inputs(dtype=dtype)))
        expect(y.dtype == dtype, f"{y.dtype} from {dtype}")
        for p in module.parameters():
            expect(p.dtype == dtype, f"a parameter in {p.dtype}")


def on_meta(s: Subject) -> None:
    """Made on the meta device, emptied onto another, then loaded: how large models start."""
    source = stirred(s)
    with torch.device("meta"):
        module = nn.Sequential(s.module().double())
    expect(all(p.is_meta for p in module.parameters()), "a parameter is not on meta")
    module = module.to_empty(device="cpu").eval()
    module[0].load_state_dict(source.state_dict())
    x = s.packed(*s.inputs())
    same(module(x), source(x), "after loading")


def shown(s: Subject) -> None:
    """Its repr names it and its settings, so that printing a model says what it is."""
    text = repr(s.module())
    expect("\n" not in text, f"several lines: {text!r}")
    for p in s.act.parameters:
        if p.random is None and not p.learned:
            expect(f"{p.name}=" in text, f"{p.name} is not in {text}")


def traced(s: Subject) -> None:
    """torch.jit.trace, saved and loaded: values and gradients at a shape that was not traced."""
    module, x = stirred(s), s.packed(*s.inputs())
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.trace(module, x), buffer)
    buffer.seek(0)
    loaded = torch.jit.load(buffer)
    other = torch.cat([x, x * 0.5])
    near(loaded(other), module(other), "f")
    leaves = [other.clone().requires_grad_() for _ in range(2)]
    for f, leaf in zip((loaded, module), leaves, strict=True):
        y = f(leaf)
        (y * weights(y)).sum().backward()
    near(leaves[0].grad, leaves[1].grad, "gradient")


def hooks(s: Subject) -> None:
    """Forward and full backward hooks see the module's tensors."""
    module, seen = stirred(s), []
    module.register_forward_hook(lambda m, args, y: seen.append(y.shape))
    module.register_full_backward_hook(lambda m, gi, go: seen.append(gi[0].shape))
    x = s.packed(*s.inputs()).requires_grad_()
    y = module(x)
    y.sum().backward()
    expect(seen == [y.shape, x.shape], f"hooks saw {seen}")


def per_channel(s: Subject) -> None:
    """One value a channel, along dimension 1: values and gradients of each."""
    (p,) = (p for p in s.act.parameters if p.per_channel)
    module = s.module(num_parameters=3).double()
    with torch.no_grad():
        getattr(module, attribute(p)).copy_(torch.tensor([0.1, -0.2, 0.7]))
    for x in (s.inputs()[0], s.inputs((5, 3))[0], s.inputs((5, 3, 2))[0]):
        module.zero_grad()
        value = getattr(module, attribute(p)).detach().view(3, *[1] * (x.dim() - 2))
        y = module(x)
        near(y, s.f(x, **{p.name: value}), "module")
        (y * weights(y)).sum().backward()
        truth = s.vjp_parameter(p.name, x, weights(y), **{p.name: value})
        near(getattr(module, attribute(p)).grad, truth.reshape(3), "gradient")


def whole_numbers(s: Subject) -> None:
    """A setting given as an int is that number: swish(beta=1) learns as swish(beta=1.0) does."""
    x: Tensor = s.packed(*s.inputs(dtype=torch.float32))
    for p in s.act.parameters:
        if p.random is None:
            name = "init" if p.per_channel else p.name
            near(s.module(**{name: 2})(x), s.module(**{name: 2.0})(x), f"{name}=2")


def _row(name: str, run: Any, **options: Any) -> Check:
    return Check(name, "modules", run, **options)


def _any(what: str) -> Any:
    def applies(act: Activation) -> bool:
        return any(getattr(p, what) for p in act.parameters)

    return applies


CHECKS = (
    _row("module", forward),
    _row("module trains", training, applies=learned),
    _row("module draws at random", random, applies=_any("random")),
    _row("one parameter a channel", per_channel, applies=_any("per_channel")),
    _row("state_dict", states),
    _row("deepcopy", copies),
    _row("pickle", pickles),
    _row("functional_call", functional),
    _row("module in other dtypes", converted),
    _row("made on meta", on_meta),
    _row("repr", shown),
    _row("hooks", hooks),
    _row("jit.trace", traced),
    _row("settings as ints", whole_numbers, applies=lambda act: bool(act.parameters)),
)
