"""A kernel's functions on a backend, one by one: arrays of a format in, float64 out."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from . import backends, device_tables, devices, model, peers
from .accuracy import Format
from .compiled import Compiled, Function
from .compiler import compile
from .kernel import Kernel
from .program import Program

Runner = Callable[[Function, Sequence[Any], Mapping[str, float], Format], Any]


def device_program(f: Function, fmt: Format) -> Program:
    """The program that a device's kernel runs in the format."""
    return f.half if f.half is not None and fmt.precision < 16 else f.program


def run_model(f: Function, arrays: Sequence[Any], values: Mapping[str, float], fmt: Format) -> Any:
    """The program in the format on the CPU, for kernels of a device that is not here."""
    given = dict(zip(f.program.inputs, arrays, strict=True)) | dict(values)
    return model.evaluate(device_program(f, fmt), given, fmt)[0].astype(np.float64)


def _run_rows(compiled: Compiled) -> Runner:
    """The same, or what the kernels read from rows in shared memory where they do."""

    def run(f: Function, arrays: Sequence[Any], values: Mapping[str, float], fmt: Format) -> Any:
        y, where = device_tables.run(compiled, f.name, arrays, values, fmt)
        return np.where(where, y.astype(np.float64), run_model(f, arrays, values, fmt))

    return run


def _suffix(name: str) -> str:
    return "" if name == "forward" else f"_{name}"


def _run_numpy(kernel: Kernel) -> Runner:
    def run(f: Function, arrays: Sequence[Any], values: Mapping[str, float], fmt: Format) -> Any:
        function = getattr(kernel.module, kernel.activation.name + _suffix(f.name))
        # A result beyond the format's range is an infinity, as it should be; all else warns.
        return np.asarray(function(*(a.astype(fmt.dtype) for a in arrays), **values), np.float64)

    return run


def _run_torch(kernel: Kernel) -> Runner:
    module = kernel.module  # BackendUnavailable where torch is not installed
    import torch

    def run(f: Function, arrays: Sequence[Any], values: Mapping[str, float], fmt: Format) -> Any:
        function = getattr(module, kernel.activation.name + _suffix(f.name))
        kind = getattr(torch, fmt.name)
        tensors = [
            torch.from_numpy(np.ascontiguousarray(a.astype(fmt.dtype).astype(np.float64))).to(kind)
            for a in arrays
        ]
        return function(*tensors, **values).detach().to(torch.float64).numpy()

    return run


def _run_jax(kernel: Kernel) -> Runner:
    module = kernel.module  # BackendUnavailable where jax is not installed
    import jax
    import jax.numpy as jnp

    @functools.cache
    def compiled(name: str) -> Any:
        return jax.jit(getattr(module, kernel.activation.name + _suffix(name)))

    def run(f: Function, arrays: Sequence[Any], values: Mapping[str, float], fmt: Format) -> Any:
        n = len(arrays[0])
        # XLA compiles for each length: a few lengths do for all.
        more = 0 if kernel.activation.is_row else -n % (1 << max(n.bit_length() - 2, 0))
        if more:
            arrays = [np.pad(a, (0, more), "edge") for a in arrays]
        with peers.LIBRARIES["jax"].context():
            given = [jnp.asarray(a.astype(fmt.dtype)) for a in arrays]
            y = np.asarray(compiled(f.name)(*given, **values)).astype(np.float64)
            return y[:n] if more else y

    return run


def flushes(backend: str, dtype: str) -> bool:
    """Whether a backend takes subnormal numbers of a format for zeros here."""
    return backends.get(backend).flushes and peers.flushes(backend, dtype)


#: How the kernels of a backend are run; a new backend adds a row.
RUNNERS: dict[str, Callable[[Kernel], Runner]] = {
    "numpy": _run_numpy,
    "numba": _run_numpy,
    "torch": _run_torch,
    "jax": _run_jax,
}
#: Of those that run on a device, where there is one.
ON_DEVICE: dict[str, Callable[[Kernel], Runner]] = {"cuda": _run_numpy}


def runner(compiled: Compiled, backend: str) -> Runner:
    """How to run one function on a backend: arrays of the format in, float64 out."""
    if backend in ON_DEVICE and not devices.device_present():
        return run_model if compiled.activation.is_row else _run_rows(compiled)
    return {**RUNNERS, **ON_DEVICE}[backend](compile(compiled.activation, backend))
