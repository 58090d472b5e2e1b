"""Where an expression is positive, negative or zero between two points: certified by intervals."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import sympy
from flint import arb
from sympy import Expr, Symbol

from .calculus import derivative
from .forms import Product, products
from .intervals import INF, Enclosure, Interval, NoValue, precision
from .limits import TimeLimit, time_limit
from .oracle import Undecided, number, to_fraction

SEARCH_BITS, FINE_BITS = 64, 192
#: Boxes that are looked at before the search for the roots of one factor gives up.
MOST_BOXES = 3000
#: Where the search by finite blocks ends; beyond it there is one box that reaches to infinity.
FAR = 40


@dataclass(frozen=True)
class Root:
    """A zero of known parity of multiplicity: a ball that holds it, and it exactly if known."""

    ball: arb
    exact: Expr | None
    odd: bool


@dataclass(frozen=True)
class Signs:
    """The signs of an expression in an open interval: `roots` in order, a sign between each two.

    `reach` is how far that is certain: "oo", or 2**40 where the last box stayed open. `known`
    is False where some part stayed undecided.
    """

    roots: tuple[Root, ...]
    signs: tuple[int, ...]
    known: bool = True
    reach: str = "oo"


class _Open(Exception):
    """The search gave up."""


def enclosing(expr: Expr) -> Interval:
    """An exact number, ±oo included, between two endpoints."""
    if expr in (sympy.oo, -sympy.oo):
        end = INF if expr == sympy.oo else -INF
        return Interval(end, end)
    ball = number(expr)
    return Interval(ball.lower(), ball.upper())


@functools.lru_cache(maxsize=512)
def signs(expr: Expr, x: Symbol, low: Expr, high: Expr) -> Signs:
    """The signs and zeros of a smooth `expr` (no parameters) in the open interval (low, high)."""
    if expr.is_zero:
        return Signs((), (0,))
    if x not in expr.free_symbols:
        sign = enclosing(expr).sign
        return Signs((), (sign or 0,), known=sign is not None)
    if low < 0 < high:
        return _joined(expr, x, low, high)
    side = 1 if high > 0 else -1
    open_end: Signs | None = None
    with precision(SEARCH_BITS):
        for form in products(expr, x, side):
            try:
                found = _of_product(form, x, low, high)
            except (_Open, NoValue, Undecided):
                continue
            if found.reach == "oo":
                return found
            open_end = open_end or found
    return open_end or Signs((), (0,), known=False)


def _joined(expr: Expr, x: Symbol, low: Expr, high: Expr) -> Signs:
    """The signs on both sides of 0 put together, with what happens at 0 itself."""
    zero = sympy.Integer(0)
    left, right = signs(expr, x, low, zero), signs(expr, x, zero, high)
    known = left.known and right.known
    if not known:
        return Signs((), (0,), known=False)
    reach = left.reach if left.reach != "oo" else right.reach
    a, b = left.signs[-1], right.signs[0]
    try:
        with precision(FINE_BITS):
            value = Enclosure(expr, x)(Interval(arb(0), arb(0))).sign
    except (NoValue, Undecided):
        return Signs((), (0,), known=False)
    if value != 0 and a == b:
        value = expr.subs(x, 0)
        if value.is_zero is not True and sympy.simplify(value) != 0:
            return Signs(left.roots + right.roots, left.signs + right.signs[1:], known, reach)
    elif value not in (0, None):
        return Signs((), (0,), known=False)
    middle = Root(arb(0), zero, a != b)
    return Signs((*left.roots, middle, *right.roots), left.signs + right.signs, known, reach)


def _of_product(form: Product, x: Symbol, low: Expr, high: Expr) -> Signs:
    found: list[tuple[Root, int]] = []
    reach = "oo"
    for i, (factor, power) in enumerate(form.factors):
        roots, far = _isolate(factor, x, low, high)
        reach = far if far != "oo" else reach
        found += [(Root(r.ball, r.exact, bool(power % 2)), i) for r in roots]
    found.sort(key=lambda pair: float(pair[0].ball.mid()))
    for (a, _), (b, _) in zip(found, found[1:], strict=False):
        if a.ball.overlaps(b.ball):
            raise _Open
    roots_ = tuple(root for root, _ in found)
    sign = _sign_near(form, x, low, high, roots_)
    row = [sign]
    for root in roots_:
        row.append(-row[-1] if root.odd else row[-1])
    return Signs(roots_, tuple(row), True, reach)


def _sign_near(form: Product, x: Symbol, low: Expr, high: Expr, roots: tuple[Root, ...]) -> int:
    """The sign left of the first root."""
    a, b = enclosing(low), enclosing(high)
    end = roots[0].ball.lower() if roots else b.lo
    for bits in (SEARCH_BITS, 4 * SEARCH_BITS):
        with precision(bits):
            for t in (0.5, 0.25, 0.75, 0.03):
                if a.hi == -INF:
                    at = (end if end.is_finite() and end < 0 else arb(0)) - (1 + 3 * t)
                elif end == INF:
                    at = a.hi + (1 + 3 * t)
                else:
                    at = a.hi + (end - a.hi) * t
                point = Interval(at.mid(), at.mid())
                sign: int | None = form.sign
                for factor, power in form.factors:
                    one = Enclosure(factor, x)(point).sign
                    sign = sign * one**power if one and sign is not None else None
                if sign is not None:
                    return sign
    raise _Open


def _boxes(low: Interval, high: Interval) -> Iterator[tuple[arb, arb]]:
    """[low, high], which lies on one side of 0, cut at powers of 2."""
    cuts = [arb(0), arb(1), arb(4), *(arb(2) ** k for k in range(3, FAR + 1)), INF]
    if low.lo < 0:
        cuts = [-c for c in reversed(cuts)]
    inside = [c for c in cuts if low.lo < c < high.hi]
    ends = [low.lo, *inside, high.hi]
    yield from zip(ends, ends[1:], strict=False)


def _isolate(factor: Expr, x: Symbol, low: Expr, high: Expr) -> tuple[list[Root], str]:
    """The roots of one factor, all simple, and how far the search reaches."""
    if factor.is_polynomial(x) and factor.free_symbols == {x}:
        try:
            with time_limit(1.0):
                poly = sympy.Poly(factor, x, domain="QQ")
                exact = [r for r in dict.fromkeys(poly.real_roots()) if low < r < high]
                with precision(FINE_BITS):
                    return [Root(number(r), r, True) for r in exact if _plain(r)] + [
                        Root(number(r.evalf(60)), None, True) for r in exact if not _plain(r)
                    ], "oo"
        except (sympy.CoercionFailed, sympy.PolynomialError, TimeLimit, NotImplementedError):
            pass
    g, slope = Enclosure(factor, x), Enclosure(_slope(factor, x), x)
    a, b = enclosing(low), enclosing(high)
    stack, reach, count = list(_boxes(a, b)), "oo", 0
    narrow: list[tuple[arb, arb]] = []
    while stack:
        lo, hi = stack.pop()
        count += 1
        if count > MOST_BOXES:
            raise _Open
        box = Interval(lo, hi)
        if g(box).sign is not None:
            continue
        if not (lo.is_finite() and hi.is_finite()):
            reach = f"2**{FAR}"
            continue
        if slope(box).sign is not None:
            narrow.append((lo, hi))
            continue
        middle = ((lo + hi) / 2).mid()
        if hi - lo < abs(middle) * arb(2) ** -40 + arb(2) ** -60:
            raise _Open
        stack += [(lo, middle), (middle, hi)]
    roots: list[Root] = []
    for lo, hi in sorted(narrow, key=lambda box: float(box[0])):
        root = _refined(factor, g, slope, x, lo, hi, low, high)
        if root is not None and not any(root.ball.overlaps(r.ball) for r in roots):
            roots.append(root)
    return roots, reach


def _slope(factor: Expr, x: Symbol) -> Expr:
    return sympy.factor_terms(derivative(factor, x))


def _plain(root: Expr) -> bool:
    return not isinstance(root, sympy.polys.rootoftools.ComplexRootOf)


def _exactly(factor: Expr, x: Symbol, point: arb) -> int | None:
    """The sign at a point, asking SymPy where it may be 0."""
    with precision(FINE_BITS):
        sign = Enclosure(factor, x)(Interval(point, point)).sign
    if sign is not None:
        return sign
    fraction = to_fraction(point)
    value = factor.subs(x, sympy.Rational(fraction.numerator, fraction.denominator))
    if value.is_zero or sympy.simplify(value) == 0:
        return 0
    return None


def _refined(
    factor: Expr,
    g: Enclosure,
    slope: Enclosure,
    x: Symbol,
    lo: arb,
    hi: arb,
    low: Expr,
    high: Expr,
) -> Root | None:
    """The one root of a monotone factor in [lo, hi] (None: no root inside), by interval Newton."""
    a, b = enclosing(low), enclosing(high)
    ends = []
    for point, limit, exact in ((lo, a.lo, low), (hi, b.hi, high)):
        if point == limit and exact.is_finite:
            value = factor.subs(x, exact)
            if value.is_zero or sympy.simplify(value) == 0:
                return None
        ends.append(_exactly(factor, x, point))
    left, right = ends
    if left == 0 or right == 0:
        at = lo if left == 0 else hi
        fraction = to_fraction(at)
        return Root(at, sympy.Rational(fraction.numerator, fraction.denominator), True)
    if left is None or right is None:
        raise _Open
    if left == right:
        return None
    with precision(FINE_BITS):
        for _ in range(80):
            middle = ((lo + hi) / 2).mid()
            around = slope(Interval(lo, hi))
            step = Interval(middle, middle) + -(g(Interval(middle, middle)) * around.inverse())
            new_lo, new_hi = max(lo, step.lo), min(hi, step.hi)
            if new_lo > new_hi:
                raise _Open
            if (new_hi - new_lo) * 2 > hi - lo:
                sign = g(Interval(middle, middle)).sign
                if sign is None or sign == 0:
                    break
                new_lo, new_hi = (middle, hi) if sign == left else (lo, middle)
            lo, hi = new_lo, new_hi
            if hi - lo < arb(2) ** -120 * (abs(hi) + 1):
                break
        return Root(lo.union(hi), None, True)


def from_slope(
    expr: Expr,
    x: Symbol,
    low: Expr,
    high: Expr,
    slope: Signs,
    at_low: arb | None,
    at_high: arb | None,
) -> Signs | None:
    """The signs of `expr` from those of its derivative: between two roots of that it is monotone.

    `at_low` and `at_high` are its limits where an end is infinite.
    """
    if 0 in slope.signs:
        return None
    ends: list[tuple[arb | None, int | None]] = []
    for end, limit in ((low, at_low), (high, at_high)):
        if end.is_infinite:
            ends.append((None, None if limit is None else _limit_sign(limit)))
        else:
            value = expr.subs(x, end)
            zero = value.is_zero or sympy.simplify(value) == 0
            ends.append((enclosing(end).ball(), 0 if zero else enclosing(value).sign))
    inner = [(r.ball, _sign_on(expr, x, r)) for r in slope.roots]
    points = [ends[0], *inner, ends[1]]
    if any(sign is None for _, sign in points):
        return None
    roots: list[Root] = []
    row: list[int] = []
    for i, ((a, left), (b, right)) in enumerate(zip(points, points[1:], strict=False)):
        rising = slope.signs[i]
        if left == 0 or right == 0:
            pieces = [rising if left == 0 else -rising]
        elif left == right:
            pieces = [left or 0]
        else:
            root = _between(expr, x, a, b, rising)
            if root is None:
                return None
            roots.append(root)
            pieces = [left or 0, right or 0]
        if i and inner[i - 1][1] == 0:
            old = slope.roots[i - 1]
            roots.append(Root(old.ball, old.exact, row[-1] != pieces[0]))
            if len(pieces) == 2:
                roots[-1], roots[-2] = roots[-2], roots[-1]
            row += pieces
        elif i:
            row += pieces[1:]
        else:
            row += pieces
    return Signs(tuple(roots), tuple(row), True, slope.reach)


def _limit_sign(limit: arb) -> int | None:
    return 0 if limit == 0 else 1 if limit > 0 else -1 if limit < 0 else None


def _sign_on(expr: Expr, x: Symbol, root: Root) -> int | None:
    with precision(FINE_BITS):
        sign = Enclosure(expr, x)(Interval(root.ball.lower(), root.ball.upper())).sign
    if sign is None and root.exact is not None:
        value = expr.subs(x, root.exact)
        return 0 if value.is_zero or sympy.simplify(value) == 0 else None
    return sign


def _between(expr: Expr, x: Symbol, a: arb | None, b: arb | None, rising: int) -> Root | None:
    """The root of a monotone expression between two points where its signs differ, bisected."""
    g = Enclosure(expr, x)
    with precision(FINE_BITS):
        lo = a.upper() if a is not None else None
        hi = b.lower() if b is not None else None
        step = arb(1)
        while lo is None or hi is None:
            at = -step if lo is None else step
            sign = g(Interval(at, at)).sign
            if sign == (-rising if lo is None else rising):
                lo, hi = (at, hi) if lo is None else (lo, at)
            step = step * 2
            if step > arb(2) ** FAR:
                return None
        for _ in range(160):
            middle = ((lo + hi) / 2).mid()
            sign = g(Interval(middle, middle)).sign
            if sign == 0:
                fraction = to_fraction(middle)
                exact = sympy.Rational(fraction.numerator, fraction.denominator)
                return Root(middle, exact, True)
            if sign is None:
                break
            lo, hi = (middle, hi) if sign == -rising else (lo, middle)
        return Root(lo.union(hi), None, True)
