"""CUDA kernels on a GPU: their values at float32 numbers all over, their times beside others'.

All contenders run in turn on the current stream of one device, their results allocated there; times
are between events. On another device than a GPU, for tests, a clock takes the place of events.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import speed
from .accuracy import FORMATS
from .compiler import compile
from .project import write_atomic
from .registry import load
from .spec import Activation

FUNCTIONS = ("forward", "vjp")
DTYPES = ("float32", "float16", "bfloat16")
SIZES = tuple(1 << power for power in (12, 16, 20, 24, 26, 28))
OTHERS = ("copy", "torch", "torch.compile")
#: How long a timed stretch is at least; how many of each are kept, after a few that are not.
SECONDS, ROUNDS, WARM = 0.002, 7, 3
#: Every so manieth float32 number is tried.
STEP = 256
#: What is aimed at: the share of a copy's speed from so many numbers on, ratios to the others.
OF_COPY, LARGE, OF_OTHERS = 0.92, 1 << 26, 1.0


@dataclass(frozen=True)
class Dense:
    """The worst error of a function at float32 numbers of all sizes, in mixed ulp, and where.

    `non_finite` counts results that are NaN or infinite where they should not be, or are not where
    they should be.
    """

    activation: str
    function: str
    tried: int
    mixed_ulp: float
    at: float
    non_finite: int


@dataclass(frozen=True)
class Timing:
    """One function on n numbers: bytes that it must move, and the seconds of each contender."""

    activation: str
    function: str
    dtype: str
    n: int
    moved: int
    seconds: dict[str, list[float]]

    def ratio(self, other: str) -> float | None:
        """How many times as fast as another ours was, the median; None where that was not run."""
        found = sorted(
            a / b for a, b in zip(self.seconds.get(other, ()), self.seconds["actgen"], strict=False)
        )
        return found[len(found) // 2] if found else None

    @property
    def of_copy(self) -> float | None:
        """Our bytes a second over those of a copy of as many numbers."""
        ratio = self.ratio("copy")
        copied = 2 * self.n * FORMATS[self.dtype].dtype(0).itemsize
        return None if ratio is None else ratio * self.moved / copied

    @property
    def short(self) -> list[str]:
        """What it is short of, of what is aimed at."""
        found = []
        if self.n >= LARGE and self.of_copy is not None and self.of_copy < OF_COPY:
            found.append(f"{self.of_copy:.2f} of a copy")
        for other in OTHERS[1:]:
            ratio = self.ratio(other)
            if ratio is not None and ratio < OF_OTHERS:
                found.append(f"{ratio:.2f} of {other}")
        return found


def _functions(act: Activation) -> list[str]:
    """Those of one input that have a value for each number."""
    return [] if act.is_row or act.is_gated else ["forward", "derivative"]


def dense(
    names: Sequence[str], device: str = "cuda", backend: str = "cuda", step: int = STEP
) -> Iterator[Dense]:
    """Every `step`-th float32 number through f and f', against the same kernels in float64.

    The mixed ulp error takes the results at half an ulp of x to either side for right too.
    """
    import torch

    bits = torch.arange(-(1 << 31), 1 << 31, step, dtype=torch.int64, device=device)
    x = bits.to(torch.int32).view(torch.float32)
    wide = x.double()
    aside = (wide.abs() * 2.0**-25).clamp_min(2.0**-150)
    aside = torch.where(wide.isfinite(), aside, 0.0)
    for name in names:
        act = load(name)
        kernel = compile(act, backend)
        for function in _functions(act):
            f = getattr(kernel, function)
            ends = torch.stack([f(v) for v in (wide - aside, wide, wide + aside)])
            y, true = f(x).double(), ends[1]
            low, high = ends.amin(0), ends.amax(0)
            apart = torch.maximum(low - y, y - high).clamp_min(0.0)
            exponent = torch.frexp(true.abs())[1].sub(1).clamp(-126, 127)
            exponent = torch.where(true == 0.0, -126, exponent)
            ulps = apart / torch.ldexp(torch.ones_like(true), exponent - 23)
            greatest = torch.finfo(torch.float32).max
            over = true.abs() >= greatest * (1 + 2.0**-25)
            due = over & (y.isfinite() | (y.sign() != true.sign()))
            wrong = (y.isnan() != true.isnan()) | (y.isinf() & (true.abs() < greatest)) | due
            ulps = torch.where(wrong | over | true.isnan(), torch.zeros_like(ulps), ulps)
            worst = int(ulps.argmax())
            found = float(ulps[worst]), float(x[worst]), int(wrong.sum())
            yield Dense(name, function, x.numel(), *found)


def timed(
    names: Sequence[str],
    functions: Sequence[str] = FUNCTIONS,
    dtypes: Sequence[str] = DTYPES,
    sizes: Sequence[int] = SIZES,
    others: Sequence[str] = OTHERS,
    device: str = "cuda",
    backend: str = "cuda",
    note: Callable[[str], None] = print,
) -> Iterator[Timing]:
    """Each case in turn; `note` is told which contender could not run, and why."""
    import torch

    for name in names:
        act = load(name)
        for function in functions:
            for dtype in dtypes:
                for n in sizes:
                    with torch.no_grad():  # as in a backward pass that is not differentiated
                        found = _timed(act, function, dtype, n, others, device, backend, note)
                    yield found


def _timed(
    act: Activation,
    function: str,
    dtype: str,
    n: int,
    others: Sequence[str],
    device: str,
    backend: str,
    note: Callable[[str], None],
) -> Timing:
    import torch

    torch.compiler.reset()  # as many functions are compiled in one process
    kind, count = getattr(torch, dtype), len(act.inputs)
    shape = _shape(act, n)
    tensors = [torch.randn(shape, device=device).to(kind) for _ in range(count)]
    kernel = compile(act, backend)
    out = kernel(*tensors)
    tensors.append(torch.randn(out.shape, device=device).to(kind))
    used = tensors if function == "vjp" else tensors[:-1]
    written = tensors[:-1] if function == "vjp" else [out]
    contenders: dict[str, Callable[[], Any]] = {"actgen": lambda: getattr(kernel, function)(*used)}
    makers: dict[str, Callable[[], Callable[[], Any]]] = {
        "copy": lambda: lambda: tensors[0].clone(),
        "torch": lambda: speed.torch_call(act, function, tensors, compiled=False),
        "torch.compile": lambda: speed.torch_call(act, function, tensors, compiled=True),
    }
    for other in others:
        try:
            made = makers[other]()
            made()
            contenders[other] = made
        except Exception as error:  # another library's: it is not compared here
            note(f"{act.name} {function} {dtype} {n}: {other}: {error!r}"[:300])
    moved = sum(t.numel() * t.element_size() for t in (*used, *written))
    seconds = _time_all(contenders, device)
    return Timing(act.name, function, dtype, n, moved, seconds)


def _shape(act: Activation, n: int) -> tuple[int, ...]:
    if not act.is_row:
        return (n,)
    row = min(speed.ROW, n)
    return (n // row, row) if act.axis == -1 else (n // row, row // 16, 4, 4)


def _time_all(contenders: dict[str, Callable[[], Any]], device: str) -> dict[str, list[float]]:
    stretch = _between_events if device == "cuda" else _by_the_clock
    counts = {}
    for name, call in contenders.items():
        stretch(call, 2)
        counts[name] = max(1, int(SECONDS / max(stretch(call, 3), 1e-7)))
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(WARM + ROUNDS):
        for name, call in contenders.items():
            seconds[name].append(stretch(call, counts[name]))
    return {name: found[WARM:] for name, found in seconds.items()}


def _between_events(call: Callable[[], Any], count: int) -> float:
    """Seconds a call on the current stream."""
    import torch

    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(count):
        call()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end)) / 1e3 / count


def _by_the_clock(call: Callable[[], Any], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count


def machine() -> dict[str, str]:
    """The GPU, and the packages that ran on it."""
    import numba
    import torch

    return {
        "gpu": torch.cuda.get_device_name(),
        "cuda": str(torch.version.cuda),
        "torch": torch.__version__,
        "numba": numba.__version__,
    }


def save(
    path: Path, where: dict[str, str], checked: Sequence[Dense], timings: Sequence[Timing]
) -> None:
    """Write all of it as JSON, a line a case."""
    parts = [
        f' "{key}": [\n{rows}\n ]'
        for key, found in (("dense", checked), ("timings", timings))
        for rows in [",\n".join(f"  {json.dumps(asdict(row))}" for row in found)]
    ]
    head = f' "machine": {json.dumps(where)}'
    write_atomic(path, "{\n" + ",\n".join([head, *parts]) + "\n}\n")
