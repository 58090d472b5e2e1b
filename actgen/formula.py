"""Formula text to SymPy: Python's own grammar, a whitelist of what it may say, and bounds.

Text is never evaluated. It is parsed to a syntax tree, and each node that is allowed builds its
SymPy counterpart; everything else is refused at the place where it stands.
"""

from __future__ import annotations

import ast
import difflib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sympy
from sympy import Expr
from sympy.logic.boolalg import Boolean

from . import lang, registry
from .domain import warn_of_doubts
from .errors import FormulaError
from .lang import symbol
from .limits import TimeLimit, time_limit
from .spec import Activation, Parameter, check_identifier

MAX_LENGTH, MAX_DEPTH, MAX_NODES, MAX_DIGITS, MAX_POWER = 2000, 60, 600, 60, 64
SECONDS = 5.0


@dataclass(frozen=True)
class Function:
    """A function of formula text: how many arguments, and what it builds."""

    build: Callable[..., Expr]
    least: int = 1
    most: int | None = 1


def _where(*args: Any) -> Expr:
    condition, yes, no = args
    return sympy.Piecewise((yes, condition), (no, True))


#: A parameter of which nothing but its default is said lies beyond this share of it.
NEAREST_TO_ZERO = 2.0**-20

FUNCTIONS: dict[str, Function] = {
    **{
        name: Function(getattr(lang, name))
        for name in (
            "exp",
            "log",
            "sqrt",
            "sign",
            "sin",
            "cos",
            "tan",
            "asin",
            "acos",
            "atan",
            "sinh",
            "cosh",
            "tanh",
            "asinh",
            "acosh",
            "atanh",
            "erf",
            "erfc",
            "sigmoid",
            "softplus",
            "relu",
        )
    },
    "log1p": Function(lambda u: sympy.log(1 + u)),
    "expm1": Function(lambda u: sympy.exp(u) - 1),
    "abs": Function(sympy.Abs),
    "Abs": Function(sympy.Abs),
    "min": Function(sympy.Min, 2, None),
    "Min": Function(sympy.Min, 2, None),
    "max": Function(sympy.Max, 2, None),
    "Max": Function(sympy.Max, 2, None),
    "where": Function(_where, 3, 3),
}

#: Functions of conditions: their arguments and values are true or false.
CONDITIONS: dict[str, Function] = {
    "Eq": Function(sympy.Eq, 2, 2),
    "Ne": Function(sympy.Ne, 2, 2),
    "And": Function(sympy.And, 1, None),
    "Or": Function(sympy.Or, 1, None),
    "Not": Function(sympy.Not),
}

CONSTANTS: dict[str, Expr] = {"pi": sympy.pi, "e": sympy.E, "E": sympy.E}

_ARITHMETIC: dict[type, Callable[[Any, Any], Expr]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
}

_COMPARE: dict[type, Callable[[Any, Any], Boolean]] = {
    ast.Gt: sympy.Gt,
    ast.GtE: sympy.Ge,
    ast.Lt: sympy.Lt,
    ast.LtE: sympy.Le,
    ast.Eq: sympy.Eq,
    ast.NotEq: sympy.Ne,
}

_CURES: dict[type, str] = {
    ast.BitXor: "write ** for a power",
    ast.Mod: "only + - * / and ** join values",
    ast.FloorDiv: "write / to divide",
    ast.MatMult: "write * to multiply; a formula is about one element",
    ast.Attribute: "names with a dot are not taken: write where(…) for np.where(…)",
    ast.Subscript: "a formula is about one element; it cannot index",
    ast.Lambda: "write the expression alone",
    ast.List: "a formula is about one element",
    ast.Tuple: "a tuple stands only inside Piecewise((value, condition), …)",
    ast.NamedExpr: "write the expression alone",
}

_SIGNS: dict[type, str] = {ast.BitXor: "^", ast.Mod: "%", ast.FloorDiv: "//", ast.MatMult: "@"}


class _Reader:
    """Builds the SymPy expression of one formula."""

    def __init__(self, text: str, names: Mapping[str, Expr]) -> None:
        self.text, self.names = text, names

    def fail(self, node: ast.AST, message: str, cure: str = "") -> FormulaError:
        return FormulaError(message, text=self.text, column=self.column(node), cure=cure)

    def column(self, node: ast.AST) -> int:
        line = getattr(node, "lineno", 1) - 1
        before = sum(len(part) for part in self.text.splitlines(keepends=True)[:line])
        return before + int(getattr(node, "col_offset", 0))

    def value(self, node: ast.AST) -> Expr:
        """A node that must be a number-valued expression."""
        result = self.read(node)
        if not isinstance(result, Expr):  # a Symbol is both Expr and Boolean to SymPy
            raise self.fail(
                node,
                "a condition stands where a value is expected",
                "use it in where(condition, a, b)",
            )
        if result.has(sympy.I, sympy.zoo, sympy.nan):
            raise self.fail(
                node, "this part has no real value", "it divides by zero or leaves the reals"
            )
        return result

    def condition(self, node: ast.AST) -> Boolean:
        """A node that must be true or false."""
        result = self.read(node)
        if isinstance(result, Expr) or not isinstance(result, Boolean):
            raise self.fail(
                node,
                "a value stands where a condition is expected",
                "compare it: for example x > 0",
            )
        return result

    def read(self, node: ast.AST) -> Any:
        """The SymPy counterpart of a node."""
        reader = getattr(self, f"read_{type(node).__name__}", None)
        if reader is None:
            raise self.fail(
                node,
                f"{type(node).__name__} has no place in a formula",
                _CURES.get(type(node), "write it with + - * / ** and the known functions"),
            )
        return reader(node)

    def read_Constant(self, node: ast.Constant) -> Any:
        if isinstance(node.value, bool):
            return sympy.true if node.value else sympy.false
        if not isinstance(node.value, (int, float)):
            raise self.fail(
                node, f"{type(node.value).__name__} has no place in a formula", "write a number"
            )
        written = (ast.get_source_segment(self.text, node) or str(node.value)).replace("_", "")
        if len(written) > MAX_DIGITS:
            raise self.fail(
                node, f"a number of {len(written)} digits", f"at most {MAX_DIGITS} are taken"
            )
        if isinstance(node.value, float) and not abs(node.value) < float("inf"):
            raise self.fail(
                node, "a number beyond the floating-point range", "the greatest is about 1.8e308"
            )
        return sympy.Integer(node.value) if isinstance(node.value, int) else sympy.Rational(written)

    def read_Name(self, node: ast.Name) -> Expr:
        if node.id in self.names:
            return self.names[node.id]
        if node.id in CONSTANTS:
            return CONSTANTS[node.id]
        if node.id in FUNCTIONS or node.id in CONDITIONS:
            raise self.fail(node, f"{node.id} is a function", f"call it: {node.id}(x)")
        close = difflib.get_close_matches(node.id, [*self.names, *CONSTANTS, *FUNCTIONS], 1)
        hint = f"did you mean {close[0]}? Or " if close else ""
        raise self.fail(
            node,
            f"undeclared symbol {node.id!r}",
            f"{hint}declare it as a parameter: --param {node.id}=1.0",
        )

    def read_UnaryOp(self, node: ast.UnaryOp) -> Any:
        if isinstance(node.op, (ast.Not, ast.Invert)):
            return sympy.Not(self.condition(node.operand))
        operand = self.value(node.operand)
        return -operand if isinstance(node.op, ast.USub) else operand

    def read_BinOp(self, node: ast.BinOp) -> Any:
        if isinstance(node.op, (ast.BitAnd, ast.BitOr)):
            join = sympy.And if isinstance(node.op, ast.BitAnd) else sympy.Or
            return join(self.condition(node.left), self.condition(node.right))
        if isinstance(node.op, ast.Pow):
            return self.power(node)
        if type(node.op) not in _ARITHMETIC:
            sign = _SIGNS.get(type(node.op), type(node.op).__name__)
            cure = _CURES.get(type(node.op), "only + - * / and ** join values")
            raise self.fail(node, f"the operator {sign} has no place in a formula", cure)
        left, right = self.value(node.left), self.value(node.right)
        if isinstance(node.op, ast.Div) and right.is_zero:
            raise self.fail(node.right, "a division by zero", "correct the denominator")
        return _ARITHMETIC[type(node.op)](left, right)

    def power(self, node: ast.BinOp) -> Expr:
        power = self.value(node.right)
        if power.is_number and not abs(sympy.N(power, 10)) <= MAX_POWER:
            raise self.fail(node.right, "an exponent too great", f"exponents go up to {MAX_POWER}")
        base = self.value(node.left)
        if base.is_zero and power.is_number and not power.is_positive:
            raise self.fail(
                node, "a power of zero that is no number", "correct the base or the exponent"
            )
        if base.is_number and power.is_number and len(str(base)) * MAX_POWER > 4000:
            raise self.fail(node, "a power too great", "write the number itself")
        return base**power

    def read_BoolOp(self, node: ast.BoolOp) -> Boolean:
        join = sympy.And if isinstance(node.op, ast.And) else sympy.Or
        return join(*map(self.condition, node.values))

    def read_Compare(self, node: ast.Compare) -> Boolean:
        operands = [node.left, *node.comparators]
        parts = []
        for op, a, b in zip(node.ops, operands, operands[1:], strict=False):
            if type(op) not in _COMPARE:
                raise self.fail(
                    node,
                    f"{type(op).__name__} has no place in a formula",
                    "compare with < <= > >= == !=",
                )
            parts.append(_COMPARE[type(op)](self.value(a), self.value(b)))
        return sympy.And(*parts)

    def read_IfExp(self, node: ast.IfExp) -> Expr:
        return _where(self.condition(node.test), self.value(node.body), self.value(node.orelse))

    def read_Call(self, node: ast.Call) -> Any:
        if not isinstance(node.func, ast.Name):
            raise self.fail(
                node.func, "only a function's plain name can be called", _CURES[ast.Attribute]
            )
        name = node.func.id
        if name == "Piecewise":
            return self.piecewise(node)
        known = {**FUNCTIONS, **CONDITIONS}
        if name in known:
            return self.known(node, name, known[name])
        if name in registry.declared() or name in registry.aliases():
            return self.activation(node, registry.load(name))
        if name in self.names:
            raise self.fail(
                node, f"{name} is a symbol, not a function", f"write {name}*(…) to multiply"
            )
        choices = [*known, "Piecewise", *registry.names(), *registry.aliases()]
        close = list(dict.fromkeys(difflib.get_close_matches(name, choices, 3, 0.55)))
        cure = (
            f"did you mean {' or '.join(close)}?"
            if close
            else f"known: {', '.join(sorted(known))}, Piecewise and every activation by name"
        )
        raise self.fail(node, f"unknown function {name[:40]!r}", cure)

    def known(self, node: ast.Call, name: str, function: Function) -> Any:
        if node.keywords:
            raise self.fail(
                node, f"{name} takes no keyword arguments", f"write {name}(…) with values alone"
            )
        count, most = len(node.args), function.most
        if count < function.least or (most is not None and count > most):
            wanted = str(function.least) if most == function.least else f"at least {function.least}"
            raise self.fail(
                node, f"{name} takes {wanted} argument{'s' if wanted != '1' else ''}, not {count}"
            )
        if name in ("And", "Or", "Not"):
            return function.build(*map(self.condition, node.args))
        if name == "where":
            return function.build(self.condition(node.args[0]), *map(self.value, node.args[1:]))
        return function.build(*map(self.value, node.args))

    def piecewise(self, node: ast.Call) -> Expr:
        pairs = []
        for arg in node.args:
            if not isinstance(arg, ast.Tuple) or len(arg.elts) != 2:
                raise self.fail(
                    arg,
                    "Piecewise takes pairs",
                    "write Piecewise((value, condition), (value, True))",
                )
            pairs.append((self.value(arg.elts[0]), self.condition(arg.elts[1])))
        if not pairs or pairs[-1][1] != sympy.true:
            raise self.fail(
                node,
                "Piecewise says nothing about the rest of the line",
                "end it with (value, True)",
            )
        return sympy.Piecewise(*pairs)

    def activation(self, node: ast.Call, act: Activation) -> Expr:
        """A declared activation, its parameters by keyword or at their defaults."""
        if act.is_row:
            raise self.fail(
                node,
                f"{act.name} works on rows: not an elementwise formula",
                "row functions are declared in specs/rows.py",
            )
        if len(node.args) != len(act.inputs):
            raise self.fail(
                node,
                f"{act.name} takes {len(act.inputs)} argument(s), not {len(node.args)}",
                "give its parameters by keyword",
            )
        values: dict[Expr, Expr] = dict(act.defaults)
        for keyword in node.keywords:
            if keyword.arg not in {p.name for p in act.parameters}:
                known = ", ".join(p.name for p in act.parameters) or "none"
                raise self.fail(
                    node, f"{act.name} has no parameter {keyword.arg!r}", f"it has: {known}"
                )
            values[symbol(keyword.arg or "")] = self.value(keyword.value)
        inputs = dict(zip(act.inputs, map(self.value, node.args), strict=True))
        return act.formula.xreplace(values).xreplace(inputs)


def read_formula(text: str, names: Mapping[str, Expr]) -> Expr:
    """The expression that `text` says, over the given names; FormulaError with place and cure."""
    _bounds(text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            tree = ast.parse(text, mode="eval").body
    except SyntaxError as problem:
        column = min(max((problem.offset or 1) - 1, 0), len(text))
        cure = "check it for a missing operator, as in 2*x, or bracket"
        raise FormulaError(
            f"not a formula: {problem.msg}", text=text, column=column, cure=cure
        ) from None
    except (ValueError, MemoryError, RecursionError):
        raise FormulaError("not a formula: it is nested too deeply or has a null byte") from None
    if sum(1 for _ in ast.walk(tree)) > MAX_NODES:
        raise FormulaError(
            f"a formula of more than {MAX_NODES} parts",
            cure="split it, or name a part as an activation",
        )
    try:
        with time_limit(SECONDS):
            return _Reader(text, names).value(tree)
    except TimeLimit:
        raise FormulaError(
            f"the formula takes longer than {SECONDS:g} s to read", cure="simplify it"
        ) from None
    except RecursionError:
        raise FormulaError("the formula is nested too deeply", cure="simplify it") from None


def _bounds(text: str) -> None:
    if not isinstance(text, str):
        raise FormulaError(
            f"a formula is text, not {type(text).__name__}", cure="or declare it in specs/ as SymPy"
        )
    if not text.strip():
        raise FormulaError("the formula is empty", cure='write one, for example "x*tanh(x)"')
    if len(text) > MAX_LENGTH:
        raise FormulaError(
            f"a formula of {len(text)} characters", cure=f"at most {MAX_LENGTH} are taken"
        )
    depth = 0
    for column, char in enumerate(text):
        depth += (char in "([{") - (char in ")]}")
        if depth > MAX_DEPTH:
            raise FormulaError(
                f"brackets nested deeper than {MAX_DEPTH}",
                text=text,
                column=column,
                cure="simplify it",
            )
        if not (char.isascii() and (char.isprintable() or char in " \t")):
            raise FormulaError(
                f"the character {char!r}",
                text=text,
                column=column,
                cure="use plain ASCII on one line: beta for β, * for ·, ** for a power",
            )


def parse(
    text: str, name: str = "formula", parameters: Mapping[str, float | Parameter] | None = None
) -> Activation:
    """An activation from formula text over x (and y for a gated one) and named parameters.

    `parameters` maps names to default values, whose sign the parameter then keeps, or to
    Parameters with domains. Raises FormulaError
    with the place and the cure; warns FormulaWarning for a pole, a jump, values that are not real
    on part of the line, and unused parameters.
    """
    check_identifier(name, "name")
    declared: list[Parameter] = []
    for key, value in (parameters or {}).items():
        check_identifier(key, "parameter")
        if key in FUNCTIONS or key in CONDITIONS:
            raise FormulaError(
                f"parameter {key!r} is the name of a function", cure="choose another"
            )
        if isinstance(value, Parameter):
            declared.append(value)
        elif (
            isinstance(value, bool)
            or not isinstance(value, (int, float))
            or value != value
            or abs(value) == float("inf")
        ):
            raise FormulaError(
                f"parameter {key!r} has no finite number as its default: {value!r}",
                cure=f"write {key}=1.0",
            )
        else:
            # Of the default's sign and not 0, unless a Parameter says otherwise.
            edge = float(value) * NEAREST_TO_ZERO
            low, high = (edge if value > 0 else None), (edge if value < 0 else None)
            declared.append(Parameter(key, float(value), low, high))
    names = {"x": lang.x, "y": lang.y, **{p.name: p.symbol for p in declared}}
    formula = read_formula(text, names)
    if lang.x not in formula.free_symbols:
        raise FormulaError(
            "the formula does not depend on x",
            text=text,
            column=0,
            cure="write it as a function of x",
        )
    inputs = (lang.x, lang.y) if lang.y in formula.free_symbols else (lang.x,)
    act = Activation(name, formula, inputs=inputs, parameters=tuple(declared))
    warn_of_doubts(act)
    return act
