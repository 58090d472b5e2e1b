"""Whether an expression without branches is 0: proved by a normal form, never guessed.

Hyperbolic functions are written in exp, exponentials in independent ones, everything else that is
no polynomial is a symbol of its own (square roots with their squares). If the numerator is the
zero polynomial, the expression is 0 wherever it is defined. What resists is differentiated: an
expression whose derivative is 0 and that is 0 at one point is 0.
"""

from __future__ import annotations

import sympy
from sympy import Expr, Symbol

from ..calculus import derivative
from ..errors import InternalError
from ..forms import as_exponentials
from ..lang import RowMax, RowSum, x
from ..limits import TimeLimit, time_limit

SECONDS = 4.0
#: Points at which an expression with derivative 0 is looked at.
PLACES = (0, 1, -1, 2, -2)


def proves_zero(expr: Expr, var: Symbol = x, seconds: float = SECONDS) -> bool:
    """True if `expr` is proved to be 0 wherever it is defined; False says nothing."""
    if expr == 0:
        return True
    try:
        with time_limit(seconds):
            return _zero(expr, var, depth=2)
    except (TimeLimit, sympy.PolynomialError, NotImplementedError, ValueError, TypeError):
        return False
    except (RecursionError, AttributeError, ZeroDivisionError, InternalError):
        return False


def _zero(expr: Expr, var: Symbol, depth: int) -> bool:
    if numerator(expr) == 0:
        return True
    if (
        var in expr.free_symbols
        and depth
        and _regular(expr, var)
        and _zero(derivative(expr, var), var, depth - 1)
    ):
        for place in PLACES:
            value = expr.subs(var, place)
            if value.is_finite is not False and not value.has(sympy.nan, sympy.zoo):
                return bool(numerator(value) == 0 or sympy.simplify(value) == 0)
    return False


def _regular(expr: Expr, var: Symbol) -> bool:
    """Whether nothing in it is divided by what may be 0: a constant may jump across a pole."""
    for node in sympy.preorder_traversal(as_exponentials(expr)):
        if isinstance(node, (sympy.tan, sympy.cot, sympy.sign)):
            return False
        if isinstance(node, sympy.Pow) and not isinstance(node, sympy.exp):
            below = node.exp.could_extract_minus_sign() and var in node.base.free_symbols
            if below and not (node.base.is_positive or node.base.is_negative):
                return False
    return True


def numerator(expr: Expr) -> Expr:
    """The numerator of the normal form: 0 only if the expression is."""
    hidden, squares = normal(expr)
    top = sympy.expand(sympy.fraction(sympy.together(hidden))[0])
    for root, square in squares.items():
        if top.has(root):
            top = sympy.expand(sympy.rem(top, root**2 - square, root))
            top = sympy.expand(sympy.fraction(sympy.together(top))[0])
    return top


def normal(expr: Expr) -> tuple[Expr, dict[Symbol, Expr]]:
    """`expr` as a rational function of independent symbols; the square roots among them."""
    expr = _row_parts(as_exponentials(expr))
    expr = expr.replace(sympy.erfc, lambda u: 1 - sympy.erf(u))
    expr = sympy.expand_log(expr.replace(sympy.log, lambda u: sympy.log(sympy.factor(u))))
    return _Hide(expr).result()


def _row_parts(expr: Expr) -> Expr:
    """Sums over a row without the factors that are the same for all its entries."""

    def outside(arg: Expr) -> Expr:
        arg = sympy.expand_power_exp(sympy.expand(arg.replace(RowSum, outside)))
        common, rest = sympy.Integer(1), sympy.Integer(1)
        for factor in sympy.Mul.make_args(sympy.factor_terms(arg)):
            free = factor.replace(RowMax, lambda a: Symbol("M")).replace(
                RowSum, lambda a: Symbol("S")
            )
            if x in free.free_symbols:
                rest *= factor
            else:
                common *= factor
        return common * RowSum(rest)

    expr = expr.replace(RowSum, outside)
    found = sorted(expr.atoms(RowSum, RowMax), key=lambda e: -e.count_ops())
    signs = {part: bool(isinstance(part, RowSum) and part.args[0].is_positive) for part in found}
    named = {
        part: Symbol(f"row {part}", positive=True)
        if signs[part]
        else Symbol(f"row {part}", real=True)
        for part in found
    }
    return expr.xreplace(named)


class _Hide:
    """Replaces, from the inside out, what is no rational function by symbols."""

    def __init__(self, expr: Expr) -> None:
        self.expr = expr
        self.symbols: dict[Expr, Symbol] = {}
        self.squares: dict[Symbol, Expr] = {}
        self.units: dict[Expr, Expr] = {}

    def result(self) -> tuple[Expr, dict[Symbol, Expr]]:
        terms: dict[Expr, list[Expr]] = {}
        for node in self.expr.atoms(sympy.exp):
            for term in sympy.Add.make_args(sympy.expand(node.args[0])):
                number, rest = term.as_coeff_Mul()
                terms.setdefault(rest, []).append(number)
        self.units = {
            rest: sympy.gcd_list([abs(n) for n in numbers]) for rest, numbers in terms.items()
        }
        return self._visit(self.expr), self.squares

    def _symbol(self, node: Expr, positive: bool = False) -> Symbol:
        if node not in self.symbols:
            self.symbols[node] = sympy.Dummy(f"g{len(self.symbols)}", positive=positive or None)
        return self.symbols[node]

    def _visit(self, node: Expr) -> Expr:
        if node.is_Rational or isinstance(node, Symbol):
            return node
        if isinstance(node, sympy.exp):
            result = sympy.Integer(1)
            for term in sympy.Add.make_args(sympy.expand(node.args[0])):
                number, rest = term.as_coeff_Mul()
                result *= self._symbol(sympy.exp(rest), True) ** (number / self.units[rest])
            return result
        if isinstance(node, sympy.Pow):
            if node.exp.is_Integer:
                return self._visit(node.base) ** node.exp
            if node.exp.is_Rational and node.exp.q == 2:
                base = sympy.factor(node.base)
                root = self._symbol(sympy.sqrt(base))
                self.squares[root] = self._visit(base)
                return root**node.exp.p
            return self._symbol(node.func(sympy.expand(node.base), sympy.expand(node.exp)))
        if isinstance(node, (sympy.Add, sympy.Mul)):
            return node.func(*map(self._visit, node.args))
        if not node.args:
            return self._symbol(node)
        args = [
            sympy.factor_terms(sympy.expand(sympy.cancel(sympy.together(a)))) for a in node.args
        ]
        return self._symbol(node.func(*args))
