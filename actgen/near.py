"""Operations that are good enough for 16 bits: what they are made of, and how far off they may be.

A GPU has approximations of 2**x, log2(x) and 1/x in one instruction; the PTX ISA says how far off
each may be, and here it is that far off, to one side or the other. templates/cuda/*_near.jinja are
the same as device functions, from the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

LOG2E, LN2 = 1.4426950408889634, 0.6931471805599453
#: 2**(x + LIFT)·2**-LIFT: subnormal results of instructions for which these are 0.
LIFT = 24
#: log(1 + u)/u and (exp(u) - 1)/u by their series, for |u| below.
LOG1P_BELOW, LOG1P = 0.0625, (1.0, -1 / 2, 1 / 3, -1 / 4, 1 / 5)
EXPM1_BELOW, EXPM1 = 0.25, (1.0, 1 / 2, 1 / 6, 1 / 24, 1 / 120, 1 / 720)
#: What follows is printed by bench/near_coefficients.py.
#: erfc(t) = exp(-t²)·s·P(s), s = 1/(1 + ERFC_AT·t), t ≥ 0.
ERFC_AT = 0.3275911
ERFC = (
    0.1849506134697465,
    0.18223347542631496,
    0.19683967035216626,
    0.05439542457491705,
    0.399889261217538,
    -0.349185735448357,
    0.46436488159649747,
    -0.13348720346215556,
)
ERFC_LOW = tuple(c * 2.0**-LIFT for c in ERFC)
#: log(1 + u)/u for u from 0 to 1.
LOG1P_UNIT = (
    0.9999998056577852,
    -0.4999740534950239,
    0.3327547915216212,
    -0.24495459331777678,
    0.17745231646452458,
    -0.10768156862864937,
    0.04408952498736845,
    -0.008539177313382117,
)

#: To which side the approximations of the special function unit are off.
SIDES = (1, -1)
LEAST = 2.0**-126
_f = np.float32


def _sides(y: Any, side: int) -> Any:
    """+1 or -1: numbers beside each other to different sides."""
    return np.where(np.asarray(y, _f).view(np.uint32) & 1, side, -side)


def _off(y: Any, side: int) -> Any:
    """As far off as an approximation may be."""
    y = np.asarray(y, np.float64)
    return (y * (1.0 + _sides(y, side) * 2.0**-22)).astype(_f)


def _flushed(y: Any) -> Any:
    """With zeros for subnormal numbers."""
    return np.where(np.abs(y) < LEAST, np.copysign(0.0, y), y)


def _horner(coefficients: Sequence[float], u: Any) -> Any:
    result = _f(coefficients[-1])
    for c in coefficients[-2::-1]:
        result = result * u + _f(c)
    return result


def _exp2(x: Any, side: int) -> Any:
    """ex2.approx.ftz.f32: 2**x within 2 ulp."""
    return _flushed(_off(np.exp2(_flushed(np.asarray(x, _f)), dtype=float), side))


def _exp(x: Any, side: int = SIDES[0]) -> Any:
    """ex2.approx.f32: the same with subnormal results; the product with log2(e) is rounded."""
    return _off(np.exp2(np.asarray(x, _f) * _f(LOG2E), dtype=float), side)


def _exp_low(x: Any, side: int = SIDES[0]) -> Any:
    """Where exp(x) is no more than 2**(127 - LIFT), subnormal results among it."""
    return _exp2(np.asarray(x, _f) * _f(LOG2E) + _f(LIFT), side) * _f(2.0**-LIFT)


def _exp_flushed(x: Any, side: int = SIDES[0]) -> Any:
    return _exp2(np.asarray(x, _f) * _f(LOG2E), side)


def _div(a: Any, b: Any, side: int = SIDES[0]) -> Any:
    """a times rcp.approx.ftz.f32: 1/b within 1 ulp."""
    inverse = _flushed(1.0 / _flushed(np.asarray(b, np.float64)))
    return (np.asarray(a, np.float64) * _off(inverse, side)).astype(_f)


def _log1p(u: Any, side: int = SIDES[0]) -> Any:
    """lg2.approx.f32 of 1 + u, within 2**-22 from 1/2 to 2, relatively beyond; else a series."""
    u = np.asarray(u, _f)
    above = np.log2((_f(1) + u).astype(np.float64))
    size = np.where(np.isinf(above), 0.0, np.abs(above))
    off = _sides(u, side) * 2.0**-22 * np.maximum(1.0, size)
    return np.where(np.abs(u) < _f(LOG1P_BELOW), _horner(LOG1P, u) * u, _f(LN2) * _f(above + off))


def _log1p_unit(u: Any, side: int = SIDES[0]) -> Any:
    """For u from 0 to 1."""
    u = np.asarray(u, _f)
    return _horner(LOG1P_UNIT, u) * u


def _expm1(x: Any, side: int = SIDES[0]) -> Any:
    x = np.asarray(x, _f)
    beyond = _exp_flushed(x, side) - _f(1)
    return np.where(np.abs(x) < _f(EXPM1_BELOW), _horner(EXPM1, x) * x, beyond)


def _scaled(t: Any, square: Any, side: int) -> Any:
    """s·P(s)·2**square for the argument t of erfc."""
    s = _div(_f(1), _f(ERFC_AT) * t + _f(1), side)
    return _horner(ERFC_LOW, s) * s * _exp2(square + _f(LIFT), side)


def _erfc(x: Any, side: int = SIDES[0]) -> Any:
    x = np.asarray(x, _f)
    t = np.abs(x)
    y = _scaled(t, t * t * _f(-LOG2E), side)
    return np.where(x < 0, _f(2) - y, y)


def _erfcx(x: Any, side: int = SIDES[0]) -> Any:
    """For x from 0 on."""
    s = _div(_f(1), _f(ERFC_AT) * np.asarray(x, _f) + _f(1), side)
    return _horner(ERFC, s) * s


def _erfc_normal(x: Any, side: int = SIDES[0]) -> Any:
    """erfc(-x/√2): x² is exact where x has 11 bits."""
    x = np.asarray(x, _f)
    y = _scaled(np.abs(x) * _f(0.5**0.5), x * x * _f(-LOG2E / 2), side)
    return np.where(x > 0, _f(2) - y, y)


OPERATIONS: dict[str, Callable[..., Any]] = {
    "exp_flushed": _exp_flushed,
    "exp_low": _exp_low,
    "exp_near": _exp,
    "div_near": _div,
    "log1p_unit": _log1p_unit,
    "log1p_near": _log1p,
    "expm1_near": _expm1,
    "erfc_near": _erfc,
    "erfc_normal_near": _erfc_normal,
    "erfcx_near": _erfcx,
}
