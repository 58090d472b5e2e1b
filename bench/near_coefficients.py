"""What is in actgen/near.py: `python bench/near_coefficients.py` prints it and its error.

erfc(t) = exp(-t²)·s·P(s) for t ≥ 0, s = 1/(1 + p·t) (the form of Hastings, as in Abramowitz and
Stegun 7.1.26), fitted to the least relative error by weighted least squares, reweighted (Lawson).
"""

from __future__ import annotations

import mpmath
import numpy as np

P, DEGREE, POINTS = 0.3275911, 7, 2000


def fit(degree: int) -> tuple[list[float], float]:
    """P's coefficients, the constant first, and the greatest relative error."""
    t = np.concatenate([np.linspace(0, 3, POINTS), np.geomspace(3, 14, POINTS)])
    s = 1 / (1 + P * t)
    true = np.array([float(mpmath.erfc(v) * mpmath.exp(mpmath.mpf(v) ** 2)) for v in t])
    basis = np.stack([s ** (k + 1) / true for k in range(degree + 1)], axis=1)
    weights = np.ones(len(t))
    best: tuple[list[float], float] = ([], np.inf)
    for _ in range(300):
        root = np.sqrt(weights)
        found = np.linalg.lstsq(basis * root[:, None], root, rcond=None)[0]
        apart = np.abs(basis @ found - 1)
        if apart.max() < best[1]:
            best = found.tolist(), float(apart.max())
        weights *= apart
        weights /= weights.sum()
    return best


if __name__ == "__main__":
    coefficients, error = fit(DEGREE)
    print(*map(repr, coefficients), sep="\n")
    print(f"greatest relative error: {error:.2g}")
