"""The benchmark: what is timed is told apart, kept, and printed with its spread and its target."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from actgen import speed, speed_report
from actgen.bench import app
from actgen.speed import Case, Timing

CASE = Case("silu", "forward", "float32", 1 << 14)


def timing(**seconds: list[float]) -> Timing:
    return Timing(CASE, 1, {name.replace("_", "."): values for name, values in seconds.items()})


def test_a_ratio_is_of_one_round() -> None:
    found = timing(actgen=[1.0, 2.0, 1.0], torch=[2.0, 2.0, 5.0])
    assert found.ratios("torch") == [2.0, 1.0, 5.0] and found.ratios("numpy") == []
    assert speed_report._cell(found.ratios("torch")) == "2.00 (1.00–5.00)"


def test_targets() -> None:
    assert speed.target(CASE, 1) == 1.3 and speed.target(CASE, 2) is None
    assert speed.target(Case("gelu", "forward", "float32", 1 << 24), 1) == 1.0
    assert speed.target(Case("relu", "vjp", "float32", 1 << 20), 1) == 0.9
    assert speed.target(Case("softsign", "vjp", "float32", 1 << 20), 1) == 1.0
    assert speed.target(Case("mish", "vjp", "bfloat16", 1 << 20), 1) == 2.5
    assert speed.target(Case("relu", "vjp", "bfloat16", 1 << 20), 1) is None


def test_a_file_keeps_what_another_run_timed(tmp_path: Path) -> None:
    path = tmp_path / "cpu.json"
    speed.save(path, [timing(actgen=[1.0, 1.0], torch=[3.0, 3.0])])
    [kept] = speed.save(path, [timing(actgen=[2.0, 2.0], numpy=[8.0, 8.0])])
    assert kept.ratios("torch") == [3.0, 3.0] and kept.ratios("numpy") == [4.0, 4.0]
    assert speed.load(path) == [kept]
    assert set(json.loads(path.read_text())["machine"]) == {"cpu", "cores", "versions"}


def test_every_contender_computes_the_same() -> None:
    """What is timed is what it says it is: all agree to float32."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("jax")
    import numpy as np

    for function in speed.FUNCTIONS:
        for name in ("silu", "elu"):
            case = Case(name, function, "float32", 4096)
            others = ["torch", "jax.jit", "numpy"]
            found = speed._contenders(case, 1, others)
            assert set(found) == {"actgen", *others}
            values = {n: f() for n, f in found.items()}
            values = {
                n: np.asarray(v[0] if isinstance(v, tuple) else v, np.float32)
                for n, v in values.items()
            }
            if function == "derivative":  # the others give dy f'
                values["actgen"] = speed._contenders(Case(name, "vjp", "float32", 4096), 1, [])[
                    "actgen"
                ]()
                values["numpy"] = values["actgen"]
            for other in others:
                assert np.allclose(values[other], values["actgen"], 1e-5, 1e-6), (case, other)
    torch.set_grad_enabled(True)


def test_measuring_from_the_command_line(tmp_path: Path) -> None:
    path, picture = tmp_path / "cpu.json", tmp_path / "cpu.png"
    command = ["relu", "--n", "16384", "--dtype", "float32", "--function", "forward"]
    command += ["--threads", "1", "--against", "torch", "--against", "numpy"]
    done = CliRunner().invoke(app, [*command, "--save", str(path), "--chart", str(picture)])
    assert done.exit_code == 0, done.output
    [found] = speed.load(path)
    assert set(found.seconds) == {"actgen", "torch", "numpy"}
    assert all(s > 0 for seconds in found.seconds.values() for s in seconds)
    assert picture.read_bytes().startswith(b"\x89PNG")
    done = CliRunner().invoke(app, ["--show", "--save", str(path), "--markdown"])
    assert done.exit_code == 0 and "| relu | f | 16,384 |" in done.output
    assert "## float32, 1 thread\n" in done.output


@pytest.mark.parametrize(
    "wrong,told",
    [
        (["nothing"], "nothing"),
        (["silu", "--dtype", "int8"], "there are float32"),
        (["silu", "--against", "cupy"], "there are torch"),
        (["--show"], "--save"),
    ],
)
def test_wrong_words(wrong: list[str], told: str) -> None:
    done = CliRunner().invoke(app, wrong)
    assert done.exit_code != 0
    assert told in done.output + str(done.exception)
