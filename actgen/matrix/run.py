"""Every check on every activation, in processes of their own."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import groupby
from multiprocessing import get_context
from typing import Any

from ..errors import BackendUnavailable, FormulaError
from ..project import cores
from ..registry import load
from .check import NO, Check, Noise, Outcome, attempt, told

Progress = Callable[[str], None]

#: Framework → the module with its CHECKS, NOISE and subject, and the package it needs.
FRAMEWORKS = {"torch": "torch", "jax": "jax"}
#: The group whose checks share processes of their own: one job does them for all activations.
SHARED = "distributed"


@dataclass(frozen=True)
class Framework:
    """The checks of a framework, the warnings it gives about itself, and what checks are given."""

    name: str
    checks: tuple[Check, ...]
    noise: tuple[Noise, ...]
    subject: Callable[[Any], Any]

    def chosen(self, names: Sequence[str] = (), light: bool = False) -> list[Check]:
        """The checks of those names (all by default); FormulaError for a name that is none's."""
        known = [c.name for c in self.checks]
        for name in names:
            if name not in known:
                close = difflib.get_close_matches(name, known, 3, 0.3)
                raise FormulaError(
                    f"no check is called {name!r}",
                    cure=f"did you mean {' or '.join(map(repr, close))}?" if close else "",
                )
        wanted = names or known
        return [c for c in self.checks if c.name in wanted and not (light and c.heavy)]


def framework(backend: str) -> Framework:
    """The framework of that name, imported; BackendUnavailable where it is not installed."""
    if backend not in FRAMEWORKS:
        raise FormulaError(f"no matrix of {backend!r}; there are {', '.join(FRAMEWORKS)}")
    package = FRAMEWORKS[backend]
    if importlib.util.find_spec(package) is None:
        raise BackendUnavailable(
            f"the matrix of {backend!r} needs {package!r}, which is not installed\n"
            f"  pip install 'actgen[{package}]'"
        )
    table = importlib.import_module(f".{backend}", __package__)
    return Framework(backend, table.CHECKS, table.NOISE, table.subject)


@dataclass(frozen=True)
class Job:
    """Some checks on some activations, done in one process."""

    backend: str
    activations: tuple[str, ...]
    checks: tuple[str, ...]


def jobs(backend: str, names: Sequence[str], checks: Sequence[Check]) -> Iterator[Job]:
    """All cells: light checks of an activation together, heavy ones group by group."""
    heavy = [c for c in checks if c.heavy]
    shared = tuple(c.name for c in heavy if c.group == SHARED)
    if shared:
        yield Job(backend, tuple(names), shared)
    light = tuple(c.name for c in checks if not c.heavy)
    for name in names:
        if light:
            yield Job(backend, (name,), light)
    apart = [c for c in heavy if c.group != SHARED]
    for name in names:
        for _, group in groupby(apart, lambda c: c.group):
            yield Job(backend, (name,), tuple(c.name for c in group))


def cells(backend: str, names: Sequence[str], checks: Sequence[str], light: bool) -> int:
    """How many outcomes `run` will give."""
    return len(names) * len(framework(backend).chosen(checks, light))


def run(
    backend: str,
    names: Sequence[str],
    checks: Sequence[str] = (),
    light: bool = False,
    progress: Progress = lambda name: None,
) -> list[Outcome]:
    """The outcomes of checks on activations; `progress` is told of each."""
    work = list(jobs(backend, names, framework(backend).chosen(checks, light)))
    found: list[Outcome] = []
    with _pool(cores(len(work))) as pool:
        pending = {job: pool.submit(do, job) for job in work}
        for job, future in pending.items():
            try:
                outcomes = future.result()
            except BrokenProcessPool:
                outcomes = _alone(job)
            found += outcomes
            for outcome in outcomes:
                progress(outcome.activation)
    return found


def _pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_single)


def _single() -> None:
    """One thread a process: there are as many as cores. Log lines would break the progress bar."""
    os.environ["OMP_NUM_THREADS"] = "1"
    logging.disable(logging.WARNING)


def _alone(job: Job) -> list[Outcome]:
    """A job whose process ended, or another's that took it along: once more, by itself."""
    with _pool(1) as pool:
        try:
            return pool.submit(do, job).result()
        except BrokenProcessPool:
            why = "the process that tried it ended"
            return [Outcome(a, c, NO, why) for a in job.activations for c in job.checks]


def do(job: Job) -> list[Outcome]:
    """The outcomes of a job, here."""
    table = framework(job.backend)
    chosen = table.chosen(job.checks)
    found = []
    for act in map(load, job.activations):
        try:
            subject = table.subject(act)
        except Exception as error:
            found += [Outcome(act.name, c.name, NO, told(error)) for c in chosen]
            continue
        found += [attempt(c, act, subject, table.noise) for c in chosen]
    return found
