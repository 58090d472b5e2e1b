"""Our Numba loops beside torch eager, torch.compile, jax.jit and naive NumPy, timed in turn.

Each case runs in a child process that keeps freed memory, so that no side pays the system for the
pages of a new result, and that is pinned to one CPU where one thread is asked for.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sympy

from . import calculus, registry
from .accuracy import FORMATS
from .compiler import compile
from .peers import LIBRARIES
from .project import write_atomic
from .spec import Activation

FUNCTIONS = ("forward", "derivative", "vjp")
SIZES = (1 << 14, 1 << 20, 1 << 24)
DTYPES = ("float32", "float64", "bfloat16")
#: What is timed beside ours.
OTHERS = ("torch", "torch.compile", "jax.jit", "numpy")
#: How long one of the timed stretches is at least; how many of each are kept, after a few that
#: are not.
SECONDS, ROUNDS, WARM = 0.002, 7, 3
#: So many bytes of memory are asked of the system before anything is timed.
TOUCHED = 1 << 30
#: Rows of row functions have so many entries.
ROW = 1024
#: What a torch user writes where torch has no function of its own.
COMPOSITES = {
    "geglu": "x * F.gelu(y)",
    "gelu_sigmoid": "x * torch.sigmoid(1.702 * x)",
    "glu": "x * torch.sigmoid(y)",
    "hard_sigmoid": "torch.clamp(0.2 * x + 0.5, 0.0, 1.0)",
    "keras_relu": "F.relu(x)",
    "reglu": "x * F.relu(y)",
    "softplus": "F.softplus(x)",
    "swiglu": "x * F.silu(y)",
    "swish": "F.silu(x)",
}
#: Ratios to torch eager that are aimed at: one thread, float32, by function and n.
TARGETS: dict[tuple[str, str], dict[int, float]] = {
    (name, function): dict.fromkeys(SIZES, value)
    for name, function, value in (
        ("sigmoid", "forward", 1.4),
        ("silu", "forward", 1.3),
        ("gelu", "forward", 1.4),
        ("gelu_tanh", "forward", 3.0),
        ("tanh", "forward", 4.0),
        ("softplus_threshold", "forward", 4.5),
        ("mish", "forward", 8.0),
        ("elu", "forward", 2.8),
        ("tanhshrink", "forward", 4.5),
        ("silu", "derivative", 1.5),
        ("gelu", "derivative", 1.2),
        ("mish", "derivative", 10.0),
    )
}
TARGETS["gelu", "forward"] = {1 << 14: 1.4, 1 << 20: 1.0, 1 << 24: 1.0}
#: Those that do little but move memory.
MOVERS = frozenset(
    "relu relu6 hardtanh hardshrink softshrink threshold leaky_relu prelu rrelu hardswish "
    "hardsigmoid hard_sigmoid keras_relu heaviside reglu maxout".split()
)


@dataclass(frozen=True)
class Case:
    """One function of an activation on n numbers of a dtype."""

    name: str
    function: str
    dtype: str
    n: int


@dataclass(frozen=True)
class Timing:
    """A case with the seconds of a call of each contender, a number for every round."""

    case: Case
    threads: int
    seconds: Mapping[str, Sequence[float]]

    def ratios(self, other: str) -> list[float]:
        """How many times as fast as another ours was, round by round."""
        pairs = zip(self.seconds.get(other, ()), self.seconds["actgen"], strict=False)
        return [theirs / ours for theirs, ours in pairs]


def target(case: Case, threads: int) -> float | None:
    """The ratio to torch eager that is aimed at; None where none is."""
    if threads != 1:
        return None
    if case.dtype == "float32":
        found = TARGETS.get((case.name, case.function))
        return found[case.n] if found else 0.9 if case.name in MOVERS else 1.0
    if case.dtype == "float64":
        return 1.0
    return None if case.name in MOVERS else 2.5


# The parent.


def measured(cases: Sequence[Case], threads: int, others: Sequence[str]) -> Iterator[Timing]:
    """Each case, from a child process for each activation."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "JAX_ENABLE_X64": "1",
        "MALLOC_MMAP_MAX_": "0",
        "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
    }
    for name in dict.fromkeys(case.name for case in cases):
        own = [asdict(case) for case in cases if case.name == name]
        command = [sys.executable, "-m", "actgen.speed", json.dumps([own, threads, list(others)])]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{name}: {done.stderr.strip()[-2000:]}")
        for line in done.stdout.splitlines():
            if line.startswith("{"):
                found = json.loads(line)
                yield Timing(Case(**found["case"]), threads, found["seconds"])


def machine() -> dict[str, str]:
    """What the numbers hold for."""
    found = [f"Python {platform.python_version()}"]
    for package in ("numpy", "numba", "torch", "jax"):
        try:
            found.append(f"{package} {importlib.import_module(package).__version__}")
        except ImportError:
            continue
    return {"cpu": _cpu(), "cores": str(os.cpu_count()), "versions": ", ".join(found)}


def _cpu() -> str:
    try:
        binding: Any = importlib.import_module("llvmlite.binding")
    except ImportError:
        return platform.machine()
    return str(binding.get_host_cpu_name())


def save(path: Path, timings: Sequence[Timing]) -> list[Timing]:
    """Add timings to a file, replacing those of the same case; what is in it then."""
    kept = {(t.case, t.threads): t for t in load(path)}
    for t in timings:
        before = kept.get((t.case, t.threads))
        seconds = {**(before.seconds if before else {}), **t.seconds}
        if before and "actgen" in before.seconds and set(before.seconds) - set(t.seconds):
            # Ratios are of one run: what this run did not time keeps its own ratio to ours.
            scale = statistics.median(t.seconds["actgen"]) / statistics.median(
                before.seconds["actgen"]
            )
            for other in set(before.seconds) - set(t.seconds):
                seconds[other] = [s * scale for s in before.seconds[other]]
        kept[t.case, t.threads] = Timing(t.case, t.threads, seconds)
    rows = [
        {"case": asdict(t.case), "threads": t.threads, "seconds": t.seconds} for t in kept.values()
    ]
    lines = ",\n".join(json.dumps(row) for row in rows)
    write_atomic(path, f'{{"machine": {json.dumps(machine())}, "timings": [\n{lines}\n]}}\n')
    return list(kept.values())


def load(path: Path) -> list[Timing]:
    """The timings of a file; none where there is no file."""
    if not path.exists():
        return []
    rows = json.loads(path.read_text())["timings"]
    return [Timing(Case(**r["case"]), r["threads"], r["seconds"]) for r in rows]


# The child.


def _run(cases: Sequence[Mapping[str, Any]], threads: int, others: Sequence[str]) -> None:
    if threads == 1 and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    np.ones(TOUCHED, np.uint8)  # pages that malloc hands out from then on
    for given in cases:
        case = Case(**given)
        seconds = _time_all(_contenders(case, threads, others))
        print(json.dumps({"case": asdict(case), "seconds": seconds}), flush=True)


def _time_all(contenders: Mapping[str, Callable[[], Any]]) -> dict[str, list[float]]:
    counts = {}
    for name, f in contenders.items():
        f()
        f()
        start = time.perf_counter()
        f()
        counts[name] = max(1, int(SECONDS / max(time.perf_counter() - start, 1e-7)))
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(WARM + ROUNDS):
        for name, f in contenders.items():
            start = time.perf_counter()
            for _ in range(counts[name]):
                f()
            seconds[name].append((time.perf_counter() - start) / counts[name])
    return {name: found[WARM:] for name, found in seconds.items()}


def _contenders(case: Case, threads: int, others: Sequence[str]) -> dict[str, Callable[[], Any]]:
    """What is timed, by name, as calls without arguments; none that cannot compute it."""
    act = registry.load(case.name)
    rng = np.random.default_rng(0)
    fmt = FORMATS[case.dtype]
    shape: tuple[int, ...] = (case.n,)
    if act.is_row:
        shape = (case.n // ROW, ROW) if act.axis == -1 else (case.n // ROW, ROW // 16, 4, 4)
    count = len(act.inputs) + 1
    arrays = [rng.standard_normal(shape).astype(np.float32).astype(fmt.dtype) for _ in range(count)]
    kernel = compile(act, "numba")
    result = np.shape(kernel(*arrays[:-1]))
    arrays[-1] = arrays[-1].reshape(-1)[: int(np.prod(result))].reshape(result)
    used = arrays if case.function == "vjp" else arrays[:-1]
    getattr(kernel.module, "set_num_threads", lambda n: None)(threads)
    found = {"actgen": lambda: getattr(kernel, case.function)(*used)}
    makers = {
        "torch": lambda: _torch(act, case, arrays, threads, compiled=False),
        "torch.compile": lambda: _torch(act, case, arrays, threads, compiled=True),
        "jax.jit": lambda: _jax(act, case, arrays),
        "numpy": lambda: _numpy(act, case, arrays),
    }
    for name in others:
        try:
            made = makers[name]()
            if made is not None:
                made()
                found[name] = made
        except Exception as error:  # another library's: it is not compared here
            print(f"{case}: {name}: {error!r}"[:300], file=sys.stderr)
    return found


def _torch(
    act: Activation, case: Case, arrays: Sequence[Any], threads: int, compiled: bool
) -> Callable[[], Any] | None:
    import torch

    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)  # as in a backward pass that is not differentiated
    kind = getattr(torch, case.dtype)
    tensors = [torch.from_numpy(a.astype(np.float64)).to(kind) for a in arrays]
    return torch_call(act, case.function, tensors, compiled)


def torch_call(
    act: Activation, function: str, tensors: Sequence[Any], compiled: bool
) -> Callable[[], Any]:
    """torch's own function, or its product with the last tensor, as a call without arguments."""
    import torch

    f = torch_function(act, torch)
    if function == "forward":
        call = torch.compile(f, fullgraph=True, dynamic=False) if compiled else f
        return lambda: call(*tensors[:-1])
    if compiled:

        def slopes(*given: Any) -> Any:
            _, back = torch.func.vjp(f, *given[:-1])
            return back(given[-1])

        call = torch.compile(slopes, fullgraph=True, dynamic=False)
        return lambda: call(*tensors)
    with torch.enable_grad():
        leaves = [t.requires_grad_() for t in tensors[:-1]]
        y = f(*leaves)
    node = y.grad_fn
    if len(leaves) == 1 and node is not None and node.next_functions[0][0].next_functions == ():
        return lambda: node(tensors[-1])  # one operation: its backward alone
    return lambda: torch.autograd.grad(y, leaves, tensors[-1], retain_graph=True)


def torch_function(act: Activation, torch: Any) -> Callable[..., Any]:
    if act.name in COMPOSITES:
        names = {"torch": torch, "F": torch.nn.functional}
        inputs = ", ".join(map(str, act.inputs))
        return eval(f"lambda {inputs}: {COMPOSITES[act.name]}", names)  # type: ignore[no-any-return]
    return LIBRARIES["torch"].function(act, FORMATS["float32"])


def _jax(act: Activation, case: Case, arrays: Sequence[Any]) -> Callable[[], Any] | None:
    if "jax" not in act.peers or act.is_gated:
        return None
    import jax

    f = LIBRARIES["jax"].function(act, FORMATS[case.dtype])
    x, dy = (jax.numpy.asarray(a) for a in arrays)
    if case.function == "forward":
        call = jax.jit(f)
        return lambda: call(x).block_until_ready()
    slope = jax.jit(lambda x, dy: jax.vjp(f, x)[1](dy)[0])
    return lambda: slope(x, dy).block_until_ready()


def _numpy(act: Activation, case: Case, arrays: Sequence[Any]) -> Callable[[], Any] | None:
    """The formula and its derivative as SymPy writes them down."""
    if act.is_row or act.is_gated:
        return None
    x = act.inputs[0]
    formula = act.formula.subs({p.symbol: p.value for p in act.parameters})
    if case.function != "forward":
        formula = calculus.derivative(formula, x)
    f = sympy.lambdify(act.inputs, formula, modules="numpy")
    dy = arrays[-1]

    def call() -> Any:
        with np.errstate(all="ignore"):
            y = f(*arrays[:-1])
            return dy * y if case.function == "vjp" else y

    return call


if __name__ == "__main__":
    _run(*json.loads(sys.argv[1]))
