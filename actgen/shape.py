"""The shape of a curve: range, monotonicity, convexity, zeros, extrema, slope, saturation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sympy
from sympy import Expr, oo

from .intervals import precision
from .pieces import Curve, Line, Number, Piece, Segment
from .roots import FINE_BITS

PROVED, ENCLOSED, SAMPLED = "proved", "enclosed", "sampled"


@dataclass(frozen=True)
class Fact:
    """One fact: a line of text, how it is known, and its value for programs.

    `how` is "proved" (symbolically), "enclosed" (by intervals that cover the whole line, or as
    far as the text says) or "sampled" (at points only).
    """

    text: str
    how: str
    value: Any = None

    def __str__(self) -> str:
        return f"{self.text} ({self.how})"


@dataclass(frozen=True)
class Range:
    """The smallest interval that holds all values; each end attained or only approached."""

    low: Number
    high: Number
    low_attained: bool
    high_attained: bool

    def __str__(self) -> str:
        a, b = "[" if self.low_attained else "(", "]" if self.high_attained else ")"
        return f"{a}{self.low}, {self.high}{b}"


@dataclass(frozen=True)
class Stretch:
    """An interval of the line where f is, for example, increasing; `strictly` or only weakly."""

    low: Number
    high: Number
    kind: str
    strictly: bool = True
    low_closed: bool = True
    high_closed: bool = True

    def __str__(self) -> str:
        a = "(" if self.low.is_infinite or not self.low_closed else "["
        b = ")" if self.high.is_infinite or not self.high_closed else "]"
        return f"{a}{self.low}, {self.high}{b}"


@dataclass(frozen=True)
class Extremum:
    """A local minimum or maximum: a point, or an interval where f is flat."""

    low: Number
    high: Number
    value: Number
    kind: str

    def __str__(self) -> str:
        at = self.low.in_full if self.low == self.high else f"[{self.low}, {self.high}]"
        return f"{self.kind} {self.value.in_full} at {at}"


def how(line: Line | None) -> str:
    """How what follows from the signs of a level is known."""
    return SAMPLED if line is None else ENCLOSED


def _far(*lines: Line) -> str:
    far = [line.reach for line in lines if line.reach != "oo"]
    return f", for |x| up to {far[0]}" if far else ""


# Range.


def _candidates(curve: Curve, level: int, line: Line) -> Iterator[tuple[Number, bool]]:
    """Values among which the infimum and supremum of f⁽ˡᵉᵛᵉˡ⁾ are, and whether each is attained.

    `line` are the signs of the next derivative: in between its changes the level is monotone.
    """
    for segment in line.segments:
        for end in (segment.low, segment.high):
            value = curve.value(segment.piece, level, end)
            if value is None:
                raise ArithmeticError("a limit is not known")
            inside = end.exact is None or end.exact not in (segment.piece.low, segment.piece.high)
            yield value, bool(inside or segment.sign == 0)
    for _, place in curve.breaks:
        own = curve.own_value(level, place)
        if own is not None:
            yield own, True


def value_range(curve: Curve, level: int) -> Range | None:
    """The range of f (level 0) or of f′ (1); at a kink f′ counts as the formula's owner says."""
    line = curve.line(level + 1)
    if line is None:
        return None
    try:
        found = list(_candidates(curve, level, line))
    except ArithmeticError:
        return None
    low, high = found[0], found[0]
    for value, attained in found[1:]:
        low = _further(low, (value, attained), -1)
        high = _further(high, (value, attained), 1)
    return Range(low[0], high[0], low[1], high[1])


def _further(a: tuple[Number, bool], b: tuple[Number, bool], side: int) -> tuple[Number, bool]:
    if a[0] == b[0]:
        exact = a if a[0].exact is not None else b
        return exact[0], a[1] or b[1]
    return b if bool(b[0].ball > a[0].ball) == (side > 0) else a


def range_fact(curve: Curve, level: int = 0) -> Fact | None:
    """The range of f or f′."""
    found = value_range(curve, level)
    line = curve.line(level + 1)
    if found is None or line is None:
        return None
    name = "range" if level == 0 else "range of f'"
    ends = [
        f"{v} {'attained' if attained else 'not attained'}"
        for v, attained in ((found.low, found.low_attained), (found.high, found.high_attained))
        if not v.is_infinite
    ]
    text = f"{name}: {found}" + (f", {', '.join(ends)}" if ends else "") + _far(line)
    return Fact(text, ENCLOSED, found)


def lipschitz(curve: Curve) -> Fact | None:
    """sup |f′|, the smallest Lipschitz constant; oo where f jumps."""
    if jumps(curve):
        return Fact("Lipschitz constant: oo (f jumps)", PROVED, Number.of(oo))
    found, line = value_range(curve, 1), curve.line(2)
    if found is None or line is None:
        return None
    low, high = found.low.size(), found.high.size()
    best = high if high == low or bool(high.ball > low.ball) else low
    return Fact(f"Lipschitz constant: {best.in_full}{_far(line)}", ENCLOSED, best)


def jumps(curve: Curve) -> list[Expr]:
    """The points at which f is discontinuous at the defaults."""
    return [place for i, (_, place) in enumerate(curve.breaks) if _step(curve, i, 0) != 0]


def _step(curve: Curve, i: int, level: int) -> int:
    """The sign of the jump of f⁽ˡᵉᵛᵉˡ⁾ at the i-th break."""
    place = curve.breaks[i][1]
    left, right = (
        curve.value(p, level, Number.of(place)) for p in (curve.pieces[i], curve.pieces[i + 1])
    )
    if left is None or right is None:
        raise ArithmeticError("a one-sided limit is not known")
    with precision(FINE_BITS):
        step = right.ball - left.ball
    return 1 if step > 0 else -1 if step < 0 else 0


# Monotonicity and convexity.


def _stretches(curve: Curve, line: Line, level: int, sign: int, kind: str) -> Iterator[Stretch]:
    """Maximal intervals where the signs are `sign` or 0 and f⁽ˡᵉᵛᵉˡ⁻¹⁾ does not jump back."""
    run: list[Segment] = []

    def ended() -> Iterator[Stretch]:
        steps = [a.piece is not b.piece and _jump(curve, a, b) for a, b in zip(run, run[1:])]
        if any(s.sign for s in run) or any(steps):
            yield _stretch(curve, run, kind, all(s.sign for s in run))

    for segment in line.segments:
        fits = segment.sign in (0, sign)
        joins = not run or _joins(curve, run[-1], segment, level, sign)
        if not (fits and joins):
            yield from ended()
            run = []
        if fits:
            run.append(segment)
    yield from ended()


def _jump(curve: Curve, a: Segment, b: Segment) -> bool:
    return _step(curve, curve.pieces.index(a.piece), 0) != 0


def _stretch(curve: Curve, run: list[Segment], kind: str, strictly: bool = True) -> Stretch:
    """From the first to the last segment; an end is left out where f is not continuous there."""
    low, high = run[0], run[-1]
    return Stretch(
        low.low,
        high.high,
        kind,
        strictly,
        _holds_end(curve, low.piece, low.low),
        _holds_end(curve, high.piece, high.high),
    )


def _holds_end(curve: Curve, piece: Piece, end: Number) -> bool:
    """Whether the value of f at an end of a piece is what the piece tends to."""
    if end.is_infinite or end.exact not in (piece.low, piece.high):
        return True
    own = curve.own_value(0, end.exact)
    return own is not None and own == curve.value(piece, 0, end)


def _joins(curve: Curve, a: Segment, b: Segment, level: int, sign: int) -> bool:
    if a.piece is b.piece:
        return True
    i = curve.pieces.index(a.piece)
    steps = [_step(curve, i, k) for k in range(level)]
    if level == 1 and steps[0]:
        # The value at the jump itself must lie between those on either side.
        at = Number.of(curve.breaks[i][1])
        own = curve.own_value(0, curve.breaks[i][1])
        sides = [curve.value(s.piece, 0, at) for s in (a, b)]
        if own is None or None in sides:
            return False
        if not any(own == v for v in sides):
            left, right = (v.ball for v in sides if v is not None)
            if not (left < own.ball < right or right < own.ball < left):
                return False
    return steps[-1] in (0, sign) and not any(steps[:-1])


def _flat(curve: Curve, line: Line) -> Iterator[Stretch]:
    for segment in line.segments:
        if segment.sign == 0:
            yield _stretch(curve, [segment], "constant")


def monotonicity(curve: Curve) -> Fact | None:
    """Where f rises, falls and is constant."""
    line = curve.line(1)
    if line is None:
        return None
    rises = list(_stretches(curve, line, 1, 1, "increasing"))
    falls = list(_stretches(curve, line, 1, -1, "decreasing"))
    flat = list(_flat(curve, line))
    parts = []
    for s in sorted([*rises, *falls], key=lambda s: float(s.low)):
        weak = "" if s.strictly else "weakly "
        where = "everywhere" if _whole(s) else f"on {s}"
        parts.append(f"{weak}{s.kind} {where}")
    parts += [f"constant on {s}" for s in flat]
    return Fact(f"monotonicity: {', '.join(parts)}{_far(line)}", ENCLOSED, (*rises, *falls, *flat))


def _whole(s: Stretch) -> bool:
    return s.low.is_infinite and s.high.is_infinite


def convexity(curve: Curve) -> Fact | None:
    """Where f is convex and where concave; a straight piece belongs to both."""
    line = curve.line(2)
    if line is None:
        return None
    found = [
        *_bends(curve, line, 1, "convex"),
        *_bends(curve, line, -1, "concave"),
    ]
    parts = [
        f"{s.kind} {'everywhere' if _whole(s) else f'on {s}'}"
        for s in sorted(found, key=lambda s: float(s.low))
    ]
    return Fact(f"convexity: {', '.join(parts) or 'none'}{_far(line)}", ENCLOSED, tuple(found))


def _bends(curve: Curve, line: Line, sign: int, kind: str) -> Iterator[Stretch]:
    """As _stretches; a run of straight pieces counts if it has a kink the right way."""
    runs: list[list[Segment]] = [[]]
    for segment in line.segments:
        fits = segment.sign in (0, sign)
        if not fits or (runs[-1] and not _joins(curve, runs[-1][-1], segment, 2, sign)):
            runs.append([])
        if fits:
            runs[-1].append(segment)
    for run in runs:
        if not run:
            continue
        bent = any(s.sign for s in run)
        kinked = any(
            a.piece is not b.piece and _step(curve, curve.pieces.index(a.piece), 1)
            for a, b in zip(run, run[1:], strict=False)
        )
        if bent or kinked or len(line.segments) == 1:
            yield _stretch(curve, run, kind, not any(s.sign == 0 for s in run))


def invertible(curve: Curve) -> Fact | None:
    """Whether f is one-to-one: strictly monotone all along."""
    found = monotonicity(curve)
    line = curve.line(1)
    if found is None or line is None:
        return None
    whole = [s for s in found.value if s.kind != "constant" and _whole(s) and s.strictly]
    if whole and not jumps(curve):
        text = f"invertible: strictly {whole[0].kind} onto its range"
    else:
        flat = any(s.kind == "constant" for s in found.value)
        text = "not invertible: " + ("constant on an interval" if flat else "not monotone")
        if whole:
            text = f"one-to-one: strictly {whole[0].kind}, with jumps"
    return Fact(text + _far(line), ENCLOSED, bool(whole))


# Zeros and extrema.


def zeros(curve: Curve) -> Fact | None:
    """Where f is 0: points and intervals."""
    line = curve.line(0)
    if line is None:
        return None
    found: list[Stretch] = []
    for s in line.segments:
        if s.sign == 0:
            found.append(_stretch(curve, [s], "zero"))
    points = [a.high for a, b in zip(line.segments, line.segments[1:]) if a.piece is b.piece]
    for _, place in curve.breaks:
        own = curve.own_value(0, place)
        if own is not None and own.ball == 0:
            points.append(Number.of(place))
    for p in points:
        if not any((s.low == p and s.low_closed) or (s.high == p and s.high_closed) for s in found):
            found.append(Stretch(p, p, "zero"))
    found.sort(key=lambda s: float(s.low))
    texts = [f"x = {s.low}" if s.low == s.high else str(s) for s in found]
    return Fact(f"zeros: {', '.join(texts) or 'none'}{_far(line)}", ENCLOSED, tuple(found))


def extrema(curve: Curve, level: int = 0) -> Fact | None:
    """The local minima and maxima of f (or of f′)."""
    line = curve.line(level + 1)
    if line is None:
        return None
    found: list[Extremum] = []
    last: Segment | None = None
    flat: list[Segment] = []
    for s in line.segments:
        gap = last is not None and (flat or [last])[-1].piece is not s.piece
        before = (flat or [last])[-1] if last is not None else None
        if gap and before is not None and _breaks(curve, before, s, level):
            last, flat = None, []
        if s.sign == 0:
            flat.append(s)
            continue
        if last is not None and last.sign != s.sign:
            low, high = (flat[0].low, flat[-1].high) if flat else (s.low, s.low)
            value = curve.value(s.piece, level, s.low)
            if value is not None:
                found.append(Extremum(low, high, value, "minimum" if s.sign > 0 else "maximum"))
        last, flat = s, []
    name = "extrema" if level == 0 else "extrema of f'"
    text = f"{name}: {', '.join(map(str, found)) or 'none'}{_far(line)}"
    return Fact(text, ENCLOSED, tuple(found))


def _breaks(curve: Curve, a: Segment, b: Segment, level: int) -> bool:
    return _step(curve, curve.pieces.index(a.piece), level) != 0


def readable(expr: Expr) -> Expr:
    """The expression with long rationals as decimals."""
    big = {r: sympy.Float(r, 15) for r in expr.atoms(sympy.Rational) if r.q >= 10**5}
    return expr.xreplace(big)
