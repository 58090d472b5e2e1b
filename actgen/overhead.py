"""What a call costs beside torch's own function: the part of the time that is not arithmetic."""

from __future__ import annotations

import importlib
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from .peers import LIBRARIES
from .spec import Activation

#: Sizes at which a call is all overhead, or nearly.
SIZES = (16, 1024)
#: Each of so many rounds times both, one after the other; the ratio is the median of theirs.
ROUNDS = 15
SECONDS = 0.004


@dataclass(frozen=True)
class Overhead:
    """Our time over the built-in's, by size: of a call without gradients, and with backward."""

    name: str
    forward: tuple[float, ...]
    backward: tuple[float, ...]


def overheads(acts: Sequence[Activation]) -> list[Overhead]:
    """Each activation that torch has too, in float32 with torch on one thread.

    Heaviside is left out, of which torch has no derivative.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return [_overhead(act, torch) for act in acts if _comparable(act)]
    finally:
        torch.set_num_threads(threads)


def _comparable(act: Activation) -> bool:
    return act.peers.get("torch", "").startswith("torch.nn.functional.") and not act.is_gated


def _overhead(act: Activation, torch: Any) -> Overhead:
    from .accuracy import FORMATS

    module = importlib.import_module(f"actgen.generated.torch.{act.name}")
    own = getattr(module, act.name)
    theirs = LIBRARIES["torch"].function(act, FORMATS["float32"])
    forward, backward = [], []
    for size in SIZES:
        shape = (size,) if act.axis == -1 else (size // 4, 2, 2)
        x = torch.linspace(-4, 4, size).reshape(shape)
        leaf = x.clone().requires_grad_()
        dy = torch.ones_like(own(x))

        def whole(f: Callable[[Any], Any], leaf: Any = leaf, dy: Any = dy) -> None:
            f(leaf).backward(dy)

        with torch.no_grad():
            forward.append(ratio(partial(own, x), partial(theirs, x)))
        backward.append(ratio(partial(whole, own), partial(whole, theirs)))
    return Overhead(act.name, tuple(forward), tuple(backward))


def ratio(ours: Callable[[], Any], theirs: Callable[[], Any]) -> float:
    """Our time over theirs: the median over rounds in which both are timed in turn."""
    counts = [_count(f) for f in (ours, theirs)]
    found = []
    for _ in range(ROUNDS):
        first, second = (_time(f, n) / n for f, n in zip((ours, theirs), counts, strict=True))
        found.append(first / second)
    return statistics.median(found)


def _count(f: Callable[[], Any]) -> int:
    """How many calls take about SECONDS."""
    for _ in range(3):
        f()
    return max(1, round(SECONDS / max(_time(f, 3) / 3, 1e-9)))


def _time(f: Callable[[], Any], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        f()
    return time.perf_counter() - start
