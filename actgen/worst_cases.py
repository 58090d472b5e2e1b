"""The worst inputs found so far, in tests/worst_cases/<activation>.csv, tested for ever.

A row: function, dtype, parameters, the inputs' bits, the bits of the correctly rounded result, the
ulp error seen and the backend that it was seen on. Old rows stay; each function and dtype keeps at
most CAP of them.
"""

from __future__ import annotations

import csv
import io
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import flint
import numpy as np
from sympy import Expr, Symbol

from . import contract, measuring, model, zones
from .accuracy import FORMATS, Format, Measurement, Truth, around, to_format
from .cases import breaks, settings
from .compiled import Compiled
from .compiler import compile_activation
from .measuring import Case
from .oracle import Oracle, from_float
from .project import project_root, write_atomic
from .reference import Reference
from .running import flushes, runner
from .spec import Activation, exact

CAP = 8


@dataclass(frozen=True)
class Row:
    """One line of a file; `input` and `output` are bits in hexadecimal."""

    function: str
    dtype: str
    parameters: str
    input: str
    output: str
    ulp: str
    backend: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What makes it the same case as another."""
        return self.function, self.dtype, self.parameters, self.input


def path_of(name: str, root: Path | None = None) -> Path:
    """Where the worst cases of an activation stand."""
    return (root or project_root()) / "tests" / "worst_cases" / f"{name}.csv"


def read(name: str, root: Path | None = None) -> list[Row]:
    """The rows of an activation, none if it has no file."""
    path = path_of(name, root)
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [Row(**row) for row in csv.DictReader(file)]


def record(act: Activation, measurements: Iterable[Measurement], root: Path | None = None) -> None:
    """Add the worst input of each measurement to the activation's file."""
    if act.is_row or not path_of(act.name, root).parent.parent.is_dir():
        return
    rows = read(act.name, root)
    known = {row.key for row in rows}
    count: dict[tuple[str, str], int] = {}
    for row in rows:
        count[row.function, row.dtype] = count.get((row.function, row.dtype), 0) + 1
    for m in sorted(measurements, key=lambda m: -m.max_ulp):
        at = dict(m.at)
        if m.max_ulp <= 0 or not all(math.isfinite(at[s.name]) for s in act.inputs):
            continue
        new = _row(act, m, at)
        of = new.function, new.dtype
        if new.key not in known and count.get(of, 0) < CAP:
            known.add(new.key)
            count[of] = count.get(of, 0) + 1
            rows.append(new)
    if rows:
        rows.sort(key=lambda row: row.key)
        out = io.StringIO()
        writer = csv.DictWriter(out, [f.name for f in fields(Row)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
        write_atomic(path_of(act.name, root), out.getvalue())


def _row(act: Activation, m: Measurement, at: Mapping[str, float]) -> Row:
    fmt = FORMATS[m.dtype]
    parameters = {p.name: at[p.name] for p in act.parameters}
    setting = setting_of(act, parameters)
    point = [at[s.name] for s in act.inputs]
    truth = compile_activation(act).functions[m.function].truth
    return Row(
        m.function,
        m.dtype,
        ";".join(f"{name}={value!r}" for name, value in parameters.items()),
        " ".join(to_bits(v, fmt) for v in point),
        to_bits(correct(Oracle(truth, act.inputs, setting), point, fmt), fmt),
        f"{m.max_ulp:.4g}",
        m.backend,
    )


def setting_of(act: Activation, values: Mapping[str, float]) -> dict[Symbol, Expr]:
    """The exact parameter setting whose float64 values these are."""
    for setting in settings(act):
        if all(model.constant(v) == values[s.name] for s, v in setting.items()):
            return setting
    return {p.symbol: exact(values[p.name]) for p in act.parameters}


def correct(oracle: Oracle, point: Sequence[float], fmt: Format) -> float:
    """The true value correctly rounded to the format."""
    nearest = 0.0
    for bits in (400, 8000):
        ball = oracle.exact([from_float(v) for v in point], bits)
        nearest = float(ball.mid())
        if fmt.name == "float64":
            return nearest
        with flint.ctx.workprec(2 * bits):
            side = ball.mid() - from_float(nearest)
        if side != 0:  # off what may be a tie between two floats of the format
            nearest = math.nextafter(nearest, math.inf if side > 0 else -math.inf)
            break
    return float(to_format([nearest], fmt)[0])


def to_bits(value: float, fmt: Format) -> str:
    """The bits of a float of the format, in hexadecimal."""
    digits = np.dtype(fmt.bits).itemsize * 2
    return f"{int(to_format([value], fmt).view(fmt.bits)[0]):0{digits}x}"


def from_bits(text: str, fmt: Format) -> float:
    """The float of a format with these bits."""
    return float(np.array([int(text, 16)], fmt.bits).view(fmt.dtype)[0])


def replay(act: Activation, backend: str, rows: Sequence[Row]) -> list[Measurement]:
    """What a backend makes of the stored inputs, measured against the truth."""
    compiled = compile_activation(act)
    run = runner(compiled, backend)
    names = [s.name for s in act.inputs]
    found = []
    groups = itertools.groupby(sorted(rows, key=lambda r: r.key), key=lambda r: r.key[:3])
    for (function, dtype, parameters), group in groups:
        fmt = FORMATS[dtype]
        values = dict(item.split("=") for item in parameters.split(";") if item)
        numbers = {name: float(v) for name, v in values.items()}
        case = _case(compiled, function, list(group), setting_of(act, numbers), fmt)
        computed = run(compiled.functions[function], list(case.points.T), numbers, fmt)
        m = measuring.measure(
            computed,
            case,
            fmt,
            contract.limit(backend, dtype),
            names,
            flushes(backend, dtype),
            activation=act.name,
            function=function,
            backend=backend,
            dtype=dtype,
        )
        found.append(measuring.at_parameters(m, numbers))
    return found


def _case(
    compiled: Compiled,
    function: str,
    rows: Sequence[Row],
    setting: Mapping[Symbol, Expr],
    fmt: Format,
) -> Case:
    reference = compiled.references(setting)[function]
    points = np.array([[from_bits(b, fmt) for b in row.input.split()] for row in rows])
    stored = np.array([from_bits(row.output, fmt) for row in rows])
    kinks = breaks(compiled.activation, setting)
    small = fmt.precision < 16
    near = np.array([_near(reference, p, fmt) for p in points] if small else [])
    truth: Truth = reference.certain(points)
    if not small:
        return Case(reference, points, truth, kinks)
    # A tie that the reference does not decide is not judged.
    undecided = np.isnan(measuring.round_truth(reference, points, truth, fmt))
    return Case(reference, points, truth, kinks, np.where(undecided, np.nan, stored), near)


def _near(
    reference: Reference, point: np.ndarray[tuple[int], np.dtype[np.float64]], fmt: Format
) -> bool:
    """Whether a point is next to a zero along any input."""
    for i, centre in enumerate(point.tolist()):
        line = np.tile(point, (7, 1))
        line[:, i] = around([centre], fmt, 3)
        truth = reference.truth(line[np.isfinite(line).all(axis=1)], fmt)
        if zones.next_to_zero(truth, len(truth.high))[len(truth.high) // 2]:
            return True
    return False
