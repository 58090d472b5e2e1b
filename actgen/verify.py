"""What a kernel computes against the truth: the measuring half of verification.

The generated code itself is run, on CUDA where there is a device. Where there is none, the kernel's
program is evaluated in the format on the CPU, and `cuda_check` runs the kernels in the simulator.

Every value of a 16-bit format is measured (of each input in turn, for gated functions); of the
wider ones the zones that `zones` finds. `contract` says how far off a result may be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import contract, measuring, model, row_errors
from .accuracy import FORMATS, Format, Measurement
from .cases import cases, settings
from .compiled import Compiled, Function
from .compiler import compile_activation
from .measuring import Case
from .registry import load
from .running import Runner, flushes, runner
from .spec import Activation


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
        """Whether every result is within the contract."""
        return all(map(contract.holds, self))


def verify(
    act: Activation | str,
    backend: str = "numpy",
    dtype: str = "float32",
    functions: Sequence[str] | None = None,
) -> Measurements:
    """Measure every function of a kernel where it is hard, at the defaults and other parameters.

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
    flushed = flushes(backend, dtype)
    labels = {"activation": act.name, "backend": backend, "dtype": dtype}
    if act.is_row:
        return Measurements(row_errors.measure(act, f, run, fmt, labels, flushed) for f in wanted)
    return Measurements(_measure_elements(compiled, f, run, fmt, labels, flushed) for f in wanted)


def _measure_elements(
    compiled: Compiled,
    f: Function,
    run: Runner,
    fmt: Format,
    labels: Mapping[str, Any],
    flushed: bool,
) -> Measurement:
    total: Measurement | None = None
    names = [s.name for s in compiled.activation.inputs]
    limit = contract.limit(labels["backend"], fmt.name)
    for i, setting in enumerate(settings(compiled.activation)):
        case = kept(compiled, fmt, i)[f.name]
        values = {s.name: model.constant(v) for s, v in setting.items()}
        computed = run(f, list(case.points.T), values, fmt)
        found = measuring.measure(
            computed, case, fmt, limit, names, flushed, function=f.name, **labels
        )
        found = measuring.at_parameters(found, values)
        total = found if total is None else total.merge(found)
    assert total is not None
    return total


# The points and the truth at them, shared by the backends that are measured one after another.

_CASES: dict[tuple[Activation, str], dict[int, dict[str, Case]]] = {}


def kept(compiled: Compiled, fmt: Format, index: int) -> dict[str, Case]:
    """A case for each function at one parameter setting; kept until another kernel is measured."""
    key = compiled.activation, fmt.name
    if key not in _CASES:
        _CASES.clear()
        _CASES[key] = {}
    if index not in _CASES[key]:
        _CASES[key][index] = cases(compiled.activation, compiled.truths, fmt, index)
    return _CASES[key][index]
