"""What a document claims: the types, and formulas taken apart into claims.

A chain a = b = c is two claims. A formula that cannot be read is a claim too, with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import sympy
from sympy import Expr, Symbol

from .. import lang, registry
from . import subjects
from .meaning import NORMAL_CDF, Head, Named, Scope, head
from .render import render
from .repairs import Repair
from .tokens import FUNCTIONS, GREEK, NotUnderstood, Scanner, Tok, expand, split


@dataclass(frozen=True)
class Location:
    """Where a claim stands: the file, the line (from 1) and the printed equation number."""

    file: str
    line: int
    equation: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" + (f" ({self.equation})" if self.equation else "")


@dataclass(frozen=True)
class Equal:
    """left = right for all inputs at which `assume` holds.

    `own` are the parameters of the declared activation on the left, `foreign` symbols that only
    the document knows; `again` reads the right side anew from other tokens (or in the other way
    of an ambiguous a/bc), for suggestions; `order` is that of the derivative claimed (0: f itself).
    """

    left: Expr
    right: Expr
    own: tuple[Symbol, ...] = ()
    foreign: tuple[Symbol, ...] = ()
    assume: tuple[Any, ...] = ()
    order: int = 0
    approximate: bool = False
    tokens: tuple[Tok, ...] = field(default=(), compare=False, repr=False)
    again: Callable[[list[Tok], str], Expr] | None = field(default=None, compare=False, repr=False)
    ambiguous: bool = False
    guessed: bool = False
    instead: Expr | None = field(default=None, compare=False)  #: the subject's own, if left is not


@dataclass(frozen=True)
class Within:
    """low ≤ f⁽ᵒʳᵈᵉʳ⁾(x) ≤ high (closed ends) or < (open ones), for all x."""

    expr: Expr
    low: Expr
    high: Expr
    closed: tuple[bool, bool] = (True, True)
    order: int = 0
    assume: tuple[Any, ...] = ()
    exact: bool = False  #: these are all values, not only bounds of them


@dataclass(frozen=True)
class Tends:
    """f⁽ᵒʳᵈᵉʳ⁾(x) → value as x → at."""

    expr: Expr
    at: Expr
    value: Expr
    order: int = 0


@dataclass(frozen=True)
class Constant:
    """A symbol of the document has this value; `digits` are as printed."""

    symbol: str
    value: Expr
    digits: str


@dataclass(frozen=True)
class Property:
    """The subject has a property by name (`judge.PROPERTIES`), with a value where it needs one."""

    name: str
    value: Any = None
    negated: bool = False


Assertion = Equal | Within | Tends | Constant | Property


@dataclass(frozen=True)
class Claim:
    """One thing that a document says: as printed, where, what kind, about what, and as mathematics.

    `expression` is None where it was not understood, and `reason` says why. `kind` is one of
    definition, derivative, identity, special_case, range, limit, approximation, value, smoothness,
    parity, constant, domain, shape.
    """

    text: str
    location: Location
    kind: str
    subject: str = ""
    expression: Assertion | None = None
    reason: str = ""
    notes: tuple[str, ...] = ()
    form: str = "latex"
    part: str = ""  #: the one relation that is judged, as plain text
    context: str = ""  #: the activation that its place is about
    generic: bool = False  #: its head is a letter such as f: which function it is, its place says
    strong: bool = False  #: its own heading names the subject
    cure: Equal | None = field(default=None, compare=False, repr=False)


#: Why a comparison behind `if` is no claim.
CONDITION = "a condition of its sentence; it claims nothing by itself"

#: Letters and words that are a function of which nothing but its context says which.
GENERIC = re.compile(
    r"^(?:[fghFGHySψ]|phi|varphi|psi|Phi|act|activation|fn|func|out|output|result|[A-Z])$"
)

#: Calls of a library inside of what is set as mathematics.
_CALL = re.compile(
    r"\b((?:nn|np|jnp|tf|torch|F|jax|keras|flax|layers)(?:\\?\.\\?[A-Za-z_\\{}]+)+)\s*\("
)


class Context:
    """What a document has said so far: subject, functions, symbols with values, assumptions."""

    def __init__(
        self, file: str, macros: dict[str, tuple[int, str]], repairs: list[Repair] | None = None
    ) -> None:
        self.file, self.macros = file, macros
        self.repairs: list[Repair] = [] if repairs is None else repairs
        self.heading = ""
        self.current = ""  #: the activation that the statement at hand defines
        self.weak = ""
        self.ahead = ""
        self.item = self.weak_until = 0
        self.said_at = -1
        self.strong = False
        self.siblings = False
        self.approximations: set[str] = set()
        self.pending: Any = None
        self.functions: dict[str, Named] = {}
        self.values: dict[tuple[str, str], Expr] = {}
        self.assumed: dict[tuple[str, str], Any] = {}
        self.cdf: set[str] = set()

    @property
    def subject(self) -> str:
        """The activation that a formula without a name of its own is about."""
        return self.heading or self.weak or self.ahead

    def function(self, name: str) -> Any:
        """The function of that name at this place of the document."""
        if name in self.functions and name in LETTER_FUNCTIONS:
            return self.functions[name]
        if name in self.cdf:
            return Named("normal_cdf", NORMAL_CDF(lang.x))
        if name == "tanh" or name in self._parameters():
            return None
        declared = subjects.function(name)
        if declared is not None and self.siblings and declared.name in subjects.SIBLINGS:
            return subjects.function(subjects.SIBLINGS[declared.name])
        if declared is not None and declared.activation not in (self.current, self.subject):
            return subjects.at_defaults(declared)
        if declared is not None:
            return declared
        if name in self.functions:
            return self.functions[name]
        if re.fullmatch(r"[fghF]|act|activation", name) and self.subject:
            return subjects.function(self.subject)
        return None

    def _parameters(self) -> set[str]:
        act = registry.load(self.subject) if self.subject else None
        return {p.name for p in act.parameters} if act is not None else set()

    def known(self, run: str, called: bool) -> bool:
        """Whether a run of letters is one name and no product."""
        if run in self.functions or subjects.function(run) is not None:
            return True
        if run in self._parameters():
            return True
        return run.lower() in _SYMBOLS or (called and len(run) > 3)


_SYMBOLS = frozenset(
    "input output slope threshold value scale negative_slope min_val max_val lambd net act".split()
)


def scope(context: Context, variables: dict[str, Expr], far: bool = False) -> Scope:
    """The scope of one formula."""
    return Scope(context.function, dict(variables), far=far)


def tokens_of(text: str, context: Context) -> list[Tok]:
    """The tokens of a formula as printed, the document's macros written out."""
    return Scanner(expand(text, context.macros), context.known).tokens()


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
        statements = list(_statements(tokens))
    except NotUnderstood as why:
        yield Claim(shown, place, "formula", context.subject, reason=str(why))
        return
    found = False
    for statement in statements:
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
    try:
        tokens = tokens_of(text, context)
        related = any(t.kind == "REL" and d <= 0 for t, d in _depths(tokens))
        names = {t.text for t in _flat(tokens) if t.kind == "NAME"}
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


@dataclass
class Statement:
    """A chain of sides and the relations between them, with labels, conditions and remarks."""

    sides: list[list[Tok]]
    relations: list[str]
    conditions: list[list[Tok]] = field(default_factory=list)
    label: str = ""
    remark: str = ""


_CUTS = ("where", "with", "for", "if", "when", "as", "while", "whenever")


def _statements(tokens: list[Tok]) -> Iterator[Statement]:
    tokens = [t for t in tokens if t.kind != "AMP"]
    rows: list[list[Tok]] = []
    for row in split(tokens, {"ROW"}):
        row = _trim(row)
        if row and rows and row[0].kind == "REL" or row and rows and row[0].kind in ("PLUS", "MINUS", "STAR") and rows[-1]:
            rows[-1] += row
        elif row:
            rows.append(row)
    for row in rows:
        yield from _row_statements(row)


def _trim(tokens: list[Tok]) -> list[Tok]:
    while tokens and tokens[-1].kind in ("DOT", "COMMA", "SEMI", "QUAD"):
        tokens = tokens[:-1]
    while tokens and tokens[0].kind in ("DOT", "COMMA", "SEMI", "QUAD"):
        tokens = tokens[1:]
    return tokens


def _row_statements(tokens: list[Tok]) -> Iterator[Statement]:
    label, remark = "", ""
    prose = [t for t in tokens if t.kind == "PROSE"]
    if prose:
        before = tokens[0].kind == "PROSE"
        label = prose[0].text if before else ""
        remark = " ".join(t.text for t in prose if not before or t is not prose[0])
        tokens = [t for t in tokens if t.kind != "PROSE"]
    colon = next((i for i, t in enumerate(tokens) if t.kind == "COLON"), None)
    if colon is not None:
        if all(t.kind in ("NAME", "QUAD") for t in tokens[:colon]) and colon:
            label = label or tokens[0].text
        tokens = tokens[colon + 1 :]
    lead = next((i for i, t in enumerate(tokens) if t.kind == "QUAD"), None)
    if lead == 1 and tokens[0].kind == "NAME" and len(tokens) > 2:
        label, tokens = tokens[0].text, tokens[2:]
    tokens = _conditional(tokens)
    # What follows `where`, `for`, `if` are conditions on what stands before.
    main, conditions = tokens, []
    cut = _outside(tokens, lambda t: t.kind == "WORD" and t.text in _CUTS)
    if cut is not None:
        main, tail = tokens[:cut], tokens[cut:]
        conditions = list(_pieces(tail))
    alternatives = list(_split_word(main, "or"))
    joined: list[list[Tok]] = []
    for alternative in alternatives:
        joined += list(_split_word(alternative, "and"))
    if not any(_trim(part) for part in joined):
        # `where σ(x) ∈ (0, 1)` alone is a statement of its own.
        joined, conditions = conditions, []
    for part in joined:
        for piece in _comma_pieces(_trim(part), conditions):
            sides = [_trim(s) for s in split(piece, {"REL"})]
            relations = [t.text for t, d in _depths(piece) if t.kind == "REL" and d <= 0]
            if any(sides):
                yield Statement(sides, relations, conditions, label, remark)


def _conditional(tokens: list[Tok]) -> list[Tok]:
    """`1 if x > 0, else 0` as cases."""
    words = [(i, t.text) for i, (t, d) in enumerate(_depths(tokens)) if d <= 0 and t.kind == "WORD"]
    at = next((i for i, text in words if text == "if"), None)
    other = next(
        (i for i, text in words if text == "otherwise" and at is not None and i > at), None
    )
    if at is None or other is None:
        return tokens
    start = max((i + 1 for i, t in enumerate(tokens[:at]) if t.kind == "REL"), default=0)
    value, condition, rest = tokens[start:at], tokens[at:other], tokens[other + 1 :]
    if not _trim(value):
        return tokens
    if not _trim(rest):  # `…, B otherwise`
        commas = [i for i, t in enumerate(condition) if t.kind == "COMMA"]
        if not commas:
            return tokens
        condition, rest = condition[: commas[-1]], condition[commas[-1] :]
    rows = ((_trim(value), _trim(condition)), (_trim(rest), [Tok("WORD", "otherwise")]))
    return [*tokens[:start], Tok("CASES", "cases", rows)]


def _outside(tokens: list[Tok], fits: Callable[[Tok], bool]) -> int | None:
    return next((i for i, (t, d) in enumerate(_depths(tokens)) if d <= 0 and fits(t)), None)


def _depths(tokens: list[Tok]) -> Iterator[tuple[Tok, int]]:
    depth = 0
    for t in tokens:
        depth += (t.kind in ("LB", "OPEN", "SETOPEN")) - (t.kind in ("RB", "CLOSE", "SETCLOSE"))
        yield t, depth


def _split_word(tokens: list[Tok], word: str) -> Iterator[list[Tok]]:
    run: list[Tok] = []
    for t, depth in _depths(tokens):
        if depth <= 0 and t.kind == "WORD" and t.text == word:
            yield run
            run = []
        else:
            run.append(t)
    yield run


def _pieces(tail: list[Tok]) -> Iterator[list[Tok]]:
    """Conditions after where, for, if, apart at commas, semicolons and further words."""
    run: list[Tok] = []
    for t, depth in _depths(tail):
        if depth <= 0 and t.kind in ("COMMA", "SEMI", "QUAD", "WORD"):
            if run:
                yield run
            run = []
        else:
            run.append(t)
    if run:
        yield run


def _comma_pieces(tokens: list[Tok], conditions: list[list[Tok]]) -> Iterator[list[Tok]]:
    """Statements apart at commas; a comparison of a plain symbol is a condition of the others."""
    pieces = [p for p in split(tokens, {"COMMA", "SEMI", "QUAD"}) if _trim(p)]
    kept: list[list[Tok]] = []
    for piece in map(_trim, pieces):
        if kept and piece[0].kind == "OPEN" and piece[-1].kind == "CLOSE":
            inner = piece[1:-1]
            if any(t.kind == "REL" and d <= 0 for t, d in _depths(inner)):
                conditions.append(inner)
                continue
        relations = [t.text for t, d in _depths(piece) if t.kind == "REL" and d <= 0]
        plain = (
            piece[0].kind in ("NAME", "NUM", "MINUS") and len(list(split(piece, {"REL"}))[0]) <= 4
        )
        if kept and relations and "=" not in relations and "~" not in relations and plain:
            conditions.append(piece)
        elif relations or not kept:
            kept.append(piece)
        elif piece[0].kind == "DOTS" or (piece[0].kind == "NUM" and len(piece) == 1):
            continue
        else:
            kept.append(piece)
    yield from kept


class _Reader:
    """The claims of one statement."""

    def __init__(self, s: Statement, text: str, place: Location, context: Context) -> None:
        self.s, self.text, self.place, self.context = s, text, place, context

    def claim(self, kind: str, subject: str, expression: Assertion | None, **more: Any) -> Claim:
        return Claim(self.text, self.place, kind, subject, expression, **more)

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

    # What the formula is about.

    def _head(self) -> Head | None:
        self._skip_name()
        if self.s.label:
            labelled = subjects.subject_of(self.s.label, True)
            if labelled:
                self.context.weak = labelled
        return head(self.s.sides[0], scope(self.context, {"x": lang.x}))

    def _is_generic(self, first: Head | None) -> bool:
        """Whether the head is a letter that the document has not defined itself."""
        if first is None or not GENERIC.match(first.name):
            return False
        return not (first.order and first.name in self.context.functions)

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
        if first.name == "sigma" and first.name not in context.functions:
            return "sigmoid"
        if first.name in ("Phi", "phi", "varphi") and self._is_normal(first.name):
            return ""
        declared = subjects.exact(first.name) if len(first.name) > 1 else ""
        if declared:
            return declared
        if first.name == "x" and not first.args:
            return ""
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

    # Equations.

    def _links(self, first: Head | None) -> Iterator[Claim]:
        s, context = self.s, self.context
        subject = self._subject(first)
        context.current = subject
        every = [t for side in s.sides for t in _flat(side)]
        variables = self._variables(first, subject, every)
        if (
            first is not None
            and not first.args
            and len(s.sides) == 2
            and not first.order
            and (first.name not in variables)
        ):
            constant = self._symbol(first, subject, variables)
            if constant is not None:
                yield from constant
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
        kind = "identity"
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
                self._declare(first, right, variables)
            if before is None:
                why_not = self._unknown(first)
                if why_not:
                    yield self.claim(kind, subject, None, reason=why_not, part=part)
                before, kind = right, "identity"
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
                    tuple(side), self._again(variables), reading.ambiguous,
                    reading.guessed and subject != "gelu",
                    self.instead if i == 0 else None,
                ),
                part=part,
                notes=tuple(reading.notes),
                generic=i == 0 and self._is_generic(first),
                strong=context.strong or bool(s.label),
            )  # fmt: skip
            before = right
            kind = kind if kind in ("derivative", "value") else "identity"

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
            try:
                return scope(context, variables).side(s.sides[0])
            except NotUnderstood:
                return None
        if first.name in LETTER_FUNCTIONS and not subject:
            try:
                return scope(context, variables).side(s.sides[0])
            except NotUnderstood:
                return None
        act = subjects.function(subject) if subject else None
        called: Any = act
        if first.name in context.functions and (first.order or act is None):
            if act is None or GENERIC.match(first.name):
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
            return f"{first.name} is no declared activation{hint}; taken as the document's own definition"
        return f"{first.name} is neither declared nor defined in the document"

    def _declare(self, first: Head, right: Expr, variables: dict[str, Expr]) -> None:
        """Remember what the document defines, for formulas that refer to it."""
        named = [variables.get(a, lang.symbol(a)) for a in first.args] or [lang.x]
        inputs = tuple(s for s in named if s in (lang.x, lang.y)) or (lang.x,)
        parameters = tuple(s for s in named if isinstance(s, Symbol) and s not in inputs)
        spec = self._subject(first)
        if not spec or GENERIC.match(first.name):
            self.context.functions[first.name] = Named(first.name, right, inputs, parameters, spec)

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
            signs = [t.text for t, d in _depths(piece) if t.kind == "REL" and d <= 0]
            try:
                reading = scope(self.context, variables)
                if signs and all(r in ("<", "<=", ">", ">=", "!=") for r in signs):
                    found.append(reading.relation(piece))
                elif signs == ["="]:
                    name, number = split(piece, {"REL"})
                    if len(name) > 1:
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

    def _symbol(self, first: Head, subject: str, variables: dict[str, Expr]) -> list[Claim] | None:
        """α = 1.67326: a constant; β = θ1 - θ0: a symbol with a meaning; None: an equation."""
        s, context = self.s, self.context
        name = first.name
        if name in variables or GENERIC.match(name) or subjects.exact(name) or s.relations != ["="]:
            return None
        try:
            value = scope(context, variables).side(s.sides[1])
        except NotUnderstood:
            return None
        if (
            lang.x in value.free_symbols
            and not name.startswith(("p(", "P("))
            and not _is_greek(name)
        ):
            return None
        if name.startswith(("p(", "P(")):
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
        """An expression without a relation: an approximation or a definition if the text says so."""
        context, side = self.context, self.s.sides[0]
        subject = context.subject
        if not subject or not any(t.kind == "NAME" for t in side) or len(side) < 4:
            return
        variables = self._variables(None, subject, _flat(side))
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
                self._again(variables), reading.ambiguous,
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
        variables = self._variables(first, subject, _flat(s.sides[0]))
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
        flat = [t for side in s.sides for t in _flat(side)]
        variables = self._variables(first, subject, flat)
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
                Within(upper - lower, sympy.Integer(0), sympy.oo, (not strict, False)),
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


def _flat(tokens: Sequence[Tok]) -> list[Tok]:
    """The tokens with those inside of cases."""
    found: list[Tok] = []
    for t in tokens:
        found.append(t)
        if t.kind == "CASES":
            for value, condition in t.inside:
                found += _flat(value) + _flat(condition)
    return found


LETTER_FUNCTIONS = ("Phi", "phi", "varphi")
#: Letters that papers use for the one parameter of a function.
PARAMETERS = frozenset("a alpha beta gamma lambda lambd p slope k c".split())
