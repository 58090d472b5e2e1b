"""Trees to SymPy: which names are functions, what they are, and what stands for the input.

`f(x)` is a call where the scope knows f as a function and a product where it does not; what was
read in one of two possible ways is written down in the scope's notes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import sympy
from lark import Token, Tree
from sympy import Expr, Symbol

from .. import calculus, lang
from .branches import check_overlap, is_kink
from .commands import GREEK
from .conditions import COMPARE, Conditions
from .functions import BUILTIN, CDF_NOTE, CONSTANTS, LETTERS, Named
from .scripts import INVERSE, Scripts
from .syntax import parse
from .tokens import NotUnderstood, Tok
from .trees import Node, chain_of, is_minus_one, letter, name_of, plain, told


@dataclass
class Scope(Conditions, Scripts):
    """What names mean at one place of a document."""

    function: Callable[[str], Callable[..., Expr] | None] = lambda name: None
    variables: dict[str, Expr] = field(default_factory=lambda: {"x": lang.x})
    notes: list[str] = field(default_factory=list)
    kink: bool = False  #: a derivative was taken where there is none
    guessed: bool = False  #: φ was read as the normal density though the document says nothing
    open_call: bool = False  #: the last call had no brackets
    far: bool = False  #: the reading of a/2b as a/(2b)
    ambiguous: bool = False
    inner: bool = False  #: d/dx f(−x) as f′ at −x
    standard: bool = False  #: σ, Φ and φ as usual, whatever the document made of them
    bound: tuple[str, ...] = ()

    def note(self, text: str) -> None:
        """Write a reading down, once."""
        if text not in self.notes:
            self.notes.append(text)

    def callee(self, name: str) -> Callable[..., Expr] | None:
        """The function of that name, if it is one here."""
        if self.standard and name in LETTERS:
            return LETTERS[name]
        found = self.function(name) or BUILTIN.get(name)
        if isinstance(found, Named) and found.guessed:
            self.guessed = True
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

    # Trees.

    def value(self, tree: Any) -> Expr:
        """The expression of a tree."""
        if isinstance(tree, Token):
            return self._leaf(tree)
        read = getattr(self, f"_{tree.data}", None)
        if read is None:
            raise NotUnderstood("a sign where a value is expected")
        return read(tree)

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

    def _sum(self, tree: Node) -> Expr:
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

    def _term(self, tree: Node) -> Expr:
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
            if op == "SLASH" and self.open_call:
                self.ambiguous = True
            self.open_call = False
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

    def _chain(self, tree: Node) -> Expr:
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
            name = name_of(base)
            name, scripts = self.whole_name(name, scripts)
            called = self.callee(name)
            if called is not None and name not in self.variables:
                if rest and _holds_bare(rest[0].children[0], name):
                    # σ(1 − σ): the function stands for its value, and this is a product.
                    rest = []
                return self._call(name, called, scripts, rest)
            following = rest[0].children[0] if rest else None
            grouped = isinstance(following, Tree) and following.data in ("group", "related")
            if name == "delta" and grouped:
                raise NotUnderstood("Dirac's δ")
            if name in ("P", "Pr", "Prob") and grouped:
                return self._probability(following), 2
            if grouped and len(name) > 1 and name not in GREEK and name not in self.variables:
                raise NotUnderstood(f"the function {name}: it is no declared activation")
            if grouped and isinstance(following, Tree) and len(following.children[1].children) > 1:
                raise NotUnderstood(f"{name}(…, …): {name} is no known function")
            value = self._scripted(self._indexed(name, scripts), scripts, name)
            if (
                following is not None
                and grouped
                and name not in self.variables
                and (plain(following.children[1]))
            ):
                self.note(f"{name}(…) is read as a product")
            return value, 1
        return self._scripted(self.value(base), scripts), 1

    def whole_name(self, name: str, scripts: list[Any]) -> tuple[str, list[Any]]:
        """`log` with the index `sigmoid` is one name."""
        if scripts and scripts[0].data == "index":
            index = plain(scripts[0].children[-1])
            if index and self.function(f"{name}_{index}") is not None:
                return f"{name}_{index}", scripts[1:]
        return name, scripts

    def _call(
        self, name: str, called: Callable[..., Expr], scripts: list[Any], rest: list[Any]
    ) -> tuple[Expr, int]:
        order = sum(self.primes(s) for s in scripts)
        subscript: list[Expr] = []
        power = [s for s in scripts if s.data in ("power", "small") and not self.primes(s)]
        for s in scripts:
            if s.data == "index" and name in ("max", "min"):
                index = self._bound_index([s])
                if index in self.variables:
                    raise NotUnderstood(f"a {name} over {index}")
                inner = sympy.Mul(*self._under(index, rest))
                if name == "min":
                    return -lang.RowMax(-inner), 1 + len(rest)
                return lang.RowMax(inner), 1 + len(rest)
            if s.data == "index" and name == "log":
                base = self._argument(s.children[-1])
                called = lambda u, base=base: sympy.log(u) / sympy.log(base)  # noqa: E731
            elif s.data == "index" and name in LETTERS:
                raise NotUnderstood(f"the index of {told(name)}")
            elif s.data == "index" and not of_entry(plain(s.children[-1])):
                subscript.append(self._argument(s.children[-1]))
        args, used, outer = self._arguments(name, called, rest)
        if subscript:
            # Swish_0(x): a parameter as the index of its function.
            one = isinstance(called, Named) and len(called.parameters) == 1
            if not one or len(args) != 1:
                raise NotUnderstood(f"the index of {told(name)}")
            args = [*args, subscript[0]]
        if order:
            called = self._prime(name, called, order)
        if name in ("max", "min") and len(args) == 1:
            raise NotUnderstood(f"the {name} of one value: over which of them is not said")
        if any(a in (sympy.oo, -sympy.oo) for a in args):
            raise NotUnderstood("a value at infinity: a limit says what it is")
        if not isinstance(called, Named) and len(args) != 1 and name not in ("max", "min"):
            raise NotUnderstood(f"{told(name)} takes one argument, not {len(args)}")
        if order and args[0].is_number and isinstance(called, Named):
            self.kink = self.kink or is_kink(called, args[0])
        value = called(*args)
        if name == "exp" and power and not used:
            raise NotUnderstood("exp without its argument")
        for s in power:
            if plain(s.children[-1]) == "" and is_minus_one(s.children[-1]) and name not in INVERSE:
                raise NotUnderstood(f"the inverse of {told(name)}")
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
                entry = any(s.data == "index" for s in outer)
                if entry and name in LETTERS:
                    raise NotUnderstood(f"{told(name)} with an index is no function of one number")
                return values, 1, [s for s in outer if s.data != "index"]
            if isinstance(base, Tree) and base.data == "related":
                raise NotUnderstood(f"a comparison as the argument of {name}")
            if isinstance(base, Tree) and base.data == "empty":
                raise NotUnderstood(f"{name}() without an argument")
        if name in BUILTIN or name in LETTERS:
            taken: list[Any] = []
            for factor in rest:
                base = factor.children[0]
                if isinstance(base, Tree) and base.data == "name" and self.callee(name_of(base)):
                    break
                if isinstance(base, Tree) and base.data in ("group",) and taken:
                    break
                taken.append(factor)
            if taken:
                # Without brackets tanh x² and tanh x/2 read two ways.
                self.ambiguous = self.ambiguous or len(taken[-1].children) > 1
                self.open_call = True
                return [sympy.Mul(*self._factors(taken))], len(taken), []
            if rest and name in BUILTIN:
                return [sympy.Mul(*self._factors(rest))], len(rest), []
            if name in BUILTIN:
                raise NotUnderstood(f"{name} without its argument")
        arity = len(called.inputs) if isinstance(called, Named) else 1
        if arity > 1:
            raise NotUnderstood(f"{name} without its arguments")
        return [self.variables.get("x", lang.x)], 0, []

    def _items(self, group: Node) -> list[Expr]:
        items = group.children if group.data == "braces" else group.children[1].children
        return [self.value(c) for c in items if not isinstance(c, Token)]

    def _group(self, tree: Node) -> Expr:
        values = self._items(tree)
        if len(values) != 1:
            raise NotUnderstood("a list where one value is expected")
        return values[0]

    def _related(self, tree: Node) -> Expr:
        if tree.children[0].value.text != "[":
            raise NotUnderstood("a comparison where a value is expected")
        return sympy.Piecewise((1, self._relation_of(tree.children[1])), (0, True))

    def _relation_of(self, tree: Node) -> Any:
        parts, values = [], [c for c in tree.children if isinstance(c, Tree)]
        signs = [c.value.text for c in tree.children if isinstance(c, Token)]
        for sign, a, b in zip(signs, values, values[1:], strict=False):
            if sign not in COMPARE:
                raise NotUnderstood(f"{sign} has no place in a condition")
            parts.append(COMPARE[sign](self.value(a), self.value(b)))
        return sympy.And(*parts)

    def _empty(self, tree: Node) -> Expr:
        raise NotUnderstood("brackets without content")

    def _nothing(self, tree: Node) -> Expr:
        return sympy.Integer(1)

    def _braces(self, tree: Node) -> Expr:
        return self.value(next(c for c in tree.children if isinstance(c, Tree)))

    def _number(self, tree: Node) -> Expr:
        return sympy.Rational(tree.children[0].value.text)

    def _name(self, tree: Node) -> Expr:
        return self._bare(name_of(tree))

    def _absolute(self, tree: Node) -> Expr:
        return sympy.Abs(self.value(next(c for c in tree.children if isinstance(c, Tree))))

    def _dots(self, tree: Node) -> Expr:
        raise NotUnderstood("dots that stand for what is not written")

    def _sqrt(self, tree: Node) -> Expr:
        return sympy.sqrt(self._argument(tree.children[-1]))

    def _frac(self, tree: Node) -> Expr:
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

    def _cases(self, tree: Node) -> Expr:
        rows = tree.children[0].value.inside
        if not rows:
            raise NotUnderstood("cases without rows")
        pairs = [(self._row(v), self.condition(c)) for v, c in rows]
        check_overlap(pairs)
        return sympy.Piecewise(*pairs)

    def _row(self, tokens: list[Tok]) -> Expr:
        """The value of a row; nan where it says that there is none."""
        if len(tokens) == 1 and tokens[0].text.lower() in ("undefined", "undef", "dne", "nan"):
            return sympy.nan
        return self.side(tokens)

    # Derivatives.

    def _operator(self, frac: Node) -> tuple[Any, Symbol, int] | None:
        """d/dx, ∂f/∂α, d²f(x)/dx²: of what (None: of what follows), by what, how often."""
        top, bottom = (c for c in frac.children if isinstance(c, Tree))
        above, below = chain_of(top), chain_of(bottom)
        if not above or not below or letter(above[0]) not in ("d", "∂"):
            return None
        if letter(below[0]) not in ("d", "∂") or len(below) != 2:
            return None
        wrt = below[1].children[0]
        if not (isinstance(wrt, Tree) and wrt.data == "name"):
            raise NotUnderstood("a derivative by what is no symbol")
        name = name_of(wrt)
        order = 1
        for s in above[0].children[1:]:
            if s.data == "power":
                order = int(plain(s.children[-1]) or 0)
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
        if symbol == lang.x and len(target) == 2:
            name, group = letter(target[0]), target[1].children[0]
            called = self.callee(name) if name else None
            if called is not None and isinstance(group, Tree) and group.data == "group":
                there = self._items(group)
                # At a number the slope is meant, not that of a constant: ∇f(6).
                if len(there) == 1 and (self.inner or there[0].is_number):
                    slope = self._prime(name, called, order)
                    if there[0].is_number and isinstance(slope, Named):
                        self.kink = self.kink or is_kink(slope, there[0])
                    return slope(there[0]), used
        rows = expr.has(lang.RowSum, lang.RowMax)
        for _ in range(order):
            take = calculus.row_diagonal if rows else calculus.derivative
            expr = take(expr, symbol)
        return expr, used


def _holds_bare(group: Any, name: str) -> bool:
    """Whether brackets hold the function itself without an argument of its own."""
    if not isinstance(group, Tree) or group.data != "group":
        return False
    for chain in group.find_data("chain"):
        for factor, following in zip(chain.children, [*chain.children[1:], None], strict=True):
            if letter(factor) == name:
                after = following.children[0] if following is not None else None
                if not (isinstance(after, Tree) and after.data == "group"):
                    return True
    return False


def of_entry(index: str) -> bool:
    """Whether an index counts entries or channels."""
    return index in ("i", "j", "k", "l", "m", "n", "ij", "ji", "t")
