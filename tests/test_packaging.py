"""A wheel has all that it needs inside, and works away from the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from actgen.backends import NAMES
from actgen.registry import names

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("actgen", "specs", "templates", "generated", "pyproject.toml", "README.md")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = tmp_path_factory.mktemp("source")
    for part in PARTS:
        path = ROOT / part
        if path.is_dir():
            shutil.copytree(path, source / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, source / part)
    out = tmp_path_factory.mktemp("dist")
    command = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(out),
        str(source),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return next(out.glob("*.whl"))


def test_contents(wheel: Path) -> None:
    files = set(zipfile.ZipFile(wheel).namelist())
    assert {"actgen/specs/gates.py", "actgen/specs/names.csv", "actgen/py.typed"} <= files
    assert {"actgen/templates/header.jinja", "actgen/templates/numpy/elementwise.py.jinja"} <= files
    assert {f"actgen/generated/{b}/{n}.py" for b in NAMES for n in names()} <= files
    assert "actgen/generated/accuracy.json" in files
    templates = {
        f"actgen/templates/{p.relative_to(ROOT / 'templates')}"
        for p in (ROOT / "templates").rglob("*.jinja")
    }
    assert templates <= files


def test_it_works_installed(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    code = (
        f"site = {str(site)!r};"
        "import actgen, actgen.generated.numpy.silu as s, numpy as np; from pathlib import Path;"
        "assert Path(actgen.__file__).is_relative_to(Path(site));"
        "x = np.linspace(-3, 3, 7); k = actgen.compile('silu'); assert np.array_equal(k.forward(x), s.silu(x));"
        "print(k.source == Path(s.__file__).read_text())"
    )
    environment = {**os.environ, "PYTHONPATH": str(site)}
    environment.pop("ACTGEN_ROOT", None)
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        check=False,
    )
    assert done.stdout.strip() == "True", done.stderr
    command = [sys.executable, "-m", "actgen", "new", "mine", "x*exp(-x**2)", "--backend", "numpy"]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "specs" / "mine.py").is_file() and (
        tmp_path / "generated" / "numpy" / "mine.py"
    ).is_file()
