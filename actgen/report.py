"""Verification as a whole: every activation, backend and dtype, on all cores, as one table."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import math
import platform
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any

import numpy as np

from . import backends, checks, contract, cuda_check, devices, worst_cases
from .accuracy import FORMATS, Measurement
from .build import ACCURACY, folder, own_names
from .peers import LIBRARIES
from .project import cores, write_atomic
from .registry import load
from .running import RUNNERS
from .spec import Activation
from .verify import verify

Progress = Callable[[str], None]


@dataclass
class Result:
    """All that verification found of one activation."""

    name: str
    measurements: list[Measurement] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def worst(self, backend: str, dtype: str) -> Measurement | None:
        """The worst measurement of a backend in a dtype, by mixed ulp."""
        rows = [m for m in self.measurements if (m.backend, m.dtype) == (backend, dtype)]
        return max(rows, key=lambda m: (m.non_finite, m.max_mixed_ulp), default=None)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong: no problem, every measurement within the contract."""
        return not self.problems and not self.breaches

    @property
    def sound(self) -> bool:
        """Whether there is no problem and no result wrongly NaN or infinite, errors aside."""
        return not self.problems and not any(m.non_finite for m in self.measurements)

    @property
    def breaches(self) -> list[str]:
        """A line for each measurement over the contract."""
        return contract.breaches(self.measurements)


@dataclass
class Report:
    """The results of all activations, and what was skipped here and why."""

    results: dict[str, Result]
    skipped: list[str]

    @property
    def ok(self) -> bool:
        """Whether every result is."""
        return all(r.ok for r in self.results.values())

    @property
    def sound(self) -> bool:
        """Whether every result is sound, be its errors what they may."""
        return all(r.sound for r in self.results.values())


def missing() -> dict[str, str]:
    """Backend → why it cannot be run here; programs of the others are measured on the CPU."""
    reasons = {}
    for name in RUNNERS:
        target = backends.get(name)
        absent = [p for p in target.packages if importlib.util.find_spec(p) is None]
        if absent:
            install = f"pip install 'actgen[{target.extra}]'"
            reasons[name] = f"{', '.join(absent)} is not installed ({install})"
    return reasons


def verify_all(
    names: Sequence[str],
    targets: Sequence[str],
    dtypes: Sequence[str] = tuple(FORMATS),
    progress: Progress = lambda name: None,
    jobs: int | None = None,
) -> Report:
    """Measure and cross-check activations; `progress` is told of each piece of work done."""
    skipped = [f"{backend}: {why}" for backend, why in missing().items() if backend in targets]
    run_here = [t for t in targets if t not in missing()]
    results = {name: Result(name) for name in names}
    modes = cuda_modes(targets, skipped)
    workers = jobs or cores(len(names))
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        pending = {pool.submit(_one, n, run_here, dtypes): n for n in names}
        for mode, simulate in modes:
            for n in names:
                pending[pool.submit(_cuda, n, mode, simulate)] = n
        for future, name in pending.items():
            found = future.result()
            results[name].measurements += found.measurements
            results[name].problems += found.problems
            progress(name)
    return Report(results, skipped)


def pieces(names: Sequence[str], targets: Sequence[str]) -> int:
    """How many times `progress` will be called."""
    return len(names) * (1 + len(cuda_modes(targets, [])))


def cuda_modes(targets: Sequence[str], skipped: list[str]) -> list[tuple[str, bool]]:
    """(mode, in the simulator) of each CUDA check that can run here; adds to `skipped` why not."""
    if "cuda" not in targets:
        return []
    if not devices.installed():
        skipped.append(
            "cuda kernels: numba-cuda is not installed (pip install 'actgen[cuda]'); "
            "programs measured on the CPU"
        )
        return []
    if devices.device_present():
        return [("ptx", False), ("run", False)]
    skipped.append(
        "cuda on a device: no GPU here; programs measured in each format on the CPU, kernels run "
        "in the simulator and compiled for "
        + ", ".join(f"sm_{major}{minor}" for major, minor in cuda_check.ARCHITECTURES)
    )
    return [("ptx", False), ("run", True)]


def _one(name: str, targets: Sequence[str], dtypes: Sequence[str]) -> Result:
    return examine(load(name), targets, dtypes)


def examine(act: Activation, targets: Sequence[str], dtypes: Sequence[str]) -> Result:
    """Measurements and cross-checks of one activation, on backends that can run here."""
    result = Result(act.name)
    for dtype in dtypes:  # the backends share the truth in one
        for backend in targets:
            result.measurements += verify(act, backend, dtype)
    result.problems += checks.finite_differences(act)
    result.problems += checks.agreement(act, targets)
    for backend in targets:
        if backend in checks.DIFFERENTIABLE:
            result.problems += checks.DIFFERENTIABLE[backend](act)
    if not set(targets).isdisjoint(LIBRARIES):
        result.problems += checks.peers(act)
    return result


def _cuda(name: str, mode: str, simulate: bool) -> Result:
    return Result(name, [], cuda_check.in_subprocess(mode, [name], simulate=simulate)[name])


# What was measured, on disk.


def record(report: Report) -> None:
    """Merge the measurements into generated/accuracy.json, with the platform they hold for."""
    path = folder() / ACCURACY
    old: list[dict[str, Any]] = []
    if path.is_file():
        old = json.loads(path.read_text(encoding="utf-8"))["measurements"]
    rows = {(r["activation"], r["function"], r["backend"], r["dtype"]): r for r in old}
    known = set(own_names())
    rows = {key: row for key, row in rows.items() if key[0] in known}
    for result in report.results.values():
        for m in result.measurements:
            rows[m.activation, m.function, m.backend, m.dtype] = m.as_dict()
    lines = ",\n".join(json.dumps(rows[key], ensure_ascii=False) for key in sorted(rows))
    head = json.dumps(describe_platform(), indent=1, ensure_ascii=False)
    write_atomic(path, f'{{"platform": {head},\n"measurements": [\n{lines}\n]}}\n')
    for result in report.results.values():
        worst_cases.record(load(result.name), result.measurements)


def describe_platform() -> dict[str, str]:
    """Where the errors were measured: they depend on libm and on the vector instructions."""
    found = {
        "machine": platform.machine(),
        "libc": " ".join(platform.libc_ver()),
        "numpy": np.__version__,
    }
    if importlib.util.find_spec("torch") is not None:
        import torch

        found |= {
            "torch": torch.__version__,
            "torch_vectors": torch.backends.cpu.get_cpu_capability(),
        }
    if importlib.util.find_spec("jax") is not None:
        found["jax"] = importlib.metadata.version("jax")
    return found


def shown(m: Measurement | None) -> str:
    """A cell of the table."""
    if m is None:
        return "–"
    if m.non_finite:
        return f"{m.non_finite} wrong"
    value = m.max_mixed_ulp
    return f"{value:.2f}" if value < 100 else f"{value:.1e}" if math.isfinite(value) else "inf"
