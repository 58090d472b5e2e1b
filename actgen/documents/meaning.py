"""Trees to SymPy: which names are functions, what they are, and what stands for the input.

`f(x)` is a call where the scope knows f as a function and a product where it does not; what was
read in one of two possible ways is written down in the scope's notes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import sympy
from lark import Token, Tree
from sympy import Expr, Symbol

from .. import calculus, lang
from .syntax import parse
from .tokens import GREEK, NotUnderstood, Tok, split

MAX_POWER = 64


@dataclass(frozen=True)
class Named:
    """A function with a name: `formula` over its inputs, then its parameters in order.

    `activation` is the declared one that it is, if it is one.
    """

    name: str
    formula: Expr
    inputs: tuple[Symbol, ...] = (lang.x,)
    parameters: tuple[Symbol, ...] = ()
    activation: str = ""
    defaults: tuple[tuple[Symbol, Expr], ...] = ()  #: of parameters that a call leaves out

    def __call__(self, *args: Expr) -> Expr:
        formals = (*self.inputs, *self.parameters)
        if len(args) > len(formals):
            takes = len(self.inputs)
            raise NotUnderstood(f"{self.name} takes {takes} argument(s), not {len(args)}")
        return self.formula.xreplace(
            {**dict(self.defaults), **dict(zip(formals, args, strict=False))}
        )

    def derivative(self, order: int, wrt: Symbol | None = None) -> Named:
        """The function's derivative, branch by branch."""
        expr = self.formula
        take = calculus.row_diagonal if expr.has(lang.RowSum, lang.RowMax) else calculus.derivative
        for _ in range(order):
            expr = take(expr, wrt or self.inputs[0])
        name = self.name + "'" * order if wrt is None else f"∂{self.name}/∂{wrt}"
        return Named(name, expr, self.inputs, self.parameters, defaults=self.defaults)


def _arc(name: str) -> Callable[[Expr], Expr]:
    return lambda u: getattr(sympy, name)(u)


#: Functions that need no declaration, by name; the first argument is the input.
BUILTIN: dict[str, Callable[..., Expr]] = {
    **{
        name: getattr(sympy, name)
        for name in "exp log tanh sinh cosh sin cos tan erf erfc sqrt sign".split()
    },
    "sgn": sympy.sign, "abs": sympy.Abs, "max": sympy.Max, "min": sympy.Min,
    "sech": lambda u: 1 / sympy.cosh(u), "coth": lambda u: sympy.cosh(u) / sympy.sinh(u),
    "log1p": lambda u: sympy.log(1 + u), "expm1": lambda u: sympy.exp(u) - 1,
    "arctan": sympy.atan, "arcsin": sympy.asin, "arccos": sympy.acos,
    "arsinh": sympy.asinh, "arcsinh": sympy.asinh, "artanh": sympy.atanh, "arctanh": sympy.atanh,
}  # fmt: skip

NORMAL_CDF: Callable[[Expr], Expr] = lambda u: (1 + sympy.erf(u / sympy.sqrt(2))) / 2  # noqa: E731
NORMAL_PDF: Callable[[Expr], Expr] = (  # noqa: E731
    lambda u: sympy.exp(-(u**2) / 2) / sympy.sqrt(2 * sympy.pi)
)

CDF_NOTE = "φ is read as the normal distribution function, as the document says"

#: Letters that usually stand for a function; a document's own definition goes before.
LETTERS: dict[str, Callable[[Expr], Expr]] = {
    "sigma": lang.sigmoid,
    "Phi": NORMAL_CDF,
    "phi": NORMAL_PDF,
    "varphi": NORMAL_PDF,
    "normal_pdf": NORMAL_PDF,
    "normal_cdf": NORMAL_CDF,
}

CONSTANTS: dict[str, Expr] = {"pi": sympy.pi, "oo": sympy.oo}


@dataclass
class Scope:
    """What names mean at one place of a document."""

    function: Callable[[str], Callable[..., Expr] | None] = lambda name: None
    variables: dict[str, Expr] = field(default_factory=lambda: {"x": lang.x})
    notes: list[str] = field(default_factory=list)
    guessed: bool = False  #: φ was read as the normal density though the document says nothing
    far: bool = False  #: the reading of a/2b as a/(2b)
    ambiguous: bool = False
    inner: bool = False  #: d/dx f(−x) as f′ at −x
    standard: bool = False  #: σ, Φ and φ as usual, whatever the document made of them
    bound: tuple[str, ...] = ()
    indices: set[str] = field(default_factory=set)

    def note(self, text: str) -> None:
        """Write a reading down, once."""
        if text not in self.notes:
            self.notes.append(text)

    def callee(self, name: str) -> Callable[..., Expr] | None:
        """The function of that name, if it is one here."""
        if self.standard and name in LETTERS:
            return LETTERS[name]
        found = self.function(name) or BUILTIN.get(name)
        if isinstance(found, Named) and found.name == "normal_cdf":
            self.note(CDF_NOTE)
        if found is None and name in ("phi", "varphi"):
            self.guessed = True
        return found or LETTERS.get(name)

    def symbol(self, name: str) -> Expr:
        """What a name that is no function stands for."""
        if name in self.variables:
            return self.variables[name]
        if name in CONSTANTS:
            return CONSTANTS[name]
        if name == "e":
            return sympy.E
        return lang.symbol(name)

    # Sides and conditions.

    def side(self, tokens: list[Tok]) -> Expr:
        """The expression that the tokens of one side say."""
        while tokens and tokens[-1].kind in ("DOT", "COMMA", "SEMI", "QUAD", "COLON"):
            tokens = tokens[:-1]
        while tokens and tokens[0].kind in ("QUAD", "COMMA", "DOT", "COLON"):
            tokens = tokens[1:]
        tokens = [t for t in tokens if t.kind != "QUAD"]
        if not tokens:
            raise NotUnderstood("one side is empty")
        value = self.value(parse(tokens))
        if value.has(sympy.zoo, sympy.I) or value is sympy.nan:
            raise NotUnderstood("a part of it has no real value")
        return value

    def condition(self, tokens: list[Tok]) -> Any:
        """The SymPy condition that tokens such as `if x > 0` say."""
        words = [t for t in tokens if t.kind == "WORD"]
        if any(t.text == "otherwise" for t in words):
            return sympy.true
        either = []
        for part in _split_words(tokens, "or"):
            both = []
            for piece in _split_words(part, "and"):
                for clause in split(piece, {"COMMA", "SEMI", "QUAD"}):
                    clause = [t for t in clause if t.kind not in ("WORD", "DOT", "COLON", "PROSE")]
                    if clause:
                        both.append(self.relation(clause))
            if both:
                either.append(sympy.And(*both))
        if not either:
            raise NotUnderstood("a condition that says nothing")
        return sympy.Or(*either)

    def relation(self, tokens: list[Tok]) -> Any:
        """A chain of comparisons: -2.5 <= x <= 2.5."""
        signs = [t.text for t in tokens if t.kind == "REL"]
        sides = list(split(tokens, {"REL"}))
        if not signs or len(sides) != len(signs) + 1:
            raise NotUnderstood("a condition without a comparison")
        parts = []
        for sign, a, b in zip(signs, sides, sides[1:], strict=False):
            if sign == "in":
                low, high, closed = self.interval(b)
                value = self.side(a)
                parts.append(value >= low if closed[0] else value > low)
                parts.append(value <= high if closed[1] else value < high)
                continue
            if sign not in _COMPARE:
                raise NotUnderstood(f"{sign} has no place in a condition")
            parts.append(_COMPARE[sign](self.side(a), self.side(b)))
        return sympy.And(*parts)

    def interval(self, tokens: list[Tok]) -> tuple[Expr, Expr, tuple[bool, bool]]:
        """An interval: its ends and whether each belongs to it."""
        tokens = [t for t in tokens if t.kind not in ("DOT", "QUAD")]
        while tokens and tokens[-1].kind == "COMMA":
            tokens = tokens[:-1]
        if tokens and tokens[0].kind == "SET" and tokens[0].text == "R":
            rest = tokens[1:]
            if not rest:
                return -sympy.oo, sympy.oo, (False, False)
            shown = "".join(t.text for t in rest)
            if shown in ("^+", "+", "_+", "CARET+"):
                return sympy.Integer(0), sympy.oo, (False, False)
            raise NotUnderstood("a set that is not an interval")
        if len(tokens) < 5 or tokens[0].kind != "OPEN" or tokens[-1].kind != "CLOSE":
            raise NotUnderstood("a set that is not an interval")
        parts = list(split(tokens[1:-1], {"COMMA", "SEMI"}))
        if len(parts) != 2:
            raise NotUnderstood("a set that is not an interval")
        low, high = map(self.side, parts)
        return low, high, (tokens[0].text == "[", tokens[-1].text == "]")

    # Trees.

    def value(self, tree: Any) -> Expr:
        """The expression of a tree."""
        if isinstance(tree, Token):
            return self._leaf(tree)
        return getattr(self, f"_{tree.data}")(tree)

    def _leaf(self, token: Token) -> Expr:
        if token.type == "NUM":
            return sympy.Rational(token.value.text)
        if token.type == "NAME":
            return self._bare(token.value.text)
        raise NotUnderstood(f"{token.value.text!r} alone")

    def _bare(self, name: str) -> Expr:
        if name in self.variables or name in CONSTANTS or name == "e":
            return self.symbol(name)
        called = self.function(name)
        if called is not None:
            return called(self.variables.get("x", lang.x))
        if name in BUILTIN:
            raise NotUnderstood(f"{name} without its argument")
        return self.symbol(name)

    def _sum(self, tree: Tree[Token]) -> Expr:
        total, sign = sympy.Integer(0), 1
        for child in tree.children:
            if isinstance(child, Token) and child.type in ("PLUS", "MINUS", "PM"):
                if child.type == "PM":
                    raise NotUnderstood("± says two things at once")
                sign = -1 if child.type == "MINUS" else 1
            else:
                total += sign * self.value(child)
                sign = 1
        return total

    def _term(self, tree: Tree[Token]) -> Expr:
        """Products and quotients from left to right; a sum over an index takes what follows."""
        children = list(tree.children)
        result, op, sign = sympy.Integer(1), "STAR", 1
        for child in children:
            if isinstance(child, Token):
                if child.type == "MINUS":
                    sign = -1
                else:
                    op = child.type
                continue
            factors = list(self._factors(list(child.children)))
            if op == "SLASH":
                near, rest = factors[0], factors[1:]
                if rest:
                    # a/2b: is b below the stroke?
                    self.ambiguous = True
                    self.note("a/bc is read as " + ("a/(bc)" if self.far else "(a/b)·c"))
                below = sympy.Mul(near, *rest) if self.far else near
                if below == 0:
                    raise NotUnderstood("a division by zero")
                result = result / below
                factors = [] if self.far else rest
            result = sign * result * sympy.Mul(*factors)
            sign = 1
        return result

    def _chain(self, tree: Tree[Token]) -> Expr:
        return sympy.Mul(*self._factors(list(tree.children)))

    def _factors(self, items: list[Any]) -> Iterator[Expr]:
        """The values that a chain of factors multiplies, calls resolved."""
        i = 0
        while i < len(items):
            value, used = self._factor_at(items, i)
            yield value
            i += used

    def _factor_at(self, items: list[Any], i: int) -> tuple[Expr, int]:
        factor = items[i]
        base, scripts = factor.children[0], list(factor.children[1:])
        kind = base.data if isinstance(base, Tree) else ""
        rest = items[i + 1 :]
        if kind == "frac":
            operator = self._operator(base)
            if operator is not None:
                return self._differentiated(operator, rest)
        if kind == "nabla":
            var = self._index_symbol(scripts)
            return self._differentiated((None, var, 1), rest)
        if kind == "sum_over":
            index = self._bound_index(scripts)
            inner = sympy.Mul(*self._under(index, rest))
            return lang.RowSum(inner), 1 + len(rest)
        if kind == "indicator":
            return self._indicator(scripts, rest)
        if kind == "name":
            name = _name(base)
            name, scripts = self._whole_name(name, scripts)
            called = self._called(name)
            if called is not None and name not in self.variables:
                return self._call(name, called, scripts, rest)
            following = rest[0].children[0] if rest else None
            grouped = isinstance(following, Tree) and following.data in ("group", "related")
            if name in ("P", "Pr", "Prob") and grouped:
                return self._probability(following), 2
            if grouped and len(name) > 1 and name not in GREEK and name not in self.variables:
                raise NotUnderstood(f"the function {name}: it is no declared activation")
            if grouped and isinstance(following, Tree) and len(following.children[1].children) > 1:
                raise NotUnderstood(f"{name}(…, …): {name} is no known function")
            value = self._scripted(self._indexed(name, scripts), scripts, name)
            if grouped and name not in self.variables and _plain(following.children[1]):
                self.note(f"{name}(…) is read as a product")
            return value, 1
        return self._scripted(self.value(base), scripts), 1

    def _whole_name(self, name: str, scripts: list[Any]) -> tuple[str, list[Any]]:
        """`log` with the index `sigmoid` is one name."""
        if scripts and scripts[0].data == "index":
            index = _plain(scripts[0].children[-1])
            if index and self.function(f"{name}_{index}") is not None:
                return f"{name}_{index}", scripts[1:]
        return name, scripts

    def _called(self, name: str) -> Callable[..., Expr] | None:
        return self.callee(name)

    def _call(
        self, name: str, called: Callable[..., Expr], scripts: list[Any], rest: list[Any]
    ) -> tuple[Expr, int]:
        order = sum(self._primes(s) for s in scripts)
        power = [s for s in scripts if s.data in ("power", "small") and not self._primes(s)]
        for s in scripts:
            if s.data == "index" and name in ("max", "min"):
                index = self._bound_index([s])
                inner = sympy.Mul(*self._under(index, rest))
                if name == "min":
                    return -lang.RowMax(-inner), 1 + len(rest)
                return lang.RowMax(inner), 1 + len(rest)
            if s.data == "index" and name == "log":
                base = self._argument(s.children[-1])
                called = lambda u, base=base: sympy.log(u) / sympy.log(base)  # noqa: E731
            elif s.data == "index":
                self._channel(s)
        args, used, outer = self._arguments(name, called, rest)
        if order:
            called = self._prime(name, called, order)
        if not isinstance(called, Named) and len(args) != 1 and name not in ("max", "min"):
            raise NotUnderstood(f"{_told(name)} takes one argument, not {len(args)}")
        value = called(*args)
        if name == "exp" and power and not used:
            raise NotUnderstood("exp without its argument")
        for s in power:
            if (
                _plain(s.children[-1]) == ""
                and _is_minus_one(s.children[-1])
                and name not in _INVERSE
            ):
                raise NotUnderstood(f"the inverse of {_told(name)}")
            value = self._powered(value, s, name)
        return self._scripted(value, outer), 1 + used

    def _prime(self, name: str, called: Callable[..., Expr], order: int) -> Callable[..., Expr]:
        if isinstance(called, Named):
            return called.derivative(order)
        return Named(name, called(lang.x)).derivative(order)

    def _arguments(
        self, name: str, called: Callable[..., Expr], rest: list[Any]
    ) -> tuple[list[Expr], int, list[Any]]:
        """The arguments of a call, how many factors they took, and what is written on them."""
        if rest:
            base = rest[0].children[0]
            if isinstance(base, Tree) and base.data in ("group", "braces", "absolute"):
                outer = list(rest[0].children[1:])
                if base.data == "absolute":
                    return [self.value(base)], 1, outer
                # e^x and the like belong to the call: log(x)^2; an index names an entry.
                values = self._items(base)
                return values, 1, [s for s in outer if s.data != "index"]
            if isinstance(base, Tree) and base.data == "related":
                raise NotUnderstood(f"a comparison as the argument of {name}")
            if isinstance(base, Tree) and base.data == "empty":
                raise NotUnderstood(f"{name}() without an argument")
        if name in BUILTIN or name in LETTERS:
            taken: list[Any] = []
            for factor in rest:
                base = factor.children[0]
                if isinstance(base, Tree) and base.data == "name" and self.callee(_name(base)):
                    break
                if isinstance(base, Tree) and base.data in ("group",) and taken:
                    break
                taken.append(factor)
            if taken:
                return [sympy.Mul(*self._factors(taken))], len(taken), []
            if rest and name in BUILTIN:
                return [sympy.Mul(*self._factors(rest))], len(rest), []
            if name in BUILTIN:
                raise NotUnderstood(f"{name} without its argument")
        arity = len(called.inputs) if isinstance(called, Named) else 1
        if arity > 1:
            raise NotUnderstood(f"{name} without its arguments")
        return [self.variables.get("x", lang.x)], 0, []

    def _items(self, group: Tree[Token]) -> list[Expr]:
        items = group.children if group.data == "braces" else group.children[1].children
        return [self.value(c) for c in items if not isinstance(c, Token)]

    def _group(self, tree: Tree[Token]) -> Expr:
        values = self._items(tree)
        if len(values) != 1:
            raise NotUnderstood("a list where one value is expected")
        return values[0]

    def _related(self, tree: Tree[Token]) -> Expr:
        if tree.children[0].value.text != "[":
            raise NotUnderstood("a comparison where a value is expected")
        return sympy.Piecewise((1, self._relation_of(tree.children[1])), (0, True))

    def _relation_of(self, tree: Tree[Token]) -> Any:
        parts, values = [], [c for c in tree.children if isinstance(c, Tree)]
        signs = [c.value.text for c in tree.children if isinstance(c, Token)]
        for sign, a, b in zip(signs, values, values[1:], strict=False):
            if sign not in _COMPARE:
                raise NotUnderstood(f"{sign} has no place in a condition")
            parts.append(_COMPARE[sign](self.value(a), self.value(b)))
        return sympy.And(*parts)

    def _empty(self, tree: Tree[Token]) -> Expr:
        raise NotUnderstood("brackets without content")

    def _nothing(self, tree: Tree[Token]) -> Expr:
        return sympy.Integer(1)

    def _braces(self, tree: Tree[Token]) -> Expr:
        return self.value(next(c for c in tree.children if isinstance(c, Tree)))

    def _number(self, tree: Tree[Token]) -> Expr:
        return sympy.Rational(tree.children[0].value.text)

    def _name(self, tree: Tree[Token]) -> Expr:
        return self._bare(_name(tree))

    def _absolute(self, tree: Tree[Token]) -> Expr:
        return sympy.Abs(self.value(next(c for c in tree.children if isinstance(c, Tree))))

    def _dots(self, tree: Tree[Token]) -> Expr:
        raise NotUnderstood("dots that stand for what is not written")

    def _sqrt(self, tree: Tree[Token]) -> Expr:
        return sympy.sqrt(self._argument(tree.children[-1]))

    def _frac(self, tree: Tree[Token]) -> Expr:
        top, bottom = (self._argument(c) for c in tree.children if isinstance(c, Tree))
        if bottom == 0:
            raise NotUnderstood("a division by zero")
        return top / bottom

    def _argument(self, tree: Any) -> Expr:
        if isinstance(tree, Tree) and tree.data == "argument":
            parts = [
                c
                for c in tree.children
                if isinstance(c, Tree) or c.type in ("NUM", "NAME", "MINUS", "FRAC")
            ]
            if isinstance(parts[0], Token) and parts[0].type == "FRAC":
                return self._frac(tree)
            if isinstance(parts[0], Token) and parts[0].type == "MINUS":
                return -self.value(parts[1])
            return self.value(parts[0])
        if isinstance(tree, Tree) and tree.data in ("indices", "condition", "starred", "primed"):
            raise NotUnderstood("a list where one value is expected")
        return self.value(tree)

    def _cases(self, tree: Tree[Token]) -> Expr:
        rows = tree.children[0].value.inside
        if not rows:
            raise NotUnderstood("cases without rows")
        return sympy.Piecewise(*((self._row(v), self.condition(c)) for v, c in rows))

    def _row(self, tokens: list[Tok]) -> Expr:
        """The value of a row; nan where it says that there is none."""
        if len(tokens) == 1 and tokens[0].text.lower() in ("undefined", "undef", "dne", "nan"):
            return sympy.nan
        return self.side(tokens)

    # Scripts.

    def _scripted(self, value: Expr, scripts: list[Any], name: str = "") -> Expr:
        for s in scripts:
            if s.data in ("power", "small"):
                value = self._powered(value, s, name)
            elif s.data == "primes" or (s.data == "power" and self._primes(s)):
                raise NotUnderstood("a prime on what is no function")
            elif s.data == "factorial":
                raise NotUnderstood("a factorial")
        return value

    def _powered(self, value: Expr, script: Tree[Token], name: str = "") -> Expr:
        if script.data == "small":
            text = "".join(c.value.text for c in script.children)
            if text == "+":
                return sympy.Max(value, 0)
            exponent = sympy.Integer(-1 if text.startswith("-") else 1)
            for char in text.lstrip("-"):
                exponent *= self.symbol("x") if char == "x" else sympy.Integer(char)
            return sympy.exp(exponent) if name == "e" else value**exponent
        argument = script.children[-1]
        if isinstance(argument, Tree) and argument.data == "positive":
            return sympy.Max(value, 0)
        if isinstance(argument, Tree) and argument.data in ("starred", "condition"):
            raise NotUnderstood("an exponent that is no number")
        if _plain(argument) in ("T", "⊤"):
            self.note("a transposed vector times a vector is read as one number")
            return value
        power = self._argument(argument)
        if name == "e":
            return sympy.exp(power)
        if power == -1 and name in BUILTIN:
            if name in _INVERSE:
                return _INVERSE[name](value.args[0])
        if power.is_number and not abs(sympy.N(power, 10)) <= MAX_POWER:
            raise NotUnderstood(f"an exponent beyond {MAX_POWER}")
        if value == 0 and not power.is_positive:
            raise NotUnderstood("a power of zero")
        return value**power

    def _primes(self, script: Tree[Token]) -> int:
        """How often a script differentiates."""
        if script.data == "primes":
            return sum(len(c.value.text) for c in script.children)
        if script.data == "power":
            argument = script.children[-1]
            if isinstance(argument, Tree) and argument.data == "primed":
                return sum(len(c.value.text) for c in argument.children if c.type == "PRIME")
            inner = _single(argument)
            if isinstance(inner, Tree) and inner.data == "group":
                order = _plain(inner.children[1])
                return int(order) if order.isdigit() and int(order) < 5 else 0
        return 0

    def _indexed(self, name: str, scripts: list[Any]) -> Expr:
        """A name with its index: an entry of the row, a channel, or a name of its own."""
        for s in scripts:
            if s.data != "index":
                continue
            index = _plain(s.children[-1])
            if not index:
                raise NotUnderstood(f"the index of {name}")
            if index.isdigit() or len(index.rstrip("+-0123456789")) > 2:
                return lang.symbol(f"{name}_{index}")
            if name in self.variables and self.variables[name] in (lang.x, lang.y):
                if self.bound and index not in self.bound:
                    raise NotUnderstood(
                        f"the entry {name}_{index} inside a sum over {self.bound[0]}"
                    )
                self.indices.add(index)
        return self.symbol(name)

    def _channel(self, script: Tree[Token]) -> None:
        if not _plain(script.children[-1]):
            raise NotUnderstood("an index that is no name")

    def _index_symbol(self, scripts: list[Any]) -> Symbol:
        for s in scripts:
            if s.data == "index":
                value = self._argument(s.children[-1])
                if isinstance(value, Symbol):
                    return value
        return lang.x

    def _bound_index(self, scripts: list[Any]) -> str:
        for s in scripts:
            if s.data == "index":
                argument = s.children[-1]
                if isinstance(argument, Tree) and argument.data == "condition":
                    relation = next(c for c in argument.children if isinstance(c, Tree))
                    return _plain(relation.children[0]) or "i"
                return _plain(argument) or "i"
        raise NotUnderstood("a sum without its index")

    def _under(self, index: str, rest: list[Any]) -> list[Expr]:
        if not rest:
            raise NotUnderstood("a sum of nothing")
        before, self.bound = self.bound, (index,)
        try:
            return list(self._factors(rest))
        finally:
            self.bound = before

    def _indicator(self, scripts: list[Any], rest: list[Any]) -> tuple[Expr, int]:
        for s in scripts:
            if s.data == "index":
                inner = s.children[-1]
                if isinstance(inner, Tree) and inner.data == "condition":
                    tree = next(c for c in inner.children if isinstance(c, Tree))
                    return sympy.Piecewise((1, self._relation_of(tree)), (0, True)), 1
        if rest:
            base = rest[0].children[0]
            if isinstance(base, Tree) and base.data == "related":
                condition = self._relation_of(base.children[1])
                return sympy.Piecewise((1, condition), (0, True)), 2
        raise NotUnderstood("an indicator without its condition")

    def _probability(self, group: Tree[Token]) -> Expr:
        relation = group.children[1]
        signs = [c.value.text for c in relation.children if isinstance(c, Token)]
        values = [c for c in relation.children if isinstance(c, Tree)]
        if group.data != "related" or signs not in (["<="], ["<"]):
            raise NotUnderstood("a probability")
        self.note("P(X ≤ x) is read as the standard normal distribution function")
        return NORMAL_CDF(self.value(values[1]))

    # Derivatives.

    def _operator(self, frac: Tree[Token]) -> tuple[Any, Symbol, int] | None:
        """d/dx, ∂f/∂α, d²f(x)/dx²: what is differentiated (None: what follows), by what, how often."""
        top, bottom = (c for c in frac.children if isinstance(c, Tree))
        above, below = _chain_of(top), _chain_of(bottom)
        if not above or not below or _letter(above[0]) not in ("d", "∂"):
            return None
        if _letter(below[0]) not in ("d", "∂") or len(below) != 2:
            return None
        wrt = below[1].children[0]
        if not (isinstance(wrt, Tree) and wrt.data == "name"):
            raise NotUnderstood("a derivative by what is no symbol")
        name = _name(wrt)
        order = 1
        for s in above[0].children[1:]:
            if s.data == "power":
                order = int(_plain(s.children[-1]) or 0)
        symbol = self._indexed(name, [s for s in below[1].children[1:] if s.data == "index"])
        if not isinstance(symbol, Symbol) or not 0 < order < 5:
            raise NotUnderstood(f"a derivative by {name}")
        return (above[1:] or None), symbol, order

    def _differentiated(
        self, operator: tuple[Any, Symbol, int], rest: list[Any]
    ) -> tuple[Expr, int]:
        target, symbol, order = operator
        used = 1
        if target is None:
            if not rest:
                raise NotUnderstood("a derivative of nothing")
            target, used = rest, 1 + len(rest)
        expr = sympy.Mul(*self._factors(list(target)))
        if isinstance(expr, Symbol) and expr != symbol and expr not in self.variables.values():
            raise NotUnderstood(f"{expr} is not known as a function of {symbol}")
        if self.inner and symbol == lang.x and len(target) == 2:
            # f′ first, then its argument.
            name, group = _letter(target[0]), target[1].children[0]
            called = self.callee(name) if name else None
            if called is not None and isinstance(group, Tree) and group.data == "group":
                there = self._items(group)
                if len(there) == 1:
                    return self._prime(name, called, order)(there[0]), used
        rows = expr.has(lang.RowSum, lang.RowMax)
        for _ in range(order):
            take = calculus.row_diagonal if rows else calculus.derivative
            expr = take(expr, symbol)
        return expr, used


_COMPARE: Mapping[str, Callable[[Expr, Expr], Any]] = {
    "<": sympy.Lt, "<=": sympy.Le, ">": sympy.Gt, ">=": sympy.Ge, "=": sympy.Eq, "!=": sympy.Ne,
}  # fmt: skip


_INVERSE = {"tanh": sympy.atanh, "sinh": sympy.asinh, "tan": sympy.atan}


def _is_minus_one(argument: Any) -> bool:
    tokens = (
        list(argument.scan_values(lambda t: isinstance(t, Token)))
        if isinstance(argument, Tree)
        else []
    )
    return [t.value.text for t in tokens if t.type in ("MINUS", "NUM", "NAME")] == ["-", "1"]


def _told(name: str) -> str:
    return {"sigma": "σ", "phi": "φ", "Phi": "Φ", "varphi": "φ"}.get(name, name)


def _split_words(tokens: list[Tok], word: str) -> Iterator[list[Tok]]:
    run: list[Tok] = []
    for t in tokens:
        if t.kind == "WORD" and t.text == word:
            yield run
            run = []
        else:
            run.append(t)
    yield run


def _name(tree: Tree[Token]) -> str:
    return str(tree.children[0].value.text)


def _single(tree: Any) -> Any:
    """The one base that a tree of sums, terms and chains comes down to; None if it is more."""
    while isinstance(tree, Tree) and tree.data in (
        "argument",
        "sum",
        "term",
        "chain",
        "factor",
        "items",
    ):
        children = [c for c in tree.children if isinstance(c, Tree) or c.type in ("NAME", "NUM")]
        signed = any(
            isinstance(c, Token) and c.type in ("MINUS", "PM", "FRAC") for c in tree.children
        )
        if len(children) != 1 or signed:
            return None
        tree = children[0]
    return tree


def _plain(tree: Any) -> str:
    """The name or number that a tree is; letters in a row are one name; "" if it is more."""
    inner = _single(tree)
    if isinstance(inner, Token):
        return str(inner.value.text)
    if isinstance(inner, Tree) and inner.data in ("name", "number"):
        return _name(inner)
    chain = _chain_of(tree) or []
    parts = [_letter(f) for f in chain]
    return "".join(parts) if parts and all(parts) else ""


def _chain_of(tree: Any) -> list[Any] | None:
    """The factors of a side that is one product without stroke or sign."""
    while isinstance(tree, Tree) and tree.data in ("argument", "sum", "term", "items"):
        children = [c for c in tree.children if isinstance(c, Tree)]
        signed = any(isinstance(c, Token) and c.type in ("MINUS", "PM") for c in tree.children)
        if len(children) != 1 or signed:
            return None
        tree = children[0]
    return list(tree.children) if isinstance(tree, Tree) and tree.data == "chain" else None


def _letter(factor: Any) -> str:
    base = factor.children[0]
    return _name(base) if isinstance(base, Tree) and base.data in ("name", "number") else ""


@dataclass(frozen=True)
class Head:
    """A side that is a function at plain symbols: f(x), ELU'(x, α), d/dx σ(x), ∂f/∂α."""

    name: str
    args: tuple[str, ...]
    order: int = 0
    wrt: str = ""


def head(tokens: list[Tok], scope: Scope) -> Head | None:
    """What a side defines, if it is the head of a definition or of a derivative."""
    tokens = [t for t in tokens if t.kind != "QUAD"]
    try:
        chain = _chain_of(parse(tokens))
    except NotUnderstood:
        return None
    if not chain:
        return None
    order, wrt = 0, ""
    first = chain[0].children[0]
    if isinstance(first, Tree) and first.data == "frac":
        top, bottom = (c for c in first.children if isinstance(c, Tree))
        above, below = _chain_of(top), _chain_of(bottom)
        if not above or not below or len(below) != 2 or _letter(above[0]) not in ("d", "∂"):
            return None
        powers = [s for s in above[0].children[1:] if s.data == "power"]
        order = int(_plain(powers[0].children[-1]) or 1) if powers else 1
        wrt, chain = _letter(below[1]), above[1:] + chain[1:]
    elif isinstance(first, Tree) and first.data == "nabla":
        order, wrt = 1, next((_plain(s.children[-1]) for s in chain[0].children[1:]), "x")
        chain = chain[1:]
    if not chain or len(chain) > 2:
        return None
    base, scripts = chain[0].children[0], list(chain[0].children[1:])
    if not (isinstance(base, Tree) and base.data == "name"):
        return None
    name, scripts = scope._whole_name(_name(base), scripts)
    for s in scripts:
        primes = scope._primes(s)
        order += primes
        if not primes and s.data != "index":
            return None
        if s.data == "index" and _plain(s.children[-1]).isdigit():
            return None
    if len(chain) == 1:
        return Head(name, (), order, wrt)
    group = chain[1].children[0]
    outer = list(chain[1].children[1:])
    if not (isinstance(group, Tree) and group.data == "group") or any(
        s.data != "index" for s in outer
    ):
        return None
    args = []
    for item in group.children[1].children:
        if isinstance(item, Token):
            continue
        inner = _chain_of(item)
        if not inner or len(inner) != 1 or not _letter(inner[0]) or _letter(inner[0])[0].isdigit():
            return None
        if any(s.data != "index" for s in inner[0].children[1:]):
            return None
        args.append(_letter(inner[0]))
    return Head(name, tuple(args), order, wrt)
