"""Whether two formulas are equal: everywhere, up to points, under a condition, or nowhere.

Equality is proved cell by cell (`cells`, `zero`); a difference is two balls that do not meet at an
exact input. What is neither is told as unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sympy
from flint import arb
from sympy import Expr, Symbol

from .. import lang
from ..errors import InternalError
from ..intervals import precision
from ..limits import TimeLimit, time_limit
from ..oracle import Oracle, Undecided, exact_row_balls, number
from .cells import NoCells, arrange, ascending, between, holds_at, resolve, sign_of
from .zero import numerator, proves_zero

BITS = 200
#: Rational inputs at which two formulas are compared, the plainest first.
INPUTS = tuple(
    sympy.Rational(v)
    for v in "1 -1 2 -2 1/2 -1/2 3 -3 0 5 -5 1/10 -1/10 10 -10 7/3 -7/3 20 -20 100 -100".split()
)
#: Values for parameters that are not in any border.
GENERIC = tuple(sympy.Rational(v) for v in "3/2 2/3 5/4 7/5 11/8 13/7".split())
#: Values that may make two formulas equal where a symbol has no fixed value.
SPECIAL = tuple(sympy.Rational(v) for v in "1 0 -1 2 1/2 -2".split())


@dataclass(frozen=True)
class Witness:
    """An exact point at which two sides differ, and both values there."""

    point: Mapping[Symbol, Expr]
    left: str
    right: str

    def __str__(self) -> str:
        at = ", ".join(f"{s} = {v}" for s, v in self.point.items()) or "any x"
        if self.right.startswith("the "):
            return f"at {at}: {self.left}, {self.right}"
        return f"at {at}: left {self.left}, right {self.right}"


@dataclass(frozen=True)
class Comparison:
    """`outcome`: equal, points (equal but at `points`), condition, differs or unknown."""

    outcome: str
    how: str = ""
    condition: Any = None
    points: tuple[Expr, ...] = ()
    witness: Witness | None = None


@dataclass
class _Cell:
    """What is known of one open cell or point of x."""

    x: Expr
    is_point: bool
    equal: bool | None
    witness: Witness | None = None


def value(expr: Expr, point: Mapping[Symbol, Expr]) -> arb | None:
    """The value at an exact point as a ball, ±oo too; None where there is none."""
    try:
        found = resolve(expr, point)
        if found is sympy.nan:
            return None
        found = found.subs(point)
        if found in (sympy.oo, -sympy.oo):
            return number(found)
        if found.free_symbols or found.has(sympy.zoo, sympy.nan, sympy.I):
            return None
        with precision(BITS):
            ball = Oracle(found, ()).exact([], 60)
        return ball if ball.is_finite() else None
    except (NoCells, Undecided, KeyError, TypeError, ValueError, InternalError, ZeroDivisionError):
        return None


def shown(ball: arb) -> str:
    """A value to twelve digits."""
    with precision(BITS):
        text = str(ball.str(12, radius=False))
    digits, e, exponent = text.partition("e")
    return (digits.rstrip("0").rstrip(".") if "." in digits else digits) + e + exponent


def witness(left: Expr, right: Expr, point: Mapping[Symbol, Expr]) -> Witness | None:
    """A certified difference at the point, if there is one."""
    a, b = value(left, point), value(right, point)
    if a is None or b is None or not (a.is_finite() and b.is_finite()):
        return None
    with precision(BITS):
        if a.overlaps(b):
            return None
    free = left.free_symbols | right.free_symbols
    return Witness({s: v for s, v in point.items() if s in free}, shown(a), shown(b))


def compare(
    left: Expr, right: Expr, assume: Sequence[Any] = (), x: Symbol = lang.x, seconds: float = 6.0
) -> Comparison:
    """Whether two formulas of `x` and parameters are equal wherever the assumptions hold."""
    if left.has(lang.RowSum, lang.RowMax) or right.has(lang.RowSum, lang.RowMax):
        return _compare_rows(left, right)
    if left == right:
        return Comparison("equal", "the same expression")
    try:
        with time_limit(seconds):
            return _compare(left, right, tuple(assume), x)
    except TimeLimit:
        return _sampled(left, right, assume, x, "the proof took too long")
    except (NoCells, sympy.PolynomialError, NotImplementedError, RecursionError) as why:
        return _sampled(left, right, assume, x, str(why) or "branches meet where no root is exact")


def _compare(left: Expr, right: Expr, assume: tuple[Any, ...], x: Symbol) -> Comparison:
    arrangement = arrange([left, right, *assume], x)
    parameters = sorted(arrangement.parameters, key=str)
    if len(parameters) > 1:
        raise NoCells(f"where branches meet depends on {', '.join(map(str, parameters))}")
    if not parameters:
        cells = list(_cells(left, right, arrangement.roots, {}, assume, x))
        return _told(cells)
    p = parameters[0]
    edges = arrangement.critical(p)
    found: list[tuple[Any, list[_Cell]]] = []
    for i, at in enumerate(between(edges)):
        low = edges[i - 1] if i else -sympy.oo
        high = edges[i] if i < len(edges) else sympy.oo
        where = sympy.Interval.open(low, high)
        found.append((where, list(_cells(left, right, arrangement.roots, {p: at}, assume, x))))
    for edge in edges:
        a, b = left.subs(p, edge), right.subs(p, edge)
        if a.has(sympy.zoo, sympy.nan) or b.has(sympy.zoo, sympy.nan):
            continue
        rest = [c.subs(p, edge) if hasattr(c, "subs") else c for c in assume]
        if any(c == False for c in rest):  # noqa: E712 (SymPy's false)
            continue
        roots = arrange([a, b, *rest], x).roots
        found.append((sympy.FiniteSet(edge), list(_cells(a, b, roots, {}, rest, x, {p: edge}))))
    return _told_by_parameter(p, [(where, cells) for where, cells in found if cells])


def _cells(
    left: Expr,
    right: Expr,
    roots: Sequence[Expr],
    sample: Mapping[Symbol, Expr],
    assume: Sequence[Any],
    x: Symbol,
    fixed: Mapping[Symbol, Expr] | None = None,
) -> Iterator[_Cell]:
    """Each cell of x at one sample of the parameter, decided for all of the parameter's cell."""
    places: dict[Expr, Expr] = {}
    for root in roots:
        at = sympy.simplify(root.subs(sample))
        if at.is_finite and at.is_real and not any(sign_of(at - q) == 0 for q in places):
            places[at] = root
    ordered = ascending(places)
    for at in between(ordered):
        point = {**sample, x: at}
        if all(holds_at(c, point) for c in assume):
            yield _decided(left, right, point, x, None, fixed or {})
    for at in ordered:
        point = {**sample, x: at}
        if all(holds_at(c, point) for c in assume):
            yield _decided(left, right, point, x, places[at], fixed or {})


def _decided(
    left: Expr,
    right: Expr,
    point: Mapping[Symbol, Expr],
    x: Symbol,
    at: Expr | None,
    fixed: Mapping[Symbol, Expr],
) -> _Cell:
    a, b = resolve(left, point), resolve(right, point)
    if a is sympy.nan or b is sympy.nan:
        # At a point where one side says nothing the other is free to.
        same = True if a is b else False if at is not None else None
        return _Cell(point[x] if at is None else at, at is not None, same)
    if at is not None:
        a, b = a.subs(x, at), b.subs(x, at)
        if a.has(sympy.zoo, sympy.nan) or b.has(sympy.zoo, sympy.nan):
            return _Cell(at, True, None)
    if proves_zero(a - b, x):
        return _Cell(point[x] if at is None else at, at is not None, True)
    free = sorted((a - b).free_symbols - set(point), key=str)
    for shift in range(3):
        generic = {s: GENERIC[(i + shift) % len(GENERIC)] for i, s in enumerate(free)}
        for here in _inside(left, right, point, x, at):
            seen = witness(left, right, {**here, **generic, **fixed})
            if seen is None:
                seen = witness(a, b, {**here, **generic})
            if seen is not None:
                seen = Witness({**fixed, **seen.point}, seen.left, seen.right)
                return _Cell(point[x] if at is None else at, at is not None, False, seen)
    return _Cell(point[x] if at is None else at, at is not None, None)


def _inside(
    left: Expr, right: Expr, point: Mapping[Symbol, Expr], x: Symbol, at: Expr | None
) -> Iterator[Mapping[Symbol, Expr]]:
    """The sample of a cell, and other inputs that take the same branches."""
    if at is None:
        for other in INPUTS:
            here = {**point, x: other}
            if resolve(left, here) == resolve(left, point) and resolve(right, here) == resolve(
                right, point
            ):
                yield here
    yield point


def _told(cells: list[_Cell]) -> Comparison:
    """The outcome where no parameter decides on branches."""
    wide = [c for c in cells if not c.is_point]
    points = [c for c in cells if c.is_point]
    wrong = [c for c in wide if c.equal is False] or [c for c in points if c.equal is False]
    if not cells:
        return Comparison("unknown", "nothing is claimed anywhere")
    if any(c.equal is False for c in wide or points):
        best = min(wrong, key=lambda c: _size(c.witness))
        return Comparison("differs", witness=best.witness)
    if any(c.equal is None for c in wide):
        return Comparison("unknown", "no difference was found, and no proof")
    if wrong:
        seen = next((c.witness for c in wrong if c.witness), None)
        return Comparison("points", _how(cells), points=tuple(c.x for c in wrong), witness=seen)
    if any(c.equal is None for c in points):
        return Comparison("unknown", "proved but where branches meet")
    return Comparison("equal", _how(cells))


def _size(found: Witness | None) -> float:
    if found is None:
        return 1e9
    return float(sum(v.p**2 + v.q**2 for v in found.point.values() if v.is_Rational))


def _how(cells: list[_Cell]) -> str:
    wide = sum(not c.is_point for c in cells)
    if wide <= 1:
        return "the difference simplifies to 0"
    return f"the difference simplifies to 0 on each of {wide} intervals and where they meet"


def _told_by_parameter(p: Symbol, found: list[tuple[Any, list[_Cell]]]) -> Comparison:
    told = [(where, _told(cells)) for where, cells in found]
    good = [where for where, c in told if c.outcome in ("equal", "points")]
    bad = [(where, c) for where, c in told if c.outcome == "differs"]
    open_ = [c for _, c in told if c.outcome == "unknown"]
    points = dict.fromkeys(q for _, c in told for q in c.points)
    if open_:
        how = f"for some {p} it differs, for others there is no proof" if bad else open_[0].how
        return Comparison("unknown", how, witness=bad[0][1].witness if bad else None)
    if not bad:
        seen = next((c.witness for _, c in told if c.witness), None)
        how = f"proved for every {p}, cell by cell"
        return Comparison("points" if points else "equal", how, points=tuple(points), witness=seen)
    first = min((c.witness for _, c in bad), key=_size)
    if not good:
        return Comparison("differs", witness=first)
    where = sympy.Union(*good)
    return Comparison(
        "condition", "proved cell by cell", _as_condition(where, p), tuple(points), first
    )


def _as_condition(where: Any, p: Symbol) -> Any:
    condition = where.as_relational(p)
    bounds = [c for c in sympy.And.make_args(condition) if not c.has(sympy.oo)]
    return sympy.And(*bounds)


def _sampled(left: Expr, right: Expr, assume: Sequence[Any], x: Symbol, why: str) -> Comparison:
    """Without cells: a difference at some point, or nothing known."""
    free = sorted((left.free_symbols | right.free_symbols) - {x}, key=str)
    first = None
    differs: set[int] = set()
    for shift in range(3):
        generic = {s: GENERIC[(i + shift) % len(GENERIC)] for i, s in enumerate(free)}
        for at in INPUTS:
            point = {x: at, **generic}
            try:
                if not all(holds_at(c, point) for c in assume):
                    continue
            except NoCells:
                continue
            seen = witness(left, right, point)
            if seen is not None:
                first = first or seen
                differs.add(shift)
                break
    if len(differs) == 3:
        return Comparison("differs", witness=first)
    if first is not None:
        return Comparison("unknown", f"it depends on the parameters ({why})", witness=first)
    if proves_zero(left - right, x):
        return Comparison("equal", "the difference simplifies to 0")
    return Comparison("unknown", f"no difference was found, and no proof: {why}")


# Rows.

ROWS = ((1, 2, 3), (-1, 0, 2, "1/2"), (5, 5, -4), ("1/3", -2))


def _compare_rows(left: Expr, right: Expr) -> Comparison:
    try:
        if proves_zero(left - right):
            return Comparison("equal", "the difference simplifies to 0, the row's sums as symbols")
        with time_limit(5.0):
            for row in ROWS:
                entries = [number(sympy.Rational(v)) for v in row]
                a, b = (
                    exact_row_balls(side, {lang.x: entries}, 60)
                    if side.has(lang.x)
                    else [number(side)]
                    for side in (left, right)
                )
                for i, (u, v) in enumerate(zip(a * len(b), b * len(a), strict=False)):
                    if not u.overlaps(v):
                        at = {sympy.Symbol("x"): sympy.Tuple(*map(sympy.Rational, row))}
                        return Comparison(
                            "differs", f"entry {i + 1}", witness=Witness(at, shown(u), shown(v))
                        )
    except (TimeLimit, Undecided, KeyError, ValueError, InternalError):
        pass
    return Comparison("unknown", "no difference was found on rows, and no proof")


# Values of symbols that would make two sides equal.


def solve(
    left: Expr, right: Expr, unknown: Sequence[Symbol], assume: Sequence[Any] = ()
) -> tuple[dict[Symbol, Expr], Comparison] | None:
    """Values of one or two symbols with which the two sides are equal (or equal up to points)."""
    for values in _candidates(left, right, unknown):
        a, b = left.subs(values), right.subs(values)
        if a.has(sympy.zoo, sympy.nan) or b.has(sympy.zoo, sympy.nan):
            continue
        found = compare(a, b, assume, seconds=4.0)
        if found.outcome in ("equal", "points"):
            return values, found
    return None


def _candidates(left: Expr, right: Expr, unknown: Sequence[Symbol]) -> Iterator[dict[Symbol, Expr]]:
    try:
        with time_limit(4.0):
            yield from _solutions(left, right, unknown)
    except (TimeLimit, NoCells, NotImplementedError, sympy.PolynomialError, ValueError, TypeError):
        pass
    if len(unknown) == 1:
        yield from ({unknown[0]: v} for v in SPECIAL)


def _solutions(left: Expr, right: Expr, unknown: Sequence[Symbol]) -> list[dict[Symbol, Expr]]:
    """Solutions of the coefficients' equations on each cell of x."""
    equations: list[Expr] = []
    roots = arrange([left, right], lang.x).roots
    if any(r.free_symbols for r in roots):
        return []
    for at in between(ascending(roots)):
        point = {lang.x: at}
        top = numerator(resolve(left, point) - resolve(right, point))
        if top == 0:
            continue
        generators = sorted(top.free_symbols - set(unknown), key=str)
        equations += sympy.Poly(top, *generators).coeffs() if generators else [top]
    if not equations:
        return []
    found = sympy.solve(equations, list(unknown), dict=True)
    return [s for s in found if all(v.is_real and not v.free_symbols for v in s.values())]
