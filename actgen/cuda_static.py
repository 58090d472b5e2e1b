"""What CUDA kernels take, without a GPU: their machine code counted against a GPU's budget."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from . import sass
from .accuracy import FORMATS
from .compiler import compile
from .cuda_check import kernels, pretend_device, ptx_of
from .gpus import GPUS, Gpu
from .project import cores, write_atomic
from .registry import load
from .sass import Figures

#: What users run most: f, and the cotangents of the inputs.
FUNCTIONS = ("_forward", "_vjp")
DTYPES = ("float32", "float16", "bfloat16")


@dataclass(frozen=True)
class Row:
    """One kernel of an activation for a dtype: its figures, and the bytes it moves an element."""

    activation: str
    function: str
    dtype: str
    moved: int
    figures: Figures

    def fraction(self, gpu: Gpu) -> float:
        """The predicted share of a copy's speed on a GPU."""
        f = self.figures
        return gpu.fraction(f.instructions, f.special, self.moved, f.rows)


def rows(
    names: Sequence[str], dtypes: Sequence[str] = DTYPES, gpu: Gpu = GPUS["H200"]
) -> Iterator[Row]:
    """The kernels that read vectors, compiled for a GPU on all cores; of rows, those read once.

    BackendUnavailable where numba-cuda or NVIDIA's tools are not installed.
    """
    yield from (row for row, _ in every(names, dtypes, gpu, uncounted=False))


def every(
    names: Sequence[str],
    dtypes: Sequence[str] = DTYPES,
    gpu: Gpu = GPUS["H200"],
    uncounted: bool = True,
) -> Iterator[tuple[Row, bool]]:
    """All kernels, and whether what their loop takes an element is counted."""
    given = [(name, tuple(dtypes), gpu, uncounted) for name in names]
    if len(given) < 2:
        for one in given:
            yield from _rows(one)
        return
    with ProcessPoolExecutor(cores(len(given)), mp_context=get_context("spawn")) as pool:
        for found in pool.map(_rows, given):
            yield from found


def _rows(given: tuple[str, Sequence[str], Gpu, bool]) -> list[tuple[Row, bool]]:
    name, dtypes, gpu, uncounted = given
    pretend_device()
    act, found = load(name), []
    for label, dtype, kernel, signature, vectors in kernels(act, compile(act, "cuda").module):
        if dtype not in dtypes or not label.startswith(FUNCTIONS) or not (vectors or uncounted):
            continue
        ptx = ptx_of(kernel, signature, gpu.capability)
        size = FORMATS[dtype].dtype(0).itemsize
        figures = sass.figures(sass.cubin(ptx, gpu.capability), 16 // size)
        arrays = len(act.inputs) + 1 + label.startswith("_vjp")
        found.append((Row(name, label[1:], dtype, arrays * size, figures), vectors))
    return found


def save(path: Path, found: Sequence[Row]) -> None:
    """Write the figures, a line a kernel."""
    lines = ",\n".join(json.dumps(asdict(row)) for row in found)
    write_atomic(path, f"[\n{lines}\n]\n")


def recorded(path: Path) -> list[Row]:
    """The figures that a file holds."""
    found: list[Mapping[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return [Row(**{**row, "figures": Figures(**row["figures"])}) for row in found]
