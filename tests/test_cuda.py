"""The CUDA kernels without a GPU: run in the simulator, compiled to PTX."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mpmath
import numpy as np
import pytest

import actgen
from actgen import contract, cuda_check, cuda_static, devices, model, near, report, row_errors, sass
from actgen.accuracy import FORMATS, quantum
from actgen.compiler import compile_activation
from actgen.gpus import GPUS
from actgen.lang import RowSum
from actgen.program import interpret
from actgen.registry import load, names
from actgen.running import run_model
from actgen.spec import Activation

pytestmark = pytest.mark.skipif(not devices.installed(), reason="numba-cuda is not installed")

#: A subprocess each, so that Numba's start is paid a few times and not for every activation.
GROUPS = [names()[i::6] for i in range(6)]


@pytest.mark.parametrize("group", GROUPS, ids=lambda g: f"{g[0]} and {len(g) - 1} more")
def test_kernels_run_in_the_simulator(group: list[str]) -> None:
    found = cuda_check.in_subprocess("run", group, simulate=not devices.device_present())
    assert found == {name: [] for name in group}


@pytest.mark.parametrize("group", GROUPS, ids=lambda g: f"{g[0]} and {len(g) - 1} more")
def test_kernels_compile_without_float64(group: list[str]) -> None:
    found = cuda_check.in_subprocess("ptx", group, simulate=False)
    assert found == {name: [] for name in group}


def test_the_checks_can_fail(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel with a float64 constant is found in its PTX."""
    import re

    from numba import cuda, types

    def kernel(x, out):
        for i in range(cuda.grid(1), out.size, cuda.gridsize(1)):
            out[i] = x[i] * 1.1

    ptx, _ = cuda.compile(
        kernel,
        (types.float32[::1], types.float32[::1]),
        device=False,
        cc=(9, 0),
        output="ptx",
        abi="numba",
    )
    assert re.search(r"\.f64", ptx)
    problems = cuda_check._compare("x", np.array([1.0, 2.0]), np.array([1.0, 3.0]), "float32")
    assert problems == ["x: element 1 is np.float64(2.0), the program gives np.float64(3.0)"]


def test_what_was_skipped_is_said() -> None:
    skipped: list[str] = []
    report.cuda_modes(["cuda"], skipped)
    assert devices.device_present() or "no GPU here" in skipped[0]


def test_source_needs_no_device() -> None:
    kernel = actgen.compile("silu", "cuda")
    assert "@cuda.jit" in kernel.source and callable(kernel.module.silu)


RECORD = Path(__file__).parents[1] / "bench" / "results" / "static.json"


@pytest.mark.skipif(not sass.installed(), reason="NVIDIA's tools are not installed")
def test_kernels_take_no_more_than_before() -> None:
    """In bfloat16, which has the least time an element; all dtypes are in the record."""
    before = {(r.activation, r.function, r.dtype): r for r in cuda_static.recorded(RECORD)}
    every = list(cuda_static.every(names(), ["bfloat16"]))
    found = [row for row, counted in every if counted]
    assert len(found) == sum(r.dtype == "bfloat16" for r in before.values())
    for row in found:
        f, was = row.figures, before[row.activation, row.function, row.dtype].figures
        assert f.vectors and f.instructions <= 1.05 * was.instructions + 1, (row, was)
        assert f.registers <= max(64, was.registers + 8), (row, was)
    for row, _ in every:
        f = row.figures
        assert not f.doubles and not f.stack and f.registers <= 128, row


LISTING = """
//--------------------- .text.slow --------------------------
        /*0000*/                   DADD R2, R2, R4 ;
//--------------------- .text.kernel --------------------------
        .other          kernel,@"STO_CUDA_ENTRY STV_DEFAULT"
        /*0000*/                   S2R R2, SR_TID.X ;
.L_x_1:
        /*0010*/                   LDG.E.128 R4, desc[UR4][R2.64] ;
        /*0020*/                   MUFU.RCP R4, R4 ;
        /*0030*/              @!P0 BRA `(.L_x_2) ;
        /*0040*/                   CALL.REL.NOINC `(slow) ;
.L_x_2:
        /*0050*/                   STG.E.128 desc[UR4][R2.64], R4 ;
        /*0060*/               @P0 BRA `(.L_x_1) ;
        /*0070*/                   STL [R1], R4 ;
        /*0080*/                   NOP;
        /*0090*/                   EXIT ;
"""


def test_machine_code_is_counted() -> None:
    f = sass.counted(LISTING, 20, 4)
    assert f == sass.Figures(20, 5 / 4, 1 / 4, 0, 0, 1, True)
    assert not sass.counted(LISTING.replace("LDG.E.128", "LDG.E"), 20, 4).vectors
    assert sass.counted(LISTING.replace("S2R", "DMUL"), 20, 4).doubles == 1
    h200 = GPUS["H200"]
    assert h200.fraction(62, 0, 8) == pytest.approx(1.0, abs=0.01)
    assert h200.fraction(124, 0, 8) == pytest.approx(0.5, abs=0.01)
    assert h200.fraction(1, 15.6, 8) == pytest.approx(0.5, abs=0.01)
    assert h200.fraction(1, 0, 8, 3.0) == pytest.approx(0.5, abs=0.01)


def test_approximations_are_modelled_as_documented() -> None:
    single = np.float32
    exp, div = (model.operations(name, single) for name in ("exp_near", "div_near"))
    x = np.linspace(-80, 80, 1001).astype(single)
    off = np.abs(exp(x) / np.exp(x.astype(float)) - 1)
    assert 2.0**-23 < off.max() < 80 * 2.0**-23
    with np.errstate(divide="ignore"):
        assert div(single(1), single(2.0**-130)) == np.inf
    assert div(single(1), single(2.0**127)) == 0
    assert abs(div(single(3), single(7)) * 7 / 3 - 1) < 2.0**-21


ROWS = [name for name in names() if load(name).is_row]


@pytest.mark.parametrize("name", ROWS)
def test_rows_in_16_bits_hold_the_contract(name: str) -> None:
    """With the approximations of their own programs."""
    compiled = compile_activation(load(name))
    found = []
    for f in compiled.functions.values():
        for dtype in ("float16", "bfloat16"):
            labels = {"activation": name, "backend": "cuda", "dtype": dtype}
            act = compiled.activation
            found.append(row_errors.measure(act, f, run_model, FORMATS[dtype], labels))
    assert not contract.breaches(found)
    assert compiled.functions["vjp"].half is not None


def test_what_is_nothing_beside_the_greatest_is_not_lost() -> None:
    """Cross entropy's cotangent is of one entry; all of its derivative may be in the others."""
    functions = compile_activation(load("log_softmax")).functions
    x, dy = np.array([88.0, 0.0]), np.array([1e30, 0.0])
    for name, rows in (("forward", [x]), ("derivative", [x]), ("vjp", [x, dy])):
        f = functions[name]
        assert f.half is not None
        y = model.evaluate_row(f.half, rows, FORMATS["float32"])
        true = model.evaluate_row(f.program, rows, FORMATS["float64"])
        assert (true != 0).all() and np.abs(y / true - 1).max() < 2.0**-9


def test_rows_of_any_size_are_divided() -> None:
    """An approximate reciprocal is 0 or infinite for the ends of float32."""
    x = load("softmax").inputs[0]
    f = compile_activation(Activation("rownorm", x / RowSum(x))).functions["forward"]
    for size in (6e37, 1e-39):
        rows = [np.array([size, size])]
        y = model.evaluate_row(f.half or f.program, rows, FORMATS["float32"])
        assert np.abs(y - 0.5).max() < 2.0**-12


def test_16_bits_hold_at_any_parameter() -> None:
    """Where swish' is small, too: what is right at the parameters tried is so by no luck."""
    f = compile_activation(load("swish")).functions["derivative"]
    assert f.half is not None
    fmt = FORMATS["float16"]
    x = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(float)
    x = x[np.isfinite(x)]
    for beta in [0.1, 6.808022499084473, *np.random.default_rng(5).lognormal(0, 1.5, 20)]:
        given = {"x": x, "beta": float(np.float32(beta))}
        true = model.evaluate(f.program, given, FORMATS["float64"])[0]
        y = model.evaluate(f.half, given, fmt)[0].astype(float)
        wrong = np.abs(y - true) > 0.51 * quantum(np.abs(true), fmt)
        zero = np.flatnonzero(np.diff(np.sign(true)))
        wrong[np.concatenate([zero, zero + 1])] = False
        assert not wrong.any(), (beta, x[wrong])


TRUTHS: dict[str, Any] = {
    "erfc_normal_near": lambda v: math.erfc(-v / math.sqrt(2)),
    "erfcx_near": lambda v: float(mpmath.erfc(v) * mpmath.exp(mpmath.mpf(v) ** 2)),
}


def test_small_results_of_exponentials() -> None:
    """Zeros for subnormal numbers, unless they are scaled."""
    x = np.array([-87.0, -88.0, -95.0, -103.0], np.float32)
    flushed, low, wide = (
        model.operations(name, np.float32)(x) for name in ("exp_flushed", "exp_low", "exp_near")
    )
    assert flushed[0] > 0 and not flushed[1:].any()
    for y in (low, wide):
        assert np.all(np.abs(y - np.exp(x.astype(float))) < 2.0**-149 + 4e-5 * y)
    with np.errstate(over="ignore"):
        found = [model.operations(n, np.float32)(np.float32(85)) for n in ("exp_low", "exp_near")]
    assert found[0] == np.inf and np.isfinite(found[1])


def test_erfc_of_a_normal_variable_is_one_operation() -> None:
    gelu = compile_activation(load("gelu")).functions["forward"].half
    assert gelu is not None
    ops = [i.op for i in gelu.body]
    assert "erfc_normal_near" in ops and "erfc" not in ops
    read = {*gelu.outputs, *(a for i in gelu.body for a in i.args)}
    assert all(i.dest in read for i in gelu.body)


@pytest.mark.parametrize(
    "name, low, high, most",
    [
        ("erfc_near", -4.0, 4.0, 5e-6),
        ("erfc_near", 4.0, 9.0, 2e-5),  # numbers that float16 has not
        ("erfc_normal_near", -4.0, 4.0, 4e-6),
        ("erfcx_near", 0.0, 14.0, 2e-6),
        ("log1p_near", -0.5, 4.0, 5e-6),
        ("log1p_near", -0.07, 0.07, 5e-6),
        ("log1p_unit", 0.0, 1.0, 1e-6),
        ("expm1_near", -8.0, 3.0, 5e-6),
        ("exp_flushed", -20.0, 20.0, 5e-6),
        ("exp_low", -20.0, 20.0, 5e-6),
    ],
)
def test_functions_for_16_bits_are_near(name: str, low: float, high: float, most: float) -> None:
    """Relative errors of a hundredth of an ulp."""
    x = np.linspace(low, high, 20_001).astype(np.float32)
    x = x[x != 0]
    true = np.array(
        [TRUTHS.get(name, getattr(math, name.partition("_")[0], None))(v) for v in x.tolist()]
    )
    for side in near.SIDES:
        y = model.operations(name, np.float32, side)(x)
        assert y.dtype == np.float32
        assert np.abs(y / true - 1).max() < most


def test_cupy_arrays_stay_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Results are CuPy's, on CuPy's current stream; no CuPy is installed here."""
    made = []

    class FakeArray:
        shape, dtype = (3,), np.dtype(np.float32)

    def empty(shape, dtype):
        made.append((shape, dtype))
        return FakeArray()

    FakeArray.__module__ = "cupy"
    stream = SimpleNamespace(ptr=1234)
    fake = SimpleNamespace(
        empty=empty, cuda=SimpleNamespace(get_current_stream=lambda: stream), ndarray=FakeArray
    )
    monkeypatch.setitem(sys.modules, "cupy", fake)
    module: Any = actgen.compile("silu", "cuda").module
    assert isinstance(module._empty(FakeArray(), (3,)), FakeArray)
    assert made == [((3,), np.float32)]
    monkeypatch.setattr(module, "cuda", SimpleNamespace(external_stream=lambda pointer: pointer))
    assert module._stream(FakeArray(), 0) == 1234 and module._stream(FakeArray(), 7) == 7


LEAF = """
import torch
from actgen.cuda_check import _Float32Math
from actgen.generated import cuda, torch as generated
import importlib

def pair(name):
    own, beside = (importlib.import_module(f"actgen.generated.{b}.{name}") for b in ("torch", "cuda"))
    beside._THREADS, beside.math, beside._stream = 4, _Float32Math, lambda array, stream: 0
    own._device = lambda x: beside
    return own

torch.manual_seed(0)
x, y, dy = torch.randn(3, 2, 9)
for name, kernel, args, expected in (
    ("silu", "forward", (x,), lambda m: m.silu(x)),
    ("silu", "vjp", (x, dy), lambda m: m.silu_vjp(x, dy)),
    ("swish", "forward", (x, 1.5), lambda m: m.swish(x, 1.5)),
    ("geglu", "vjp_y", (x, y, dy), lambda m: m.geglu_vjp_y(x, y, dy)),
    ("softmax", "forward", (x,), lambda m: m.softmax(x)),
    ("softmax", "vjp", (x, dy), lambda m: m.softmax_vjp(x, dy)),
    ("maxout", "forward", (x,), lambda m: m.maxout(x).unsqueeze(-1)),
    ("maxout", "vjp", (x, dy[:, :1].contiguous()), lambda m: m.maxout_vjp(x, dy[:, 0])),
):
    module = pair(name)
    found = module._device_leaf(kernel, args)
    assert torch.allclose(found, expected(module), rtol=1e-5, atol=1e-6), (name, kernel)
silu, relu, swish = map(pair, ("silu", "relu", "swish"))
grid = torch.randn(3, 4, 5, 6)
for laid in (x.T, x[:, 1:7], x[:, ::2], x[0].expand(4, 9), grid.transpose(1, 3), grid[:, 1:, ::2]):
    for given in ((laid, laid.contiguous()), (laid.contiguous(), laid)):
        found = silu._device_leaf("vjp", given)
        assert torch.allclose(found, silu.silu_vjp(*given), rtol=1e-5, atol=1e-6), laid.stride()
packed, cotangents = torch.randn(2, 5, 12)
out = torch.zeros(5, 12)
swiglu = pair("swiglu")._device(x)
halves = packed[:, :6], packed[:, 6:]
for name, into in (("x", out[:, :6]), ("y", out[:, 6:])):
    getattr(swiglu, f"swiglu_vjp_{name}")(*halves, cotangents[:, 6:], out=into)
expected = packed.requires_grad_()
a, b = expected.chunk(2, -1)
(a * torch.nn.functional.silu(b) * cotangents[:, 6:]).sum().backward()
assert torch.allclose(out, expected.grad, rtol=1e-5, atol=1e-6)
three = torch.zeros(3, 3, 9, 6)[:, :, ::3]  # no two loops: copied there and back
silu._device(x).silu(grid[:, 1:, :3], out=three)
assert torch.allclose(three, torch.nn.functional.silu(grid[:, 1:, :3]), rtol=1e-5, atol=1e-6)
assert silu._device_leaf("vjp", (x, dy.double())) is None
assert silu._device_leaf("vjp", (x, dy[:, :3].contiguous())) is None
assert relu._device_leaf("forward", (x,)) is None  # torch's own is one kernel
assert swish._device_leaf("forward", (x, torch.ones(9))) is None
silu._device = lambda x: None
assert silu._device_leaf("forward", (x,)) is None
"""


def test_kernels_are_the_leaf_of_torch_on_a_device() -> None:
    """What PyTorch files call on CUDA tensors, with the simulator for the device."""
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}
    done = subprocess.run(
        [sys.executable, "-c", LEAF], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("name", ["silu", "gelu", "gelu_tanh", "mish", "softplus", "elu"])
def test_programs_for_16_bits_hold_at_every_number(name: str) -> None:
    """With errors of the approximations drawn anew, and no error where there was one."""
    rng = np.random.default_rng(3)
    compiled = compile_activation(load(name))
    values = {p.name: np.float32(model.constant(p.value)) for p in compiled.activation.parameters}
    f = compiled.functions["forward"]
    assert f.half is not None
    for fmt in (FORMATS["float16"], FORMATS["bfloat16"]):
        with np.errstate(all="ignore"):
            x = np.arange(1 << 16).astype(np.uint16).view(fmt.dtype).astype(np.float64)
            true = model.evaluate(f.program, {**values, "x": x}, FORMATS["float64"])[0]

        def drawn(y, true=true):
            return (y * (1 + rng.uniform(-1, 1, np.shape(y)) * 2.0**-22)).astype(np.float32)

        ops = {i.op: model.operations(i.op, np.float32) for i in f.half.body}
        exact: dict[str, Any] = {
            "exp_near": lambda v: np.exp2(v * np.float32(1.4426950408889634), dtype=float),
            "div_near": lambda a, b: np.float64(a) / b,
            "log1p_near": lambda v: np.log1p(v, dtype=float),
            "expm1_near": lambda v: np.expm1(v, dtype=float),
            "erfc_near": lambda v: np.vectorize(math.erfc)(v),
        }
        for op, function in exact.items():
            ops[op] = lambda *args, function=function: drawn(function(*args))
        with np.errstate(all="ignore"):
            given = {**values, "x": x.astype(np.float32)}
            y = interpret(f.half, given, ops, lambda c: np.float32(model.constant(c)))[0]
            rounded = y.astype(fmt.dtype).astype(np.float64)
            within = np.abs(rounded - true) <= 0.515 * quantum(np.abs(true), fmt)
            same = rounded == true.astype(fmt.dtype).astype(np.float64)
        assert (same | within | (np.isnan(rounded) & np.isnan(true))).all()
