"""Mean and variance of f under a normal input, and the fixed point of that map, enclosed.

Arb integrates analytic functions rigorously: each piece by itself, out to 12 standard deviations,
and a bound of what lies beyond is added to the ball.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import flint
import sympy
from flint import acb, arb
from sympy import Expr, Symbol

from . import tails
from .forms import FAILURES
from .intervals import Enclosure, NoValue, precision
from .limits import time_limit
from .lower import lower
from .oracle import number
from .pieces import Curve, Number
from .program import Program, interpret
from .shape import ENCLOSED, SAMPLED, Fact, value_range

BITS = 80
#: Standard deviations after which a normal density leaves less than 1e-31.
REACH = 12
SECONDS = 4.0


@dataclass(frozen=True)
class Moments:
    """E[f], E[f²], Var f, E[f′²] for x ~ N(0, 1) and the gain 1/sqrt(E[f²]), as balls."""

    mean: arb
    second: arb
    variance: arb
    gain: arb
    slope_second: arb


@dataclass(frozen=True)
class FixedPoint:
    """What layers of weights with mean 0 and variance 1/n settle at: f(x) for x ~ N(0, variance)
    has this mean and this variance. Attracting if iteration from nearby converges to it."""

    mean: arb
    variance: arb
    attracting: bool


def _wise(name: str) -> Callable[..., Any]:
    return lambda v, analytic: getattr(v, name)()


def _cut(name: str) -> Callable[..., Any]:
    """atan and asinh: analytic away from the imaginary axis beyond ±i."""

    def apply(v: acb, analytic: bool) -> acb:
        if analytic and v.real.contains(0) and not abs(v.imag) < 1:
            return acb(arb.nan())
        return getattr(v, name)()

    return apply


#: Operations on complex balls: those with a branch cut must know whether analyticity is asked for.
_OPS: dict[str, Callable[..., Any]] = {
    "add": lambda a, b, analytic: a + b,
    "sub": lambda a, b, analytic: a - b,
    "mul": lambda a, b, analytic: a * b,
    "div": lambda a, b, analytic: a / b,
    "neg": lambda a, analytic: -a,
    "sqrt": lambda a, analytic: a.sqrt(analytic=analytic),
    "log": lambda a, analytic: a.log(analytic=analytic),
    "log1p": lambda a, analytic: (1 + a).log(analytic=analytic),
    "pow": lambda a, b, analytic: a.pow(b, analytic=analytic),
    **{name: _wise(name) for name in "exp expm1 erf erfc sinh cosh tanh sin cos tan".split()},
    **{name: _cut(name) for name in ("atan", "asinh")},
}


class Complex:
    """A smooth expression of x on complex balls."""

    def __init__(self, expr: Expr, x: Symbol) -> None:
        self.program: Program = lower(tails.definition(expr), (x,), (), expand=False)
        for instr in self.program.body:
            if instr.op not in _OPS:
                raise NoValue(instr.op)
        self.x = x.name
        self._constants: dict[tuple[Expr, int], acb] = {}

    def _constant(self, expr: Expr) -> acb:
        key = (expr, flint.ctx.prec)
        if key not in self._constants:
            self._constants[key] = acb(number(expr))
        return self._constants[key]

    def __call__(self, at: acb, analytic: bool) -> acb:
        """The value; not finite where the function may have a singularity."""
        ops: Mapping[str, Callable[..., Any]] = {
            name: lambda *args, op=op: op(*args, analytic) for name, op in _OPS.items()
        }
        return acb(interpret(self.program, {self.x: at}, ops, self._constant)[0])


def _first(error: BaseException) -> BaseException:
    """What an integrand raised, of which python-flint makes a chain of SystemErrors."""
    while isinstance(error, SystemError) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _normal(at: acb, mean: arb, variance: arb) -> acb:
    return (-((at - mean) ** 2) / (2 * variance)).exp() / (2 * arb.pi() * variance).sqrt()


class Integrals:
    """∫ f(x)ᵏ w(x) φ(x) dx for the curve's f (level 0) or f′ (1) and a normal density φ."""

    def __init__(self, curve: Curve) -> None:
        self.curve = curve
        self.functions = [
            [Complex(piece.levels[level], curve.x) for piece in curve.pieces] for level in (0, 1)
        ]
        slopes = value_range(curve, 1)
        #: |f′| ≤ slope between jumps, and `jumps` is the sum of these: it bounds f in the tails.
        self.slope: arb | None = None
        if slopes is not None and not slopes.low.is_infinite and not slopes.high.is_infinite:
            self.slope = abs(slopes.low.ball).max(abs(slopes.high.ball)).upper()
        self.jumps = arb(0)
        for (_, place), a, b in zip(curve.breaks, curve.pieces, curve.pieces[1:]):
            sides = [curve.value(p, 0, Number.of(place)) for p in (a, b)]
            left, right = (arb.nan() if v is None else v.ball for v in sides)
            self.jumps += abs(right - left)

    @property
    def how(self) -> str:
        """Enclosed where the tails could be bounded."""
        return SAMPLED if self.slope is None else ENCLOSED

    def __call__(
        self,
        power: int,
        mean: arb,
        variance: arb,
        weight: Callable[[acb], acb] | None = None,
        level: int = 0,
    ) -> arb:
        """The integral over the whole line, as a ball."""
        deviation = variance.sqrt()
        low = (mean - REACH * deviation).lower().floor().mid()
        high = (mean + REACH * deviation).upper().ceil().mid()
        total = arb(0)
        for piece, f in zip(self.curve.pieces, self.functions[level], strict=True):
            a = low if piece.low.is_infinite else number(piece.low)
            b = high if piece.high.is_infinite else number(piece.high)
            if not (b > low and a < high):
                continue
            a, b = a.max(low), b.min(high)

            def integrand(at: acb, analytic: bool, f: Complex = f) -> acb:
                value = f(at, analytic) ** power * _normal(at, mean, variance)
                return value if weight is None else value * weight(at)

            try:
                part = acb.integral(
                    integrand, acb(a), acb(b), rel_tol=arb(2) ** -60, abs_tol=arb(2) ** -66
                )
            except SystemError as error:
                raise _first(error) from None
            total += part.real
        if not total.is_finite():
            raise ArithmeticError("the integral did not converge")
        return total + self._beyond(power, low, high, mean, variance, level)

    def _beyond(self, power: int, low: arb, high: arb, mean: arb, variance: arb, level: int) -> arb:
        """±bound of what lies outside [low, high], where |f| ≤ |f(end)| + L·|x - end|.

        With t the distance in deviations, (c + s·t)^(2·power)-like growth times the weight's
        t⁴ at most, against φ: bounded by (c + s)^power · 2⁶ · 13⁴ · exp(-72).
        """
        if self.slope is None:
            return arb(0)
        ends = [
            abs(number(p.levels[0].subs(self.curve.x, _exact(e))))
            for p, e in ((self.curve.pieces[0], low), (self.curve.pieces[-1], high))
        ]
        size = (
            ends[0].max(ends[1])
            + self.jumps
            + self.slope * (1 + variance.sqrt() + 1 / variance.sqrt())
        )
        size = size if level == 0 else self.slope + 1
        bound = (size**power + 1) * 64 * 13**4 * (1 + 1 / variance) ** 2 * arb(-72).exp()
        return arb(0, bound.upper())


def _exact(value: arb) -> Expr:
    return sympy.Integer(int(float(value)))


def moments(curve: Curve, integrals: Integrals | None = None) -> Fact | None:
    """Mean, variance, second moments and gain under x ~ N(0, 1)."""
    try:
        with time_limit(SECONDS), precision(BITS):
            integral = integrals or Integrals(curve)
            zero, one = arb(0), arb(1)
            mean, second = integral(1, zero, one), integral(2, zero, one)
            slope = integral(2, zero, one, level=1)
            variance = second - mean * mean
            gain = 1 / second.sqrt() if second > 0 else arb.pos_inf()
            value = Moments(mean, second, variance, gain, slope)
            names = ("mean", "variance", "E[f^2]", "gain 1/sqrt(E[f^2])", "E[f'^2]")
            balls = (mean, variance, second, gain, slope)
            shown = ", ".join(f"{n} {_shown(b)}" for n, b in zip(names, balls))
            return Fact(f"for x ~ N(0, 1): {shown}", integral.how, value)
    except FAILURES:
        return None


def _shown(ball: arb) -> str:
    if abs(ball) < arb(10) ** -12:
        return "0 (within 1e-12)" if not ball.is_zero() else "0"
    return str(ball.str(15, radius=False))


# Weights of mean 0 and variance 1/n give the next layer inputs N(0, v) where this one's outputs
# have variance v, whatever their mean: the map is v -> Var f(N(0, v)), as in arXiv:1706.02515.


def fixed_point(curve: Curve, integrals: Integrals | None = None) -> Fact | None:
    """The fixed point of the mean-variance map that iteration from (0, 1) reaches."""
    if curve.x not in curve.act.formula.free_symbols:
        return None
    start = _iterated(curve)
    if start is None:
        text = "no fixed point of (mean, variance) with variance > 0.01 is reached from (0, 1)"
        return Fact(text, SAMPLED, None)
    mean, variance = start
    try:
        with time_limit(SECONDS), precision(BITS):
            integral = integrals or Integrals(curve)
            found = _newton(integral, variance) if integral.how == ENCLOSED else None
    except FAILURES:
        found = None
    if found is None:
        text = f"fixed point of (mean, variance): ({mean:.12g}, {variance:.12g}), attracting"
        return Fact(text, SAMPLED, FixedPoint(arb(mean), arb(variance), True))
    shown = ", ".join(_shown(v) for v in (found.mean, found.variance))
    kind = "attracting" if found.attracting else "not attracting"
    return Fact(f"fixed point of (mean, variance): ({shown}), {kind}", ENCLOSED, found)


def _nodes(count: int) -> list[tuple[float, float]]:
    """Gauss–Legendre nodes and weights on [-1, 1]."""
    import numpy as np

    nodes, weights = np.polynomial.legendre.leggauss(count)
    return list(zip(nodes.tolist(), weights.tolist()))


def _table(curve: Curve) -> list[tuple[float, float, float]]:
    """(x, f(x), weight) for sums that stand for integrals over [-40, 40]: floats, to search."""
    rows = []
    nodes = _nodes(10)
    with precision(64):
        for piece in curve.pieces:
            f = Enclosure(piece.levels[0], curve.x)
            low, high = max(-40.0, float(piece.low)), min(40.0, float(piece.high))
            cuts = [c for c in (-20, -12, -8, -6, -4, -3, -2, -1, -0.5, 0) if low < c < high]
            cuts += [-c for c in reversed(cuts) if low < -c < high and c]
            cuts += [c for c in (0.5, 1, 2, 3, 4, 6, 8, 12, 20) if low < c < high]
            ends = sorted({low, high, *cuts})
            for a, b in zip(ends, ends[1:]):
                for t, w in nodes:
                    at = (a + b) / 2 + (b - a) / 2 * t
                    rows.append((at, float(f.at(arb(at)).mid()), w * (b - a) / 2))
    return rows


def _iterated(curve: Curve) -> tuple[float, float] | None:
    import numpy as np

    try:
        points, values, weights = np.array(_table(curve)).T
    except (NoValue, ArithmeticError, ValueError):
        return None
    variance = 1.0
    for _ in range(3000):
        density = np.exp(-(points**2) / (2 * variance)) * weights
        density = density / math.sqrt(2 * math.pi * variance)
        mean = float(density @ values)
        spread = float(density @ values**2) - mean * mean
        if not 1e-2 < spread < 40:
            return None
        done = abs(spread - variance) < 1e-13
        variance = spread
        if done:
            return mean, variance
    return None


def _newton(integral: Integrals, variance: float) -> FixedPoint | None:
    """A ball that certainly holds exactly one fixed point, by interval Newton."""
    zero, middle = arb(0), arb(variance)
    for exponent in (-36, -28):
        box = arb(middle, arb(2) ** exponent)
        slope = _slope(integral, box)
        first, second = integral(1, zero, middle), integral(2, zero, middle)
        found = middle - (second - first * first - middle) / (slope - 1)
        if box.contains_interior(found):
            mean = integral(1, zero, found)
            return FixedPoint(mean, found, bool(abs(slope) < 1))
    return None


def _slope(integral: Integrals, variance: arb) -> arb:
    """d Var f / dv over a ball of v, from the derivative of the density."""
    zero = arb(0)

    def weight(at: acb) -> acb:
        return (at**2 / variance - 1) / (2 * variance)

    first = integral(1, zero, variance)
    return integral(2, zero, variance, weight) - 2 * first * integral(1, zero, variance, weight)


__all__ = ["FixedPoint", "Integrals", "Moments", "fixed_point", "moments"]
