"""What a first call of a Numba file costs: in a process that compiles it, and in the next one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from .compiler import compile
from .registry import load


@dataclass(frozen=True)
class Start:
    """Seconds and bytes: a first call cold and warm, the table, and torch.compile's first call."""

    name: str
    cold: float
    warm: float
    table_seconds: float
    table_bytes: int
    compiled: float | None


def start(name: str) -> Start:
    """One activation, f of float32, each time in a process of its own with an empty cache."""
    with tempfile.TemporaryDirectory() as cache:
        own = {"NUMBA_CACHE_DIR": cache, "ACTGEN_CACHE": os.environ.get("ACTGEN_CACHE", cache)}
        cold, warm = (_child(name, own) for _ in range(2))
        torch = _child(f"torch {name}", {**own, "TORCHINDUCTOR_CACHE_DIR": f"{cache}/inductor"})
    return Start(name, cold["call"], warm["call"], warm["table"], warm["bytes"], torch.get("call"))


def _child(what: str, environment: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "actgen.starting", what],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        return {}
    return dict(json.loads(lines[-1]))


def _numba(name: str) -> dict[str, Any]:
    module: Any = compile(load(name), "numba").module
    x = np.linspace(-4, 4, 4096, dtype=np.float32).reshape(4, 4, 16, 16)
    begin = time.perf_counter()
    getattr(module, name)(*[x] * len(load(name).inputs))
    found = {"call": time.perf_counter() - begin, "table": 0.0, "bytes": 0}
    if kept := getattr(module, "_kept", []):
        found["bytes"] = sum(k.nbytes for k in kept)
        of = module._TABLED["_forward"]
        here = vars(module)
        begin = time.perf_counter()
        module._at_table.__wrapped__(here[f"{of}_loop"], module._DEFAULTS, here[f"{of}_table"])
        found["table"] = time.perf_counter() - begin
    return found


def _torch(name: str) -> dict[str, Any]:
    import torch

    from .speed import torch_function

    f = torch.compile(torch_function(load(name), torch), fullgraph=True)
    x = [torch.linspace(-4, 4, 4096).reshape(4, 4, 16, 16)] * len(load(name).inputs)
    begin = time.perf_counter()
    f(*x)
    return {"call": time.perf_counter() - begin}


if __name__ == "__main__":
    kind, _, rest = sys.argv[1].rpartition(" ")
    print(json.dumps(_torch(rest) if kind == "torch" else _numba(rest)))
