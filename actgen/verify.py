"""What a kernel computes against the truth: the measuring half of verification.

The generated code itself is run for NumPy and PyTorch. For CUDA, which a machine may lack, the
kernel's program is evaluated in the format on the CPU; `cuda_check` runs the kernels themselves,
in the simulator or on a device.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from sympy import Symbol

from . import model
from .accuracy import FORMATS, Format, Measurement, error, measure, to_format, ulp_of
from .compiled import Compiled, Function
from .compiler import compile, compile_activation
from .kernel import Kernel
from .lang import symbol
from .oracle import Undecided, exact_row, shared
from .registry import load
from .spec import Activation
from .trial import point_sets, settings


class Measurements(list[Measurement]):
    """The measurements of one kernel, a line a function."""

    @property
    def max_ulp(self) -> float:
        """The worst ulp error of all functions."""
        return max((m.max_ulp for m in self), default=0.0)

    @property
    def max_mixed_ulp(self) -> float:
        """The worst mixed ulp error of all functions."""
        return max((m.max_mixed_ulp for m in self), default=0.0)

    @property
    def non_finite(self) -> int:
        """How many results were wrongly NaN or infinite."""
        return sum(m.non_finite for m in self)

    @property
    def ok(self) -> bool:
        """Whether every result is finite where the truth is, and the other way about."""
        return self.non_finite == 0


Runner = Callable[[Function, Sequence[Any], Mapping[str, float], Format], Any]


def verify(
    act: Activation | str,
    backend: str = "numpy",
    dtype: str = "float32",
    functions: Sequence[str] | None = None,
) -> Measurements:
    """Measure every function of a kernel on hard inputs, at the defaults and other parameters.

    Raises ValueError for an unknown backend or dtype, BackendUnavailable where the backend's
    package is not installed.
    """
    act = load(act) if isinstance(act, str) else act
    if dtype not in FORMATS:
        raise ValueError(f"no dtype {dtype!r}; there are: {', '.join(FORMATS)}")
    compiled = compile_activation(act)
    run = runner(compiled, backend)
    fmt = FORMATS[dtype]
    wanted = [f for f in compiled.functions.values() if functions is None or f.name in functions]
    labels = {"activation": act.name, "backend": backend, "dtype": dtype}
    if act.is_row:
        return Measurements(_measure_rows(act, f, run, fmt, labels) for f in wanted)
    return Measurements(_measure_elements(act, f, run, fmt, labels) for f in wanted)


def runner(compiled: Compiled, backend: str) -> Runner:
    """How to run one function on a backend: arrays of the format in, float64 out."""
    if backend == "cuda":
        return _run_model
    kernel = compile(compiled.activation, backend)
    return {"numpy": _run_numpy, "torch": _run_torch}[backend](kernel)


def _run_model(f: Function, arrays: Sequence[Any], values: Mapping[str, float], fmt: Format) -> Any:
    given = dict(zip(f.program.inputs, arrays, strict=True)) | dict(values)
    return model.evaluate(f.program, given, fmt)[0].astype(np.float64)


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


def _measure_elements(
    act: Activation, f: Function, run: Runner, fmt: Format, labels: Mapping[str, Any]
) -> Measurement:
    points = point_sets(act, fmt)
    table = np.array(points, np.float64).reshape(len(points), -1)
    total: Measurement | None = None
    for setting in settings(act):
        values = {s.name: model.constant(v) for s, v in setting.items()}
        oracle = shared(f.truth, act.inputs, setting)
        computed = run(f, list(table.T), values, fmt)
        found = measure(
            np.broadcast_to(computed, len(points)),
            points,
            oracle,
            fmt,
            {**labels, "function": f.name},
        )
        total = found if total is None else total.merge(found)
    assert total is not None
    return total


# Row functions.


def rows() -> Iterator[list[float]]:
    """Rows that are hard for a row function."""
    rng = np.random.default_rng(11)
    for scale in (1e-30, 1e-3, 1.0, 10.0, 100.0, 1e4, 1e30):
        yield list(rng.normal(0, scale, 7))
    yield [1.0] * 7
    yield [0.0, -0.0, 1e-40, -1e-40, 1e-8, -1e-8, 0.0]
    yield [1e30, 1e30, -1e30, 0.0, 1.0, 2.0, -1e30]
    yield [88.0, 89.0, 90.0, 700.0, 710.0, -700.0, -745.0]
    yield [-1e30] * 7
    yield [3.0, 3.0, 3.0, 1.0, 0.0, -2.0, -80.0]


def _measure_rows(
    act: Activation, f: Function, run: Runner, fmt: Format, labels: Mapping[str, Any]
) -> Measurement:
    """A row's mixed error is in ulps of its greatest entry: sums over a row can cancel."""
    rng = np.random.default_rng(12)
    worst, scaled, wrong, count, where = 0.0, 0.0, 0, 0, math.nan
    for row in rows():
        x = to_format(np.clip(row, -fmt.max, fmt.max), fmt).astype(np.float64)
        given: dict[Symbol, Any] = {act.inputs[0]: x}
        if len(f.program.inputs) > 1:
            single = act.reduces and f.name == "vjp"
            other = rng.normal(0, 1, 1 if single else len(x))
            given[symbol(f.program.inputs[1])] = to_format(other, fmt).astype(np.float64)
        try:
            true = exact_row(f.truth, {s: list(v) for s, v in given.items()})
        except Undecided:
            continue
        if len(true) == 1 and not (act.reduces and f.name in ("forward", "jvp")):
            true = true * len(x)
        computed = np.broadcast_to(_run_row(act, f, run, list(given.values()), fmt), len(true))
        top = max(true, key=lambda t: abs(float(t)))
        for i, (y, t) in enumerate(zip(computed, true, strict=True)):
            ulps = error(float(y), t, fmt)
            scaled = max(
                scaled,
                ulps * float(ulp_of(t, fmt) / ulp_of(top, fmt)) if math.isfinite(ulps) else ulps,
            )
            count += 1
            wrong += math.isinf(ulps)
            if ulps > worst:
                worst, where = ulps, float(x[min(i, len(x) - 1)])
    return Measurement(
        max_ulp=worst,
        max_mixed_ulp=scaled,
        at=(("x", where),),
        inputs=count,
        non_finite=wrong,
        function=f.name,
        **labels,
    )


def _run_row(act: Activation, f: Function, run: Runner, arrays: list[Any], fmt: Format) -> Any:
    """One row through a kernel: along the activation's own axis, or through the program."""
    if run is _run_model:
        work = np.float64 if fmt.name == "float64" else np.float32
        with np.errstate(all="ignore"):
            return model.evaluate_row(f.program, arrays, work).astype(fmt.dtype).astype(np.float64)
    shape = [1] * max(1, -act.axis)
    shape[act.axis] = -1
    single = act.reduces and f.name == "vjp"
    shaped = [a.reshape(shape) for a in arrays[: len(arrays) - single]]
    shaped += [a.reshape(()) for a in arrays[len(arrays) - single :]]
    return np.ravel(run(f, shaped, {}, fmt))
