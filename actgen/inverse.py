"""f′ written in f, where that can be done: derived by elimination and proved by cancelling.

On a smooth piece f (or exp, tan of it) is a rational function R of E = exp(k·x) or of x, and so is
f′. A resultant removes E; a factor linear in f′ gives f′ = D(f), which is kept only if
D(R) - R′ cancels to 0. Which piece x lies in must be told from f itself: f is monotone, so by
comparing f with its values at the breaks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sympy
from sympy import Expr, Symbol

from .calculus import derivative
from .emit import text
from .forms import quietly, rational
from .pieces import Curve, Piece
from .shape import ENCLOSED, PROVED, Extremum, Fact, extrema, jumps, monotonicity, readable

#: The symbol that stands for the output in formulas of f′.
F = Symbol("f", real=True)
_D, _G = Symbol("D", real=True), Symbol("G", real=True)

#: f = φ(g): φ⁻¹ and φ′(g) for outer functions whose derivative is rational.
_OUTER: dict[type, tuple[Callable[[Expr], Expr], Callable[[Expr], Expr]]] = {
    sympy.log: (sympy.exp, lambda g: 1 / g),
    sympy.atan: (sympy.tan, lambda g: 1 / (1 + g**2)),
}


@dataclass(frozen=True)
class SlopeFromOutput:
    """f′ as an expression of F (the symbol `f`, the output) and the parameters.

    `formula` is a Piecewise over comparisons of `f` where f has pieces. It holds for parameters
    that satisfy `requires`, at every x but those in `exceptions`, where f alone does not tell
    which branch owns the kink.
    """

    formula: Expr
    requires: Expr
    exceptions: tuple[Expr, ...] = ()


def derivative_in_f(curve: Curve) -> Fact | None:
    """f′ in f with its formula; that it cannot be, where f turns back; None if not known."""
    turning = extrema(curve)
    if turning is not None and turning.value:
        at: Extremum = turning.value[0]
        why = f"f takes the same values, rising and falling, on either side of x = {at.low}"
        return Fact(f"f' is no function of f: {why}", ENCLOSED, None)
    found = _slope(curve)
    if found is None:
        return None
    line = f"f' from f: {text(readable(found.formula))}"
    if found.requires != True:  # noqa: E712 (SymPy's true)
        line += f", for {_words(found.requires)}"
    if found.exceptions:
        line += f", except at x = {', '.join(map(str, found.exceptions))}"
    return Fact(line, PROVED, found)


def _words(condition: Expr) -> str:
    parts = condition.args if isinstance(condition, sympy.And) else (condition,)
    return " and ".join(
        f"{c.lhs} = {c.rhs}" if isinstance(c, sympy.Eq) else str(c) for c in sorted(parts, key=str)
    )


def _slope(curve: Curve) -> SlopeFromOutput | None:
    slopes = [quietly(of_piece, p.expr, curve.x, seconds=2.0) for p in curve.pieces]
    known = [s for s in slopes if s is not None]
    if len(known) < len(slopes):
        return None
    if all(s == known[0] for s in known):
        # One formula for all pieces; what the formula says at the breaks themselves may differ.
        return SlopeFromOutput(
            known[0], _fixed(curve) if curve.breaks else sympy.true, _wrong_at(curve, known)
        )
    rises = monotonicity(curve)
    if rises is None or jumps(curve):
        return None
    whole = [s for s in rises.value if s.low.is_infinite and s.high.is_infinite]
    if len(whole) != 1 or whole[0].kind == "constant":
        return None
    return _joined(curve, known, whole[0].kind == "increasing")


def _wrong_at(curve: Curve, slopes: list[Expr]) -> tuple[Expr, ...]:
    wrong = []
    for symbolic, place in curve.breaks:
        own, value = curve.own_value(1, place), curve.own_value(0, place)
        if own is None or value is None:
            wrong.append(symbolic)
            continue
        told = slopes[0].subs(F, value.exact).subs(curve.values)
        if sympy.simplify(told - own.exact) != 0:
            wrong.append(symbolic)
    return tuple(wrong)


def _joined(curve: Curve, slopes: list[Expr], rising: bool) -> SlopeFromOutput | None:
    """One formula from those of the pieces, f compared with its values at the breaks."""
    requires = [_condition(curve, piece, rising) for piece in curve.pieces]
    branches: list[tuple[Expr, Expr]] = []
    exceptions: list[Expr] = []
    for i, (symbolic, place) in enumerate(curve.breaks):
        left, right = (p.expr.subs(curve.x, symbolic) for p in curve.pieces[i : i + 2])
        if sympy.simplify(left - right) != 0:
            requires.append(sympy.Eq(left, right))
        if i and symbolic.free_symbols | curve.breaks[i - 1][0].free_symbols:
            requires.append(sympy.Lt(curve.breaks[i - 1][0], symbolic))
        value = sympy.simplify(left)
        own = curve.own_value(1, place)
        if own is None:
            return None
        ties = [
            sympy.simplify((s.subs(F, value).subs(curve.values)) - own.exact) == 0
            for s in slopes[i : i + 2]
        ]
        flat = [curve.x not in p.levels[0].free_symbols for p in curve.pieces[i : i + 2]]
        if any(flat):
            # Every x of the flat piece has the value of the break: the tie is its.
            tie_right = flat[1]
            if not ties[1 if tie_right else 0]:
                exceptions.append(symbolic)
        else:
            tie_right = ties[1] and not ties[0]
            if not any(ties):
                exceptions.append(symbolic)
        relations = (sympy.Ge, sympy.Gt) if rising else (sympy.Le, sympy.Lt)
        branches.append((slopes[i + 1], relations[0 if tie_right else 1](F, value)))
    formula = sympy.Piecewise(*reversed(branches), (slopes[0], True))
    needed = sympy.And(*requires)
    if not any(v.is_infinite for v in curve.values.values()):
        shorter = quietly(sympy.simplify, needed)
        needed = needed if shorter is None else shorter
    return SlopeFromOutput(formula, needed, tuple(exceptions))


def _fixed(curve: Curve) -> Expr:
    """Every parameter at its default; true if there is none."""
    # An equation of a real symbol with oo would be false at once.
    return sympy.And(*(sympy.Eq(s, v, evaluate=not v.is_infinite) for s, v in curve.values.items()))


def _condition(curve: Curve, piece: Piece, rising: bool) -> Expr:
    """Conditions on parameters under which the piece is monotone as it is at the defaults."""
    if any(v.is_infinite for v in curve.values.values()):
        return _fixed(curve)
    slope = quietly(lambda: sympy.factor(derivative(piece.expr, curve.x)))
    if slope is None:
        return _fixed(curve)
    if slope == 0:
        return sympy.true
    sign: Expr = sympy.Integer(1 if rising else -1)
    more = sympy.true
    for factor in sympy.Mul.make_args(slope):
        if isinstance(factor, sympy.exp):
            bottom = sympy.denom(sympy.together(factor.args[0]))
            more = more & sympy.Ne(bottom, 0) if bottom.free_symbols else more
        elif not factor.is_positive:
            if curve.x in factor.free_symbols and not _is_positive(factor, curve, piece):
                return _fixed(curve)
            sign = sign if curve.x in factor.free_symbols else sign * factor
    return more & sympy.Gt(sign, 0) if sign.free_symbols or sign.is_positive else _fixed(curve)


def _is_positive(factor: Expr, curve: Curve, piece: Piece) -> bool:
    """Whether an x-dependent factor without parameters is positive all over the piece."""
    if factor.free_symbols != {curve.x} or piece.expr.free_symbols - {curve.x}:
        return False
    found = derivative(piece.expr, curve.x)
    return _sign(curve, piece) > 0 and found != 0


def _sign(curve: Curve, piece: Piece) -> int:
    """The sign of f′ in the piece, 0 where it has several."""
    signs = curve.signs(piece, 1)
    return signs.signs[0] if signs.known and not signs.roots else 0


def of_piece(expr: Expr, x: Symbol) -> Expr | None:
    """f′ in F for one smooth expression, symbolic in its parameters; None if none is found."""
    slope = sympy.simplify(derivative(expr, x))
    if x not in slope.free_symbols:
        return slope
    found = _eliminated(expr, None, x)
    if found is not None:
        return sympy.simplify(found.subs(_G, F))
    shift, rest = expr.as_independent(x, as_Add=True)
    scale, core = rest.as_independent(x, as_Add=False)
    if type(core) not in _OUTER:
        return None
    inverse, outer = _OUTER[type(core)]
    found = _eliminated(core.args[0], lambda g: scale * outer(g), x)
    if found is None:
        return None
    return sympy.simplify(sympy.expand(found.subs(_G, inverse((F - shift) / scale))))


def _eliminated(inner: Expr, outer: Callable[[Expr], Expr] | None, x: Symbol) -> Expr | None:
    """D(G) with outer(g)·g′ = D(g) for g = `inner`, a rational function of one exponential or x."""
    form = rational(inner, x)
    if form is None:
        return None
    symbols = [s for s in form.value.free_symbols if s.name == "E"]
    if symbols and x in form.value.free_symbols:
        return None
    if symbols:
        t = symbols[0]
        rate = sympy.diff(form.exponent, x)
        if x in rate.free_symbols:
            return None
        slope = sympy.diff(form.value, t) * rate * t
    else:
        t, slope = x, sympy.diff(form.value, x)
    if outer is not None:
        slope = outer(form.value) * slope
    slope = sympy.cancel(sympy.together(slope))
    (p, q), (a, b) = sympy.fraction(form.value), sympy.fraction(slope)
    relation = sympy.resultant(_G * q - p, _D * b - a, t)
    for factor, _ in sympy.factor_list(relation)[1]:
        if sympy.degree(factor, _D) == 1:
            found = sympy.solve(factor, _D)[0]
            # The proof: the identity cancels to 0 in t.
            if sympy.cancel(sympy.together(found.subs(_G, form.value) - slope)) == 0:
                return sympy.factor(found)
    return None


__all__ = ["F", "SlopeFromOutput", "derivative_in_f", "of_piece"]
