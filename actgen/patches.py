"""Polynomials where a formula cancels: around 0, around its zeros and removable singularities.

f(x) = scale·F(w) with w = rate·x; near w = c, F(w) = t^m·P(t) with t = w − c, and P a minimax
polynomial of F/t^m, generated here from Arb values of F. P is in t² where F is even or odd.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import flint
import sympy
from flint import arb
from sympy import Abs, Expr, Piecewise, Rational, Symbol

from . import tails
from .atoms import decay, maximum, minimum, offset, polynomial
from .doubleword import split_constant
from .minimax import Polynomial, fit, least_errors
from .oracle import Oracle, Undecided, number, to_fraction

W = Symbol("w", real=True)
Value = Callable[[arb], arb]
#: Radii, tried from the greatest, and the relative error a polynomial has to reach: the second
#: one where nothing else will do, since a wider polynomial may err more at its ends; the one at
#: ROUGH for results of 16 bits.
RADII = tuple(Rational(1, 2**k) for k in range(6))
ENOUGH = (2.0**-52.6, 2.0**-51.8, 2.0**-20)
ROUGH = 2
DEGREES = (6, 8, 10, 12, 14, 16, 18, 20, 23, 26)
LOW_DEGREES = (1, 2, 3, 4, 5)
#: What has these has been treated, or is no formula of one piece.
_DONE = (polynomial, decay, minimum, maximum)


@dataclass(frozen=True)
class Shape:
    """f(x) = scale·F(w), w = rate·x: F depends on w alone."""

    scale: Expr
    function: Expr
    rate: Expr


@functools.lru_cache(maxsize=512)
def shape(expr: Expr, x: Symbol) -> Shape | None:
    """The one variable of a formula with parameters; None where there are really more."""
    for rate in [sympy.Integer(1), *_rates(expr, x)]:
        inner = sympy.powsimp(expr.xreplace({x: W / rate}))
        if inner.free_symbols == {W}:
            return Shape(sympy.Integer(1), inner, rate)
        scale, function = sympy.factor_terms(sympy.expand(inner)).as_independent(W, as_Add=False)
        if function.free_symbols == {W}:
            return Shape(scale, function, rate)
    return None


def _rates(expr: Expr, x: Symbol) -> list[Expr]:
    """∂u/∂x for the linear arguments u of functions in the formula."""
    found = []
    for node in sorted(expr.atoms(sympy.Function, sympy.exp), key=str):
        for arg in node.args:
            slope = sympy.diff(arg, x) if isinstance(arg, Expr) and x in arg.free_symbols else x
            if slope.free_symbols and x not in slope.free_symbols and not slope.has(Piecewise):
                found.append(slope)
    return list(dict.fromkeys(found))


def _value(function: Expr, centre: Expr) -> Value:
    oracle = Oracle(tails.definition(function), [W])

    def value(t: arb) -> arb:
        with flint.ctx.workprec(800):  # so that centre + t is exact
            at = number(centre) + t
        return oracle.exact([at], 200)

    return value


@functools.lru_cache(maxsize=256)
def zeros(function: Expr) -> tuple[Expr, ...]:
    """The simple zeros of F(w) found between points from -64 to 64, to 200 bits, but not 0."""
    value = Oracle(tails.definition(function), [W])
    grid = [s * 2.0 ** (k / 4) for s in (-1, 1) for k in range(-80, 25)]
    grid = sorted(grid)
    found: list[Expr] = []
    try:
        values = [value(p) for p in grid]
        for a, b, fa, fb in zip(grid, grid[1:], values, values[1:], strict=False):
            if a * b > 0 and bool(fa * fb < 0):
                found.append(_refine(value, a, b, bool(fa > 0)))
    except Undecided:
        return ()
    return tuple(found[:6])


def _refine(value: Oracle, a: float, b: float, positive: bool) -> Expr:
    """The zero between a and b, by bisection."""
    low, high = arb(a), arb(b)
    with flint.ctx.workprec(400):
        for _ in range(220):
            middle = ((low + high) / 2).mid()
            at = value.exact([middle], 20)
            if at == 0:
                low = middle
                break
            low, high = (middle, high) if bool(at > 0) == positive else (low, middle)
        fraction = to_fraction(low)
    return Rational(fraction.numerator, fraction.denominator)


@functools.lru_cache(maxsize=1024)
def series(function: Expr, centre: Expr, radius: Expr, side: int, enough: float) -> Expr | None:
    """F near the centre as polynomial(t, m, s, …) in the symbol W; None where none is found.

    side 1 or -1 asks for one side only, 0 for both.
    """
    value = _value(function, centre)
    try:
        order = _order(value, side or 1)
        if order is None or (centre != 0 and order == 0):
            return None
        parity = 0 if side else _parity(value)
        found = _fit(value, order, parity, float(radius), side, enough)
    except Undecided:
        return None
    if found is None:
        return None
    coefficients = [Rational(c) for c in reversed(found.coefficients)]
    return polynomial(W, order, 2 if parity else 1, 1, *coefficients)


def _order(value: Value, side: int) -> int | None:
    """m with F ~ c·t^m."""
    with flint.ctx.workprec(400):
        near = [value(side * arb(2) ** -k) for k in (40, 41, 42)]
        if not all(v.is_finite() and v != 0 for v in near):
            return None
        steps = [
            float((abs(a) / abs(b)).log() / arb(2).log())
            for a, b in zip(near, near[1:], strict=False)
        ]
    order = round(steps[0])
    return order if order >= 0 and all(abs(s - order) < 1e-6 for s in steps) else None


def _parity(value: Value) -> int:
    """1 for even, -1 for odd, 0 for neither, as far as four points tell."""
    pairs = [(value(arb(p) / 64), value(arb(-p) / 64)) for p in (3, 11, 29, 50)]
    with flint.ctx.workprec(200):
        for sign in (1, -1):
            if all(bool(abs(a - sign * b) < abs(a) * 2.0**-150) for a, b in pairs):
                return sign
    return 0


def _fit(
    value: Value, order: int, parity: int, radius: float, side: int, enough: float
) -> Polynomial | None:
    def target(t: arb) -> arb:
        at = (t.sqrt() if parity else t).mid()
        return value(at) / at**order

    low, high = (-radius if side < 1 else 0.0), (radius if side > -1 else 0.0)
    if parity:
        low, high = 0.0, radius * radius
    degrees = (LOW_DEGREES + DEGREES) if enough == ENOUGH[ROUGH] else DEGREES
    least = least_errors(target, low, high, degrees[-1])
    for degree in degrees:
        if least[degree] > enough:
            continue
        try:
            found = fit(target, low, high, degree, enough)
        except ZeroDivisionError:  # no such polynomial: the function is not smooth here
            return None
        if found.error < enough:
            return found
    return None


def patched(
    expr: Expr,
    x: Symbol,
    centre: Expr,
    radius: Expr,
    side: int = 0,
    enough: float = ENOUGH[0],
) -> Expr | None:
    """`expr` with a polynomial where |w − centre| < radius; None where none is good enough."""
    if isinstance(expr, Piecewise):
        found = [
            patched(v, x, centre, radius, _side(cond, x, centre, side), enough)
            for v, cond in expr.args
        ]
        if not any(found):
            return None
        pairs = zip(found, expr.args, strict=True)
        return Piecewise(*((new or old, cond) for new, (old, cond) in pairs))
    if x not in expr.free_symbols or expr.is_polynomial(x) or expr.has(*_DONE):
        return None
    form = shape(expr, x)
    if form is None or form.function.has(Piecewise):
        return None
    near = series(form.function, centre, radius, side, enough)
    if near is None:
        return None
    w = form.rate * x
    t = w if centre == 0 else offset(w, centre)
    _, order, step, _, *coefficients = near.args
    first = sympy.simplify(form.scale * form.rate)
    factor = form.scale
    if order and centre == 0 and x not in first.free_symbols:
        # w itself may be subnormal where x is not, and x where scale·x is not.
        order, factor = order - 1, first * x
    inner = polynomial(t, order, step, factor, *coefficients)
    return Piecewise((inner, Abs(w - split_constant(centre)[0]) < radius), (expr, True))


def _side(cond: Expr, x: Symbol, centre: Expr, side: int) -> int:
    """On which side of the centre a branch lies: 1 or -1, 0 for both."""
    if side or not isinstance(cond, sympy.core.relational.Relational):
        return side
    if cond.lhs == x and cond.rhs == centre:
        return 1 if isinstance(cond, (sympy.StrictGreaterThan, sympy.GreaterThan)) else -1
    return 0


def centres(expr: Expr, x: Symbol) -> list[Expr]:
    """The zeros of the formula in its one variable w, branch by branch."""
    if isinstance(expr, Piecewise):
        return list(dict.fromkeys(c for v, _ in expr.args for c in centres(v, x)))
    if x not in expr.free_symbols or expr.is_polynomial(x):
        return []
    form = shape(expr, x)
    return [] if form is None or form.function.has(Piecewise) else list(zeros(form.function))
