"""Every input of a format, 2**32 of them for float32: in chunks, on all cores or a Dask cluster.

Each chunk that is done is a line of a state file, so that a sweep goes on where it was stopped. A
line says which source it measured; lines of other sources, and a torn last one, count for nothing.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from . import contract, measuring, model
from .accuracy import FORMATS, Measurement
from .cases import breaks
from .compiler import compile_activation, source
from .errors import ActgenError
from .project import project_root
from .reference import Reference
from .registry import load
from .running import Runner, flushes, runner

CHUNK, BLOCK = 1 << 22, 1 << 17


@dataclass(frozen=True)
class Job:
    """One chunk of the inputs of one function on one backend."""

    activation: str
    function: str
    backend: str
    dtype: str
    index: int
    size: int = CHUNK


@dataclass(frozen=True)
class Done:
    """What a sweep found: a measurement a function, and how fast it was."""

    measurements: list[Measurement]
    inputs: int
    seconds: float

    @property
    def rate(self) -> float:
        """Inputs measured here per second of wall time; 0 if all was there already."""
        return self.inputs / self.seconds if self.seconds else 0.0


def chunks(dtype: str, size: int = CHUNK) -> int:
    """How many chunks there are to a format's inputs."""
    width = int(np.dtype(FORMATS[dtype].bits).itemsize) * 8
    if width > 32:
        raise ValueError(f"no sweep of {dtype}; there are: float16, bfloat16, float32")
    inputs: int = 1 << width
    return max(1, inputs // size)


@functools.lru_cache(maxsize=8)
def _prepared(name: str, backend: str) -> tuple[Runner, dict[str, Reference], list[list[float]]]:
    act = load(name)
    compiled = compile_activation(act)
    defaults = act.defaults
    return runner(compiled, backend), compiled.references(defaults), breaks(act, defaults)


def measure(job: Job) -> dict[str, Any]:
    """One chunk, measured: what the state file says of it."""
    start = time.perf_counter()
    act, fmt = load(job.activation), FORMATS[job.dtype]
    run, truths, kinks = _prepared(job.activation, job.backend)
    f = compile_activation(act).functions[job.function]
    values = {s.name: model.constant(v) for s, v in act.defaults.items()}
    limit = contract.limit(job.backend, job.dtype)
    names = [s.name for s in act.inputs]
    total: Measurement | None = None
    width = np.dtype(fmt.bits).itemsize * 8
    first, last = job.index * job.size, min((job.index + 1) * job.size, 1 << width)
    for low in range(first, last, BLOCK):
        bits = np.arange(low, min(low + BLOCK, last), dtype=np.uint64).astype(fmt.bits)
        with np.errstate(invalid="ignore"):  # signalling NaNs
            x = bits.view(fmt.dtype).astype(np.float64)
        points = np.where(np.isnan(x), np.nan, x)[:, None]
        case = measuring.make_case(truths[job.function], points, fmt, kinks)
        found = measuring.measure(
            run(f, [points[:, 0]], values, fmt),
            case,
            fmt,
            limit,
            names,
            flushes(job.backend, job.dtype),
            activation=job.activation,
            function=job.function,
            backend=job.backend,
            dtype=job.dtype,
        )
        truths[job.function].forget()
        found = measuring.at_parameters(found, values)
        total = found if total is None else total.merge(found)
    assert total is not None
    return {
        "function": job.function,
        "chunk": job.index,
        "size": job.size,
        "seconds": round(time.perf_counter() - start, 3),
        "measurement": total.as_dict(),
    }


def local(jobs: Sequence[Job], workers: int | None = None) -> Iterator[dict[str, Any]]:
    """The chunks' results as they come, from processes on this machine."""
    count = workers or len(os.sched_getaffinity(0))
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(measure, job) for job in jobs]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def dask(jobs: Sequence[Job], address: str) -> Iterator[dict[str, Any]]:
    """The same from a Dask cluster, which has actgen and this project installed."""
    try:
        import distributed
    except ImportError:
        raise ActgenError(
            "--dask needs the package distributed, which is not installed\n"
            "  pip install 'actgen[dask]'"
        ) from None
    with distributed.Client(address, set_as_default=False) as client:
        futures = client.map(measure, jobs, pure=False)
        for _, result in distributed.as_completed(futures, loop=client.loop, with_results=True):
            yield result


def state_file(folder: Path, name: str, backend: str, dtype: str) -> Path:
    """Where the chunks that are done are kept."""
    return folder / f"{name}-{backend}-{dtype}.jsonl"


def digest(name: str, backend: str) -> str:
    """Of the source that is measured."""
    return hashlib.sha256(source(name, backend).encode()).hexdigest()[:16]


def read_state(path: Path, code: str, size: int = CHUNK) -> dict[tuple[str, int], dict[str, Any]]:
    """(function, chunk) → its line, of those that hold for this source."""
    found = {}
    for line in path.read_text(encoding="utf-8").split("\n") if path.is_file() else []:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if row["digest"] == code and row["size"] == size:
            found[row["function"], row["chunk"]] = row
    return found


def sweep(
    name: str,
    backend: str,
    dtype: str = "float32",
    *,
    functions: Sequence[str] = (),
    folder: Path | None = None,
    limit: int | None = None,
    size: int = CHUNK,
    execute: Callable[[Sequence[Job]], Iterator[dict[str, Any]]] = local,
    progress: Callable[[str], None] = lambda name: None,
) -> Done:
    """Measure every input of each function at the defaults; `limit` new chunks of each at most.

    A measurement is `exhaustive` once all the chunks of its function are done.
    """
    act = load(name)
    if act.is_row or act.is_gated:
        raise ActgenError(
            f"{name} has no list of inputs: only functions of one number can be swept"
        )
    path = state_file(folder or project_root() / ".actgen" / "sweep", act.name, backend, dtype)
    code, count = digest(act.name, backend), chunks(dtype, size)
    names = [f for f in compile_activation(act).functions if not functions or f in functions]
    done = read_state(path, code, size)
    jobs = [
        Job(act.name, f, backend, dtype, i, size)
        for f in names
        for i in _open([i for i in range(count) if (f, i) not in done], limit)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    start, measured = time.perf_counter(), 0
    with path.open("ab", buffering=0) as file:
        file.write(b"\n" if _is_torn(path) else b"")
        for row in execute(jobs) if jobs else ():
            # One write of one whole line: a process that is killed leaves it out or torn.
            file.write((json.dumps({**row, "digest": code}) + "\n").encode())
            done[row["function"], row["chunk"]] = row
            measured += row["measurement"]["inputs"]
            progress(f"{act.name} {row['function']}")
    seconds = time.perf_counter() - start if jobs else 0.0
    return Done([m for f in names for m in _merged(done, f, count)], measured, seconds)


def _is_torn(path: Path) -> bool:
    text = path.read_bytes()
    return bool(text) and not text.endswith(b"\n")


def _open(left: list[int], limit: int | None) -> list[int]:
    """At most `limit` of the chunks that are left, spread over the whole format."""
    return left if limit is None else left[:: max(1, len(left) // limit)][:limit]


def _merged(
    done: Mapping[tuple[str, int], Mapping[str, Any]], function: str, count: int
) -> list[Measurement]:
    found = [Measurement.from_dict(r["measurement"]) for (f, _), r in done.items() if f == function]
    if not found:
        return []
    return [replace(functools.reduce(Measurement.merge, found), exhaustive=len(found) == count)]
