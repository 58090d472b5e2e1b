"""The generated files: what is committed is what the specs say, and each stands alone."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import actgen
from actgen import build, compiler, contract, dropin
from actgen.accuracy import Measurement
from actgen.backends import NAMES
from actgen.registry import names

ROOT = Path(__file__).resolve().parent.parent
GENERATED = ROOT / "generated"


@pytest.mark.parametrize("name", names())
def test_committed_files_are_current(name: str) -> None:
    for backend in NAMES:
        text = (GENERATED / backend / f"{name}.py").read_text()
        assert text == compiler.source(name, backend) == actgen.compile(name, backend).source


def test_nothing_is_missing_or_left_over() -> None:
    for backend in NAMES:
        found = {p.name for p in (GENERATED / backend).glob("*.py")}
        spaces = dropin.files(backend, [actgen.load(n) for n in names()])
        assert found == {*(f"{n}.py" for n in names()), "__init__.py", *spaces}
        for file, text in spaces.items():
            assert (GENERATED / backend / file).read_text() == text


def test_accuracy_covers_every_kernel() -> None:
    rows = json.loads((GENERATED / build.ACCURACY).read_text())
    assert rows["platform"]["machine"]
    measured = {
        (r["activation"], r["backend"], r["dtype"], r["function"]) for r in rows["measurements"]
    }
    for name in names():
        for function in compiler.compile_activation(actgen.load(name)).functions:
            for backend in NAMES:
                for dtype in ("float16", "bfloat16", "float32", "float64"):
                    assert (name, backend, dtype, function) in measured
    assert contract.breaches(map(Measurement.from_dict, rows["measurements"])) == []


def test_ruff_is_content() -> None:
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, str(GENERATED)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


#: Run with a finder in front that refuses actgen: the file must not need it.
ALONE = """
import importlib.abc, importlib.util, sys
class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "actgen":
            raise ImportError("actgen is not here")
sys.meta_path.insert(0, Refuse())
for path in sys.argv[2:]:
    spec = importlib.util.spec_from_file_location("alone", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in module.__all__:
        assert getattr(module, name).__doc__, (path, name)
    exec(sys.argv[1], {"module": module, "name": path.rsplit("/", 1)[1][:-3]})
assert not [m for m in sys.modules if m.split(".")[0] in ("actgen", "sympy", "flint")] or "torch" in sys.modules
print("alone")
"""

ARRAYS = """
import inspect, numpy as np
f = getattr(module, name)
n = sum(p.default is p.empty for p in inspect.signature(f).parameters.values())
x = np.linspace(-3, 3, 12, dtype=np.float32).reshape(2, 2, 3)
y = f(*[x] * n)
assert np.isfinite(y).all() and y.dtype == np.float32
"""

CALLS = {
    "numpy": ARRAYS,
    "numba": ARRAYS,
    "torch": """
import inspect, torch
f = getattr(module, name)
n = sum(p.default is p.empty for p in inspect.signature(f).parameters.values())
x = torch.linspace(-3, 3, 12).reshape(2, 2, 3).requires_grad_()
f(*[x] * n).sum().backward()
assert torch.isfinite(x.grad).all()
""",
    "cuda": "assert callable(getattr(module, name))",
    "jax": """
import inspect, jax
f = getattr(module, name)
n = sum(p.default is p.empty for p in inspect.signature(f).parameters.values())
x = jax.numpy.linspace(-3, 3, 12).reshape(2, 2, 3)
slope = jax.grad(lambda x: f(*[x] * n).sum())(x)
assert jax.numpy.isfinite(slope).all() and slope.dtype == "float32"
""",
}


@pytest.mark.parametrize("backend", CALLS)
def test_files_run_alone(backend: str, tmp_path: Path) -> None:
    no_machine_code = shutil.ignore_patterns("__pycache__")
    copied = shutil.copytree(GENERATED / backend, tmp_path / "files", ignore=no_machine_code)
    files = [str(copied / f"{name}.py") for name in names()]
    done = subprocess.run(
        [sys.executable, "-c", ALONE, CALLS[backend], *files],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.stdout.strip().endswith("alone"), done.stderr[-2000:]


def test_headers() -> None:
    for name in names():
        for backend in NAMES:
            text = (GENERATED / backend / f"{name}.py").read_text()
            head = text[: text.index('"""', 3)]
            assert f"actgen build {name} --backend {backend}" in head and "Do not edit" in head
            assert "specs/" in head and "Contract:" in head
            assert str(ROOT) not in text and not re.search(r"20\d\d-\d\d-\d\d|version", head)


@pytest.mark.parametrize("name", ["silu", "prelu", "geglu"])
def test_numpy_shapes_and_strides(name: str) -> None:
    act = actgen.load(name)
    kernel = actgen.compile(act)
    x = np.arange(-30, 30, dtype=np.float32).reshape(4, 5, 3) / 7
    inputs = [x] * len(act.inputs)
    whole = kernel.forward(*inputs)
    assert whole.shape == x.shape and whole.dtype == np.float32
    strided = kernel.forward(*(a[::2, ::-1, 1:] for a in inputs))
    assert np.array_equal(strided, whole[::2, ::-1, 1:])
    out = np.empty((4, 5, 3), np.float32)
    assert kernel.forward(*inputs, out=out) is out and np.array_equal(out, whole)
    assert kernel.forward(*(np.float64(0.5) for _ in inputs)).shape == ()
    assert kernel.forward(*(np.zeros((0, 3)) for _ in inputs)).shape == (0, 3)
    assert kernel.forward(*(np.arange(4) for _ in inputs)).dtype == np.float64
    with pytest.raises(TypeError, match="expected real numbers"):
        kernel.forward(*(np.array([1j]) for _ in inputs))


def test_learned_parameters_broadcast_and_reduce() -> None:
    kernel = actgen.compile("prelu")
    x = np.linspace(-2, 2, 24).reshape(2, 3, 4)
    dy = np.cos(x)
    a = np.array([0.1, 0.2, 0.3]).reshape(3, 1)
    assert np.allclose(kernel.forward(x, a=a), np.where(x >= 0, x, a * x))
    got = kernel.vjp_parameter(x, dy, "a", a=a)
    assert got.shape == (3, 1)
    assert np.allclose(got, (dy * np.where(x >= 0, 0, x)).sum((0, 2)).reshape(3, 1))
    assert kernel.vjp_parameter(x, dy, "a").shape == ()


def test_gated_derivatives() -> None:
    kernel = actgen.compile("glu")
    x, y, d = (np.random.default_rng(i).normal(size=9) for i in range(3))
    s = 1 / (1 + np.exp(-y))
    dx, dy = kernel.derivative(x, y)
    assert np.allclose(dx, s) and np.allclose(dy, x * s * (1 - s))
    gx, gy = kernel.vjp(x, y, d)
    assert np.allclose(gx, d * s) and np.allclose(gy, d * x * s * (1 - s))
    assert np.allclose(kernel.jvp(x, y, d, d), gx + gy)
    assert len(kernel.second_derivative(x, y)) == 3


def test_row_vjp_is_the_dense_one() -> None:
    kernel = actgen.compile("softmax")
    x, d = (np.random.default_rng(i).normal(size=(4, 6)) for i in range(2))
    p = kernel.forward(x)
    dense = np.stack([(np.diag(q) - np.outer(q, q)) @ e for q, e in zip(p, d, strict=True)])
    assert np.allclose(kernel.vjp(x, d), dense)
    assert np.allclose(kernel.vjp(x, d, axis=0), kernel.vjp(x.T, d.T).T)


def test_maxout_shares_ties() -> None:
    kernel = actgen.compile("maxout")
    x = np.array([[1.0, 3.0, 3.0], [2.0, 0.0, 1.0]])
    assert kernel.forward(x).tolist() == [3.0, 2.0]
    assert kernel.vjp(x, np.array([1.0, 10.0])).tolist() == [[0, 0.5, 0.5], [10, 0, 0]]


def test_random_slopes() -> None:
    kernel = actgen.compile("rrelu")
    x = -np.ones(4000)
    y, a = kernel.module.rrelu_random(x, np.random.default_rng(0))
    assert np.array_equal(y, a * x) and 1 / 8 <= a.min() < 0.13 and 0.32 < a.max() <= 1 / 3
    assert np.allclose(kernel.forward(x), x * (1 / 8 + 1 / 3) / 2)
    assert np.allclose(kernel.derivative(x, a=a), a)
