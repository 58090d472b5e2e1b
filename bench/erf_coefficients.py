"""The coefficients of templates/numpy/erf.jinja: python bench/erf_coefficients.py prints them.

erf(x) = x·P(x²) for |x| ≤ 1 and erfc(x) = exp(-x²)·Q(t)/(1 + 2x), t = (x − 3.75)/(x + 3.75),
for x ≥ 1/2 (the form of Shepherd and Laframboise, Math. Comp. 36, 1981). Both are interpolated
at Chebyshev nodes with 60 digits and rounded to float64.
"""

from __future__ import annotations

import mpmath

mpmath.mp.dps = 60
CENTRE = mpmath.mpf("3.75")


def small() -> list[float]:
    """Coefficients of P, highest degree first."""

    def f(s: mpmath.mpf) -> mpmath.mpf:
        r = mpmath.sqrt(s)
        return mpmath.erf(r) / r if r else 2 / mpmath.sqrt(mpmath.pi)

    return [float(c) for c in mpmath.chebyfit(f, [0, 1], 14)]


def large() -> list[float]:
    """Coefficients of Q, highest degree first."""

    def f(t: mpmath.mpf) -> mpmath.mpf:
        if t == 1:
            return 2 / mpmath.sqrt(mpmath.pi)
        x = CENTRE * (1 + t) / (1 - t)
        return (1 + 2 * x) * mpmath.exp(x * x) * mpmath.erfc(x)

    low = (mpmath.mpf("0.5") - CENTRE) / (mpmath.mpf("0.5") + CENTRE)
    return [float(c) for c in mpmath.chebyfit(f, [low, mpmath.mpf("0.78")], 25)]


if __name__ == "__main__":
    for name, values in (("P", small()), ("Q", large())):
        print(name, *map(repr, values), sep="\n    ")
