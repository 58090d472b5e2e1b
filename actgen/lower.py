"""From a SymPy expression to a Program: operations, their order, common subexpressions.

Order is chosen so that products do not overflow on the way to a finite value: factors that decay
come first, those that grow last.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sympy
from sympy import Expr, Symbol
from sympy.core.relational import Relational
from sympy.logic.boolalg import BooleanFalse, BooleanTrue

from .atoms import (
    AtomFunction,
    above_oo,
    below_oo,
    decay,
    finite,
    gauss,
    halves,
    hypot,
    maximum,
    minimum,
    offset,
    polynomial,
    shifted,
    square,
    u,
)
from .decays import by_halves, by_roots
from .doubleword import Pair, Pairs, split_constant
from .errors import InternalError
from .growth import ROOTED, SMALL, growth
from .lang import RowPick, RowTop
from .program import Arg, Instr, Program, prune, validate

_RELATIONS = {
    sympy.StrictGreaterThan: "gt",
    sympy.GreaterThan: "ge",
    sympy.StrictLessThan: "lt",
    sympy.LessThan: "le",
    sympy.Equality: "eq",
    sympy.Unequality: "ne",
    sympy.And: "and",
    sympy.Or: "or",
}

#: SymPy functions that are operations; atoms are looked up by their own names.
_FUNCTIONS = {
    "exp": "exp",
    "log": "log",
    "erf": "erf",
    "sinh": "sinh",
    "cosh": "cosh",
    "tanh": "tanh",
    "sin": "sin",
    "cos": "cos",
    "tan": "tan",
    "asin": "asin",
    "acos": "acos",
    "atan": "atan",
    "asinh": "asinh",
    "acosh": "acosh",
    "atanh": "atanh",
    "Abs": "abs",
    "sign": "sign",
    "erfc": "erfc",
    "expm1": "expm1",
    "log1p": "log1p",
    "minimum": "minimum",
    "maximum": "maximum",
    "product_error": "mul_low",
    "RowSum": "row_sum",
    "RowMax": "row_max",
}

#: What moves an input without rounding it.
_CLAMPS = (minimum, maximum, finite, above_oo, below_oo)
#: So many of the last steps of a fine polynomial are pairs.
FINE_STEPS = 2


class _Builder:
    """Value numbering: one instruction for each different (operation, arguments)."""

    def __init__(
        self,
        taken: Iterable[str],
        expand: bool,
        wide: bool,
        fine: bool,
        roots: int,
        native: frozenset[type[AtomFunction]],
    ) -> None:
        self.body: list[Instr] = []
        self.numbers: dict[tuple[str, tuple[Arg, ...]], str] = {}
        self.memo: dict[Expr, Arg] = {}
        self.negated: dict[Arg, Arg] = {}
        self.taken = set(taken)
        self.expand, self.wide, self.fine, self.roots = expand, wide, fine, roots
        self.native = native
        self.lows: dict[Arg, Arg] = {}
        self.last: dict[Expr, int] = {}
        self.pairs = Pairs(self.emit, self.lower, self.lows)

    def emit(self, op: str, *args: Arg) -> str:
        if op == "abs" and args[0] in self.negated:
            args = (self.negated[args[0]],)
        key = (op, args)
        if op in ("add", "mul") and (op, args[::-1]) in self.numbers:
            key = (op, args[::-1])
        if key not in self.numbers:
            dest = f"t{len(self.body)}"
            while dest in self.taken:
                dest += "_"
            self.numbers[key] = dest
            self.body.append(Instr(dest, op, args))
            if op == "neg":
                self.negated[dest] = args[0]
        return self.numbers[key]

    def lower(self, expr: Expr) -> Arg:
        if expr not in self.memo:
            self.memo[expr] = self._lower(expr)
        return self.memo[expr]

    def _lower(self, expr: Expr) -> Arg:
        if isinstance(expr, Symbol):
            return str(expr.name)
        if isinstance(expr, sympy.Expr) and expr.is_number and (self.expand or not expr.args):
            return expr
        if isinstance(expr, sympy.Add):
            return self._rounded(expr) if self.fine else self._sum(expr)
        if isinstance(expr, sympy.Mul):
            return self._product(expr)
        if isinstance(expr, sympy.Pow) and not isinstance(expr, sympy.exp):
            return self._power(expr.base, expr.exp)
        if isinstance(expr, sympy.Piecewise):
            return self._branches(expr)
        if isinstance(expr, (sympy.Max, sympy.Min)):
            op = "maximum" if isinstance(expr, sympy.Max) else "minimum"
            return self._fold(op, sorted(expr.args, key=lambda a: bool(a.is_number)))
        if (
            self.expand
            and isinstance(expr, Relational)
            and expr.lhs.is_Symbol != expr.rhs.is_Symbol
        ):
            decided = self._compare(expr)
            if decided is not None:
                return decided
        if isinstance(expr, (Relational, sympy.And, sympy.Or)):
            return self._fold(_RELATIONS[type(expr)], expr.args)
        if isinstance(expr, sympy.ITE):
            test, yes, no = expr.args
            return self.lower(sympy.Or(sympy.And(test, yes), sympy.And(sympy.Not(test), no)))
        if isinstance(expr, sympy.Not):
            return self.emit("not", self.lower(expr.args[0]))
        if type(expr) in self.native:
            return self.emit(type(expr).__name__, self.lower(expr.args[0]))
        if isinstance(expr, polynomial):
            return self._horner(*expr.args)
        if isinstance(expr, (sympy.exp, decay)) and self.expand:
            return self.exp(expr.args[0])
        if isinstance(expr, (square, halves)) and self.expand:
            root = self.exp(expr.args[0], 2)
            return self.emit("mul", root, root)
        if isinstance(expr, gauss) and self.wide:
            return self.exp(-sympy.expand(expr.args[0] ** 2))
        if isinstance(expr, AtomFunction) and self.expand and expr.expansion is not None:
            # The argument becomes a name first, so that SymPy cannot rearrange the expansion.
            arg = self._argument(expr.args[0], expr.expansion.has(sympy.exp))
            held = Symbol(arg, extended_real=True) if isinstance(arg, str) else arg
            return self.lower(expr.expansion.xreplace({u: held}))
        if isinstance(expr, shifted):
            a, b = map(self.lower, expr.args)
            same = self.emit("eq", a, b)
            return self.emit("where", same, sympy.Integer(0), self.emit("sub", a, b))
        if isinstance(expr, hypot):
            return self._rounded(expr) if self.fine else self._hypot(*expr.args)
        if isinstance(expr, offset):
            return self._offset(*expr.args)
        if isinstance(expr, RowTop):
            row = self.lower(expr.args[0])
            hit = self.emit("eq", row, self.emit("row_max", row))
            return self.emit("where", hit, sympy.Integer(1), sympy.Integer(0))
        if isinstance(expr, RowPick):
            return self._pick(self.lower(expr.args[0]))
        if type(expr).__name__ in _FUNCTIONS:
            return self.emit(_FUNCTIONS[type(expr).__name__], *map(self.lower, expr.args))
        if isinstance(expr, AtomFunction):
            return self.lower(expr.atom.definition.subs(u, expr.args[0]))
        raise InternalError(f"cannot lower {type(expr).__name__}: {expr}")

    def _compare(self, expr: Expr) -> Arg | None:
        """β·x > t with the product's rounding error where it rounds to t; None for other forms.

        x may be clamped.
        """
        op = _RELATIONS[type(expr)]
        product, bound = (expr.rhs, expr.lhs) if expr.lhs.is_Symbol else (expr.lhs, expr.rhs)
        simple = product.is_Mul and all(isinstance(f, (Symbol, *_CLAMPS)) for f in product.args)
        if op not in ("lt", "gt", "le", "ge") or not simple or len(product.args) != 2:
            return None
        high, low = self.pairs.pair(product)
        if low is None:
            return None
        if expr.lhs.is_Symbol:  # t < β·x is β·x > t
            op = ("g" if op[0] == "l" else "l") + op[1]
        at = self.lower(bound)
        beside = self.emit(op, low, sympy.Integer(0))
        tie = self.emit("and", self.emit("eq", high, at), beside)
        return self.emit("or", self.emit(op[0] + "t", high, at), tie)

    def _argument(self, expr: Expr, exponential: bool) -> Arg:
        """An atom's argument; its low part is kept for exponentials of it, if there are any."""
        if not self.wide or expr.is_number or not exponential:
            return self.lower(expr)
        high, low = self.pairs.pair(expr)
        if low is not None:
            self.lows[high] = low
        return high

    def exp(self, expr: Expr, roots: int = 1) -> Arg:
        """exp(expr/roots), roots a power of two."""
        high, low = self.pairs.pair(expr) if self.wide else (self.lower(expr), None)
        high, low = self.pairs.scale((high, low), sympy.Rational(1, roots))
        power = self.emit("exp", high)
        return power if low is None else self.emit("add", power, self.emit("mul", power, low))

    def _hypot(self, a: Expr, b: Expr) -> Arg:
        if not self.expand:
            return self.lower(sympy.sqrt(a**2 + b**2))
        most, least, by = self.pairs.by_size(*(self.lower(sympy.Abs(v)) for v in (a, b)))
        ratio = self.emit("div", least, by)
        square = self.emit("add", self.emit("mul", ratio, ratio), sympy.Integer(1))
        return self.emit("mul", self.emit("sqrt", square), most)

    def _offset(self, expr: Expr, number: Expr) -> Arg:
        """expr − number: the leading parts cancel exactly, then the rest of both comes in."""
        high, low = self.pairs.pair(expr)
        head, rest = split_constant(number)
        flip = head.is_negative
        apart = self.emit("add" if flip else "sub", high, -head if flip else head)
        apart = apart if low is None else self.emit("add", apart, low)
        return apart if rest is None else self.emit("sub", apart, rest)

    def _horner(self, w: Expr, order: Expr, step: Expr, factor: Expr, *coefficients: Expr) -> Arg:
        """factor·w^order·P(w^step), the power last: only the result itself can underflow."""
        at, (first, *rest) = self.lower(w), coefficients
        t = self.integer_power(at, int(step))
        fine = rest[-FINE_STEPS:] if self.fine else []
        result: Arg = first
        for c in rest[: len(rest) - len(fine)]:
            result = self.emit("mul", result, t)
            result = self.emit("add", result, c) if c != 0 else result
        if fine:
            power = t, self.emit("mul_low", at, at) if step == 2 else None
            pair: Pair = (result, None)
            for c in fine:
                pair = self.pairs.add(self.pairs.mul(pair, power), split_constant(c))
            result = self.emit("add", *pair)
        if factor != 1:
            result = self.emit("mul", result, self.lower(factor))
        for _ in range(int(order)):
            result = self.emit("mul", result, at)
        return result

    def _pick(self, row: Arg) -> Arg:
        """1 at the greatest entries of the row over how many they are; NaN all along a NaN row."""
        one, zero = sympy.Integer(1), sympy.Integer(0)
        top = self.emit("row_max", row)
        hit = self.emit("where", self.emit("eq", row, top), one, zero)
        share = self.emit("div", hit, self.emit("maximum", self.emit("row_sum", hit), one))
        return self.emit("where", self.emit("isnan", top), top, share)

    def _fold(self, op: str, args: Sequence[Expr]) -> Arg:
        result = self.lower(args[0])
        for arg in args[1:]:
            result = self.emit(op, result, self.lower(arg))
        return result

    def _rounded(self, expr: Expr) -> Arg:
        """An expression of pairs, rounded at the end."""
        high, low = self.pairs.pair(expr)
        return high if low is None else self.emit("add", high, low)

    def _sum(self, expr: Expr) -> Arg:
        terms = [(t.could_extract_minus_sign(), t) for t in expr.as_ordered_terms()]
        # x + 1 is exact where exp(x) cancels it.
        terms.sort(key=lambda pair: (pair[0], pair[1].has(square)))
        negative, first = terms[0]
        result = self.lower(first)
        for negative, term in terms[1:]:
            result = self.emit(
                "sub" if negative else "add", result, self.lower(-term if negative else term)
            )
        return result

    def _product(self, expr: Expr) -> Arg:
        alone = all(f.is_number or type(f).__name__ in SMALL for f in expr.args)
        if self.wide and self.fine and not alone:
            expr = expr.func(*(ROOTED.get(type(f), lambda f: f)(f) for f in expr.args))
        if self.expand and any(isinstance(f.as_base_exp()[0], halves) for f in expr.args):
            return by_halves(expr, self)
        if self.expand and any(isinstance(f, decay) for f in expr.args):
            return by_roots(expr, self)
        number, rest = sympy.Integer(1), []
        above: list[Expr] = []
        below: list[Expr] = []
        for factor in sympy.Mul.make_args(expr):
            if factor.is_number and (self.expand or not factor.args):
                number = number * factor
            else:
                rest.append(factor)
        for factor in rest:
            base, power = (
                factor.as_base_exp()
                if isinstance(factor, sympy.Pow)
                else (factor, sympy.Integer(1))
            )
            if power.is_Rational and power < 0:
                apart = power.is_Integer and power > -4 and not self._is_fine(base)
                if power.q == 2 and -5 <= power.p < -1:  # whose power may overflow
                    below += [base] * int(-power) + [sympy.sqrt(base)]
                else:
                    below += [base] * int(-power) if apart else [base**-power]
            elif power.is_Integer and 1 < power < 4:
                above += [base] * int(power)
            else:
                above.append(factor)
        # The inputs themselves last, the first of them at the very end: if it is subnormal, then
        # the product is rounded once.
        above.sort(key=lambda f: (growth(f), self.last.get(f, 0)))
        divisor = None
        negative = number.is_negative
        number = -number if negative else number
        if number.is_Rational and number.p == 1 and number.q > 1 and number.q & (number.q - 1):
            divisor, number = sympy.Integer(number.q), sympy.Integer(1)
        values = [self.lower(factor) for factor in above]
        if not values:
            values, number = [number], sympy.Integer(1)
        if number != 1:
            if negative and not below:
                number, negative = -number, False
            # Into a bounded factor, if there is one: 2·x would overflow where x·erfc(x)/2 does not.
            at = 0 if above and growth(above[0]) < 2 else len(values)
            if at:
                values.append(number)
            else:
                values[0] = self.emit("mul", values[0], number)
        if len(values) == 2 and isinstance(values[1], str):
            values.reverse()
        result = values[0]
        for value in values[1:]:
            result = self.emit("mul", result, value)
        for factor in below:
            result = self.emit("div", result, self.lower(factor))
        if divisor is not None:
            result = self.emit("div", result, divisor)
        return self.emit("neg", result) if negative else result

    def _is_fine(self, base: Expr) -> bool:
        return self.fine and isinstance(base, (sympy.Add, hypot))

    def _power(self, base: Expr, power: Expr) -> Arg:
        if power.is_Integer and 1 < abs(power) < 6 and self._is_fine(base):
            whole = self._rounded(base ** abs(power))
            return whole if power > 0 else self.emit("div", sympy.Integer(1), whole)
        if power.is_Rational and power < 0:
            # Where a^(n−1) overflows, a^-n is 0; beyond n = 4 the reciprocal comes first, whose
            # powers may underflow, but never overflow on the way.
            if power == -1:
                return self.emit("div", sympy.Integer(1), self.lower(base))
            if power.is_Integer and power >= -4:
                most = self.integer_power(self.lower(base), int(-power) - 1)
                return self.emit("div", self.emit("div", sympy.Integer(1), most), self.lower(base))
            if power.is_Integer and power >= -64:
                inverse = self.emit("div", sympy.Integer(1), self.lower(base))
                return self.integer_power(inverse, int(-power))
            return self.emit("div", sympy.Integer(1), self.lower(base**-power))
        if power.is_Integer and power <= 64:
            return self.integer_power(self.lower(base), int(power))
        if power.is_Rational and power.q == 2 and power.p <= 64:
            root = self.emit("sqrt", self.lower(base))
            whole = power.p // 2
            if not whole:
                return root
            return self.emit("mul", self.integer_power(self.lower(base), whole), root)
        if base == sympy.E:
            return self.emit("exp", self.lower(power))
        return self.emit("pow", self.lower(base), self.lower(power))

    def integer_power(self, base: Arg, n: int) -> Arg:
        if n == 0:
            return sympy.Integer(1)
        if n == 1:
            return base
        half = self.integer_power(base, n // 2)
        square = self.emit("mul", half, half)
        return self.emit("mul", square, base) if n % 2 else square

    def _branches(self, expr: Expr) -> Arg:
        pairs = list(expr.args)
        result: Arg
        if pairs[-1][1] == True:  # noqa: E712 (SymPy's true)
            result = self.lower(pairs.pop()[0])
        else:
            result = sympy.nan
        for value, cond in reversed(pairs):
            if isinstance(cond, (BooleanTrue, BooleanFalse)):
                result = self.lower(value) if cond else result
            else:
                result = self.emit("where", self.lower(cond), self.lower(value), result)
        return result


def lower(
    exprs: Expr | Sequence[Expr],
    inputs: Sequence[Symbol],
    parameters: Sequence[Symbol],
    *,
    expand: bool = True,
    wide: bool = False,
    fine: bool = False,
    roots: int = 2,
    native: frozenset[type[AtomFunction]] = frozenset(),
) -> Program:
    """The program of one or several expressions.

    `expand` writes atoms out by their expansions and keeps numbers whole; without it the formula
    is taken literally (atoms by definition, numbers such as sqrt(2) as operations), as the oracle
    wants it. `wide` keeps the rounding errors of the arguments of exponentials (see doubleword.py),
    `fine` those of all sums; `roots` is how many factors exp(v/roots) a decaying exponential is
    multiplied in by. `native` atoms are operations of their own.
    """
    several = [exprs] if isinstance(exprs, sympy.Basic) else list(exprs)
    names = [s.name for s in inputs], [s.name for s in parameters]
    builder = _Builder([*names[0], *names[1]], expand, wide, fine, roots, native)
    builder.last = {s: len(names[0]) - i for i, s in enumerate(inputs)}
    outputs = tuple(builder.lower(e) for e in several)
    return validate(prune(Program(tuple(names[0]), tuple(names[1]), tuple(builder.body), outputs)))
