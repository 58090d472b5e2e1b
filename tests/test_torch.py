"""The PyTorch files: autograd, transforms, modules, peers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import actgen
from actgen import checks
from actgen.backends import NAMES
from actgen.registry import names


@pytest.mark.parametrize("name", names())
def test_gradcheck_and_gradgradcheck(name: str) -> None:
    assert checks.gradcheck(actgen.load(name)) == []


@pytest.mark.parametrize("name", [n for n in names() if "torch" in actgen.load(n).peers])
def test_peer(name: str) -> None:
    assert checks.peers(actgen.load(name)) == []


@pytest.mark.parametrize("name", names())
def test_backends_agree(name: str) -> None:
    assert checks.agreement(actgen.load(name), list(NAMES)) == []


def call(name: str):
    act = actgen.load(name)
    kernel = actgen.compile(act, "torch")
    if act.is_row:
        return lambda x: kernel.forward(x, dim=-1)
    return lambda x: kernel.forward(*[x] * len(act.inputs))


@pytest.mark.parametrize("name", names())
def test_transforms(name: str) -> None:
    f = call(name)
    x = torch.linspace(-2.3, 2.1, 12, dtype=torch.float64).reshape(3, 4)
    jacobian = torch.func.jacrev(f)(x[0])
    assert torch.allclose(jacobian, torch.func.jacfwd(f)(x[0]))
    each = torch.func.vmap(torch.func.grad(lambda row: f(row).sum()))(x)
    leaf = x.clone().requires_grad_()
    f(leaf).sum().backward()
    assert torch.allclose(each, leaf.grad)
    _, tangent = torch.func.jvp(f, (x[0],), (torch.ones_like(x[0]),))
    assert torch.allclose(tangent, jacobian.sum(-1))


@pytest.mark.parametrize("name", names())
def test_gradient_at_the_ends(name: str) -> None:
    """Where composites give 0·inf: the gradient far out is finite."""
    if actgen.load(name).is_row or actgen.load(name).is_gated:
        return
    x = torch.tensor([-1e30, -200.0, -90.5, 0.0, 90.5, 200.0, 1e30], requires_grad=True)
    call(name)(x).sum().backward()
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_narrow_types_round_once(dtype: torch.dtype) -> None:
    kernel = actgen.compile("gelu", "torch")
    x = torch.linspace(-4, 4, 997).to(dtype)
    assert torch.equal(kernel.forward(x), kernel.forward(x.float()).to(dtype))
    leaf = x.clone().requires_grad_()
    kernel.forward(leaf).sum().backward()
    assert leaf.grad.dtype == dtype
    assert torch.equal(leaf.grad, kernel.derivative(x.float()).to(dtype))


def test_integers_are_refused_as_torch_does() -> None:
    with pytest.raises(NotImplementedError, match="expected a floating tensor"):
        call("silu")(torch.arange(3))
    with pytest.raises(NotImplementedError, match="expected a floating tensor"):
        call("softmax")(torch.arange(3))


def module(name: str) -> type[nn.Module]:
    kernel = actgen.compile(name, "torch")
    classes = [
        v for v in vars(kernel.module).values() if isinstance(v, type) and issubclass(v, nn.Module)
    ]
    (found,) = classes
    return found


@pytest.mark.parametrize("name", [n for n in names() if "torch.nn" in actgen.load(n).peers])
def test_modules_are_torch_s(name: str) -> None:
    """Same class name, same values as the module of torch.nn, at the defaults."""
    own = module(name)
    assert own.__name__ == actgen.load(name).peers["torch.nn"].rpartition(".")[2]
    theirs = getattr(nn, own.__name__)
    settings = {
        "softmax": (-1,),
        "softmin": (-1,),
        "log_softmax": (-1,),
        "threshold": (0.1, 20.0),
    }.get(name, ())
    x = torch.randn(2, 4, 6, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    a, b = own(*settings).double().eval(), theirs(*settings).double().eval()
    assert torch.allclose(a(x), b(x), rtol=1e-9, atol=1e-12)
    assert repr(a).startswith(own.__name__)


def test_prelu_per_channel() -> None:
    own, theirs = module("prelu")(4).double(), nn.PReLU(4).double()
    with torch.no_grad():
        own.weight.copy_(torch.tensor([0.1, 0.2, 0.3, 0.4]))
        theirs.weight.copy_(own.weight)
    x = torch.randn(2, 4, 5, dtype=torch.float64)
    for m in (own, theirs):
        (m(x) ** 2).sum().backward()
    assert torch.allclose(own.weight.grad, theirs.weight.grad)


def test_learned_swish_trains() -> None:
    m = module("swish")().double()
    x = torch.randn(64, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    target = x * torch.sigmoid(1.7 * x)
    optimiser = torch.optim.Adam(m.parameters(), 0.05)
    for _ in range(300):
        optimiser.zero_grad()
        ((m(x) - target) ** 2).mean().backward()
        optimiser.step()
    assert m.beta.item() == pytest.approx(1.7, abs=1e-2)


def test_rrelu_trains_at_random_and_evaluates_at_the_mean() -> None:
    m = module("rrelu")()
    x = -torch.ones(5000)
    y = m.train()(x)
    assert -1 / 3 <= y.min() < -0.32 and -0.13 < y.max() <= -1 / 8
    assert torch.allclose(m.eval()(x), x * (1 / 8 + 1 / 3) / 2)


def test_state_dict_and_pickle() -> None:
    m = module("prelu")(3, 0.5)
    other = module("prelu")(3)
    other.load_state_dict(m.state_dict())
    assert torch.equal(other.weight, m.weight)
