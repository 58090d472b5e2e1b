"""Two processes joined by gloo, started once; they run functions of an activation in step."""

from __future__ import annotations

import atexit
import datetime
import functools
import os
import tempfile
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from ..spec import Activation
from .check import strict, told
from .torch_noise import NOISE
from .torch_subject import Subject, subject

RANKS = 2
#: Seconds until a rank that says nothing is given up.
PATIENCE = 120.0


class Ranks:
    """The processes and the pipes to them; they end with this one."""

    def __init__(self) -> None:
        context = get_context("spawn")
        self.folder = tempfile.TemporaryDirectory()
        store = str(Path(self.folder.name) / "store")
        self.pipes, self.processes = [], []
        for rank in range(RANKS):
            here, there = context.Pipe()
            process = context.Process(target=_serve, args=(rank, store, there), daemon=True)
            process.start()
            self.pipes.append(here)
            self.processes.append(process)

    def run(self, task: Callable[[Subject], None], act: Activation) -> list[str]:
        """What went wrong on each rank; empty strings where nothing did."""
        try:
            for pipe in self.pipes:
                pipe.send((task, act))
            return [self._answer(pipe) for pipe in self.pipes]
        except (OSError, EOFError) as lost:
            self.end()
            raise RuntimeError(f"a rank was lost: {type(lost).__name__} {lost}") from lost

    def _answer(self, pipe: Any) -> str:
        if not pipe.poll(PATIENCE):
            raise TimeoutError(f"nothing said for {PATIENCE:g} s")
        return str(pipe.recv())

    def end(self) -> None:
        """Stop the processes; the next call starts others."""
        ranks.cache_clear()
        for process in self.processes:
            process.kill()
            process.join()
        self.folder.cleanup()


@functools.cache
def ranks() -> Ranks:
    """The pair of this process, started at the first call."""
    pair = Ranks()
    atexit.register(pair.end)
    return pair


def on_ranks(task: Callable[[Subject], None], s: Subject) -> None:
    """Run a task on both ranks; AssertionError with what the first that failed said."""
    for rank, problem in enumerate(ranks().run(task, s.act)):
        if problem:
            raise AssertionError(f"rank {rank}: {problem}")


def _serve(rank: int, store: str, pipe: Any) -> None:
    # Without it gloo looks for a network; there may be none.
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{store}", rank=rank, world_size=RANKS,
        timeout=datetime.timedelta(seconds=PATIENCE / 2),
    )  # fmt: skip
    made: dict[str, Subject] = {}
    while True:
        try:
            task, act = pipe.recv()
        except EOFError:
            return
        try:
            if act.name not in made:
                made[act.name] = subject(act)
            with strict(NOISE):
                task(made[act.name])
            pipe.send("")
        except Exception as error:
            pipe.send(told(error))
