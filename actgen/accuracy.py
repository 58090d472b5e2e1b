"""The distance from the truth: floating-point formats, ulp and mixed ulp, and hard points.

ulp: |computed − true| in units in the last place of the format at the true value (the subnormal
spacing below the smallest normal). mixed ulp: the smallest k such that the result is within k ulp
of the true value at some input within half an ulp of x; bounded here from above, through the true
values at x and at the corners of that interval (of that box, for several inputs).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import flint
import ml_dtypes
import numpy as np
from flint import arb
from numpy.typing import NDArray

from .oracle import from_float

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

    def beyond(self, infinity: float) -> float:
        """What the greatest finite value would be followed by, if there were no infinity."""
        return math.copysign(math.ldexp(1.0, self.emax + 1), infinity)

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


def corners(point: Sequence[float], fmt: Format, reach: float = 1.0) -> list[list[arb]]:
    """The corners of the box that reaches half an ulp, times `reach`, from a finite point."""
    with flint.ctx.workprec(2200):  # so that x ± half an ulp is exact
        sides = []
        for x in point:
            half = ulp_of(from_float(x), fmt) / 2 * reach
            sides.append([from_float(x) - half, from_float(x) + half])
    return [list(corner) for corner in itertools.product(*sides)]


# Many results at once.


@dataclass(frozen=True)
class Truth:
    """True values, an array of each: (high + low) ± slack, all times 2**lift.

    NaN expects NaN; `silent` is where nothing is expected, since the formula says nothing. An
    infinite `high` expects the infinity. `low` is what float64 leaves over, `lift` keeps that
    exact among float64's subnormals.
    """

    high: Floats
    low: Floats
    slack: Floats
    lift: NDArray[np.int32]
    silent: NDArray[np.bool_]

    @classmethod
    def empty(cls, n: int) -> Truth:
        """Room for n values."""
        zeros = np.zeros((3, n))
        return cls(zeros[0], zeros[1], zeros[2], np.zeros(n, np.int32), np.zeros(n, bool))

    def set(self, i: int, row: tuple[float, float, float, int, bool]) -> None:
        """Put one value."""
        self.high[i], self.low[i], self.slack[i], self.lift[i], self.silent[i] = row

    @property
    def arrays(self) -> list[Floats]:
        """The fields, in order."""
        return [self.high, self.low, self.slack, self.lift, self.silent]

    def take(self, which: Any) -> Truth:
        """A copy of some of the values."""
        return Truth(*(array[which].copy() for array in self.arrays))

    @classmethod
    def join(cls, parts: Sequence[Truth]) -> Truth:
        """One after the other."""
        return cls(*(np.concatenate(a) for a in zip(*(p.arrays for p in parts), strict=True)))


def quantum(magnitude: Any, fmt: Format, lift: Any = 0) -> Floats:
    """The unit in the last place at each magnitude, at 0 the least subnormal; all times 2**lift."""
    # frexp gives 0 the exponent of numbers near 1.
    exponents = np.where(magnitude == 0, fmt.emin + lift, np.frexp(magnitude)[1] - 1)
    unit: Floats = np.ldexp(1.0, np.maximum(exponents, fmt.emin + lift) - fmt.precision + 1)
    return unit


def unit_of(truth: Truth, fmt: Format) -> Floats:
    """The ulp at each true value, times 2**lift; the lesser where a power of two is in doubt."""
    least = np.abs(truth.high) - truth.slack
    # The true value may lie below a power of two that float64 rounds it to.
    below = (truth.high * truth.low < 0) & (np.abs(truth.low) > truth.slack)
    least = np.where(below, np.nextafter(np.abs(truth.high), 0.0), least)
    return quantum(np.maximum(least, 0.0), fmt, truth.lift)


def overflows(truth: Truth, fmt: Format) -> NDArray[np.bool_]:
    """Where the true value rounds to an infinity."""
    with np.errstate(invalid="ignore", over="ignore"):
        over = (np.abs(truth.high) - fmt.max) + truth.low * np.sign(truth.high)
        beyond: NDArray[np.bool_] = over >= math.ldexp(1.0, fmt.emax - fmt.precision)
    found: NDArray[np.bool_] = np.isinf(truth.high) | (beyond & (truth.lift == 0))
    return found


def errors(computed: Any, truth: Truth, fmt: Format) -> Floats:
    """The ulp error of each result, an upper bound of it by no more than the truth's slack.

    inf where one of the two is NaN or wrongly infinite; 0 where nothing is expected.
    """
    y = np.asarray(computed, np.float64)
    high = truth.high
    with np.errstate(all="ignore"):
        apart = np.abs((np.ldexp(y, truth.lift) - high) - truth.low) + truth.slack
        ulps = np.minimum(apart / unit_of(truth, fmt), 1e300)
        over, same = overflows(truth, fmt), np.sign(y) == np.sign(high)
        infinite = np.isinf(y)
        # Beside the greatest finite value an infinity counts as the float after it.
        size = np.where(infinite, fmt.max, np.abs(y))
        apart = np.abs((np.abs(high) - size) + truth.low * np.sign(high)) + truth.slack
        last = math.ldexp(1.0, fmt.emax - fmt.precision + 1)
        steps = np.where(infinite, 1 + apart / last, apart / last)
        beside = np.where(same & (steps <= 16) & (truth.lift == 0), steps, math.inf)
        ulps = np.where(infinite != over, beside, np.where(infinite & over, math.inf, ulps))
        ulps = np.where(infinite & over & same, 0.0, ulps)
        ulps = np.where(np.isnan(y) != np.isnan(high), math.inf, ulps)
    result: Floats = np.where(truth.silent | (np.isnan(y) & np.isnan(high)), 0.0, ulps)
    return result


def rounded(numbers: Any, fmt: Format) -> Floats:
    """float64 values rounded to the format, to nearest and ties to even, as float64.

    In one step: a cast of ml_dtypes may go through float32 and round twice.
    """
    values: Floats = np.asarray(numbers, np.float64)
    if fmt.name == "float64":
        return values
    with np.errstate(all="ignore"):
        unit = quantum(np.abs(values), fmt)
        result = np.where(np.isfinite(values), np.rint(values / unit) * unit, values)
        result = np.where(np.abs(result) > fmt.max, np.copysign(np.inf, values), result)
    signed: Floats = np.copysign(result, values)
    return signed


@dataclass(frozen=True)
class Measurement:
    """The worst error found of one function of one kernel in one format.

    `at` is where: the inputs, then the parameters. `non_finite` counts results that are NaN or
    infinite where the truth is not, or the other way about, for |x| up to 1e30 and at ±inf;
    `far` counts them beyond. `away_ulp` is the worst ulp error at inputs that are not next to a
    zero of the function, `misrounded` counts 16-bit results that are not the truth rounded; `row`
    is said of row functions. Mixed errors are worked out where ulp errors exceed the contract.
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
    away_ulp: float = 0.0
    misrounded: int = 0
    row: bool = False

    def merge(self, other: Measurement) -> Measurement:
        """Both together: the worse of the two, all the inputs."""
        worse = max(
            (self, other),
            key=lambda m: (m.non_finite + m.far, m.misrounded > 0, m.max_mixed_ulp, m.max_ulp),
        )
        return replace(
            worse,
            max_ulp=max(self.max_ulp, other.max_ulp),
            away_ulp=max(self.away_ulp, other.away_ulp),
            misrounded=self.misrounded + other.misrounded,
            max_mixed_ulp=max(self.max_mixed_ulp, other.max_mixed_ulp),
            inputs=self.inputs + other.inputs,
            non_finite=self.non_finite + other.non_finite,
            far=self.far + other.far,
        )

    def as_dict(self) -> dict[str, Any]:
        """For JSON: infinities as strings, errors to four digits."""
        row = asdict(self)
        for name in ("max_ulp", "max_mixed_ulp", "away_ulp"):
            row[name] = _number(row[name])
        row["at"] = {name: _number(value, 17) for name, value in self.at}
        return row

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Measurement:
        """What `as_dict` gave."""
        errors = {name: float(row[name]) for name in ("max_ulp", "max_mixed_ulp", "away_ulp")}
        at = tuple((name, float(value)) for name, value in row["at"].items())
        return cls(**{**row, **errors, "at": at})


def _number(value: float, digits: int = 4) -> float | str:
    return float(f"{value:.{digits}g}") if math.isfinite(value) else str(value)


def to_format(values: Any, fmt: Format) -> Floats:
    """Round float64 values to the format."""
    with np.errstate(over="ignore"):
        return rounded(values, fmt).astype(fmt.dtype)


def neighbours(point: float, fmt: Format, count: int = 3) -> list[float]:
    """`point` rounded to the format and the nearest `count` floats on each side."""
    return [float(v) for v in around(np.array([point]), fmt, count)]


def around(points: Any, fmt: Format, count: int) -> Floats:
    """The points rounded to the format and the nearest `count` floats on each side of each."""
    top = int(ordered(to_format([math.inf], fmt), fmt)[0])
    centres = ordered(to_format(points, fmt), fmt)
    steps = np.add.outer(centres, np.arange(-count, count + 1)).ravel()
    # Nothing lies beyond infinity: the integers there are NaNs.
    return from_ordered(np.clip(steps, -top, top), fmt)


def ordered(values: Floats, fmt: Format) -> NDArray[np.int64]:
    """Integers in the order of the floats, adjacent for adjacent floats."""
    width = np.dtype(fmt.bits).itemsize * 8
    raw = values.view(fmt.bits).astype(np.uint64)
    magnitude = (raw & np.uint64((1 << (width - 1)) - 1)).astype(np.int64)
    order: NDArray[np.int64] = np.where(raw >> np.uint64(width - 1) == 1, -magnitude, magnitude)
    return order


def from_ordered(indices: Any, fmt: Format) -> Floats:
    """The floats of integers that `ordered` gives, as float64."""
    width = np.dtype(fmt.bits).itemsize * 8
    steps = np.asarray(indices, np.int64)
    sign = np.where(steps < 0, np.uint64(1 << (width - 1)), np.uint64(0))
    raw = np.abs(steps).astype(np.uint64) | sign
    floats: Floats = raw.astype(fmt.bits).view(fmt.dtype).astype(np.float64)
    return floats


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
