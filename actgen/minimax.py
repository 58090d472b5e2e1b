"""Polynomials of least greatest relative error, with coefficients that are floats.

Remez' exchange on a fixed grid of Chebyshev points, its linear systems solved in Arb; then the
coefficients are rounded one at a time, lowest first, and the rest fitted again (what rounding one
of them costs, the others make good). Where the interval has 0 inside, the rest would have a zero
there and no alternation; then all are rounded at once.
"""

from __future__ import annotations

import functools
import math
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


def fit(
    f: Callable[[arb], arb], low: float, high: float, degree: int, enough: float = 0.0
) -> Polynomial:
    """The polynomial of that degree for f on [low, high], where f has no zero.

    Where it errs more than `enough` before its coefficients are rounded, rounding is left out.
    """
    with flint.ctx.workprec(_BITS):
        count = 8 * (degree + 2)
        grid = _grid(low, high, count)
        problem = _Problem([f(t) for t in grid], [[t**k for k in range(degree + 1)] for t in grid])
        fixed: list[float] = []
        chosen: list[int] = []
        for k in range(degree + 1):
            found, level, chosen = problem.remez(fixed, chosen[:-1])
            if k == 0 and (low < 0 < high or level > enough > 0):
                fixed = [float(c) for c in found]
                break
            fixed.append(float(found[k]))
        return Polynomial(tuple(fixed), max(map(abs, problem.errors([arb(c) for c in fixed]))))


def least_errors(f: Callable[[arb], arb], low: float, high: float, most: int) -> list[float]:
    """What a polynomial of each degree up to `most` errs at least, in terms of the greatest value.

    Of polynomials on a grid of zeros of Chebyshev's: by Parseval, the greatest error is no less
    than the root of half the sum of squares of the coefficients that are left out.
    """
    with flint.ctx.workprec(_BITS):
        count = 4 * (most + 1)  # even: 0 may be where f cannot be computed
        values = [f(t.mid()) for t in reversed(_grid(low, high, count))]
        greatest = max(float(abs(v)) for v in values)
        found = _cosines(count) * arb_mat([[2 * v / count] for v in values])
        squares = [float(found[n, 0]) ** 2 for n in range(1, count)]
    left = [math.fsum(squares[degree:]) for degree in range(most + 1)]
    return [math.sqrt(s / 2) / greatest if greatest else math.nan for s in left]


def _grid(low: float, high: float, count: int) -> list[arb]:
    """The zeros of Chebyshev's polynomial on [low, high], from the least on."""
    nodes = [(arb.pi() * (2 * k + 1) / (2 * count)).cos().mid() for k in range(count)]
    return [(arb(low) * (1 - s) + arb(high) * (1 + s)) / 2 for s in reversed(nodes)]


@functools.lru_cache(maxsize=4)
def _cosines(count: int) -> arb_mat:
    """cos(n·a) at the angles a of the zeros, a row for each n below `count`."""
    with flint.ctx.workprec(_BITS):
        known = [(arb.pi() * k / (2 * count)).cos() for k in range(4 * count)]
        rows = range(count)
        return arb_mat([[known[(2 * k + 1) * n % (4 * count)] for k in rows] for n in rows])


class _Problem:
    """Values of a function on a grid, to be met by a polynomial with little relative error."""

    def __init__(self, values: list[arb], powers: list[list[arb]]) -> None:
        self.values, self.powers = values, powers
        self.matrix = arb_mat(powers)

    def errors(self, coefficients: list[arb]) -> list[float]:
        """The relative errors of a polynomial."""
        found = self.matrix * arb_mat([[c] for c in coefficients])
        return [float((v - found[i, 0]) / v) for i, v in enumerate(self.values)]

    def remez(self, fixed: list[float], start: list[int]) -> tuple[list[arb], float, list[int]]:
        """All coefficients, the first of them `fixed`, for the least greatest error on the grid.

        With it the error at the points of alternation, and these, sought from `start` on.
        """
        known = len(fixed)
        n, count = len(self.powers[0]) - known, len(self.powers)
        chosen = start if len(start) == n + 1 else []
        chosen = chosen or [round(i * (count - 1) / n) for i in range(n + 1)]
        coefficients, level = [arb(c) for c in fixed], 0.0
        for _ in range(_EXCHANGES):
            rows, targets = [], []
            for j, i in enumerate(chosen):
                rows.append([*self.powers[i][known:], (1 if j % 2 else -1) * self.values[i]])
                done = zip(coefficients[:known], self.powers[i], strict=False)
                targets.append([self.values[i] - sum((c * p for c, p in done), arb(0))])
            solved = arb_mat(rows).solve(arb_mat(targets))
            coefficients[known:] = [solved[k, 0].mid() for k in range(n)]
            level = abs(float(solved[n, 0]))
            following = _extrema(self.errors(coefficients), n + 1)
            if following is None or following == chosen:
                break
            chosen = following
        return coefficients, level, chosen


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
