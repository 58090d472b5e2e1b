"""Python expressions of array libraries as SymPy: mapped to the formula language, never run."""

from __future__ import annotations

import ast
import copy
import re
import warnings
from collections.abc import Mapping
from typing import Any

import sympy
from sympy import Expr

from .. import lang, registry
from ..errors import FormulaError
from ..formula import CONDITIONS, FUNCTIONS, read_formula
from . import subjects

#: Names of array libraries and the words of the formula language.
WORDS = {
    "maximum": "max", "minimum": "min", "amax": "max", "fmax": "max", "fmin": "min",
    "absolute": "abs", "fabs": "abs", "arctan": "atan", "arcsinh": "asinh", "arctanh": "atanh",
    "power": "pow", "square": "square", "heaviside": "heaviside", "clip": "clip", "clamp": "clip",
}  # fmt: skip


class _Map(ast.NodeTransformer):
    """Library calls as words of the formula language; what it cannot say raises FormulaError."""

    def __init__(self, locals_: Mapping[str, ast.expr]) -> None:
        self.locals = dict(locals_)
        self.depth = 0

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        base = ast.unparse(node.value)
        if base == "self":
            return ast.Name(node.attr, ast.Load())
        if base in ("np", "jnp", "math", "torch", "numpy") and node.attr in ("pi", "e", "inf"):
            return ast.Name(node.attr, ast.Load())
        if base in ("x", "input", "z") and node.attr in ("T",):
            return node.value
        raise FormulaError(f"{ast.unparse(node)} is no value of a formula")

    def visit_Name(self, node: ast.Name) -> Any:
        if node.id in self.locals and self.depth < 20:
            self.depth += 1
            try:
                return self.visit(self.locals[node.id])
            finally:
                self.depth -= 1
        return node

    def visit_Subscript(self, node: ast.Subscript) -> Any:
        raise FormulaError("an index: the formula is about one element")

    def visit_Compare(self, node: ast.Compare) -> Any:
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> Any:
        if isinstance(node.func, ast.Attribute):
            whole = ast.unparse(node.func)
            name = node.func.attr
            value = node.func.value
            method = not re.match(
                r"(np|jnp|tf|torch|F|nn|math|K|jax|keras|numpy|scipy|backend|ops)\b", whole
            )
            if method and ast.unparse(value) != "self":
                # x.exp(), (x > 0).float(): the object is the first argument.
                if name in ("float", "astype", "to", "type", "double"):
                    return self._number(self.visit(value))
                node = ast.Call(node.func, [value, *node.args], node.keywords)
        elif isinstance(node.func, ast.Name):
            whole = name = node.func.id
        else:
            raise FormulaError("a call of what is no name")
        if name in (
            "array",
            "asarray",
            "constant",
            "tensor",
            "Tensor",
            "float",
            "convert_to_tensor",
            "float32",
            "as_tensor",
        ):
            return self._number(self.visit(node.args[0]))
        word = WORDS.get(name, name)
        args = [self.visit(a) for a in node.args]
        if word == "pow":
            return ast.BinOp(args[0], ast.Pow(), args[1])
        if word == "square":
            return ast.BinOp(args[0], ast.Pow(), ast.Constant(2))
        if word == "clip":
            limits = [*args[1:], *(self.visit(k.value) for k in node.keywords)]
            if len(limits) != 2:
                raise FormulaError("clip with one end")
            low = ast.Call(ast.Name("max", ast.Load()), [args[0], limits[0]], [])
            return ast.Call(ast.Name("min", ast.Load()), [low, limits[1]], [])
        if word in FUNCTIONS or word in CONDITIONS:
            return ast.Call(
                ast.Name(word, ast.Load()),
                [self._number(a) if word not in ("where", *CONDITIONS) else a for a in args],
                [],
            )
        spec = subjects.exact(whole)
        if spec:
            return self._activation(spec, whole, args, node.keywords)
        raise FormulaError(f"a call of {whole}, which is not known here")

    def _activation(
        self, spec: str, whole: str, args: list[Any], keywords: list[ast.keyword]
    ) -> Any:
        if spec == "relu" and "keras" in whole and keywords:
            spec = "keras_relu"
        act = registry.load(spec)
        if act.is_row:
            raise FormulaError(f"{whole} works on rows")
        named: list[ast.keyword] = []
        free = [p.name for p in act.parameters]
        for extra in args[len(act.inputs) :]:
            named.append(ast.keyword(free[len(named)] if len(named) < len(free) else "", extra))
        for k in keywords:
            if isinstance(k.value, ast.Constant) and k.value.value is None:
                continue
            if k.arg in ("dim", "axis", "name", "inplace"):
                continue
            target = (
                k.arg
                if k.arg in free
                else RENAMED.get((act.name, k.arg or ""), free[0] if len(free) == 1 else k.arg)
            )
            named.append(ast.keyword(target, self.visit(k.value)))
        return ast.Call(ast.Name(act.name, ast.Load()), args[: len(act.inputs)], named)

    def visit_BinOp(self, node: ast.BinOp) -> Any:
        # A comparison in arithmetic is 1 or 0.
        left, right = self._number(self.visit(node.left)), self._number(self.visit(node.right))
        return ast.BinOp(left, node.op, right)

    def _number(self, node: Any) -> Any:
        if isinstance(node, ast.Compare):
            one, zero = ast.Constant(1), ast.Constant(0)
            return ast.Call(ast.Name("where", ast.Load()), [node, one, zero], [])
        return node


RENAMED = {("keras_relu", "alpha"): "negative_slope"}


def expression(node: ast.expr, inputs: Mapping[str, Expr], locals_: Mapping[str, ast.expr]) -> Expr:
    """The SymPy expression of a Python one over `inputs`; other names become symbols."""
    mapped = ast.fix_missing_locations(_Map(locals_).visit(copy.deepcopy(node)))
    names = {
        n.id
        for n in ast.walk(mapped)
        if isinstance(n, ast.Name) and n.id not in FUNCTIONS and n.id not in CONDITIONS
    }
    known = {
        name: inputs.get(name, lang.symbol(name))
        for name in names
        if name not in ("pi", "e", "inf", "Piecewise") and name not in registry.declared()
    }
    return read_formula(ast.unparse(mapped), {**known, "inf": sympy.oo})


def parsed(text: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def branches(first: ast.If, body: list[ast.stmt]) -> ast.expr | None:
    """if c: return a; else: return b (or a return behind it) as one conditional expression."""

    def result(statements: list[ast.stmt]) -> ast.expr | None:
        if statements and isinstance(statements[0], ast.Return):
            return statements[0].value
        if statements and isinstance(statements[0], ast.If):
            return chosen(statements[0], statements[1:])
        return None

    def chosen(node: ast.If, rest: list[ast.stmt]) -> ast.expr | None:
        yes, no = result(node.body), result(node.orelse or rest)
        if yes is None or no is None:
            return None
        return ast.IfExp(node.test, yes, no)

    return chosen(first, body[body.index(first) + 1 :])


def number_of(node: ast.expr) -> Expr | None:
    try:
        return sympy.Rational(ast.unparse(node))
    except (TypeError, ValueError):
        return None
