"""The command line as a user meets it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from actgen.backends import NAMES

ROOT = Path(__file__).resolve().parent.parent


def run(*arguments: str, root: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **({"ACTGEN_ROOT": str(root)} if root else {})}
    return subprocess.run(
        [sys.executable, "-m", "actgen", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


def test_version() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert run("--version").stdout == f"actgen {declared}\n"


def test_list_and_show() -> None:
    assert "gelu_tanh" in run("list").stdout
    shown = run("show", "gelu", "--stage", "calculus").stdout
    assert "forward(x) = x*(erf(sqrt(2)*x/2) + 1)/2" in shown and "no kinks" in shown
    assert "limits: 0 at -oo, oo at oo" in shown
    assert r"\operatorname{erf}" in run("show", "gelu", "--latex").stdout
    assert "kink at 0: f 0 | 0, f' alpha | 1" in run("show", "elu").stdout
    program = run("show", "x*exp(-x**2)", "--stage", "program").stdout
    assert "exp(" in program and "return" in program
    assert "chosen" in run("show", "silu", "--stage", "stable").stdout
    for backend, words in (("numba", "AVX-512"), ("cuda", "in shared memory")):
        found = run("show", "gelu", "--stage", "stable", "--backend", backend).stdout
        assert words in found and "float64" in found
    assert (
        run("show", "silu", "--backend", "numpy").stdout
        == (ROOT / "generated/numpy/silu.py").read_text()
    )
    assert "vjp(x) = " in run("show", "softmax").stdout
    assert run("show", "swish_1").stdout == run("show", "silu").stdout


def test_new_writes_spec_and_files(tmp_path: Path) -> None:
    done = run("new", "my_mish", "x*tanh(log(1+exp(a*x)))", "--param", "a=1.0", root=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "derivative = a*x*sech2(softplus(a*x))*sigmoid(a*x) + tanh(softplus(a*x))" in done.stdout
    files = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.py")}
    assert files >= {
        "specs/my_mish.py",
        *(f"generated/{b}/my_mish.py" for b in NAMES),
    }
    assert run("build", "my_mish", "--check", root=tmp_path).returncode == 0
    again = run("new", "my_mish", "x", root=tmp_path)
    assert again.returncode == 2 and "is taken" in again.stderr
    assert "my_mish" in run("list", root=tmp_path).stdout


@pytest.mark.parametrize(
    ("name", "formula", "said"),
    [
        ("f1", "x*b", "undeclared symbol 'b'"),
        ("f2", "x+", "not a formula"),
        ("../../f", "x", "no identifier"),
        ("class", "x", "word of Python"),
        ("silu", "x", "is taken"),
        ("swish_1", "x", "is taken"),
        ("exp", "x", "function"),
        ("f3", "softmax(x)", "not an elementwise"),
        ("f4", "9**9**9**9", "exponent"),
        ("f5", "__import__('os')", "unknown function"),
        ("f6", "(" * 100_000, "characters"),
        ("f7", "log(-1-x**2)", "no real value"),
        ("f8", "x", "not name=number"),
    ],
)
def test_bad_input_writes_nothing(tmp_path: Path, name: str, formula: str, said: str) -> None:
    extra = ["--param", "a"] if name == "f8" else []
    done = run("new", name, formula, *extra, root=tmp_path)
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("*"))


def test_doubts_are_told_and_taken(tmp_path: Path) -> None:
    done = run("new", "jump", "where(x > 1, x, 0)", "--backend", "numpy", root=tmp_path)
    assert done.returncode == 0 and "a jump at x = 1, from 0 to 1" in done.stderr
    done = run("new", "unused", "x*x", "--param", "q=2", "--backend", "numpy", root=tmp_path)
    assert "'q' is never used" in done.stderr


def test_usage_errors() -> None:
    for arguments in (
        ("show", "gellu"),
        ("build", "nope"),
        ("build", "--backend", "fortran"),
        ("verify", "--dtype", "float8"),
        ("show", "gelu", "--stage", "x"),
        ("nothing",),
        ("new", "onlyname"),
    ):
        done = run(*arguments)
        assert done.returncode == 2 and "Traceback" not in done.stderr, arguments
    assert "did you mean gelu" in run("show", "gellu").stderr


def test_verify_prints_and_records_json(tmp_path: Path) -> None:
    done = run("verify", "relu", "--backend", "numpy", "--dtype", "float32", "--json")
    rows = json.loads(done.stdout)
    assert done.returncode == 0 and {r["function"] for r in rows} == {
        "forward",
        "derivative",
        "second_derivative",
    }
    assert all(r["max_ulp"] <= 0.5 for r in rows)


def test_verify_says_what_was_skipped_and_fails_on_what_is_false(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "wrong.py").write_text(
        "from actgen.lang import x\nfrom actgen.spec import Activation\n"
        'wrong = Activation("wrong", 2 * x, peers={"torch": "torch.nn.functional.relu"})\n'
    )
    done = run("verify", "wrong", "--backend", "torch", "--dtype", "float32", root=tmp_path)
    assert done.returncode == 1 and "torch.nn.functional.relu gives" in done.stdout


def test_plot(tmp_path: Path) -> None:
    done = run("plot", "gelu", "relu", "--output", str(tmp_path / "a.png"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert run("plot", "softmax", "--output", str(tmp_path / "b.png")).returncode == 2
