"""The PyTorch files: autograd, transforms, modules, peers."""

from __future__ import annotations

import importlib
import math
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import torch
from torch import nn

import actgen
from actgen import bench, checks, memory, outputs
from actgen.backends import NAMES
from actgen.backends.torch import FUSED
from actgen.compiler import compile_activation
from actgen.registry import names

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("name", [n for n in names() if "torch" in actgen.load(n).peers])
def test_peer(name: str) -> None:
    assert checks.peers(actgen.load(name)) == []


@pytest.mark.parametrize("name", names())
def test_backends_agree(name: str) -> None:
    assert checks.agreement(actgen.load(name), list(NAMES)) == []


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


# On the CPU: loops of the Numba files where only values are wanted.

#: Not torch's own kernels, nor rows that do not lie along the last axis.
LOOPED = [n for n in names() if n not in FUSED and actgen.load(n).axis == -1]
LAYOUTS = {
    "contiguous": lambda x: x,
    "strided": lambda x: x[:, ::2],
    "transposed": lambda x: x.transpose(1, 2),
    "channels_last": lambda x: x.to(memory_format=torch.channels_last),
    "negated view": lambda x: torch.complex(x, x).conj().imag,
}


def composite(name: str, *args: torch.Tensor) -> torch.Tensor:
    """The values without loops: a module without a package has no file beside it."""
    return actgen.compile(name, "torch").forward(*args)


def shipped(name: str):
    return getattr(importlib.import_module(f"actgen.generated.torch.{name}"), name)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["silu", "elu", "softmax", "swiglu", "prelu", "maxout"])
def test_loops_and_composites_agree(name: str, layout: str) -> None:
    act = actgen.load(name)
    x = LAYOUTS[layout](torch.randn(2, 6, 4, 6, generator=torch.Generator().manual_seed(2)))
    args = (x,) * len(act.inputs)
    ours, plain = shipped(name)(*args), composite(name, *args)
    torch.testing.assert_close(ours, plain, rtol=5e-7, atol=1e-30)
    assert ours.stride() == plain.stride() or act.is_row
    leaf = [a.detach().clone(memory_format=torch.preserve_format) for a in args]
    twin = [a.clone() for a in leaf]
    for values, f in ((leaf, shipped(name)), (twin, lambda *a: composite(name, *a))):
        f(*(v.requires_grad_() for v in values)).pow(2).sum().backward()
    for a, b in zip(leaf, twin, strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("name", LOOPED)
def test_loops_are_used(name: str) -> None:
    """f of a plain tensor is the Numba file's, to the bit."""
    act, beside = actgen.load(name), importlib.import_module(f"actgen.generated.numba.{name}")
    x = torch.linspace(-9, 9, 60).reshape(4, 15)
    args = (x,) * len(act.inputs)
    expected = getattr(beside, name)(*(a.numpy() for a in args))
    assert torch.equal(shipped(name)(*args), torch.from_numpy(np.asarray(expected)))


def test_loops_follow_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """channels_last and the gradient of a sum are no reason to leave the loop."""
    silu = importlib.import_module("actgen.generated.torch.silu")
    monkeypatch.setattr(silu, "_KERNELS", dict.fromkeys(silu._KERNELS))  # no composite
    x = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    assert silu.silu(x).is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(silu.silu(x), nn.functional.silu(x))
    leaf = torch.randn(7).requires_grad_()
    silu.silu(leaf).sum().backward()
    torch.testing.assert_close(leaf.grad, composite_derivative(leaf.detach()))


def composite_derivative(x: torch.Tensor) -> torch.Tensor:
    return actgen.compile("silu", "torch").derivative(x)


def test_loops_in_threads() -> None:
    x = torch.randn(1 << 20)
    before = torch.get_num_threads()
    try:
        found = []
        for count in (1, 3):
            torch.set_num_threads(count)
            found.append(shipped("silu")(x))
        assert torch.equal(*found)
    finally:
        torch.set_num_threads(before)


def test_numbers_that_are_no_floats() -> None:
    """Values that a loop does not take are taken by the composite, or refused as before."""
    x = torch.linspace(-2, 2, 5)
    expected = shipped("elu")(x, 2.0)
    for alpha in (2, np.float32(2), torch.tensor(2.0)):
        torch.testing.assert_close(shipped("elu")(x, alpha), expected)
    with pytest.raises(TypeError, match="expected alpha to be a number"):
        shipped("celu")(x, "2")


@pytest.mark.parametrize("name", ["silu", "swish", "geglu", "softmax"])
@pytest.mark.parametrize("dtype", [torch.int32, torch.bool, torch.complex64])
def test_loops_take_floating_tensors_alone(name: str, dtype: torch.dtype) -> None:
    args = (torch.ones(2, 3).to(dtype),) * len(actgen.load(name).inputs)
    with torch.no_grad(), pytest.raises(NotImplementedError, match="floating"):
        shipped(name)(*args)


def test_loops_take_one_dtype() -> None:
    """And gates refuse two."""
    x, y = torch.randn(2, 3, 4)
    for a, b in ((x, y.double()), (x.bfloat16(), y), (x.half(), y.bfloat16())):
        with torch.no_grad(), pytest.raises(RuntimeError, match="of one dtype"):
            shipped("geglu")(a, b)
    leaf = importlib.import_module("actgen.generated.torch.silu")._leaf
    assert leaf("vjp", (x, x.double())) is None
    assert leaf("forward", (x.to(torch.float8_e5m2),)) is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", ["silu", "gelu_tanh", "elu", "softmax"])
def test_16_bit_tensors_are_read_as_they_are(name: str, dtype: torch.dtype) -> None:
    """And not through float32: each is rounded once, as in the Numba file."""
    beside = importlib.import_module(f"actgen.generated.numba.{name}")
    x = torch.arange(1 << 16).to(torch.int16).view(dtype).reshape(64, 1024)
    if name == "softmax":
        x = x.nan_to_num().clamp(-9, 9)
    dy = torch.randn(x.shape).to(dtype)
    kind = np.float16 if dtype == torch.float16 else ml_dtypes.bfloat16
    a, b = (t.view(torch.int16).numpy().view(kind) for t in (x, dy))
    tracked = x.clone().requires_grad_()
    y = shipped(name)(tracked)
    y.backward(dy)
    with np.errstate(all="ignore"):
        expected = getattr(beside, name)(a), getattr(beside, f"{name}_vjp")(a, b)
    for found, true in zip((y.detach(), tracked.grad), expected, strict=True):
        bits = found.view(torch.int16).numpy()
        assert ((bits == true.view(np.int16)) | np.isnan(true)).all()


def test_loops_of_rows_take_rows_of_one_length() -> None:
    x = torch.randn(2, 9)
    softmax = importlib.import_module("actgen.generated.torch.softmax")
    assert softmax._leaf("vjp", (x, x)) is not None
    maxout = importlib.import_module("actgen.generated.torch.maxout")
    assert maxout._leaf("vjp", (x, x[:, :1])) is not None
    for module, dy in ((softmax, x[:, :1]), (softmax, x[:1]), (maxout, x), (maxout, x[:1, :1])):
        assert module._leaf("vjp", (x, dy)) is None
    dy = torch.randn(2, 1)
    expected = softmax.softmax_vjp(x, dy.expand(2, 9).contiguous())
    torch.testing.assert_close(softmax.softmax_vjp(x, dy), expected)


# What is differentiated operation by operation, and what is saved.

HARD = (-math.inf, -1e30, -1e4, -90.5, -20.0, -1.0, -1e-3, -0.0, 0.0, 1e-3, 1.0, 20.0, 90.5, 1e4)
ENDS = (1e30, math.inf)


@pytest.mark.parametrize("name", [n for n in names() if not actgen.load(n).is_row])
def test_twins_have_the_closed_derivatives(name: str) -> None:
    """At kinks, far out and at infinity; the values are the kernel's own, to the bit."""
    act, file = actgen.load(name), actgen.compile(name, "torch").module
    kinks = [] if act.is_gated else [float(k.at.subs(act.defaults)) for k in act.kinks()]
    x = torch.tensor([*HARD, *ENDS, *filter(math.isfinite, kinks)], dtype=torch.float64)
    x.requires_grad_()
    others = [torch.full_like(x, 0.7) for _ in act.inputs[1:]]
    values = [torch.tensor(float(p.value), dtype=torch.float64) for p in act.parameters]
    args = [x, *others, *values]
    for kernel, partials in file._PARTIALS.items():
        y = file._differentiable(kernel, args)
        with torch.no_grad():
            assert torch.equal(y.nan_to_num(7.0), file._run(kernel, args).nan_to_num(7.0))
            slope = file._run(partials[0], args).expand_as(x)
        if not y.requires_grad:  # a constant
            assert not slope.any()
            continue
        (found,) = torch.autograd.grad(y.sum(), x)
        if kernel.endswith("_y"):
            continue  # its derivative in x is that of the other one in y
        apart = (found - slope).abs() > 1e-9 * (slope.abs() + 1e-6)
        assert not (apart & (found != slope)).any(), (kernel, x[apart], found[apart], slope[apart])


@pytest.mark.parametrize(
    "name, what",
    [
        *(("relu", "output"), ("relu6", "output"), ("threshold", "output")),
        *(("logsigmoid", "output"), ("softshrink", "output"), ("leaky_relu", "input")),
        *(("sigmoid", "input"), ("tanh", "input"), ("elu", "input"), ("gelu", "input")),
    ],
)
def test_what_is_saved(name: str, what: str) -> None:
    (found,) = memory.saved([actgen.load(name)])
    assert found.what[0] == what and found.own == (4.0, 2.0)


def test_output_forms_are_measured() -> None:
    """1 - y is no derivative where y rounds to 1; -expm1(y) is one for 32 bits, not for 16."""
    forms = {
        n: outputs.output_form(compile_activation(actgen.load(n)))
        for n in ("sigmoid", "logsigmoid", "relu", "silu")
    }
    assert forms["sigmoid"].program is not None and forms["sigmoid"].dtypes == ()
    assert forms["logsigmoid"].dtypes == ("float32", "float64")
    assert forms["relu"].dtypes == ("float16", "bfloat16", "float32", "float64")
    assert forms["silu"].program is None  # f turns back: f' is no function of f


def test_in_place_keeps_one_tensor() -> None:
    """The same memory holds the output and what the backward pass needs."""
    file = actgen.compile("relu", "torch").module
    leaf = torch.linspace(-2, 2, 64).requires_grad_()
    x = leaf * 1.0
    kept: list[int] = []
    pack = lambda t: kept.append(t.untyped_storage().data_ptr()) or t  # noqa: E731
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        y = file.relu(x, inplace=True)
    assert kept == [x.untyped_storage().data_ptr()] and y is x
    y.sum().backward()
    assert torch.equal(leaf.grad, (leaf > 0).float())


def test_memory_page_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    bench.memory(markdown=True)
    assert (ROOT / "docs" / "memory.md").read_text() == capsys.readouterr().out
