"""The distance from the truth: floating-point formats, ulp and mixed ulp, and hard points.

ulp: |computed − true| in units in the last place of the format at the true value (the subnormal
spacing below the smallest normal). mixed ulp: the smallest k such that the result is within k ulp
of the true value at some input within half an ulp of x; bounded here from above, through the true
values at x and at both ends of that interval.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import flint
import ml_dtypes
import numpy as np
from flint import arb
from numpy.typing import NDArray

from .oracle import Oracle, Undecided, from_float

Floats = NDArray[Any]


@dataclass(frozen=True)
class Format:
    """A binary floating-point format: precision in bits (with the hidden one), exponent range."""

    name: str
    dtype: Any
    bits: Any
    precision: int
    emin: int
    emax: int

    @property
    def max(self) -> float:
        """The greatest finite value."""
        return math.ldexp(2 - 2.0 ** (1 - self.precision), self.emax)

    @property
    def brim(self) -> float:
        """The finite value before the greatest one."""
        return math.ldexp(2 - 2.0 ** (2 - self.precision), self.emax)

    @property
    def tiny(self) -> float:
        """The least positive (subnormal) value."""
        return math.ldexp(1.0, self.emin - self.precision + 1)


FORMATS: dict[str, Format] = {
    f.name: f
    for f in (
        Format("float16", np.float16, np.uint16, 11, -14, 15),
        Format("bfloat16", ml_dtypes.bfloat16, np.uint16, 8, -126, 127),
        Format("float32", np.float32, np.uint32, 24, -126, 127),
        Format("float64", np.float64, np.uint64, 53, -1022, 1023),
    )
}


def exponent(ball: arb) -> int:
    """floor(log2 |ball|) of a nonzero ball."""
    mantissa, power = abs(ball).mid().man_exp()
    return int(power) + int(mantissa).bit_length() - 1


def ulp_of(true: arb, fmt: Format) -> arb:
    """The unit in the last place of the format at the true value."""
    least = fmt.emin - fmt.precision + 1
    if true.contains(0):
        return arb(2) ** least
    return arb(2) ** max(exponent(true) - fmt.precision + 1, least)


def error(computed: float, true: arb, fmt: Format) -> float:
    """The ulp error of one result; inf where one of the two is NaN or wrongly infinite."""
    if true.is_nan():
        return 0.0 if math.isnan(computed) else math.inf
    if math.isnan(computed):
        return math.inf
    limit = arb(fmt.max) + arb(2) ** (fmt.emax - fmt.precision)
    if not true.is_finite() or abs(true) >= limit:
        agree = math.isinf(computed) and (computed > 0) == bool(true > 0)
        return 0.0 if agree else math.inf
    if math.isinf(computed):
        # An error of one ulp at the greatest finite value is an infinity.
        with flint.ctx.workprec(256):
            near = abs(true) > from_float(fmt.brim) and (computed > 0) == bool(true > 0)
        return 1.0 if near else math.inf
    return float((abs(from_float(computed) - true) / ulp_of(true, fmt)).mid())


def mixed_error(computed: float, point: Sequence[float], oracle: Oracle, fmt: Format) -> float:
    """An upper bound of the mixed ulp error of one result, with x the first of `point`."""
    true = oracle(*point)
    direct = error(computed, true, fmt)
    x = point[0]
    if direct <= 1 or not math.isfinite(x) or not math.isfinite(computed):
        return direct
    rest = [from_float(p) for p in point[1:]]
    with flint.ctx.workprec(2200):  # so that x ± half an ulp is exact
        half = ulp_of(from_float(x), fmt) / 2
        inputs = [from_float(x) + s * half for s in (-1, 1)]
    try:
        ends = [oracle.exact([at, *rest]) for at in inputs]
    except Undecided:
        return direct
    if any(end.is_nan() for end in ends):
        return direct
    values = [true, *ends]
    y = from_float(computed)
    if any(v <= y for v in values) and any(v >= y for v in values):
        return 0.0
    return min(error(computed, v, fmt) for v in values)


@dataclass(frozen=True)
class Measurement:
    """The worst error found of one function of one kernel in one format.

    `at` is where: the inputs, then the parameters. `non_finite` counts results that are NaN or
    infinite where the truth is not, or the other way about, for |x| up to 1e30 and at ±inf;
    `far` counts them beyond.
    """

    activation: str
    function: str
    backend: str
    dtype: str
    max_ulp: float
    max_mixed_ulp: float
    at: tuple[tuple[str, float], ...]
    inputs: int
    non_finite: int
    far: int = 0
    exhaustive: bool = False

    def merge(self, other: Measurement) -> Measurement:
        """Both together: the worse of the two, all the inputs."""
        worse = max((self, other), key=lambda m: m.max_ulp)
        return replace(
            worse,
            max_mixed_ulp=max(self.max_mixed_ulp, other.max_mixed_ulp),
            inputs=self.inputs + other.inputs,
            non_finite=self.non_finite + other.non_finite,
            far=self.far + other.far,
        )

    def as_dict(self) -> dict[str, Any]:
        """For JSON: infinities as strings, errors to four digits."""
        row = asdict(self)
        row["max_ulp"], row["max_mixed_ulp"] = _number(self.max_ulp), _number(self.max_mixed_ulp)
        row["at"] = {name: _number(value, 17) for name, value in self.at}
        return row


def _number(value: float, digits: int = 4) -> float | str:
    return float(f"{value:.{digits}g}") if math.isfinite(value) else str(value)


def measure(
    computed: Iterable[float],
    points: Sequence[tuple[float, ...]],
    oracle: Oracle,
    fmt: Format,
    labels: Mapping[str, Any],
) -> Measurement:
    """Compare results with the oracle at `points`; points at which it has no value are left out."""
    worst, worst_mixed, where, wrong, far, count = -1.0, 0.0, points[0], 0, 0, 0
    for y, point in zip(computed, points, strict=True):
        try:
            true = oracle(*point)
        except Undecided:
            continue
        if true.is_nan() and not any(map(math.isnan, point)):
            continue  # the formula says nothing here
        count += 1
        ulps = error(float(y), true, fmt)
        if math.isinf(ulps) and any(1e30 < abs(p) < math.inf for p in point):
            far += 1
            continue
        wrong += math.isinf(ulps)
        worst_mixed = max(
            worst_mixed, mixed_error(float(y), point, oracle, fmt) if ulps > 1 else ulps
        )
        if ulps > worst:
            worst, where = ulps, point
    named = zip([*(s.name for s in oracle.inputs)], where, strict=True)
    fixed = ((s.name, float(v)) for s, v in oracle.parameters.items())
    return Measurement(
        max_ulp=max(worst, 0.0),
        max_mixed_ulp=worst_mixed,
        at=(*named, *fixed),
        inputs=count,
        non_finite=wrong,
        far=far,
        **labels,
    )


def to_format(values: Any, fmt: Format) -> Floats:
    """Round float64 values to the format."""
    with np.errstate(over="ignore"):
        return np.asarray(values, np.float64).astype(fmt.dtype)


def neighbours(point: float, fmt: Format, count: int = 3) -> list[float]:
    """`point` rounded to the format and the nearest `count` floats on each side."""
    centre, top = (int(i) for i in _ordered(to_format([point, math.inf], fmt), fmt))
    # Nothing lies beyond infinity: the integers there are NaNs.
    steps = (min(max(centre + i, -top), top) for i in range(-count, count + 1))
    return [_from_ordered(index, fmt) for index in steps]


def _ordered(values: Floats, fmt: Format) -> NDArray[np.int64]:
    """Integers in the order of the floats, adjacent for adjacent floats."""
    width = np.dtype(fmt.bits).itemsize * 8
    raw = values.view(fmt.bits).astype(np.uint64)
    magnitude = (raw & np.uint64((1 << (width - 1)) - 1)).astype(np.int64)
    ordered: NDArray[np.int64] = np.where(raw >> np.uint64(width - 1) == 1, -magnitude, magnitude)
    return ordered


def _from_ordered(index: int, fmt: Format) -> float:
    width = np.dtype(fmt.bits).itemsize * 8
    raw = index if index >= 0 else (1 << (width - 1)) - index
    return float(np.array([raw], np.uint64).astype(fmt.bits).view(fmt.dtype)[0])


def hard_points(fmt: Format, special: Sequence[float] = (), count: int = 200) -> list[float]:
    """Inputs in the format where kernels go wrong, always the same ones.

    Zeros, subnormals, every scale up to the greatest finite value, ±inf and NaN, the
    neighbourhoods of `special` points (kinks, roots), and `count` ordinary ones.
    """
    rng = np.random.default_rng(20240229)
    scales = [m * 10.0**k for k in range(-320, 309, 6) for m in (1.0, 2.7)]
    scales += [10.0**k for k in range(-9, 31)]
    scales += [
        fmt.tiny,
        3 * fmt.tiny,
        math.ldexp(1.0, fmt.emin),
        fmt.max,
        0.9 * fmt.max,
        0.4 * fmt.max,
        1e30,
    ]
    scales += list(rng.uniform(0, 1, count // 4)) + list(rng.uniform(0, 10, count // 2))
    scales += list(rng.uniform(10, 120, count // 4))
    # Where exp and erfc leave the normal range of each format, and where they vanish.
    scales += [
        8.3,
        9.01,
        9.4,
        14.2,
        16.6,
        17.3,
        27.2,
        38.5,
        87.4,
        88.8,
        103.97,
        104.5,
        709.8,
        745.2,
    ]
    signed = [s * v for v in scales for s in (1.0, -1.0)] + [0.0, -0.0]
    rounded = [float(v) for v in to_format(signed, fmt) if math.isfinite(float(v))]
    for point in special:
        rounded += neighbours(point, fmt)
    unique = {(v, math.copysign(1.0, v)): v for v in rounded if math.isfinite(v)}
    return [*unique.values(), math.inf, -math.inf, math.nan]
