"""The CUDA kernels without a GPU: run in the simulator, compiled to PTX."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import actgen
from actgen import cuda_check, cuda_static, devices, model, report, sass
from actgen.accuracy import FORMATS
from actgen.compiler import compile_activation
from actgen.gpus import GPUS
from actgen.program import interpret
from actgen.registry import load, names

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
    found = list(cuda_static.rows(names(), ["bfloat16"]))
    assert len(found) == sum(r.dtype == "bfloat16" for r in before.values())
    for row in found:
        f, was = row.figures, before[row.activation, row.function, row.dtype].figures
        assert f.vectors and not f.doubles and not f.stack, row
        assert f.instructions <= 1.05 * was.instructions + 1, (row, was)
        assert f.registers <= max(64, was.registers + 8), (row, was)


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
    assert f == sass.Figures(20, 5 / 4, 1 / 4, 0, 1, True)
    assert not sass.counted(LISTING.replace("LDG.E.128", "LDG.E"), 20, 4).vectors
    assert sass.counted(LISTING.replace("S2R", "DMUL"), 20, 4).doubles == 1
    h200 = GPUS["H200"]
    assert h200.fraction(62, 0, 8) == pytest.approx(1.0, abs=0.01)
    assert h200.fraction(124, 0, 8) == pytest.approx(0.5, abs=0.01)
    assert h200.fraction(1, 15.6, 8) == pytest.approx(0.5, abs=0.01)


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


@pytest.mark.parametrize("name", ["silu", "gelu_tanh", "mish", "softplus"])
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
        ops["exp_near"] = lambda v: drawn(np.exp2(v * np.float32(1.4426950408889634), dtype=float))
        ops["div_near"] = lambda a, b: drawn(np.float64(a) / b)
        with np.errstate(all="ignore"):
            given = {**values, "x": x.astype(np.float32)}
            y = interpret(f.half, given, ops, lambda c: np.float32(model.constant(c)))[0]
            near = y.astype(fmt.dtype).astype(np.float64)
            power = np.maximum(np.frexp(true)[1] - 1, fmt.emin) - fmt.precision + 1
            within = np.abs(near - true) <= 0.515 * np.ldexp(1.0, power)
            same = near == true.astype(fmt.dtype).astype(np.float64)
        assert (same | within | (np.isnan(near) & np.isnan(true))).all()
