"""Errors on a device that takes subnormal numbers for zeros, as XLA does on CPUs.

Forgiven is that alone: a result among the least numbers where the truth is (or is within the
contract of them), and what is right for zeros in place of such inputs. The least numbers reach to
4 times the least normal one: a term or a factor on the way to a result may be subnormal where the
result is not (e in 4e/(1 + e)²).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .accuracy import Floats, Format, Truth, errors, unit_of
from .reference import Reference


def least(fmt: Format) -> float:
    """Numbers below this may count as zeros."""
    return math.ldexp(4.0, fmt.emin)


def forgiven(
    y: Floats,
    plain: Floats,
    points: Floats,
    truth: Truth,
    reference: Reference,
    fmt: Format,
    most: float,
) -> Floats:
    """The plain errors without what flushing to zero explains."""
    result = plain.copy()
    result[(plain > 0.5) & _vanished(y, truth, fmt, most)] = 0.0
    tiny = (points != 0) & (np.abs(points) < least(fmt))
    asked = np.flatnonzero((result > 0.5) & tiny.any(axis=1))
    if len(asked):
        zeroed = np.where(tiny[asked], np.copysign(0.0, points[asked]), points[asked])
        zeroed, which = np.unique(zeroed, axis=0, return_inverse=True)
        there = reference.truth(zeroed, fmt).take(which.ravel())
        apart = errors(y[asked], there, fmt)
        apart[_vanished(y[asked], there, fmt, most)] = 0.0
        result[asked] = np.minimum(result[asked], apart)
    return result


def _vanished(y: Any, truth: Truth, fmt: Format, most: float) -> NDArray[np.bool_]:
    """Where a result and what is within `most` ulp of the truth are both among the least."""
    with np.errstate(all="ignore"):
        nearest = np.abs(truth.high) - truth.slack - most * unit_of(truth, fmt)
        hidden = nearest < np.ldexp(least(fmt), truth.lift)
    found: NDArray[np.bool_] = hidden & (np.abs(y) < least(fmt))
    return found
