"""Forms of what is rational in one exponential: split at 0, in powers, or of its square root."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import sympy
from sympy import Expr, Symbol

from . import tails
from .atoms import halves, maximum, minimum, square

Form = Callable[[Expr], "Expr | None"]
#: SymPy's combining and cancelling is tried on expressions up to this many operations.
SMALL = 80
#: exp(-FAR) is nothing beside 1, exp(-GONE) is 0, in every format; float32 holds exp(LARGEST) and
#: exp(-LARGEST), which is no subnormal number.
FAR, GONE, LARGEST = 40, sympy.Integer(2000), 86


def generators(expr: Expr) -> dict[Expr, Symbol]:
    """Opaque symbols for all that is no sum, product or power, so that algebra is fast."""
    found: dict[Expr, Symbol] = {}

    def visit(node: Expr) -> None:
        if node.is_number or isinstance(node, Symbol):
            return
        if isinstance(node, (sympy.Add, sympy.Mul)) or (
            isinstance(node, sympy.Pow) and node.exp.is_Integer
        ):
            for arg in node.args:
                visit(arg)
        elif node not in found:
            found[node] = Symbol(f"g{len(found)}", real=True)

    visit(expr)
    return found


def by_branch(form: Form) -> Form:
    """A form of what has no branches as one of the values of branches, which may not have it."""

    @functools.wraps(form)
    def apply(expr: Expr) -> Expr | None:
        if not expr.has(sympy.Piecewise):
            return form(expr)
        if not isinstance(expr, sympy.Piecewise):
            return None
        found = [(apply(value), value, cond) for value, cond in expr.args]
        return sympy.Piecewise(
            *((value if new is None else new, cond) for new, value, cond in found)
        )

    return apply


@dataclass(frozen=True)
class _OneExponential:
    """`held`, in which every exponential's symbol is exp(unit)^power; `back` is what others are."""

    held: Expr
    unit: Expr
    powers: dict[Symbol, int]
    back: dict[Symbol, Expr]

    def cancelled(self, e: Symbol, sign: int) -> Expr:
        """The same in e = exp(sign·unit), as one fraction."""
        powers = {s: e ** (sign * power) for s, power in self.powers.items()}
        return sympy.cancel(sympy.together(self.held.xreplace(powers)))


def _one(expr: Expr) -> _OneExponential | None:
    """Every exp in `expr` as a power of one; None where they are of several kinds."""
    names = generators(expr)
    exps = [e for e in names if isinstance(e, sympy.exp) and e.args[0].free_symbols]
    if not exps or expr.count_ops() > 2 * SMALL:
        return None
    unit = exps[0].args[0]
    unit = -unit if unit.could_extract_minus_sign() else unit
    ratios = {e: sympy.simplify(e.args[0] / unit) for e in exps}
    if not all(r.is_Rational for r in ratios.values()):
        return None
    whole = sympy.ilcm(1, *(r.q for r in ratios.values()))
    step = sympy.Rational(sympy.igcd(0, *(r * whole for r in ratios.values())), whole)
    powers = {names[node]: int(r / step) for node, r in ratios.items()}
    back = {s: node for node, s in names.items() if node not in ratios}
    return _OneExponential(expr.xreplace(names), unit * step, powers, back)


@by_branch
def split(expr: Expr) -> Expr | None:
    """exp(k·u), k whole, as powers of e = exp(-|u|) on each side of u = 0, fractions cancelled."""
    found = _one(expr)
    if found is None:
        return None
    e = Symbol("e", positive=True)
    sides = []
    for sign in (-1, 1):
        cancelled = found.cancelled(e, sign)
        bottom = sympy.fraction(cancelled)[1]
        if e not in cancelled.free_symbols or sympy.Poly(bottom, e).eval(0) == 0:
            return None
        nested = sympy.Mul(
            *(
                _nested(part, e) ** s
                for part, s in zip(sympy.fraction(cancelled), (1, -1), strict=True)
            )
        )
        sides.append(nested.xreplace({e: sympy.exp(-sympy.Abs(found.unit)), **found.back}))
    return sympy.Piecewise((sides[0], found.unit >= 0), (sides[1], True))


@by_branch
def powers(expr: Expr) -> Expr | None:
    """exp(k·u), k whole, as powers of one exponential, common factors taken out."""
    names = generators(expr)
    exps = [e for e in names if isinstance(e, sympy.exp) and e.args[0].free_symbols]
    if len(exps) < 2 or expr.count_ops() > SMALL:
        return None
    unit = min((e.args[0] for e in exps), key=lambda v: v.count_ops())
    ratios = {e: sympy.simplify(e.args[0] / unit) for e in exps}
    if not all(r.is_Integer for r in ratios.values()):
        return None
    e = Symbol("e", positive=True)
    held = expr.xreplace(names).xreplace({names[node]: e**r for node, r in ratios.items()})
    back = {s: node for node, s in names.items() if node not in ratios}
    return sympy.factor_terms(held).xreplace({e: sympy.exp(unit), **back})


@by_branch
def squared(expr: Expr) -> Expr | None:
    """exp(u) as the square of exp(u/2), where f decays on one side of u: one form for the line.

    Half of it is multiplied in first and half last, so that no factor is subnormal before the
    result is. On the other side u stays where nothing overflows, and so does x where f is flat.
    """
    plain = tails.definition(expr).rewrite((sympy.tanh, sympy.cosh, sympy.sinh), sympy.exp)
    found = _one(sympy.powsimp(plain))
    e = Symbol("e", positive=True)
    for sign in (1, -1) if found else ():
        assert found is not None
        above, below = sympy.fraction(found.cancelled(e, sign))
        top, bottom = sympy.Poly(above, e), sympy.Poly(below, e)
        least, least_below = (min(m[0] for m in p.monoms()) for p in (top, bottom))
        if least and not least_below and top.degree() == bottom.degree():
            value = _factored(above, e) / e**least / _factored(below, e)
            if not value.has(e):
                return None  # exp itself is right all along; XLA makes one of two roots
            end = top.LC() / bottom.LC()
            end = sympy.cancel(end) if end.free_symbols else end
            far = min(43, LARGEST // top.degree())
            gap = top.degree() - sympy.Poly(above - end * below, e).degree()
            if far * gap < FAR:
                return None
            return _Decaying(value, e, least, sign * found.unit, end, far, found.back).bounded()
    return None


@dataclass(frozen=True)
class _Decaying:
    """exp(unit)^power·value(e = exp(unit)), which on the other side is `end` from unit = far on."""

    value: Expr
    e: Symbol
    power: int
    unit: Expr
    end: Expr
    far: int
    back: dict[Symbol, Expr]

    def bounded(self) -> Expr:
        """The same with an exponent, and inputs, from which nothing overflows."""
        unit, symbols = self.unit, self.unit.free_symbols
        is_flat = not self.end.free_symbols & {*symbols, *self.back}
        gone, far = (_end(unit, bound) for bound in (-GONE, self.far))
        if gone is None or far is None:
            inside = self.at(minimum(unit, self.far), self.back)
            beyond = [(self.end, unit > self.far)] if is_flat else []
            return sympy.Piecewise((sympy.Integer(0), unit < -GONE), *beyond, (inside, True))
        [x] = symbols
        kept = (maximum if gone < 0 else minimum)(x, gone)
        within = (minimum if gone < 0 else maximum)(kept, far)
        exponent = unit.xreplace({x: within})
        if unit != unit.coeff(x) * x:
            exponent = minimum(exponent, self.far)
        return self.at(exponent, {**self.back, x: within if is_flat else kept})

    def at(self, exponent: Expr, inside: dict[Symbol, Expr]) -> Expr:
        """The product at an exponent, with what stands for other symbols."""
        x = {s: node for s, node in inside.items() if s not in self.back}
        held = {s: node.xreplace(x) for s, node in inside.items() if s in self.back}
        value = self.value.xreplace({**x, **held}).xreplace({self.e: square(exponent)})
        return halves(exponent) ** self.power * value


def _end(unit: Expr, far: Expr) -> Expr | None:
    """An x from which on `unit` lies beyond `far`: of odd polynomials that rise or fall all along.

    None of others.
    """
    symbols = unit.free_symbols
    if len(symbols) != 1 or not unit.is_polynomial(*symbols):
        return None
    poly = sympy.Poly(unit, *symbols)
    signs = {sympy.sign(c) for c in poly.coeffs()}
    if len(signs) > 1 or not all(power % 2 for (power,) in poly.monoms()):
        return None
    if poly.degree() == 1:
        far = sympy.ceiling(abs(far / poly.LC())) * sympy.sign(far)  # a whole number is exact
    at = far * signs.pop()
    return at if poly.degree() == 1 or abs(poly.eval(at)) > abs(far) else None


def _factored(expr: Expr, e: Symbol) -> Expr:
    """A polynomial in e as powers of irreducible ones, each a Horner scheme."""
    if not expr.has(e):
        return expr
    number, factors = sympy.Poly(expr, e).factor_list()
    return sympy.Mul(number, *(_nested(f.as_expr(), e) ** n for f, n in factors))


def _nested(expr: Expr, e: Symbol) -> Expr:
    """A polynomial in e as e^k times a Horner scheme: one exponential, and no cancelling order."""
    poly = sympy.Poly(expr, e)
    least = min(m[0] for m in poly.monoms())
    return e**least * sympy.horner(sympy.expand(expr / e**least), wrt=e)
