"""The greatest difference of two formulas: branch and bound on intervals."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import sympy
from flint import arb
from sympy import Expr

from .. import lang
from ..calculus import derivative
from ..intervals import Enclosure, Interval, NoValue, precision
from ..limits import TimeLimit, time_limit
from ..oracle import number
from ..variants import lift
from .cells import NoCells, arrange, ascending, between, resolve
from .equality import value

REACH = 64
BITS = 96
SECONDS = 6.0


@dataclass(frozen=True)
class Extreme:
    """The greatest |difference|, where, and how it is known."""

    size: float
    at: float
    how: str

    @property
    def text(self) -> str:
        """In one line."""
        return f"greatest error {self.size:.5g} at x = {self.at:.6g}"


def greatest(left: Expr, right: Expr) -> Extreme | None:
    """sup |left − right| for elementwise formulas without parameters; None if not enclosed."""
    try:
        with time_limit(SECONDS):
            return _greatest(left, right)
    except (TimeLimit, NoCells, NoValue, sympy.PolynomialError, ValueError):
        return None


def _greatest(left: Expr, right: Expr) -> Extreme | None:
    if (left - right).free_symbols - {lang.x}:
        return None
    roots = ascending(arrange([left, right], lang.x).roots)
    places = between(roots)
    ends = [arb(-REACH), *(number(r) for r in roots if abs(sympy.N(r)) < REACH), arb(REACH)]
    best, where = arb(0), 0.0
    with precision(BITS):
        queue: list[tuple[float, int, arb, arb, _Function]] = []
        count = 0
        for i, place in enumerate(places):
            point = {lang.x: place}
            gap = lift(resolve(left, point) - resolve(right, point))
            if gap == 0:
                continue
            f = _Function(gap)
            # Unit steps: a wide interval says nothing of a function that saturates.
            edges = [
                ends[i],
                *(arb(k) for k in range(-REACH, REACH + 1) if ends[i] < k < ends[i + 1]),
                ends[i + 1],
            ]
            for lo, hi in zip(edges, edges[1:], strict=False):
                count += 1
                heapq.heappush(queue, (-_top(f, lo, hi), count, lo.lower(), hi.upper(), f))
        if not queue:
            return None
        while queue:
            bound, _, lo, hi, f = heapq.heappop(queue)
            if -bound <= float(best.upper()) * (1 + 1e-6):
                break
            if count > 60000:
                return None
            middle = ((lo + hi) / 2).mid()
            for point in (middle, lo.mid(), hi.mid()):
                here = abs(f.at(point))
                if here.is_finite() and here.lower() > best:
                    best, where = here.lower(), float(point)
            for a, b in ((lo, middle), (middle, hi)):
                count += 1
                heapq.heappush(queue, (-_top(f, a, b), count, a, b, f))
        how = f"enclosed for |x| ≤ {REACH}"
        beyond = [_far(left, right, side * 2**k) for side in (-1, 1) for k in (7, 10, 20, 40)]
        known = [v for v in beyond if v is not None]
        if any(v > best * 1.5 for v in known):
            return None
        if len(known) < len(beyond) or any(v > best * 1.001 for v in known):
            how += ", perhaps larger beyond"
        return Extreme(float(best), where, how)


class _Function:
    """A smooth difference and its slope on intervals."""

    def __init__(self, expr: Expr) -> None:
        self.value = Enclosure(expr, lang.x)
        self.slope = Enclosure(lift(derivative(expr, lang.x)), lang.x)

    def at(self, point: arb) -> arb:
        return self.value.at(point)


def _top(f: _Function, lo: arb, hi: arb) -> float:
    """An upper bound of |f| on [lo, hi]: directly, or from the middle by the slope."""
    box = Interval(lo.lower(), hi.upper())
    direct = f.value(box).size().hi
    middle = ((box.lo + box.hi) / 2).mid()
    steep = f.slope(box).size().hi
    by_slope = abs(f.at(middle)).upper() + steep * (box.hi - box.lo).upper() / 2
    found = [float(v) for v in (direct, by_slope) if v.is_finite()]
    return min(found, default=float("inf"))


def _far(left: Expr, right: Expr, at: int) -> arb | None:
    point = {lang.x: sympy.Integer(at)}
    a, b = value(left, point), value(right, point)
    return None if a is None or b is None else abs(a - b).upper()
