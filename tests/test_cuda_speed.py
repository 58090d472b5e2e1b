"""What `actgen bench cuda` does on a GPU, done on the CPU with the PyTorch files."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from actgen import cuda_speed, devices
from actgen.bench import app


def test_dense_numbers_hold_the_contract() -> None:
    found = list(cuda_speed.dense(["silu", "relu", "softmax"], "cpu", "torch", 1 << 14))
    assert [(d.activation, d.function) for d in found] == [
        (name, function) for name in ("silu", "relu") for function in ("forward", "derivative")
    ]
    assert all(d.tried == 1 << 18 and d.non_finite == 0 and d.mixed_ulp <= 4 for d in found)


@pytest.mark.parametrize(
    "wrong, counted",
    [
        (lambda y: y * (1 + 2.0**-20), 0),
        (lambda y: y.where(y.abs() < 1e30, y.new_tensor(float("nan"))), 1),
    ],
)
def test_planted_errors_are_found(wrong, counted, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def kernel(act, backend):
        f = torch.nn.functional.relu
        planted = lambda x: f(x) if x.dtype == torch.float64 else wrong(f(x))  # noqa: E731
        return SimpleNamespace(forward=planted, derivative=lambda x: (x > 0).to(x.dtype))

    monkeypatch.setattr(cuda_speed, "compile", kernel)
    forward, derivative = cuda_speed.dense(["relu"], "cpu", "torch", 1 << 16)
    assert forward.mixed_ulp > 4 or forward.non_finite
    assert bool(forward.non_finite) == bool(counted)
    assert derivative.mixed_ulp <= 1 and not derivative.non_finite


@pytest.mark.parametrize("name", ["silu", "geglu", "softmax"])
def test_times_are_kept(name: str, tmp_path: Path) -> None:
    notes: list[str] = []
    found = list(
        cuda_speed.timed(
            [name], dtypes=["bfloat16"], sizes=[1 << 12], others=["copy", "torch"], device="cpu",
            backend="torch", note=notes.append,
        )
    )  # fmt: skip
    assert [t.function for t in found] == ["forward", "vjp"] and not notes
    inputs = 2 if name == "geglu" else 1
    assert [t.moved for t in found] == [2 * 4096 * (inputs + 1), 2 * 4096 * (2 * inputs + 1)]
    for t in found:
        assert set(t.seconds) == {"actgen", "copy", "torch"}
        assert all(len(s) == cuda_speed.ROUNDS and min(s) > 0 for s in t.seconds.values())
        assert t.of_copy is not None and t.ratio("torch") and t.ratio("torch.compile") is None
    file = tmp_path / "gpu.json"
    cuda_speed.save(file, {"gpu": "none"}, [], found)
    assert len(json.loads(file.read_text())["timings"]) == 2


def test_what_is_short_is_said() -> None:
    seconds = {"actgen": [2.0], "copy": [1.0], "torch": [1.0], "torch.compile": [3.0]}
    timing = cuda_speed.Timing("silu", "forward", "float32", 1 << 26, 8 << 26, seconds)
    assert timing.of_copy == 0.5 and timing.short == ["0.50 of a copy", "0.50 of torch"]


@pytest.mark.skipif(devices.device_present(), reason="there is a GPU")
def test_without_a_gpu_it_says_so() -> None:
    for words in (["cuda"], ["--cuda"], ["silu", "--cuda"]):
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 2 and "no CUDA device" in done.output
