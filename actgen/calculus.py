"""Derivatives of formulas with branches, and the kinks where branches meet.

A derivative at a kink is that of the branch that owns the point. Ownership is stated here, once:
Piecewise as its conditions say; Max and Min give a tie to the argument that does not depend on
the variable, else to the last one in SymPy's order; |u|′ at u = 0 is sign(0) = 0; sign′ is 0.
No Dirac delta ever appears: the derivative of a jump is that of its branches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import sympy
from sympy import Abs, Expr, Max, Min, Piecewise, Symbol, sign
from sympy.core.function import AppliedUndef
from sympy.core.relational import Relational

from .errors import InternalError
from .lang import RowMax, RowPick, RowSum


def derivative(expr: Expr, var: Symbol) -> Expr:
    """∂expr/∂var, branch by branch."""
    if var not in expr.free_symbols:
        return sympy.Integer(0)
    if expr == var:
        return sympy.Integer(1)
    if isinstance(expr, Piecewise):
        return Piecewise(*((derivative(value, var), cond) for value, cond in expr.args))
    if isinstance(expr, (Max, Min)):
        return derivative(as_branches(expr, var), var)
    if isinstance(expr, sign):
        return sympy.Integer(0)
    if isinstance(expr, Abs):
        return sign(expr.args[0]) * derivative(expr.args[0], var)
    if isinstance(expr, sympy.Add):
        return sympy.Add(*(derivative(term, var) for term in expr.args))
    if isinstance(expr, sympy.Mul):
        return sympy.Add(
            *(
                sympy.Mul(*expr.args[:i], derivative(factor, var), *expr.args[i + 1 :])
                for i, factor in enumerate(expr.args)
            )
        )
    if isinstance(expr, sympy.exp):
        return expr * derivative(expr.args[0], var)
    if isinstance(expr, sympy.Pow):
        base, power = expr.args
        if var not in power.free_symbols:
            return power * base ** (power - 1) * derivative(base, var)
        return expr * derivative(power * sympy.log(base), var)
    if isinstance(expr, sympy.Function) and not isinstance(expr, (AppliedUndef, RowSum, RowMax)):
        return sympy.Add(
            *(expr.fdiff(i + 1) * derivative(arg, var) for i, arg in enumerate(expr.args))
        )
    raise InternalError(f"no derivative for {type(expr).__name__}: {expr}")


def as_branches(expr: Expr, var: Symbol) -> Expr:
    """Max or Min as Piecewise, with the owner of ties (see above) in the last branch."""
    args = sorted(expr.args, key=lambda arg: var not in arg.free_symbols)
    result = args[-1]
    for arg in reversed(args[:-1]):
        first = arg > result if isinstance(expr, Max) else arg < result
        result = Piecewise((arg, first), (result, True))
    return result


# Row functions: f_i = F(x_i, R_1, R_2, …) with R_j a sum or a maximum over the row.


def row_parts(expr: Expr) -> dict[Expr, Symbol]:
    """Each RowSum or RowMax in `expr` (outermost ones) with a symbol that stands for it."""
    parts = [node for node in sympy.preorder_traversal(expr) if isinstance(node, (RowSum, RowMax))]
    return {part: Symbol(f"R{i}", real=True) for i, part in enumerate(dict.fromkeys(parts))}


def _row_gradients(expr: Expr, x: Symbol) -> tuple[Expr, list[tuple[Expr, Expr, Expr]]]:
    """∂F/∂x with the R's held, and for each R: (R, ∂F/∂R, ∂R/∂x_i)."""
    parts = row_parts(expr)
    back = {s: part for part, s in parts.items()}
    held = expr.xreplace(parts)
    gradients = []
    for part, s in parts.items():
        inner = part.args[0]
        own = derivative(inner, x)
        if isinstance(part, RowMax):
            own = own * RowPick(inner)
        gradients.append((part, derivative(held, s).xreplace(back), own))
    return derivative(held, x).xreplace(back), gradients


def row_diagonal(expr: Expr, x: Symbol) -> Expr:
    """∂f_i/∂x_i of a row function: the diagonal of its Jacobian."""
    if not expr.has(RowSum, RowMax, RowPick):
        return derivative(expr, x)
    picks = {
        p: Symbol(f"P{i}", real=True) for i, p in enumerate(sorted(expr.atoms(RowPick), key=str))
    }
    own, gradients = _row_gradients(expr.xreplace(picks), x)
    total = own + sympy.Add(*(outer * inner for _, outer, inner in gradients))
    return total.xreplace({s: p for p, s in picks.items()})


def row_vjp(expr: Expr, x: Symbol, dy: Symbol) -> Expr:
    """Σ_l dy_l ∂f_l/∂x_i, from the row's sums: no dense Jacobian is ever formed."""
    own, gradients = _row_gradients(expr, x)
    reduces = x not in expr.xreplace(row_parts(expr)).free_symbols
    total = dy * own
    for _, outer, inner in gradients:
        # Where the output has one value a row there is one dy a row, and nothing to sum.
        total += (dy * outer if reduces else RowSum(dy * outer)) * inner
    return total


def row_jvp(expr: Expr, x: Symbol, dx: Symbol) -> Expr:
    """Σ_l ∂f_i/∂x_l dx_l."""
    own, gradients = _row_gradients(expr, x)
    return dx * own + sympy.Add(*(outer * RowSum(inner * dx) for _, outer, inner in gradients))


# Kinks.


@dataclass(frozen=True)
class Kink:
    """A point where f or f′ jumps: one-sided limits of the value and of the derivative."""

    at: Expr
    left: Expr
    right: Expr
    left_derivative: Expr
    right_derivative: Expr

    @property
    def is_jump(self) -> bool:
        """Whether f itself jumps, not only its derivative."""
        return bool(sympy.simplify(self.left - self.right) != 0)


def borders(expr: Expr) -> Iterator[Expr]:
    """Expressions whose zeros are the only points where two branches of `expr` can meet."""
    for node in sympy.preorder_traversal(expr):
        if isinstance(node, (Abs, sign)):
            yield node.args[0]
        elif isinstance(node, (Max, Min)):
            args = list(node.args)
            yield from (a - b for i, a in enumerate(args) for b in args[i + 1 :])
        elif isinstance(node, Relational):
            yield node.lhs - node.rhs


def smooth_parts(expr: Expr) -> Iterator[Expr]:
    """Every expression that `expr` may be once its branching nodes have taken a branch."""
    for node in sympy.preorder_traversal(expr):
        if isinstance(node, (Max, Min)):
            choices = list(node.args)
        elif isinstance(node, Piecewise):
            choices = [value for value, _ in node.args]
        elif isinstance(node, Abs):
            choices = [node.args[0], -node.args[0]]
        elif isinstance(node, sign):
            choices = [sympy.Integer(1), sympy.Integer(-1)]
        else:
            continue
        for choice in choices:
            yield from smooth_parts(expr.xreplace({node: choice}))
        return
    yield expr


def break_points(expr: Expr, var: Symbol, values: Mapping[Symbol, Expr]) -> list[Expr]:
    """Points where branches of `expr` may meet, exact and in order at the given parameters."""
    points: dict[Expr, float] = {}
    smooth = dict.fromkeys(s for border in borders(expr) for s in smooth_parts(border))
    for border in smooth:
        if var not in border.free_symbols:
            continue
        try:
            poly = sympy.Poly(border, var)
        except sympy.PolynomialError:
            continue
        if poly.degree() == 1:
            roots = [sympy.simplify(-poly.nth(0) / poly.nth(1))]
        else:
            at_defaults = sympy.Poly(border.subs(values), var)
            roots = list(at_defaults.real_roots()) if at_defaults.degree() > 0 else []
        for root in roots:
            where = root.subs(values)
            if where.is_finite and where.is_real:
                points.setdefault(root, float(where))
    return sorted(points, key=lambda root: points[root])


def has_known_borders(expr: Expr, var: Symbol, values: Mapping[Symbol, Expr]) -> bool:
    """Whether `break_points` finds every point where branches meet: borders are polynomials."""
    return all(
        border.subs(values).is_polynomial(var)
        for border in borders(expr)
        for border in smooth_parts(border)
    )


def branch_at(expr: Expr, var: Symbol, point: Expr, values: Mapping[Symbol, Expr]) -> Expr:
    """`expr` with every node that branches on `var` replaced by its branch active at `point`."""

    def resolve(node: Expr) -> Expr:
        if var not in node.free_symbols:
            return node
        here = {**values, var: point}
        if isinstance(node, Piecewise):
            for value, cond in node.args:
                if cond == True or cond.subs(here) == True:  # noqa: E712 (SymPy's true)
                    return resolve(value)
            return sympy.nan
        if isinstance(node, (Max, Min)):
            chosen = max if isinstance(node, Max) else min
            return resolve(chosen(node.args, key=lambda arg: sympy.N(arg.subs(here), 30)))
        if isinstance(node, Abs):
            return resolve(node.args[0]) * sympy.sign(sympy.N(node.args[0].subs(here), 30))
        if isinstance(node, sign):
            return sympy.sign(sympy.N(node.args[0].subs(here), 30))
        return node.func(*map(resolve, node.args)) if node.args else node

    return resolve(expr)


def kinks(expr: Expr, var: Symbol, values: Mapping[Symbol, Expr]) -> list[Kink]:
    """The points where `expr` or its derivative jumps, with one-sided values of both.

    `values` fixes the parameters to decide which branches meet; the answer stays symbolic.
    """
    found = []
    points = break_points(expr, var, values)
    places = [sympy.Rational(float(p.subs(values))) for p in points]
    for i, (point, place) in enumerate(zip(points, places, strict=True)):
        gap = min(
            (abs(place - q) for j, q in enumerate(places) if j != i and q != place), default=1
        )
        step = min(gap, 1) / 1024
        sides = []
        for at in (place - step, place + step):
            branch = branch_at(expr, var, at, values)
            slope = derivative(branch, var)
            sides.append((_at(branch, var, point), _at(slope, var, point)))
        (left, dleft), (right, dright) = sides
        if sympy.simplify(left - right) != 0 or sympy.simplify(dleft - dright) != 0:
            found.append(Kink(point, left, right, dleft, dright))
    return found


def _at(branch: Expr, var: Symbol, point: Expr) -> Expr:
    value = branch.subs(var, point)
    if value.has(sympy.nan, sympy.zoo):
        value = sympy.limit(branch, var, point)
    return sympy.simplify(value)
