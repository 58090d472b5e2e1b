"""What is in actgen/near.py and templates/numba/exp_near.jinja, printed with the errors.

    python bench/near_coefficients.py

erfc(t) = exp(-t²)·s·P(s) for t ≥ 0, s = 1/(1 + p·t) (the form of Hastings, as in Abramowitz and
Stegun 7.1.26), log(1 + u) = u·P(u) for u from 0 to 1, and exp(r) = 1 + r·P(r) where |r| is at most
log(2)/2. All have the least relative error, found by weighted least squares, reweighted (Lawson).
"""

from __future__ import annotations

import mpmath
import numpy as np
from numpy.typing import NDArray

P, POINTS = 0.3275911, 2000
ERFC_DEGREE, LOG1P_DEGREE, EXP_DEGREE = 7, 7, 6


def fit(basis: NDArray[np.float64], wanted: NDArray[np.float64]) -> tuple[list[float], float]:
    """Coefficients with which the columns add up to that, nearly, and the greatest difference."""
    weights = np.ones(len(basis))
    best: tuple[list[float], float] = ([], np.inf)
    for _ in range(300):
        root = np.sqrt(weights)
        found = np.linalg.lstsq(basis * root[:, None], wanted * root, rcond=None)[0]
        apart = np.abs(basis @ found - wanted)
        if apart.max() < best[1]:
            best = found.tolist(), float(apart.max())
        weights *= apart
        weights /= weights.sum()
    return best


def erfc() -> NDArray[np.float64]:
    t = np.concatenate([np.linspace(0, 3, POINTS), np.geomspace(3, 14, POINTS)])
    true = np.array([float(mpmath.erfc(v) * mpmath.exp(mpmath.mpf(v) ** 2)) for v in t])
    s = 1 / (1 + P * t)
    return np.stack([s ** (k + 1) / true for k in range(ERFC_DEGREE + 1)], axis=1)


def log1p() -> NDArray[np.float64]:
    u = (1 - np.cos(np.linspace(1e-3, np.pi, POINTS))) / 2
    return np.stack([u ** (k + 1) / np.log1p(u) for k in range(LOG1P_DEGREE + 1)], axis=1)


def exp() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r = -np.log(2) / 2 * np.cos(np.linspace(0, np.pi, POINTS))
    return np.stack([r ** (k + 1) / np.exp(r) for k in range(EXP_DEGREE + 1)], 1), -np.expm1(-r)


if __name__ == "__main__":
    ones = np.ones(2 * POINTS)
    for name, basis, wanted in (
        ("ERFC", erfc(), ones),
        ("LOG1P_UNIT", log1p(), ones[:POINTS]),
        ("EXP", *exp()),
    ):
        coefficients, error = fit(basis, wanted)
        print(f"{name} = (", *(f"    {c!r}," for c in coefficients), ")", sep="\n")
        print(f"# greatest relative error: {error:.2g}")
