"""The coefficients of erfcx in actgen/atoms.py: python bench/erfcx_coefficients.py prints them.

exp(u²)·erfc(u) = P(t)/(1 + u) with t = (u − 3)/(u + 3), for u ≥ 0 (the form of Shepherd and
Laframboise, Math. Comp. 36, 1981); P is the minimax polynomial of degree 24,
rounded to float64. P changes little, so that the rounding of t does not matter.
"""

from __future__ import annotations

from flint import arb

from actgen.minimax import fit


def target(t: arb) -> arb:
    """(1 + u)·erfcx(u) at t = (u − 3)/(u + 3)."""
    u = 3 * (1 + t) / (1 - t)
    if u < 300:
        return (u * u).exp() * u.erfc() * (1 + u)
    terms, term = arb(1), arb(1)
    for k in range(1, 12):  # the asymptotic series
        term *= -(2 * k - 1) / (2 * u * u)
        terms += term
    return (1 + u) / (u * arb.pi().sqrt()) * terms


if __name__ == "__main__":
    found = fit(target, -1, 1, 24)
    print("# relative error", found.error)
    print(*(f"    {c!r}," for c in reversed(found.coefficients)), sep="\n")
