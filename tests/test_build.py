"""Building: reproducible, atomic, and able to tell what is wrong with generated/."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from actgen import build, cache, compiler, registry
from actgen.backends import NAMES
from actgen.errors import BuildError
from actgen.project import replace_tree, write_atomic

ROOT = Path(__file__).resolve().parent.parent
SPEC = """
from actgen.lang import exp, symbol, tanh, x
from actgen.spec import Activation, Parameter

a = symbol("a")
first = Activation("first", a * tanh(x), parameters=(Parameter("a", 1.0),))
second = Activation("second", x / (1 + exp(-x)))
"""


def run(folder: Path, *arguments: str, seed: str = "0") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "ACTGEN_ROOT": str(folder), "PYTHONHASHSEED": seed}
    return subprocess.run(
        [sys.executable, "-m", "actgen", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


def make(folder: Path) -> Path:
    (folder / "specs").mkdir(parents=True)
    (folder / "specs" / "mine.py").write_text(SPEC)
    return folder


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def test_builds_are_byte_identical(tmp_path: Path) -> None:
    one, two = make(tmp_path / "one"), make(tmp_path / "elsewhere" / "two")
    assert run(one, "build", seed="1").returncode == 0
    for name in ("second", "first"):
        assert run(two, "build", name, seed="12345").returncode == 0
    assert tree(one / "generated") == tree(two / "generated")
    # Two activations and __init__ for each backend; torch has functional and nn beside them.
    assert len(tree(one / "generated")) == 3 * len(NAMES) + 2


def test_check_finds_what_is_wrong(tmp_path: Path) -> None:
    project = make(tmp_path)
    assert run(project, "build").returncode == 0
    file = project / "generated" / "numpy" / "first.py"
    good = file.read_text()
    assert run(project, "build", "first", "--check").returncode == 0
    file.write_text(good.replace("1.0", "1.5", 1))
    done = run(project, "build", "--check")
    assert done.returncode == 1 and "edited or out of date: generated/numpy/first.py" in done.stdout
    file.unlink()
    assert "missing: generated/numpy/first.py" in run(project, "build", "first", "--check").stdout
    (project / "generated" / "torch" / "old.py").write_text("")
    done = run(project, "build", "--check")
    assert "of no spec: generated/torch/old.py" in done.stdout
    assert "accuracy.json" in done.stdout
    assert not file.exists()  # a check writes nothing
    assert run(project, "build").returncode == 0
    assert file.read_text() == good and not (project / "generated" / "torch" / "old.py").exists()


def test_unchanged_files_are_not_written(tmp_path: Path) -> None:
    project = make(tmp_path)
    run(project, "build")
    file = project / "generated" / "numpy" / "first.py"
    before = file.stat().st_mtime_ns
    assert "0 files written" in run(project, "build").stdout
    (project / "generated" / "numpy" / "second.py").write_text("edited")
    assert "1 files written" in run(project, "build").stdout
    assert file.stat().st_mtime_ns == before


def test_a_failed_build_changes_nothing(tmp_path: Path) -> None:
    project = make(tmp_path)
    run(project, "build")
    before = tree(project / "generated")
    broken = SPEC + 'third = Activation("third", x * symbol("q"))\n'
    (project / "specs" / "mine.py").write_text(broken)
    done = run(project, "build")
    assert (
        done.returncode == 2
        and "undeclared symbol 'q'" in done.stderr
        and "Traceback" not in done.stderr
    )
    assert tree(project / "generated") == before


@pytest.mark.parametrize("mistake", ["1 / 0", "x = (", "import nothing_of_that_name"])
def test_a_mistake_in_a_spec_file_is_told(tmp_path: Path, mistake: str) -> None:
    project = make(tmp_path)
    (project / "specs" / "mine.py").write_text(SPEC + mistake + "\n")
    done = run(project, "build")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "specs/mine.py, line" in done.stderr and "Error" in done.stderr


@pytest.mark.parametrize("delay", [0.2, 1.0, 1.8, 2.2, 2.6])
def test_a_killed_build_changes_nothing_or_all(tmp_path: Path, delay: float) -> None:
    project = make(tmp_path)
    run(project, "build", "--backend", "numpy")
    old = tree(project / "generated")
    changed = SPEC.replace("x / (1", "2 * x / (1")
    (project / "specs" / "mine.py").write_text(changed)
    environment = {**os.environ, "ACTGEN_ROOT": str(project)}
    process = subprocess.Popen(
        [sys.executable, "-m", "actgen", "build"], env=environment, stdout=subprocess.DEVNULL
    )
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait()
    found = tree(project / "generated")
    assert run(project, "build").returncode == 0
    new = tree(project / "generated")
    assert found in (old, new)
    assert not list(project.glob(".generated-*"))  # what the killed one left is gone


def test_the_swap_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "generated"
    replace_tree(folder, {"a/x.py": "1", "a/y.py": "2"})
    before = tree(folder)
    monkeypatch.setattr(
        "actgen.project._exchange", lambda *_: (_ for _ in ()).throw(OSError("full"))
    )
    with pytest.raises(OSError, match="full"):
        replace_tree(folder, {"a/x.py": "3"})
    assert tree(folder) == before and [p.name for p in tmp_path.iterdir()] == ["generated"]


def test_unwritable_places_are_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises((BuildError, OSError)):
        replace_tree(blocked / "generated", {"a.py": ""})


def test_write_atomic_leaves_no_traces(tmp_path: Path) -> None:
    assert write_atomic(tmp_path / "a.txt", "one") and not write_atomic(tmp_path / "a.txt", "one")
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_own_names_are_the_project_s(project: Path) -> None:
    (project / "specs").mkdir()
    (project / "specs" / "mine.py").write_text(SPEC)
    assert build.own_names() == ["first", "second"]


def test_what_was_built_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A text is made once, and made anew where the package, or the activation, is another."""
    monkeypatch.setenv("ACTGEN_CACHE", str(tmp_path))
    made: list[str] = []

    def source(name: str, target: str) -> str:
        made.append(name)
        return compiler.source(name, target)

    monkeypatch.setattr(build, "source", source)
    first = build.texts(["relu"], ["numpy"])
    assert build.texts(["relu"], ["numpy"]) == first and made == ["relu"]
    monkeypatch.setattr(cache, "package", lambda: "another package")
    assert build.texts(["relu"], ["numpy"]) == first and made == ["relu", "relu"]
    kept = cache.key("file", cache.package(), registry.load("relu"))
    assert kept != cache.key("file", cache.package(), registry.load("relu6"))
