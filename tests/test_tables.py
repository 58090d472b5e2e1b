"""float32 from tables on the CPU: every bit pattern, what no table holds, and nothing read beyond."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sympy
from actgen.generated.numba import elu, gelu, mish, relu, selu, silu, softsign, tanhshrink

import actgen
from actgen import exhaustive, tabling, unary
from actgen.compiler import compile_activation
from actgen.registry import load

#: A sample of all 2**32 patterns: every exponent, sign and kind of NaN.
PATTERNS = np.arange(0, 1 << 32, 4099, dtype=np.uint64).astype(np.uint32).view(np.float32)
#: From cells, fine cells, rows with one zero and three, with 0 on the left, and the program.
SAMPLE = {
    "silu": silu.silu,
    "silu'": silu.silu_derivative,
    "gelu": gelu.gelu,
    "gelu'": gelu.gelu_derivative,
    "mish": mish.mish,
    "elu": elu.elu,
    "selu'": selu.selu_derivative,
    "tanhshrink": tanhshrink.tanhshrink,
    "softsign''": softsign.softsign_second_derivative,
    "relu": relu.relu,
}


def errors(y, true):
    """In ulp of float32; 0 where both are NaN or the same infinity, infinite where only one is."""
    near = true.astype(np.float32)
    with np.errstate(invalid="ignore"):
        far = np.abs(y.astype(np.float64) - true)
    ulp = np.spacing(np.maximum(np.abs(true), 2.0**-126).astype(np.float32)).astype(np.float64)
    alike = (np.isnan(y) & np.isnan(near)) | (np.isinf(near) & (y == near))
    with np.errstate(invalid="ignore"):
        error = np.where(alike, 0.0, far / ulp)
    return np.where(np.isnan(error), np.inf, error)


@pytest.mark.parametrize("name", SAMPLE)
def test_every_kind_of_number(name: str) -> None:
    f = SAMPLE[name]
    with np.errstate(invalid="ignore"):
        wide = PATTERNS.astype(np.float64)
    assert errors(f(PATTERNS), f(wide)).max() <= 1.0
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan], np.float32)
    y, true = f(x), f(x.astype(np.float64)).astype(np.float32)
    assert np.array_equal(y, true, equal_nan=True)
    assert np.array_equal(np.signbit(y[:2]), np.signbit(true[:2]))


def test_products_are_rounded_once_more_at_most() -> None:
    rng = np.random.default_rng(0)
    x = (rng.standard_normal(1 << 20) * 3).astype(np.float32)
    dy = rng.standard_normal(x.size).astype(np.float32)
    for f in (silu.silu_vjp, gelu.gelu_vjp, mish.mish_jvp, tanhshrink.tanhshrink_vjp):
        assert errors(f(x, dy), f(x.astype(np.float64), dy.astype(np.float64))).max() < 1.0
    huge = np.array([np.inf, np.nan, 3e38, 0.0], np.float32)
    y = silu.silu_vjp(np.full(4, 1.0, np.float32), huge)
    assert y[0] == np.inf and np.isnan(y[1]) and y[3] == 0.0


def test_a_result_depends_on_its_number_alone() -> None:
    """Not on where it stands, how many there are, or what is beside it."""
    rng = np.random.default_rng(1)
    x = (rng.standard_normal(4096) * 8).astype(np.float32)
    x[::97] = np.nan
    whole = gelu.gelu(x)
    order = rng.permutation(x.size)
    assert np.array_equal(gelu.gelu(x[order]), whole[order], equal_nan=True)
    for n in range(40):
        assert np.array_equal(gelu.gelu(x[3 : 3 + n]), whole[3 : 3 + n], equal_nan=True)


def test_in_place() -> None:
    rng = np.random.default_rng(2)
    x = (rng.standard_normal(1000) * 30).astype(np.float32)
    x[::7] = np.inf
    dy = rng.standard_normal(1000).astype(np.float32)
    expected, product = silu.silu(x), silu.silu_vjp(x, dy)
    for given in (0, 1):
        own = [x.copy(), dy.copy()]
        silu.silu_vjp(*own, out=own[given])
        assert np.array_equal(own[given], product, equal_nan=True)
    silu.silu(x, out=x)
    assert np.array_equal(x, expected)


def test_only_the_defaults_are_tabled() -> None:
    x = np.linspace(-3, 3, 1001, dtype=np.float32)
    for alpha in (1.0, 1, 0.5):
        assert errors(elu.elu(x, alpha=alpha), elu.elu(x.astype(np.float64), alpha=alpha)).max() < 1
    assert elu._fastest(elu._forward_loop, x.dtype, (1.0,))[0] is elu._forward_tabled
    assert elu._fastest(elu._forward_loop, x.dtype, (0.5,))[0] is elu._forward_loop
    assert elu._fastest(elu._forward_loop, np.dtype(np.float64), (1.0,))[0] is elu._forward_loop


# No address but those of the table is read: it lies beside pages that may not be.

GUARDED = """
import ctypes, mmap, sys
import numpy as np
from actgen.generated.numba import gelu

libc, page = ctypes.CDLL(None, use_errno=True), mmap.PAGESIZE
_, (table,) = gelu._fastest(gelu._forward_loop, np.dtype(np.float32), ())
layout = gelu._forward_table
size = 32 * gelu._ROWS + 128 * (layout.degree + 2 + layout.fine)
room = -(-size // page) * page
whole = mmap.mmap(-1, room + 2 * page)
start = ctypes.addressof(ctypes.c_char.from_buffer(whole))
shift = (room - size) // 64 * 64 if sys.argv[1] == "end" else 0
ctypes.memmove(start + page + shift, table, size)
for guard in (start, start + page + room):
    assert libc.mprotect(ctypes.c_void_p(guard), page, 0) == 0
x = np.arange(0, 1 << 32, 977, dtype=np.uint64).astype(np.uint32).view(np.float32)
y = np.empty_like(x)
gelu._forward_tabled(np.float32(0), x.size, gelu._at(y), gelu._at(x), start + page + shift)
assert np.array_equal(y, gelu.gelu(x), equal_nan=True)
print("read within")
if sys.argv[1] == "beyond":
    gelu._forward_tabled(np.float32(0), x.size, gelu._at(y), gelu._at(x), start + 3 * page)
"""


@pytest.mark.parametrize("where", ["start", "end", "beyond"])
@pytest.mark.parametrize("cells", [True, False])
def test_nothing_beyond_the_table_is_read(where: str, cells: bool, tmp_path: Path) -> None:
    own = {} if cells else {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": ""}
    if sys.platform != "linux":
        pytest.skip("guards pages with Linux's mprotect")
    done = subprocess.run(
        [sys.executable, "-c", GUARDED, where],
        env=os.environ | own | {"NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "read within" in done.stdout, done.stderr
    assert (done.returncode == 0) == (where != "beyond")  # the guards do guard


# CPUs without AVX-512, without AVX and without FMA: compiled for, and run here where they can be.

ELSEWHERE = """
import sys
import numpy as np
sys.path.insert(0, sys.argv[1])
from test_tables import SAMPLE, PATTERNS, errors
for name, f in SAMPLE.items():
    x = PATTERNS[::16]
    with np.errstate(invalid="ignore"):
        wide = x.astype(np.float64)
    worst = errors(f(x), f(wide)).max()
    assert worst <= 1.0, (name, worst)
print("held")
"""


@pytest.mark.parametrize("cpu", ["haswell", "nehalem"])
def test_other_cpus(cpu: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(Path(__file__).parent)],
        env=os.environ
        | {"NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "held" in done.stdout, done.stderr


# The compiler's choice.


def planned(formula, **parameters) -> tabling.Plan:
    x = sympy.Symbol("x", real=True)
    act = actgen.activation(formula(x), **parameters) if callable(formula) else load(formula)
    return tabling.plans(compile_activation(act))["forward"]


def test_zeros_are_found_with_their_order() -> None:
    def zeros(f):
        return unary.zeros(lambda x: np.asarray(f(np.asarray(x, np.float64))))

    assert zeros(np.tanh) == (0.0,)
    assert zeros(lambda x: x - np.tanh(x)) == (0.0, 0.0, 0.0)
    assert zeros(np.exp) == ()
    assert zeros(lambda x: x * x - 2.0) == pytest.approx((-(2.0**0.5), 2.0**0.5), rel=1e-15)
    with np.errstate(divide="ignore"):
        assert zeros(lambda x: 1.0 / (x - 1.0)) == ()  # a pole
        assert zeros(lambda x: np.where(x > 1.0, 1.0, -1.0)) == ()  # a jump


def test_the_cheaper_one_is_chosen() -> None:
    for name in ("relu", "hardswish", "softsign"):
        found = tabling.plans(compile_activation(load(name)))["forward"]
        assert found.layout is None and found.program <= tabling.ROW_COST
    found = tabling.plans(compile_activation(load("mish")))["forward"]
    assert found.layout is not None and found.cost[0] < found.cost[1] < found.program


def test_what_no_table_holds_is_left_to_the_program() -> None:
    """A function that no row holds: its period is shorter than a row."""
    x = sympy.Symbol("x", real=True)
    del x
    rough = tabling._share(lambda t: np.sin(3000.0 * t), (0.0,), 2.0**-7, False)
    smooth = tabling._share(np.exp, (), 2.0**-7, False)
    assert rough > 0.99 and smooth < 1e-6


def test_exhaustive_finds_a_wrong_table(monkeypatch: pytest.MonkeyPatch) -> None:
    plans = tabling.plans(compile_activation(load("sigmoid")))
    kernel = actgen.compile("sigmoid", "numba")
    kernel.module.sigmoid(np.zeros(1, np.float32))
    monkeypatch.setattr(exhaustive, "compile", lambda act, backend: kernel)
    monkeypatch.setattr(exhaustive, "plans", lambda c: {"forward": plans["forward"]})
    [found] = exhaustive.worst("sigmoid", stride=1 << 12)
    assert 0.5 <= found.ulp < 1.0 and found.tried == 1 << 20
    kept = kernel.module._kept[0]
    kept[4 * kernel.module._ROWS - 40000] += 1e-3  # c0 of a row for positive numbers
    [found] = exhaustive.worst("sigmoid", stride=1 << 12)
    assert found.ulp > 1000
