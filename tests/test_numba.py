"""Numba on the CPU: any array, any thread, vectors for certain, and the contract."""

from __future__ import annotations

import importlib
import inspect
import itertools
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from actgen.generated.numba import elu, geglu, silu, softmax

import actgen
from actgen.kernel import load_source
from actgen.registry import names

#: One of each kind, and each of the functions that the templates write.
SAMPLE = ["silu", "gelu", "relu", "softmax", "maxout", "glu", "prelu", "mish", "softplus"]
DTYPES = [np.float32, np.float64, np.float16, ml_dtypes.bfloat16]
rng = np.random.default_rng(0)


def same(ours, numpys) -> bool:
    """Of one shape and dtype, and next to each other at most."""
    a, b = (np.asarray(v, np.float64) for v in (ours, numpys))
    alike = np.shape(ours) == np.shape(numpys) and ours.dtype == numpys.dtype
    return alike and np.allclose(a, b, rtol=2e-7 if ours.dtype == np.float32 else 1e-14)


def reference(name: str):
    return actgen.compile(name, "numpy")


LAYOUTS = {
    "contiguous": lambda x: x,
    "strided": lambda x: x[::2, :, ::-1],
    "transposed": lambda x: x.T,
    "one element": lambda x: x[:1, 0, 0],
    "0-d": lambda x: x[0, 0, 0, ...],
    "empty": lambda x: x[:0],
    "Fortran": np.asfortranarray,
    "read-only": lambda x: np.broadcast_to(x[:1], (4, 5, 7)),
    "not aligned": lambda x: np.frombuffer(b"." + x.tobytes(), np.uint8)[1:].view(x.dtype),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_array(layout: str, dtype) -> None:
    x = LAYOUTS[layout]((rng.standard_normal((3, 5, 7)) * 4).astype(dtype))
    assert same(silu.silu(x), reference("silu").forward(x))
    assert same(silu.silu_vjp(x, x), reference("silu").vjp(x, x))
    assert same(elu.elu(x, alpha=2.5), reference("elu").forward(x, alpha=2.5))
    alpha = rng.uniform(1, 2, x.shape[-1:]).astype(dtype)
    assert same(elu.elu(x, alpha=alpha), reference("elu").forward(x, alpha=alpha))
    for ours, numpys in zip(geglu.geglu_vjp(x, x, x), reference("geglu").vjp(x, x, x), strict=True):
        assert same(ours, numpys)
    if x.size and x.ndim:
        for axis in range(x.ndim):
            assert same(softmax.softmax(x, axis=axis), reference("softmax").forward(x, axis=axis))
            assert same(softmax.softmax_vjp(x, x), reference("softmax").vjp(x, x))


@pytest.mark.parametrize("dtype", DTYPES)
def test_out(dtype) -> None:
    x = (rng.standard_normal(100_000) * 4).astype(dtype)
    expected = reference("silu").forward(x)
    out = np.empty_like(x)
    assert silu.silu(x, out=out) is out and same(out, expected)
    own = x.copy()
    assert silu.silu(own, out=own) is own and same(own, expected)
    # What is written lies one element on from what is read.
    shifted = x.copy()
    silu.silu(shifted[:-1], out=shifted[1:])
    assert same(shifted[1:], expected[:-1])
    other = np.empty(x.shape, np.float64)
    assert np.allclose(silu.silu(x, out=other), expected.astype(np.float64), 1e-2, 1e-4)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["silu", "geglu", "prelu", "heaviside"])
def test_value_and_derivative(name: str, dtype) -> None:
    """What the two functions give, whichever loop does it; a table is read by its own."""
    kernel = actgen.compile(name, "numba")
    for shape in ((), (0,), (7,), (300, 1001)):
        arrays = [rng.standard_normal(shape).astype(dtype) for _ in kernel.activation.inputs]
        slopes = kernel.derivative(*arrays)
        expected = kernel.forward(*arrays), *(slopes if isinstance(slopes, tuple) else (slopes,))
        found = kernel.value_and_derivative(*arrays)
        assert len(found) == len(expected)
        assert all(same(a, b) for a, b in zip(found, expected, strict=True))
    x = [np.ones(5, dtype) for _ in kernel.activation.inputs]
    numpys = actgen.compile(name, "numpy").value_and_derivative(*x)
    assert all(same(a, b) for a, b in zip(kernel.value_and_derivative(*x), numpys, strict=True))


def test_errors() -> None:
    x = np.ones(3, np.float32)
    fixed = np.ones(3, np.float32)
    fixed.flags.writeable = False
    with pytest.raises(TypeError, match="expected real numbers, got an array of complex64"):
        silu.silu(x * 1j)
    with pytest.raises(TypeError, match="expected out of a floating dtype, got int64"):
        silu.silu(x, out=np.zeros(3, np.int64))
    with pytest.raises(ValueError, match="broadcast"):
        silu.silu(x, out=np.zeros(2, np.float32))
    with pytest.raises(ValueError, match="writeable"):
        silu.silu(x, out=fixed)
    with pytest.raises(ValueError, match="expected a number of threads, got -1"):
        silu.set_num_threads(-1)


def test_numbers_and_lists() -> None:
    assert isinstance(silu.silu(1.5), np.float64)
    assert silu.silu([1, 2]).dtype == np.float64
    assert silu.silu(np.float32(1)).dtype == np.float32


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_tables_hold_every_value(dtype) -> None:
    """What is looked up is what is computed, NaN of any payload included."""
    every = np.arange(1 << 16, dtype=np.uint16).view(dtype)
    looked_up = silu.silu(every)
    parts = np.concatenate([silu.silu(part) for part in np.split(every, 64)])  # too few for a table
    with np.errstate(invalid="ignore"):  # signalling NaN
        number = ~np.isnan(every)
    assert np.array_equal(looked_up[number].view(np.uint16), parts[number].view(np.uint16))
    assert np.isnan(looked_up[~number]).all()


@pytest.mark.parametrize("instruction", [True, False])
@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_halves(dtype, instruction: bool) -> None:
    """What is read as float32 is the number, what is rounded to 16 bits the nearest; or a doubt."""
    text = Path(silu.__file__).read_text()
    if not instruction:  # as on a CPU that has none for it
        text = text.replace('if _has("f16c") or _has("neon"):', "if False:")
        assert "if False:" in text
    halves = load_source("halves", text)
    widen, narrow = halves._HALVES[np.dtype(dtype).kind]
    every, wide = np.arange(1 << 16, dtype=np.uint16), np.empty(1 << 16, np.float32)
    widen(silu._HALF, every.size, silu._at(wide), silu._at(every))
    with np.errstate(invalid="ignore"):  # signalling NaN
        assert np.array_equal(wide, every.view(dtype).astype(np.float32), equal_nan=True)
    beside = [wide.view(np.int32) + d for d in (-1, 0, 1, 0xFFF, 0x1000, 0x1001, 0x7FFF, 0x8000)]
    bits = np.concatenate([*beside, rng.integers(-(1 << 31), 1 << 31, 1 << 20)]).astype(np.int32)
    y, places = np.empty(bits.size, np.uint16), np.empty(bits.size + 1, np.int64)
    narrow(silu._HALF, bits.size, silu._at(y), silu._at(bits))
    find = halves._DOUBTS[np.dtype(dtype).kind]
    found = find(bits.size, silu._at(bits), silu._at(places), 0, 0)
    sure = np.ones(bits.size, np.bool_)
    sure[places[:found]] = False
    with np.errstate(all="ignore"):
        near = [(bits + d).view(np.float32).astype(dtype) for d in (-1, 0, 1)]
        number = [~np.isnan(v) for v in near]
        assert np.array_equal(y[number[1]], near[1][number[1]].view(np.uint16))
        assert np.isnan(y[~number[1]].view(dtype)).all()
        sure &= number[0] & number[1] & number[2]
        assert sure.any() and np.array_equal(near[0][sure], near[2][sure])


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_16_bit_products_are_nearest(dtype) -> None:
    x, dy = (rng.standard_normal((2, 100_000)) * 2).astype(dtype)
    expected = reference("silu").vjp(x, dy).view(np.uint16)
    assert np.array_equal(silu.silu_vjp(x, dy).view(np.uint16), expected)
    own = dy.copy()
    assert silu.silu_vjp(x, own, out=own) is own
    assert np.array_equal(own.view(np.uint16), expected)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("name", ["silu", "hardswish", "swiglu", "reglu"])
def test_16_bit_products_from_tables(name: str, dtype) -> None:
    """Of any numbers, those that float32 cannot hold between too: as without a table."""
    module = importlib.import_module(f"actgen.generated.numba.{name}")
    gated = name.endswith("glu")
    slopes = ("", "_derivative_x", "_derivative_y", "_vjp_x", "_vjp_y") if gated else ("_vjp",)
    normal = (rng.standard_normal((3, 1 << 15)) * 3).astype(dtype)
    every = rng.integers(0, 1 << 16, (3, 1 << 16)).astype(np.uint16).view(dtype)
    for function in slopes:
        f = getattr(module, name + function)
        count = len(inspect.signature(f).parameters) - 1
        for given in (normal[:count], every[:count]):
            with np.errstate(invalid="ignore"):  # signalling NaN
                finite = np.isfinite(given).all(axis=0)
                lost = np.isnan(given[:2]).any(axis=0)
            whole = f(*given)
            parts = np.concatenate([f(*part) for part in np.split(given, 64, axis=1)])
            assert np.array_equal(whole[finite], parts[finite])  # 0 is -0
            if function in slopes[:3]:  # the others do not read x
                assert np.isnan(whole[lost]).all()


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_any_place_is_looked_up(dtype) -> None:
    """Words of four numbers are read and written where both sides have them."""
    x, out = np.zeros((2, 9000), dtype)
    x[:] = (rng.standard_normal(9000) * 3).astype(dtype)
    expected = silu.silu(x).view(np.uint16)
    for first, into, n in itertools.product((0, 1, 2, 3, 4), (0, 1, 3), (8500, 8501, 8502, 8503)):
        out[:] = -1.0
        silu.silu(x[first : first + n], out=out[into : into + n])
        assert np.array_equal(out[into : into + n].view(np.uint16), expected[first : first + n])
        assert (out[:into] == -1.0).all() and (out[into + n :] == -1.0).all()


LARGE = (rng.standard_normal(1 << 21) * 5).astype(np.float32)


def right() -> bool:
    return same(silu.silu(LARGE), reference("silu").forward(LARGE))


@pytest.mark.parametrize("name", ["hardtanh", "softshrink", "leaky_relu", "reglu", "threshold"])
def test_float32_itself_is_as_right_as_float64(name: str) -> None:
    """Where each value is rounded once; with parameters that float32 holds and ones it does not."""
    act, kernel = actgen.load(name), actgen.compile(name, "numba")
    bits = rng.integers(0, 1 << 32, (len(act.inputs) + 1, 1 << 16), dtype=np.uint32)
    given = bits.view(np.float32)
    given[:, ::2] = rng.standard_normal((len(given), 1 << 15)) * 2
    parameters = [p.name for p in act.parameters]
    for scale in (1.0, 0.3):
        numbers = {n: scale * (k + 0.25) for k, n in enumerate(parameters)}
        for function in (kernel.forward, kernel.vjp):
            arrays = given if function == kernel.vjp else given[:-1]
            with np.errstate(all="ignore"):
                found = np.asarray(function(*arrays, **numbers))
                exact = np.asarray(function(*arrays.astype(np.float64), **numbers))
                assert found.dtype == np.float32
                assert np.array_equal(found, exact.astype(np.float32), True)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_slices_in_threads(count: int) -> None:
    silu.set_num_threads(count)
    try:
        assert right()
        rows = LARGE[: 999 * 1500].reshape(999, 1500)
        softmax.set_num_threads(count)
        assert same(softmax.softmax(rows), reference("softmax").forward(rows))
    finally:
        silu.set_num_threads(0)
        softmax.set_num_threads(0)


def test_many_python_threads() -> None:
    silu.set_num_threads(3)
    try:
        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(lambda _: right(), range(8)))
    finally:
        silu.set_num_threads(0)


def test_parts_are_shared_out() -> None:
    """Each once, and to several threads at a time; what one of them raises reaches the caller."""
    silu.set_num_threads(3)
    both, met, n = threading.Barrier(2), [], 1 << 21

    def loop(like: None, count: int, place: int, fixed: int) -> None:
        assert like is None and fixed == 7
        if len(met) < 2:
            met.append(threading.get_ident())
            both.wait(60)
        spans.append((place // 4, place // 4 + count))

    def fails(like: None, count: int, place: int) -> None:
        if place:
            raise ArithmeticError(place)

    try:
        for _ in range(200):
            spans: list[tuple[int, int]] = []
            silu._run(loop, [4, 0], None, n, 0, 7)
            ends = sorted(spans)
            assert [a for a, _ in ends] == [0, *(b for _, b in ends[:-1])] and ends[-1][1] == n
            with pytest.raises(ArithmeticError):
                silu._run(fails, [4], None, n, 0)
    finally:
        silu.set_num_threads(0)
    assert len(set(met)) == 2


CHILD = """
import sys, threading
from multiprocessing import get_context
import numpy as np
from actgen.generated.numba import silu

def total():
    return float(silu.silu(np.ones(1 << 21, np.float32)).sum())

if __name__ == "__main__":
    silu.set_num_threads(2)
    expected = total()
    assert threading.active_count() > 1
    with get_context(sys.argv[1]).Pool(1) as pool:
        assert pool.apply_async(total).get(120) == expected
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes(method: str, tmp_path: Path) -> None:
    """A child has no thread of its parent's: it makes its own."""
    (tmp_path / "child.py").write_text(CHILD)
    subprocess.run([sys.executable, "child.py", method], cwd=tmp_path, check=True)


THREADS = """
import os, sys
from actgen.generated.numba import silu
print(silu._count())
import torch
torch.set_num_threads(3)
print(silu._count())
silu.set_num_threads(5)
print(silu._count())
"""


def test_the_number_of_threads() -> None:
    done = subprocess.run(
        [sys.executable, "-c", THREADS],
        env=os.environ | {"OMP_NUM_THREADS": "4"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["4", "3", "5"]


COLD = """
import numpy as np, mish
print(mish.mish(np.float32(2)))
"""


def test_two_processes_compile_at_once(tmp_path: Path) -> None:
    """Machine code is kept beside the file; who comes second finds it whole."""
    (tmp_path / "mish.py").write_text(actgen.compile("mish", "numba").source)
    for _ in range(2):
        running = [
            subprocess.Popen([sys.executable, "-c", COLD], cwd=tmp_path, stdout=subprocess.PIPE)
            for _ in range(2)
        ]
        assert len({p.communicate()[0] for p in running}) == 1
        assert not any(p.returncode for p in running)
    assert {p.suffix for p in tmp_path.rglob("*.nb*")} == {".nbi", ".nbc"}


def test_nothing_may_be_written(tmp_path: Path) -> None:
    """Machine code is made anew in each process where there is no place for it."""
    (tmp_path / "mish.py").write_text(actgen.compile("mish", "numba").source)
    (tmp_path / "__pycache__").touch()  # a file: no folder can be made of it
    env = os.environ | {"HOME": os.devnull, "XDG_CACHE_HOME": os.devnull}
    done = subprocess.run(
        [sys.executable, "-c", COLD], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert done.stdout.startswith("1.94"), done.stderr
    assert not list(tmp_path.rglob("*.nb*"))


def test_compiled_formulas_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = actgen.compile("relu", "numba").source
    monkeypatch.setenv("ACTGEN_CACHE", str(tmp_path))
    for _ in range(2):
        module = load_source("relu_numba", text, kept=True)
        assert module.relu(np.float32(-1)) == 0
    assert {p.suffix for p in (tmp_path / "kernels").rglob("*.*")} >= {".py", ".nbi", ".nbc"}
    monkeypatch.setenv("ACTGEN_CACHE", "")
    assert load_source("relu_numba", text, kept=True).relu(2.0) == 2.0


# Vectors.

SOME = ["silu", "softmax", "glu"]
BOTH = "float32,float64"
HALVES = ["(times_[12]|from|to|doubts)", "uint16", "glu"]
CHECKED = {
    "haswell": (
        ["forward", "float32", *(n for n in names() if n not in SAMPLE)],
        [".*", "float32", *SAMPLE],
        [".*", "float64", *SOME],
        HALVES,
    ),
    "skylake-avx512": ([".*", BOTH, *SOME], HALVES),
    "neon": (["forward|derivative", BOTH, *SOME], HALVES),
}


def packed(cpu: str, *what: str) -> list[str]:
    script = Path(__file__).with_name("packed.py")
    done = subprocess.run(
        [sys.executable, str(script), cpu, *what], capture_output=True, text=True, check=False
    )
    assert "loops" in done.stderr, done.stderr[-2000:]
    return done.stdout.splitlines()


@pytest.mark.parametrize("cpu,which", [(cpu, which) for cpu in CHECKED for which in CHECKED[cpu]])
def test_loops_are_vectors(cpu: str, which: list[str]) -> None:
    assert packed(cpu, *which) == []


def test_what_is_no_vector_is_found(tmp_path: Path) -> None:
    text = actgen.compile("sigmoid", "numba").source
    (tmp_path / "own.py").write_text(
        text.replace("_exp(-", "math.exp(-").replace("import os\n", "import math\nimport os\n")
    )
    found = packed("haswell", "forward", "float32", str(tmp_path / "own.py"))
    assert any("it calls {'exp'}" in line for line in found)


# Accuracy.


@pytest.mark.parametrize("name", ["gelu", "softmin", "glu", "elu"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_contract(name: str, dtype: str) -> None:
    assert actgen.verify(name, backend="numba", dtype=dtype).ok
