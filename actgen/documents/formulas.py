"""The claims of one formula: of a chain a = b = c two; what cannot be read, with the reason."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import sympy
from sympy import Expr

from .. import lang, registry
from . import subjects
from .claims import Claim, Constant, Equal, Location, Property, Tends, Within
from .commands import FUNCTIONS, GREEK
from .context import LETTER_FUNCTIONS, OWN_LETTERS, Context, scope, tokens_of
from .heads import Head, head
from .meaning import Scope
from .reading import GENERIC, Reading
from .render import render
from .statements import depths, entries, flat, statements
from .tokens import NotUnderstood, Tok, split

#: Calls of a library inside of what is set as mathematics.
_CALL = re.compile(
    r"\b((?:nn|np|jnp|tf|torch|F|jax|keras|flax|layers)(?:\\?\.\\?[A-Za-z_\\{}]+)+)\s*\("
)


def claims_of(text: str, line: int, equation: str, context: Context) -> Iterator[Claim]:
    """The claims of one formula."""
    place = Location(context.file, line, equation)
    shown = " ".join(text.split())
    called = _CALL.search(text)
    if called and not re.search(r"\\frac|\\max|\\begin", text):
        name = re.sub(r"[\\{}]", "", called.group(1))
        spec = subjects.exact(name)
        if spec:
            reason = f"a call of {name} ({spec}); it states no formula"
        else:
            close = subjects.close(name)
            reason = f"a call of {name}, which is no known name" + (
                f"; did it mean {close}?" if close else ""
            )
        yield Claim(shown, place, "definition", spec, reason=reason)
        return
    try:
        tokens = tokens_of(text, context)
        found_statements = list(statements(tokens))
    except NotUnderstood as why:
        yield Claim(shown, place, "formula", context.subject, reason=str(why))
        return
    found = False
    for statement in found_statements:
        try:
            for claim in _Reader(statement, shown, place, context).claims():
                found = True
                yield claim
        except (NotUnderstood, RecursionError) as why:
            found = True
            reason = str(why) if isinstance(why, NotUnderstood) else "it is nested too deeply"
            yield Claim(shown, place, "formula", context.subject, reason=reason)
    if not found:
        yield Claim(
            shown, place, "formula", context.subject, reason="it states nothing: no relation"
        )


def cell(text: str, what: str, line: int, context: Context) -> Iterator[Claim]:
    """The claims of a formula in a table, whose column says what an expression alone means."""
    subject = context.heading
    heads = {"definition": "f(x) = ", "derivative": "f'(x) = ", "range": "f(x) \\in "}
    if not subject:
        return
    act = registry.load(subject)
    text = re.sub(r"^\s*(?:\\approx|≈)\s*", "", text)  # rounded ends are told as such anyway
    try:
        tokens = tokens_of(text, context)
        related = any(t.kind == "REL" and t.text == "=" and d <= 0 for t, d in depths(tokens))
        names = {t.text for t in flat(tokens) if t.kind == "NAME"}
    except NotUnderstood as why:
        if what:
            yield Claim(text, Location(context.file, line), what, subject, reason=str(why))
        return
    if related and what != "range":
        yield from claims_of(text, line, "", context)
        return
    if what == "smoothness":
        order = re.fullmatch(r"\s*C\s*\^\s*\{?\s*(\\infty|∞|-?\d)\s*\}?\s*", text)
        if order:
            n = (
                sympy.oo
                if "inf" in order.group(1) or "∞" in order.group(1)
                else int(order.group(1))
            )
            yield Claim(text, Location(context.file, line), what, subject, Property("order", n))
        return
    if what not in heads or act.is_gated:
        return
    variable = "z" if "z" in names and "x" not in names else "x"
    place = Location(context.file, line)
    for claim in claims_of(heads[what].replace("x", variable) + text, line, "", context):
        e = claim.expression
        if isinstance(e, Within):
            claim = replace(claim, expression=replace(e, exact=True))
        yield replace(claim, text=text, location=place)


# Statements.


class _Reader(Reading):
    """The claims of one statement."""

    def claims(self) -> Iterator[Claim]:
        s, context = self.s, self.context
        if "law" in s.relations or "|->" in s.relations or "=>" in s.relations:
            yield self.claim(
                "formula",
                context.subject,
                None,
                reason="a law, a map or an implication: no equation",
            )
            return
        if not s.relations:
            yield from self._alone()
            return
        try:
            first = self._head()
        except NotUnderstood as why:
            yield self.claim("formula", context.subject, None, reason=str(why))
            return
        if s.relations[0] == "->" or any(t.kind == "LIM" for t in s.sides[0]):
            yield self._limit()
            return
        if s.relations == ["in"]:
            yield from self._range(first)
            return
        if any(r in ("<", "<=", ">", ">=") for r in s.relations):
            yield from self._bound(first)
            return
        while s.relations and s.relations[-1] in ("!=", "->"):
            s.relations.pop()
            s.sides.pop()
        if not s.relations:
            yield self.claim("formula", context.subject, None, reason="it says what is not equal")
            return
        yield from self._links(first)

    # Equations.

    def _links(self, first: Head | None) -> Iterator[Claim]:
        s, context = self.s, self.context
        subject = self._subject(first)
        context.current = subject
        every = [t for side in s.sides for t in flat(side)]
        variables = self._variables(first, subject, every)
        if (
            first is not None
            and not first.args
            and len(s.sides) == 2
            and not first.order
            and (first.name not in variables)
        ):
            constant = self._symbol(first, variables)
            if constant is not None:
                yield from constant
                return
        if first is not None and first.name in OWN_LETTERS and not first.args and not first.order:
            means = self._stands_for(first, s.sides[1:])
            if means:
                reason = f"it says that {first.name} stands for {means}"
                yield self.claim("definition", subject, None, reason=reason)
                return
        try:
            rows = entries(every, variables)
        except NotUnderstood as why:
            yield self.claim("formula", subject, None, reason=str(why))
            return
        if len(rows) > 1 or any(r.isdigit() for r in rows):
            reason = f"it speaks of single entries of a row: {', '.join(sorted(rows))}"
            yield self.claim("formula", subject, None, reason=reason)
            return
        assume = self._assumptions(variables)
        if s.remark or s.label:
            self._remarks(every)
        redefined = (
            first is not None
            and not first.order
            and not subject
            and (first.name not in LETTER_FUNCTIONS and first.name not in variables)
        )
        left = None if redefined else self._left(first, subject, variables)
        before: Expr | None = left
        said = s.sides[0]
        kind = "identity"
        if left == lang.x and not _mentions_input(s.sides[1:], variables):
            yield self.claim("formula", context.subject, None, reason="it solves for the input")
            return
        if (
            left in (lang.x, lang.y)
            and len(s.sides) == 2
            and not _names_function(s.sides[1], context)
        ):
            reason = f"it says what {s.sides[0][0].text} is, not what a function is"
            yield self.claim("formula", context.subject, None, reason=reason)
            return
        if first is not None and first.name not in variables:
            kind = "derivative" if first.order else "definition"
        elif left is not None and not left.free_symbols:
            kind = "value"
        for i, (relation, side) in enumerate(zip(s.relations, s.sides[1:], strict=True)):
            reading = scope(context, variables)
            shown = render([Tok("REL", relation)]).strip()
            part = f"{render(s.sides[i])} {shown} {render(side)}"
            try:
                right = reading.side(side)
            except NotUnderstood as why:
                cure = None
                if before is not None:
                    again = self._again(variables)
                    cure = Equal(before, before, tokens=tuple(side), again=again)
                yield self.claim(kind, subject, None, reason=str(why), part=part, cure=cure)
                continue
            if (
                i == 0
                and first is not None
                and not first.order
                and not assume
                and (first.name not in variables)
            ):
                self._declare(first, right, variables, reading.guessed)
            if before is None:
                why_not = self._unknown(first)
                if why_not:
                    yield self.claim(kind, subject, None, reason=why_not, part=part)
                before, said, kind = right, side, "identity"
                continue
            if _bare_letter(s.sides[i], right) or _bare_letter(side, before):
                reason = "a letter without an argument beside a number: no function of x"
                yield self.claim(kind, subject, None, reason=reason, part=part)
                before, said = right, side
                continue
            own, foreign = self._symbols(before, right, subject)
            free = before.free_symbols | right.free_symbols
            if foreign and not own and not free & {lang.x, lang.y} and not before.is_number:
                told = ", ".join(map(str, foreign))
                reason = f"about {told}, which no activation depends on"
                yield self.claim(kind, subject, None, reason=reason, part=part)
                before = right
                continue
            yield self.claim(
                "approximation" if relation == "~" else kind,
                subject,
                Equal(
                    before, right, own, foreign, tuple(assume),
                    first.order if first is not None and i == 0 else 0, relation == "~",
                    tuple(side), tuple(said) if i else (),
                    self._again(variables), reading.ambiguous,
                    reading.guessed and subject != "gelu",
                    self.kink and i == 0,
                    self.instead if i == 0 else None,
                ),
                part=part,
                notes=tuple(reading.notes),
                generic=i == 0 and self._is_generic(first),
                strong=i == 0 and self._is_strong(first, side, subject),
            )  # fmt: skip
            before, said = right, side
            kind = kind if kind in ("derivative", "value") else "identity"

    def _symbol(self, first: Head, variables: dict[str, Expr]) -> list[Claim] | None:
        """α = 1.67326: a constant; β = θ1 - θ0: a symbol with a meaning; None: an equation."""
        s, context = self.s, self.context
        name = first.name
        if name in variables or GENERIC.match(name) or subjects.exact(name) or s.relations != ["="]:
            return None
        try:
            value = scope(context, variables).side(s.sides[1])
        except NotUnderstood:
            return None
        of_input = lang.x in value.free_symbols and not _is_greek(name)
        if of_input or name.startswith(("p(", "P(")):
            return None
        context.values[context.subject, name] = value
        if value.free_symbols:
            return [
                self.claim(
                    "definition", "", None, reason=f"it says what {name} stands for; used below"
                )
            ]
        digits = "".join(t.text for t in s.sides[1])
        return [self.claim("constant", context.subject, Constant(name, value, digits))]

    # Other relations.

    def _alone(self) -> Iterator[Claim]:
        """An expression without a relation: an approximation where the text says so."""
        context, side = self.context, self.s.sides[0]
        subject = context.subject
        if not subject or not any(t.kind == "NAME" for t in side) or len(side) < 4:
            return
        variables = self._variables(None, subject, flat(side))
        reading = scope(context, variables)
        try:
            right = reading.side(side)
        except NotUnderstood as why:
            yield self.claim("formula", subject, None, reason=str(why))
            return
        first = head(side, reading)
        act = registry.load(subject)
        if first is not None or not set(act.inputs) <= right.free_symbols:
            return
        own, foreign = self._symbols(act.formula, right, subject)
        near = self.place.equation in context.approximations
        yield self.claim(
            "approximation" if near else "definition", subject,
            Equal(
                act.formula, right, own, foreign, (), 0, near, tuple(side),
                again=self._again(variables), ambiguous=reading.ambiguous,
            ),
            part=render(side), notes=tuple(reading.notes),
            generic=True, strong=near,
        )  # fmt: skip

    def _range(self, first: Head | None) -> Iterator[Claim]:
        s, context = self.s, self.context
        if (
            first is not None
            and not first.args
            and first.name not in context.functions
            and (not subjects.exact(first.name))
        ):
            shown = "".join(t.text for t in s.sides[1])
            if len(first.name) == 1 or _is_greek(first.name):
                whole = "oo" in shown or shown.startswith("R")
                if first.name in ("x", "z", "t") and whole and context.subject:
                    yield self.claim("domain", context.subject, Property("defined"))
                    return
                yield self.claim(
                    "formula", context.subject, None, reason=f"it says where {first.name} lies"
                )
                return
        subject = self._subject(first)
        variables = self._variables(first, subject, flat(s.sides[0]))
        try:
            left = self._left(first, subject, variables)
            low, high, closed = scope(context, variables).interval(s.sides[1])
        except NotUnderstood as why:
            yield self.claim("range", subject, None, reason=str(why))
            return
        if left is None:
            yield self.claim("range", subject, None, reason=self._unknown(first))
            return
        yield self.claim(
            "range", subject,
            Within(left, low, high, closed, first.order if first is not None else 0),
        )  # fmt: skip

    def _bound(self, first: Head | None) -> Iterator[Claim]:
        s, context = self.s, self.context
        subject = self._subject(first) if first is not None else context.subject
        every = [t for side in s.sides for t in flat(side)]
        variables = self._variables(first, subject, every)
        plain = [h for h in (head(side, scope(context, variables)) for side in s.sides) if h]
        plain = [h for h in plain if not h.args and not h.order and not context.function(h.name)]
        if plain:
            name = plain[0].name
            reading = scope(context, variables)
            try:
                whole = [
                    t
                    for i, side in enumerate(s.sides)
                    for t in ([Tok("REL", s.relations[i - 1])] if i else []) + side
                ]
                context.assumed[context.subject, name] = reading.relation(whole)
            except NotUnderstood:
                pass
            yield self.claim(
                "formula",
                context.subject,
                None,
                reason=f"a condition on {name}: it claims nothing by itself",
            )
            return
        reading = scope(context, variables)
        try:
            values = [reading.side(side) for side in s.sides]
        except NotUnderstood as why:
            yield self.claim("range", subject, None, reason=str(why))
            return
        for sign, a, b in zip(s.relations, values, values[1:], strict=False):
            if sign not in ("<", "<=", ">", ">="):
                continue
            strict = sign in ("<", ">")
            lower, upper = (a, b) if sign in ("<", "<=") else (b, a)
            yield self.claim(
                "range", subject,
                Within(
                    upper - lower, sympy.Integer(0), sympy.oo, (not strict, False),
                    assume=tuple(self._assumptions(variables)),
                ),
                notes=tuple(reading.notes),
            )  # fmt: skip

    def _limit(self) -> Claim:
        s, context = self.s, self.context
        subject = context.subject
        variables = {"x": lang.x}
        try:
            sides = list(s.sides)
            at: Expr | None = None
            if any(t.kind == "LIM" for t in sides[0]):
                at, sides[0] = _lim(sides[0], scope(context, variables))
            for piece in s.conditions:
                parts = list(split(piece, {"REL"}))
                if len(parts) == 2 and any(t.text == "->" for t in piece):
                    at = scope(context, variables).side(_signless(parts[1]))
            reading = scope(context, variables)
            expr = reading.side(sides[0])
            value = reading.side(_signless(sides[-1]))
        except NotUnderstood as why:
            return self.claim("limit", subject, None, reason=str(why))
        if at is None:
            return self.claim("limit", subject, None, reason="a limit that does not say where")
        first = head(sides[0], scope(context, variables))
        about = self._subject(first) if first is not None else subject
        return self.claim("limit", about, Tends(expr, at, value), notes=tuple(reading.notes))


def _mentions_input(sides: list[list[Tok]], variables: dict[str, Expr]) -> bool:
    inputs = {name for name, value in variables.items() if value == lang.x}
    return any(t.text in inputs for side in sides for t in flat(side))


def _bare_letter(tokens: list[Tok], other: Expr) -> bool:
    """σ² = 0.01: a letter that is a variance there, and no function."""
    letters = any(t.text in ("sigma", "phi", "varphi", "Phi") for t in tokens)
    return letters and other.is_number and not any(t.kind == "OPEN" for t in tokens)


def _lim(tokens: list[Tok], reading: Scope) -> tuple[Expr, list[Tok]]:
    start = next(i for i, t in enumerate(tokens) if t.kind == "LIM")
    if tokens[start + 1].kind != "UNDER":
        raise NotUnderstood("a limit that does not say where")
    depth = 0
    for end in range(start + 2, len(tokens)):
        depth += (tokens[end].kind == "LB") - (tokens[end].kind == "RB")
        if depth == 0:
            break
    inner = list(split(tokens[start + 3 : end], {"REL"}))
    if [t.text for t in inner[0]] not in (["x"], ["z"], ["t"]):
        raise NotUnderstood("a limit in what is not the input")
    return reading.side(_signless(inner[-1])), tokens[:start] + tokens[end + 1 :]


def _signless(tokens: list[Tok]) -> list[Tok]:
    """+∞ as ∞."""
    return tokens[1:] if tokens and tokens[0].kind == "PLUS" else tokens


def _is_greek(name: str) -> bool:
    return name.partition("_")[0] in GREEK


def _names_function(tokens: list[Tok], context: Context) -> bool:
    return any(
        t.kind == "NAME" and (context.function(t.text) or t.text in FUNCTIONS) for t in tokens
    )
