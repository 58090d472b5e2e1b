"""Forms of an expression from which its sign can be read: products of simple factors.

Two kinds. Most activations are rational in x and E = exp(q(x)); over a common denominator the
leading term in E decides each tail, where the formula as written subtracts nearly equal numbers.
Others are factored as polynomials in their functions (erf, log, …).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sympy
from flint import arb
from sympy import Expr, Integer, Symbol, exp

from .atoms import expasinh, hypot1
from .errors import InternalError
from .intervals import precision
from .limits import TimeLimit, time_limit
from .oracle import Undecided, number
from .tails import definition
from .variants import lift

SECONDS = 1.0
_E = Symbol("E", positive=True)
_HYPERBOLIC = {
    sympy.tanh: lambda w: (w - 1 / w) / (w + 1 / w),
    sympy.sinh: lambda w: (w - 1 / w) / 2,
    sympy.cosh: lambda w: (w + 1 / w) / 2,
}


@dataclass(frozen=True)
class Rational:
    """`expr` = value.subs(E, exp(exponent)), rational in x and E (and numbers)."""

    value: Expr
    exponent: Expr
    x: Symbol


def as_exponentials(expr: Expr) -> Expr:
    """Atoms and hyperbolic functions written out in exp."""
    expr = definition(expr)
    for function, form in _HYPERBOLIC.items():
        expr = expr.replace(function, lambda v, form=form: form(exp(v)))
    return expr


def _exponents(expr: Expr, x: Symbol) -> tuple[Expr, dict[Expr, Integer]] | None:
    """q and, for every exp(r·q) in `expr`, the integer r; None if there is no common q."""
    found: dict[Expr, Expr] = {}
    base = None
    for node in sorted(expr.atoms(exp), key=str):
        if x not in node.free_symbols:
            continue
        inner = sympy.expand(node.args[0])
        if not inner.is_polynomial(x) or inner.subs(x, 0) != 0:
            return None
        base = inner if base is None else base
        ratio = sympy.simplify(inner / base) if inner != base else Integer(1)
        if not ratio.is_Rational:
            return None
        found[node] = ratio
    if base is None:
        return sympy.Integer(0), {}
    unit = sympy.gcd_list(list(found.values()))
    if base.could_extract_minus_sign():
        unit = -unit
    return unit * base, {node: ratio / unit for node, ratio in found.items()}


@functools.lru_cache(maxsize=256)
def rational(expr: Expr, x: Symbol) -> Rational | None:
    """`expr` as a rational function of x and one exponential, if it is one."""
    try:
        with time_limit(SECONDS):
            written = as_exponentials(expr)
            found = _exponents(written, x)
            if found is None:
                return None
            q, powers = found
            value = written.xreplace({node: _E**n for node, n in powers.items()})
            if not value.is_rational_function(x, _E):
                return None
            return Rational(sympy.cancel(sympy.together(value)), q, x)
    except (TimeLimit, sympy.PolynomialError, NotImplementedError, ValueError, TypeError):
        return None


@dataclass(frozen=True)
class Product:
    """sign(expr) = sign · Π sign(factor)^power, the factors without those known to be positive."""

    sign: int
    factors: tuple[tuple[Expr, int], ...]


def _opaque(expr: Expr) -> tuple[Expr, dict[Symbol, Expr]]:
    """`expr` with a symbol for every part that is no sum, product, power or rational."""
    found: dict[Expr, Symbol] = {}

    def visit(node: Expr) -> Expr:
        if node.is_Rational or isinstance(node, Symbol):
            return node
        whole = isinstance(node, sympy.Pow) and node.exp.is_Integer
        if isinstance(node, (sympy.Add, sympy.Mul)) or (whole and not isinstance(node, exp)):
            return node.func(*(visit(a) for a in node.args))
        power = node.exp if isinstance(node, sympy.Pow) else Integer(1)
        if power.is_Rational and power.q == 2 and power.p != 1:
            # All powers of one square root are powers of one symbol.
            return visit(sympy.sqrt(node.base)) ** power.p
        return found.setdefault(node, sympy.Dummy(f"g{len(found)}", real=True))

    hidden = visit(expr)
    return hidden, {s: node for node, s in found.items()}


def _factors(value: Expr, x: Symbol) -> tuple[Expr, list[tuple[Expr, int]]]:
    """A number and the irreducible factors of numerator and denominator with their powers."""
    hidden, back = _opaque(value)
    numerator, denominator = sympy.fraction(sympy.together(hidden))
    for g, node in back.items():
        # A square root is its own relation: without it (1 + x²) - x² would look like a difference.
        square = _square(node)
        if square is not None and square.is_polynomial() and numerator.is_polynomial(g):
            numerator = sympy.rem(numerator, g**2 - square, g)
    number, found = Integer(1), []
    for part in (numerator, denominator):
        content, factors = sympy.factor_list(part)
        number = number * content
        found += [(_nested(f, x).xreplace(back), int(n)) for f, n in factors]
    return number, found


def _square(node: Expr) -> Expr | None:
    if isinstance(node, hypot1):
        return 1 + node.args[0] ** 2
    if isinstance(node, sympy.Pow) and node.exp == sympy.Rational(1, 2):
        return node.base
    return None


def _positive(factor: Expr) -> bool:
    if factor.is_positive:
        return True
    poly = sympy.Poly(factor, *factor.free_symbols) if factor.free_symbols else None
    return bool(
        poly is not None
        and factor.free_symbols == {_E}
        and all(c.is_positive for c in poly.coeffs())
    )


def _product(number: Expr, factors: list[tuple[Expr, int]]) -> Product | None:
    sign, kept = 1 if number.is_positive else -1, []
    if not number.is_real or number.is_zero:
        return None
    for factor, power in factors:
        if factor.free_symbols:
            if not factor.is_positive:
                kept.append((factor, power))
        elif factor.is_negative:
            sign *= (-1) ** power
        elif not factor.is_positive:
            return None
    return Product(sign, tuple(kept))


@functools.lru_cache(maxsize=256)
def products(expr: Expr, x: Symbol, side: int) -> tuple[Product, ...]:
    """Forms of a nonzero expression for the half line x ≥ 0 (side 1) or x ≤ 0 (side -1)."""
    found = []
    found_rational = rational(expr, x)
    try:
        with time_limit(SECONDS):
            if found_rational is not None:
                number, factors = _factors(found_rational.value, x)
                q = found_rational.exponent
                shaped = [
                    (_leading_first(f, q, x, side), n) for f, n in factors if not _positive(f)
                ]
                found.append(_product(number, shaped))
    except (TimeLimit, sympy.PolynomialError, NotImplementedError):
        pass
    if found_rational is None or found_rational.exponent != 0:
        # Written out, square roots are related to each other; erfc would become 1 - erf.
        rooted = expr.has(hypot1, expasinh)
        for shape in dict.fromkeys((lift(expr), definition(expr) if rooted else expr)):
            try:
                with time_limit(SECONDS):
                    number, factors = _factors(shape, x)
                    found.append(_product(number, factors))
            except (TimeLimit, sympy.PolynomialError, NotImplementedError):
                found.append(Product(1, ((shape, 1),)))
    return tuple(dict.fromkeys(p for p in found if p is not None))


def _nested(factor: Expr, x: Symbol) -> Expr:
    """In Horner's form: far out, the inner terms decide before the outer ones are added."""
    if factor.has(_E) or not factor.is_polynomial(x) or factor.free_symbols == {x}:
        return factor
    return sympy.horner(factor, wrt=x)


def _leading_first(factor: Expr, q: Expr, x: Symbol, side: int) -> Expr:
    """A polynomial in x and E, divided by the power of E that leads on that side."""
    if not factor.has(_E):
        return factor
    poly = sympy.Poly(factor, _E)
    terms = [(n, c) for (n,), c in poly.terms()]
    lead = sympy.Poly(q, x)
    grows = lead.LC() * side ** lead.degree() > 0
    top = max(n for n, _ in terms) if grows else min(n for n, _ in terms)
    return sympy.Add(*(sympy.factor_terms(c) * exp((n - top) * q) for n, c in terms))


#: What SymPy and the search raise where they do not get on.
FAILURES = (
    TimeLimit,
    ArithmeticError,
    AttributeError,
    InternalError,
    NotImplementedError,
    RecursionError,
    TypeError,
    ValueError,
    Undecided,
)


def quietly(find: Callable[..., Any], *args: Any, seconds: float = SECONDS) -> Any:
    """find(*args) within the time limit; None where it fails or takes longer."""
    try:
        with time_limit(seconds):
            return find(*args)
    except FAILURES:
        return None


def exact_root(expr: Expr, x: Symbol, ball: arb) -> Expr | None:
    """The root of `expr` in the ball as an expression, where SymPy can solve for it.

    The ball is known to hold exactly one root, so the solution inside it is that root.
    """
    found = rational(expr, x)
    top = sympy.Integer(1) if found is None else sympy.fraction(found.value)[0]
    for base, _ in (quietly(sympy.factor_list, top) or (1, []))[1]:
        if x not in base.free_symbols and base.is_polynomial(_E):
            if found is None or found.exponent.as_poly(x).degree() != 1:
                continue
            rate = found.exponent / x
            solutions = quietly(sympy.solve, base, _E) or []
            roots = [sympy.log(s) / rate for s in solutions if s.is_positive]
        elif found is not None and found.exponent.as_poly(x).degree() == 1:
            roots = _by_lambert(base, x, found.exponent / x)
        else:
            continue
        for root in roots:
            if not root.free_symbols and _inside(root, ball):
                return sympy.simplify(root)
    return None


def _by_lambert(expr: Expr, x: Symbol, rate: Expr) -> list[Expr]:
    """The roots of (a·x + b)·E + c or of c·E + (a·x + b), E = exp(rate·x)."""
    poly = sympy.Poly(expr, x, _E)
    if poly.degree(x) != 1 or poly.degree(_E) != 1:
        return []
    with_e, without = (
        (poly.coeff_monomial(x * e), poly.coeff_monomial(e)) for e in (_E, sympy.Integer(1))
    )
    if with_e[0] == 0:
        with_e, without, rate = without, with_e, -rate
    if without[0] != 0:
        return []
    (a, b), c = with_e, without[1]
    inner = sympy.simplify(-c * rate / a * exp(rate * b / a))
    return [sympy.LambertW(inner, k) / rate - b / a for k in (0, -1)]


def _inside(root: Expr, ball: arb) -> bool:
    value = quietly(root.evalf, 30)
    if value is None or not value.is_real:
        return False
    with precision(128):
        return bool(abs(number(sympy.Rational(value)) - ball) < arb(10) ** -25 * (1 + abs(ball)))
