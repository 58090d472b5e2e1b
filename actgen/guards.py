"""Guards: what keeps the branch that was not selected, infinities and NaN from doing harm."""

from __future__ import annotations

import functools
from collections.abc import Callable

import sympy
from sympy import Eq, Expr, Piecewise, Symbol, oo
from sympy.core.relational import Relational

from .atoms import above_oo, below_oo, finite, halves, maximum, minimum
from .program import Arg, Instr, Program, validate

#: Functions that overflow, grow (so that a difference of two can be inf − inf), or are undefined
#: on part of the line.
_RISKY = frozenset(
    "exp expm1 sinh cosh log log1p tan asin acos acosh atanh softplus logcosh hypot1".split()
)


def is_risky(expr: Expr, x: Symbol) -> bool:
    """Whether `expr` outside its own branch can overflow, divide by 0 or be undefined."""
    if expr.has(halves):  # whose exponent is bounded
        return False
    for node in sympy.preorder_traversal(expr):
        if x not in getattr(node, "free_symbols", ()):
            continue
        if type(node).__name__ in _RISKY:
            return True
        if isinstance(node, sympy.Pow) and not (node.exp.is_Integer and node.exp > 0):
            return True
    return False


def guard_branches(expr: Expr, x: Symbol) -> Expr:
    """Each risky branch evaluated at x clamped to where its own condition holds.

    NaN passes through the clamps. A condition that is no bound on x selects a harmless 1 outside.
    """
    if not expr.args:
        return expr
    if not isinstance(expr, Piecewise):
        return expr.func(*(guard_branches(a, x) if isinstance(a, Expr) else a for a in expr.args))
    pieces: list[tuple[Expr, Expr]] = []
    before: list[Expr] = []
    for value, cond in expr.args:
        value = guard_branches(value, x)
        if is_risky(value, x):
            own = [] if cond == True else [cond]  # noqa: E712 (SymPy's true)
            region = [*own, *(sympy.Not(c) for c in before)]
            clamped = clamp(x, region)
            # A selection inside the conditions of another would be folded by SymPy for minutes.
            if not (clamped.has(Piecewise) and value.has(Piecewise)):
                value = substitute(value, x, clamped)
        pieces.append((value, cond))
        before.append(cond)
    return Piecewise(*pieces)


def clamp(x: Symbol, region: list[Expr]) -> Expr:
    """x moved into the region that the conditions describe together."""
    bounded: Expr = x
    rest = []
    for cond in region:
        for part in cond.args if isinstance(cond, sympy.And) else [cond]:
            side = _bound(part, x)
            if isinstance(part, Relational) and isinstance(part.lhs, sympy.Abs):
                continue  # a patch: what it replaces cancels there, and overflows nowhere
            if side is None:
                rest.append(part)
            else:
                bounded = side[0](bounded, side[1])
    if rest:
        bounded = Piecewise((bounded, sympy.And(*_strongest(rest))), (sympy.Integer(1), True))
    return bounded


def _strongest(conditions: list[Expr]) -> list[Expr]:
    """The conditions without bounds of what has a nearer bound on the same side."""
    nearest: dict[tuple[Expr, bool], Expr] = {}
    others = []
    for cond in conditions:
        if isinstance(cond, (sympy.Ge, sympy.Gt, sympy.Le, sympy.Lt)) and cond.rhs.is_number:
            below = isinstance(cond, (sympy.Le, sympy.Lt))
            known = nearest.setdefault((cond.lhs, below), cond)
            if known.rhs - cond.rhs == 0:  # a Float and a Rational may be one number
                nearer = isinstance(cond, (sympy.Gt, sympy.Lt))  # without the bound itself
            else:
                nearer = (cond.rhs < known.rhs) == below
            nearest[cond.lhs, below] = cond if nearer else known
        else:
            others.append(cond)
    return [*others, *nearest.values()]


def _bound(cond: Expr, x: Symbol) -> tuple[type, Expr] | None:
    if not isinstance(cond, Relational) or isinstance(cond, (sympy.Equality, sympy.Unequality)):
        return None
    lhs, rhs, flipped = cond.lhs, cond.rhs, False
    if rhs == x:
        lhs, rhs, flipped = rhs, lhs, True
    if lhs != x or x in rhs.free_symbols:
        return None
    below = isinstance(cond, (sympy.StrictLessThan, sympy.LessThan)) != flipped
    return (minimum if below else maximum), rhs


def clip(expr: Expr, x: Symbol, low: Expr | None, high: Expr | None) -> Expr:
    """`expr` at x kept within [low, high]."""
    inner: Expr = x
    if low is not None:
        inner = maximum(inner, low)
    if high is not None:
        inner = minimum(inner, high)
    return substitute(expr, x, inner)


def substitute(expr: Expr, x: Symbol, value: Expr) -> Expr:
    """xreplace, with equal parts replaced once: derivatives hold the same parts many times."""
    done: dict[Expr, Expr] = {x: value}

    def replaced(node: Expr) -> Expr:
        if node not in done:
            args = [replaced(arg) for arg in node.args]
            same = all(a is b for a, b in zip(args, node.args, strict=True))
            done[node] = node if same else _made(node.func, *args)
        return done[node]

    return replaced(expr)


@functools.lru_cache(maxsize=1 << 14)
def _made(function: Callable[..., Expr], *args: Expr) -> Expr:
    """function(*args): SymPy looks for the sign of both sides whenever a comparison is made."""
    return function(*args)


def at_infinity(expr: Expr, x: Symbol, limits: dict[int, Expr]) -> Expr:
    """`expr` with limits given at +oo (side 1) and -oo (side -1); `expr` itself sees 1 there."""
    inner = finite if len(limits) == 2 else below_oo if 1 in limits else above_oo
    unbounded = Symbol(x.name, extended_real=True)
    pieces = [(value, Eq(unbounded, side * oo)) for side, value in limits.items()]
    return Piecewise(*pieces, (substitute(expr, x, inner(x)), True))


def propagate_nan(program: Program, inputs: list[str]) -> Program:
    """The program with every output NaN where one of `inputs` is."""
    body, outputs = list(program.body), list(program.outputs)
    taken = {i.dest for i in body} | {*program.inputs, *program.parameters}
    for name in inputs:
        test = _fresh(taken, "nan_")
        body.append(Instr(test, "isnan", (name,)))
        for i, out in enumerate(outputs):
            dest = _fresh(taken, "out_")
            args: tuple[Arg, ...] = (test, name, out)
            body.append(Instr(dest, "where", args))
            outputs[i] = dest
    return validate(Program(program.inputs, program.parameters, tuple(body), tuple(outputs)))


def _fresh(taken: set[str], stem: str) -> str:
    name = next(f"{stem}{i}" for i in range(1000) if f"{stem}{i}" not in taken)
    taken.add(name)
    return name
