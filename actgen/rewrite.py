"""The engine that applies rules: a matcher over sub-multisets of sums and products.

A pattern is a SymPy expression over wild symbols: `u_`, `v_` match anything, `n_` a negative
integer, `h_` half an odd integer, `k_` a positive number, `m_` a negative one, `p_` what has a
minus sign, and `c_` as a
factor matches what is left of a term (1 included): `c_*exp(u_) - c_` finds a·exp(x) − a.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import sympy
from sympy import Add, Expr, Mul, Pow, Symbol

from .atoms import COSTS
from .errors import InternalError
from .lang import symbol

Bindings = dict[Symbol, Expr]

U, V, C, N, H, K, M, P = map(symbol, ("u_", "v_", "c_", "n_", "h_", "k_", "m_", "p_"))

#: What each wild symbol may stand for.
WILD: dict[Symbol, Callable[[Expr], bool]] = {
    U: lambda e: True,
    V: lambda e: True,
    C: lambda e: True,
    N: lambda e: bool(e.is_Integer and e < 0),
    H: lambda e: bool(e.is_Rational and e.q == 2),
    K: lambda e: bool(e.is_number and e.is_positive),
    M: lambda e: bool(e.is_number and e.is_negative),
    P: lambda e: bool(e.could_extract_minus_sign()),
}


@dataclass(frozen=True)
class Rule:
    """One row of the lifting table: wherever `pattern` stands, `result` may stand."""

    name: str
    pattern: Expr
    result: Expr


def cost(expr: Expr) -> int:
    """The declared cost that every rule must lower: functions dear, additions cheap."""
    if isinstance(expr, Expr) and expr.is_number:
        return 1
    own = COSTS.get(type(expr).__name__, 1)
    if isinstance(expr, Pow) and not expr.args[1].is_Integer:
        own = COSTS["pow"] if expr.args[1].is_Rational is not True else COSTS["sqrt"]
    elif isinstance(expr, Pow):
        own = abs(int(expr.args[1])) + int(bool(expr.args[1] < 0))
    return own + sum(cost(arg) for arg in expr.args)


def match(pattern: Expr, expr: Expr, bound: Bindings) -> Iterator[Bindings]:
    """Every way to bind the wild symbols of `pattern` so that it equals `expr`."""
    if pattern in WILD:
        if pattern in bound:
            if sympy.expand(bound[pattern] - expr) == 0:
                yield bound
        elif WILD[pattern](expr):
            yield {**bound, pattern: expr}
    elif -pattern in WILD:
        yield from match(-pattern, -expr, bound)
    elif not pattern.args or pattern.is_number:
        if pattern == expr:
            yield bound
    elif isinstance(pattern, (Add, Mul)):
        if isinstance(pattern, Mul) and C in pattern.args:
            yield from _match_factor(pattern, expr, bound)
        elif isinstance(expr, pattern.func):
            for rest, found in match_some(pattern, expr, bound):
                if not rest:
                    yield found
    elif pattern.func == expr.func and len(pattern.args) == len(expr.args):
        yield from _match_all(pattern.args, expr.args, bound)


def _match_all(
    patterns: Sequence[Expr], exprs: Sequence[Expr], bound: Bindings
) -> Iterator[Bindings]:
    if not patterns:
        yield bound
        return
    for found in match(patterns[0], exprs[0], bound):
        yield from _match_all(patterns[1:], exprs[1:], found)


def _match_factor(pattern: Expr, expr: Expr, bound: Bindings) -> Iterator[Bindings]:
    """c·P: some factor of `expr` is P and c is all the others."""
    sign, factor = _split_factor(pattern)
    if factor.free_symbols & set(WILD) <= set(bound):
        yield from match(C, sign * expr / factor.xreplace(bound), bound)
        return
    for candidate in Mul.make_args(expr):
        for found in match(factor, candidate, bound):
            yield from match(C, sign * expr / candidate, found)


def _split_factor(pattern: Expr) -> tuple[Expr, Expr]:
    rest = [arg for arg in pattern.args if arg != C]
    sign = sympy.Integer(-1) if sympy.Integer(-1) in rest else sympy.Integer(1)
    return sign, Mul(*(arg for arg in rest if arg != -1))


def operands(expr: Expr) -> list[Expr]:
    """Terms of a sum; factors of a product with integer powers written out."""
    if isinstance(expr, Add):
        return list(expr.args)
    factors: list[Expr] = []
    for factor in Mul.make_args(expr):
        if isinstance(factor, Pow) and factor.exp.is_Integer and 1 < abs(factor.exp) <= 8:
            factors += [Pow(factor.base, sympy.sign(factor.exp))] * abs(int(factor.exp))
        else:
            factors.append(factor)
    return factors


def match_some(pattern: Expr, expr: Expr, bound: Bindings) -> Iterator[tuple[list[Expr], Bindings]]:
    """Ways to match all operands of `pattern` to some of `expr`: (those left over, bindings)."""
    wanted = sorted(
        operands(pattern), key=lambda p: (p in WILD or -p in WILD, not p.args, -cost(p))
    )
    yield from _match_some(wanted, operands(expr), bound)


def _match_some(
    wanted: list[Expr], available: list[Expr], bound: Bindings
) -> Iterator[tuple[list[Expr], Bindings]]:
    if not wanted:
        yield available, bound
        return
    for i, candidate in enumerate(available):
        for found in match(wanted[0], candidate, bound):
            yield from _match_some(wanted[1:], available[:i] + available[i + 1 :], found)


def apply_rule(rule: Rule, expr: Expr) -> Expr | None:
    """`expr` with the rule applied at its root (to some operands of a sum or product), or None."""
    if isinstance(rule.pattern, (Add, Mul)) and isinstance(expr, rule.pattern.func):
        for rest, found in match_some(rule.pattern, expr, {}):
            return expr.func(rule.result.xreplace(found), *rest)
    for found in match(rule.pattern, expr, {}):
        return rule.result.xreplace(found)
    return None


def rewrite(expr: Expr, rules: Sequence[Rule], limit: int = 200) -> Expr:
    """`expr` with the rules applied from the leaves up until none lowers the cost."""
    memo: dict[Expr, Expr] = {}
    budget = [limit * (1 + len(rules))]

    def visit(node: Expr) -> Expr:
        if node in memo:
            return memo[node]
        new = node
        if node.args:
            args = [visit(arg) if isinstance(arg, sympy.Basic) else arg for arg in node.args]
            if any(a is not b for a, b in zip(args, node.args, strict=True)):
                new = node.func(*args)
        changed = True
        while changed:
            changed = False
            primitive = _primitive(new)
            if primitive is not new:
                new = visit(primitive)
            for rule in rules:
                result = apply_rule(rule, new) if isinstance(new, Expr) else None
                if result is None or cost(result) >= cost(new):
                    continue
                budget[0] -= 1
                if budget[0] < 0:
                    raise InternalError(f"the rules do not come to rest on {expr}")
                new, changed = visit(result), True
                break
        memo[node] = new
        return new

    return visit(expr)


def _primitive(expr: Expr) -> Expr:
    """(2 + 2·exp(x))ⁿ as 2ⁿ·(1 + exp(x))ⁿ, so that a pattern need not know of the factor."""
    if isinstance(expr, Pow) and isinstance(expr.base, Add) and expr.exp.is_Rational:
        content, primitive = expr.base.as_content_primitive()
        if content != 1 and content.is_positive:
            return content**expr.exp * primitive**expr.exp
    return expr
