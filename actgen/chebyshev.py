"""Polynomials of exact functions by their Chebyshev series: the same digits on every machine."""

from __future__ import annotations

from collections.abc import Callable

import flint
from flint import arb, arb_poly, fmpz_poly

from .oracle import Undecided, from_float

_BITS = 128


def polynomial(
    f: Callable[[arb], arb], middle: float, half: float, points: int, least: float
) -> tuple[float, ...]:
    """Coefficients in x - middle, lowest first, of f on [middle - half, middle + half].

    Through so many points; terms of the series that are less than `least` of the least value there
    are left out. Empty where f has no finite value.
    """
    with flint.ctx.workprec(_BITS):
        nodes = [(arb.pi() * (2 * i + 1) / (2 * points)).cos() for i in range(points)]
        try:
            values = [f((from_float(middle) + from_float(half) * d).mid()).mid() for d in nodes]
        except Undecided:
            return ()
        if not all(v.is_finite() for v in values):
            return ()
        series = [_coefficient(k, nodes, values) for k in range(points)]
        bound = least * min(abs(float(v)) for v in values)
        while len(series) > 1 and abs(float(series[-1])) <= bound:
            series.pop()
        total = arb_poly([0])
        for k, c in enumerate(series):
            total += arb_poly([c]) * arb_poly(fmpz_poly.chebyshev_t(k))
        return tuple(float(total[k] / from_float(half) ** k) for k in range(len(series)))


def _coefficient(k: int, nodes: list[arb], values: list[arb]) -> arb:
    """Of the k-th Chebyshev polynomial, by the discrete orthogonality at its zeros."""
    total = sum((v * d.chebyshev_t(k) for d, v in zip(nodes, values, strict=True)), arb(0))
    return total * (2 if k else 1) / len(nodes)
