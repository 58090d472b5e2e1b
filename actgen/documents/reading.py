"""What one statement is about: its subject, its inputs, what its left side means."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import sympy
from sympy import Expr, Symbol

from .. import lang, registry
from . import subjects
from .claims import PARAMETERS, Assertion, Claim, Location
from .context import LETTER_FUNCTIONS, Context, scope
from .equality import value
from .functions import BUILTIN, Named
from .heads import Head, head
from .statements import Statement, depths
from .tokens import NotUnderstood, Tok, split

#: Letters and words that are a function of which nothing but its context says which.
GENERIC = re.compile(
    r"^(?:[fghFGHySψ]|phi|varphi|psi|Phi|act|activation|fn|func|out|output|result|[A-Z])$"
)


#: Letters by which papers call the function that they are about.
MAIN = ("f", "y", "phi", "varphi", "psi", "act", "activation")


class Reading:
    """One statement in its context."""

    def __init__(self, s: Statement, text: str, place: Location, context: Context) -> None:
        self.s, self.text, self.place, self.context = s, text, place, context

    def claim(self, kind: str, subject: str, expression: Assertion | None, **more: Any) -> Claim:
        return Claim(self.text, self.place, kind, subject, expression, **more)

    def _head(self) -> Head | None:
        self._skip_name()
        if self.s.label:
            labelled = subjects.subject_of(self.s.label, True)
            if labelled:
                self.context.weak = labelled
        return head(self.s.sides[0], scope(self.context, {"x": lang.x}))

    def _is_generic(self, first: Head | None) -> bool:
        """Whether the head is a letter that the document has not defined itself."""
        if first is not None and first.name == "sigma" and not first.order:
            return True
        if first is None or not GENERIC.match(first.name):
            return False
        return not (first.order and first.name in self.context.functions)

    def _is_strong(self, first: Head | None, side: list[Tok], subject: str) -> bool:
        """Whether a letter that is not its subject must be a misprint of it."""
        if first is None:
            return False
        if first.name == "sigma":
            return True
        named = {subjects.exact(t.text) for t in side if t.kind == "NAME" and len(t.text) > 1}
        if subject == "sigmoid" and any(t.text == "sigma" for t in side):
            named.add("sigmoid")
        return (
            first.name in MAIN
            and (self.context.strong or bool(self.s.label))
            and subject not in named
        )

    def _skip_name(self) -> None:
        """t = f(z) = …: what the value is called says nothing."""
        s = self.s
        if len(s.sides) > 2 and len(s.sides[0]) == 1 and s.sides[0][0].kind == "NAME":
            second = head(s.sides[1], scope(self.context, {"x": lang.x}))
            if second is not None and second.args and s.relations[0] == "=":
                del s.sides[0], s.relations[0]

    def _subject(self, first: Head | None) -> str:
        """The activation of a head; of the context where the head is a letter or missing."""
        context = self.context
        labelled = subjects.subject_of(self.s.label, True) if self.s.label else ""
        if first is None:
            return labelled or context.subject
        if first.name == "sigma" and first.entry:
            # σ of a row is softmax where softmax is the subject, and not the logistic function.
            heading = registry.load(context.subject) if context.subject else None
            return context.subject if heading is not None and heading.is_row else ""
        if first.name == "sigma" and (not first.order or first.name not in context.functions):
            return "sigmoid"
        if first.name in ("Phi", "phi", "varphi") and self._is_normal(first.name):
            return ""
        declared = subjects.exact(first.name) if len(first.name) > 1 else ""
        if declared:
            return declared
        if first.name == "x" and not first.args:
            return ""
        if first.order and first.name not in (*MAIN, *context.functions) and first.name != "sigma":
            return labelled
        if GENERIC.match(first.name) or first.name == "sigma":
            return labelled or context.subject
        return ""

    def _is_normal(self, name: str) -> bool:
        rest = " ".join(t.text for side in self.s.sides[1:] for t in side)
        return name == "Phi" or "pi" in rest.split() or "P" in rest.split()

    def _variables(
        self, first: Head | None, subject: str, tokens: Sequence[Tok]
    ) -> dict[str, Expr]:
        """Which names stand for the inputs: the head's arguments, else x or what looks like it."""
        act = registry.load(subject) if subject else None
        inputs = act.inputs if act is not None else (lang.x,)
        if first is not None and first.args:
            return dict(zip(first.args, inputs, strict=False))
        names = {t.text for t in tokens if t.kind == "NAME"}
        if act is not None and act.is_gated:
            for pair in (("a", "b"), ("x", "y"), ("u", "v")):
                if set(pair) <= names:
                    return dict(zip(pair, inputs, strict=True))
        if "x" in names:
            return {"x": lang.x}
        for name in ("z", "t", "u", "v", "input", "net"):
            if name in names and not (first is not None and first.name == name):
                return {name: lang.x, "x": lang.x}
        return {"x": lang.x}

    def _again(self, variables: dict[str, Expr]) -> Callable[[list[Tok], str], Expr]:
        context = self.context
        functions, cdf = dict(context.functions), set(context.cdf)
        heading, weak, current = context.heading, context.weak, context.current

        def read(tokens: list[Tok], reading: str = "") -> Expr:
            then = Context(context.file, context.macros)
            then.functions, then.cdf, then.values = functions, cdf, context.values
            then.heading, then.weak, then.siblings = heading, weak, reading == "siblings"
            then.current = current
            anew = scope(then, variables, reading == "far")
            anew.standard = reading == "standard"
            anew.inner = reading == "inner"
            return anew.side(tokens)

        return read

    def _left(self, first: Head | None, subject: str, variables: dict[str, Expr]) -> Expr | None:
        """The left side: the declared function, or what the document defined, or an expression."""
        context, s = self.context, self.s
        if first is None or (first.name in variables and not first.args):
            reading = scope(context, variables)
            try:
                return reading.side(s.sides[0])
            except NotUnderstood:
                return None
            finally:
                self.kink = reading.kink
        if first.name in LETTER_FUNCTIONS and not subject:
            try:
                return scope(context, variables).side(s.sides[0])
            except NotUnderstood:
                return None
        act = subjects.function(subject) if subject else None
        called: Any = act
        if first.name in context.functions and (first.order or act is None):
            if act is None or GENERIC.match(first.name) or first.name == "sigma":
                called = context.functions[first.name]
            if first.order and act is not None and not first.wrt.startswith("∂"):
                self.instead = act.derivative(first.order).formula
        if called is None:
            return None
        formals = (*called.inputs, *called.parameters)
        given = dict(
            zip(formals, [variables.get(a, lang.symbol(a)) for a in first.args], strict=False)
        )
        if first.order:
            wrt = self._by(first, called, variables)
            if wrt is None:
                raise_reason = f"{first.name} does not depend on {first.wrt}"
                self._why = raise_reason
                return None
            called = called.derivative(first.order, None if wrt == called.inputs[0] else wrt)
        return called.formula.xreplace(
            {k: v for k, v in given.items() if k != v and k not in called.inputs}
        )

    _why = ""
    instead: Expr | None = None
    kink = False

    def _by(self, first: Head, called: Named, variables: dict[str, Expr]) -> Symbol | None:
        if not first.wrt:
            return called.inputs[0]
        symbol = variables.get(first.wrt)
        if symbol is None and first.wrt not in {p.name for p in called.parameters}:
            if first.args and first.wrt in first.args:
                at = first.args.index(first.wrt)
                return (*called.inputs, *called.parameters)[at]
            if first.wrt in ("x", "z", "t", "u"):
                return called.inputs[0]
            if len(called.parameters) == 1 and first.wrt in PARAMETERS:
                return called.parameters[0]
            return None
        return symbol if symbol is not None else lang.symbol(first.wrt)

    def _unknown(self, first: Head | None) -> str:
        if self._why:
            return self._why
        if first is None:
            return "its left side cannot be read"
        if first.name in self.context.functions and not first.order:
            if GENERIC.match(first.name) and not self.context.subject:
                return (
                    f"no heading or name says which activation {first.name} is; taken as the "
                    "document's own definition"
                )
            close = subjects.close(first.name)
            hint = f" (like {close}?)" if close else ""
            own = "taken as the document's own definition"
            return f"{first.name} is no declared activation{hint}; {own}"
        return f"{first.name} is neither declared nor defined in the document"

    def _declare(self, first: Head, right: Expr, variables: dict[str, Expr], guessed: bool) -> None:
        """Remember what the document defines, for formulas that refer to it."""
        named = [variables.get(a, lang.symbol(a)) for a in first.args] or [lang.x]
        inputs = tuple(s for s in named if s in (lang.x, lang.y)) or (lang.x,)
        parameters = tuple(s for s in named if isinstance(s, Symbol) and s not in inputs)
        if self.context.tentative:
            return  # it holds under a condition only
        spec = self._subject(first)
        if first.name == "sigma":
            # Another function than the logistic one: from here on the document's own σ.
            places = [{lang.x: sympy.Rational(v)} for v in ("1", "-2", "1/3")]
            mine = [(value(right, at), value(lang.sigmoid(lang.x), at)) for at in places]
            if all(a is not None and b is not None and a.overlaps(b) for a, b in mine):
                self.context.functions.pop("sigma", None)
                return
        if not spec or GENERIC.match(first.name) or first.name == "sigma":
            self.context.functions[first.name] = Named(
                first.name, right, inputs, parameters, spec, guessed
            )

    def _stands_for(self, first: Head, sides: list[list[Tok]]) -> str:
        """σ = tanh: the function that a letter names from here on; "" if it names none."""
        if len(sides) != 1 or len(sides[0]) != 1 or sides[0][0].kind != "NAME":
            return ""
        name = sides[0][0].text
        called = self.context.function(name) or BUILTIN.get(name)
        if called is None or name in ("max", "min"):
            return ""
        if not self.context.tentative:
            self.context.functions[first.name] = Named(first.name, called(lang.x))
        return name

    def _symbols(
        self, left: Expr, right: Expr, subject: str
    ) -> tuple[tuple[Symbol, ...], tuple[Symbol, ...]]:
        act = registry.load(subject) if subject else None
        inputs = set(act.inputs) if act is not None else {lang.x}
        declared = [p.symbol for p in act.parameters] if act is not None else []
        free = left.free_symbols | right.free_symbols
        own = tuple(p for p in declared if p in free)
        foreign = sorted(free - inputs - {lang.x} - set(own), key=str)
        return own, tuple(foreign)

    def _assumptions(self, variables: dict[str, Expr]) -> list[Any]:
        found = []
        for piece in self.s.conditions:
            signs = [t.text for t, d in depths(piece) if t.kind == "REL" and d <= 0]
            try:
                reading = scope(self.context, variables)
                if signs and all(r in ("<", "<=", ">", ">=", "!=") for r in signs):
                    found.append(reading.relation(piece))
                elif signs == ["="]:
                    name, number = split(piece, {"REL"})
                    if len(name) > 1 or name[0].text in variables:
                        found.append(reading.relation(piece))
                    elif name[0].kind == "NAME":
                        key = (self.context.subject, name[0].text)
                        self.context.values[key] = reading.side(number)
            except NotUnderstood:
                continue
        return [
            c for c in found if isinstance(c, sympy.Basic) and c not in (sympy.true, sympy.false)
        ]

    def _remarks(self, tokens: list[Tok]) -> None:
        said = f"{self.s.remark} {self.s.label}".lower()
        if "cdf" in said or "distribution function" in said:
            self.context.cdf |= {t.text for t in tokens if t.text in ("phi", "varphi")}
