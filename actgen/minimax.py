"""Polynomials of least greatest relative error, with coefficients that are floats.

Remez' exchange on a fixed grid of Chebyshev points, its linear systems solved in Arb; then the
coefficients are rounded one at a time, lowest first, and the rest fitted again (what rounding one
of them costs, the others make good). Where the interval has 0 inside, the rest would have a zero
there and no alternation; then all are rounded at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import flint
from flint import arb, arb_mat

_BITS = 256
_EXCHANGES = 12


@dataclass(frozen=True)
class Polynomial:
    """Coefficients, lowest degree first, and the greatest relative error on the grid."""

    coefficients: tuple[float, ...]
    error: float


def fit(f: Callable[[arb], arb], low: float, high: float, degree: int) -> Polynomial:
    """The polynomial of that degree for f on [low, high], where f has no zero."""
    with flint.ctx.workprec(_BITS):
        count = 8 * (degree + 2)
        nodes = [(arb.pi() * (2 * k + 1) / (2 * count)).cos().mid() for k in range(count)]
        grid = [(arb(low) * (1 - s) + arb(high) * (1 + s)) / 2 for s in reversed(nodes)]
        values = [f(t) for t in grid]
        powers = [[t**k for k in range(degree + 1)] for t in grid]
        fixed: list[float] = []
        for k in range(degree + 1):
            rest = [
                v - sum((c * p[i] for i, c in enumerate(fixed)), arb(0))
                for v, p in zip(values, powers, strict=True)
            ]
            found = _remez([p[k:] for p in powers], rest, values)
            if low < 0 < high:
                fixed = [float(c) for c in found]
                break
            fixed.append(float(found[0]))
        errors = [
            abs(sum((c * q for c, q in zip(fixed, p, strict=True)), arb(0)) / v - 1)
            for v, p in zip(values, powers, strict=True)
        ]
        return Polynomial(tuple(fixed), max(float(e) for e in errors))


def _remez(basis: list[list[arb]], target: list[arb], weight: list[arb]) -> list[arb]:
    """Coefficients of the basis whose greatest |error / weight| on the grid is least."""
    n, count = len(basis[0]), len(basis)
    chosen = [round(i * (count - 1) / n) for i in range(n + 1)]
    coefficients: list[arb] = []
    for _ in range(_EXCHANGES):
        rows = [[*basis[i], (1 if j % 2 else -1) * weight[i]] for j, i in enumerate(chosen)]
        solved = arb_mat(rows).solve(arb_mat([[target[i]] for i in chosen]))
        coefficients = [solved[k, 0].mid() for k in range(n)]
        errors = [
            float(
                (t - sum((c * b for c, b in zip(coefficients, row, strict=True)), arb(0)))
                / w
                * arb(2) ** 40
            )
            for t, row, w in zip(target, basis, weight, strict=True)
        ]
        following = _extrema(errors, n + 1)
        if following is None or following == chosen:
            break
        chosen = following
    return coefficients


def _extrema(errors: list[float], wanted: int) -> list[int] | None:
    """The indices of the `wanted` greatest alternating extrema; None where there are fewer."""
    found: list[int] = []
    for i, e in enumerate(errors):
        if found and (errors[found[-1]] > 0) == (e > 0):
            if abs(e) > abs(errors[found[-1]]):
                found[-1] = i
        else:
            found.append(i)
    while len(found) > wanted:
        found.pop(0 if abs(errors[found[0]]) < abs(errors[found[-1]]) else -1)
    return found if len(found) == wanted else None
