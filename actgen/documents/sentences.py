"""The sentences that are read: a table of patterns and of what each one says.

What a row takes for granted is in its note.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import sympy
from sympy import Expr, Symbol

from .. import lang, registry
from ..calculus import derivative
from . import subjects
from .claims import (
    Assertion,
    Constant,
    Equal,
    Property,
    Tends,
    Within,
)
from .context import Context

Found = tuple[str, str, Assertion]  # kind, subject, assertion

NUM = r"[-−+]?(?:\d+(?:\.\d+)?|∞|inf(?:inity)?|one|zero)"
INTERVAL = re.compile(rf"(?P<a>[\[(\]])\s*(?P<low>{NUM})\s*,\s*(?P<high>{NUM})\s*(?P<b>[\])\[])")
BETWEEN = re.compile(
    rf"(?:between|from|range of|within|interval)\s+(?P<low>{NUM})\s*(?:and|to|,|-)\s*(?P<high>{NUM})",
    re.I,
)


def number(text: str) -> Expr:
    """A printed number or infinity."""
    plain = text.replace("−", "-").lstrip("+")
    sign = -1 if plain.startswith("-") else 1
    plain = plain.lstrip("-")
    named = {"one": 1, "zero": 0, "∞": sympy.oo, "inf": sympy.oo, "infinity": sympy.oo}
    return sign * (sympy.sympify(named[plain]) if plain in named else sympy.Rational(plain))


@dataclass(frozen=True)
class Sentence:
    """A sentence with its mathematics written plainly, and the activations that it names."""

    text: str
    line: int
    named: tuple[str, ...]
    context: Context
    before: str = ""  #: the subject of the sentence before, which a pronoun means
    own: str = ""  #: the activation that the sentence begins with
    blocked: bool = False  #: it begins with a variant of one: a clipped ReLU

    @property
    def subject(self) -> str:
        """What it is about: the first activation it names, else that of its place."""
        context = self.context
        # A list goes on about what its last entry named.
        follows = context.weak if context.said_at == context.item - 1 else ""
        return "" if self.blocked else self.own or self.before or context.heading or follows


@dataclass(frozen=True)
class Row:
    """A pattern, words with which it says something else, and what it claims."""

    pattern: re.Pattern[str]
    build: Callable[[re.Match[str], Sentence], Iterator[Found]]
    never: re.Pattern[str] | None = None
    note: str = ""
    free: bool = False  #: its pattern is the whole sentence: nothing else restricts it
    denies: bool = False
    of_slope: bool = False
    loose: bool = False  #: other words may stand between the function and the claim


def _interval(text: str) -> tuple[Expr, Expr, tuple[bool, bool]] | None:
    found = INTERVAL.search(text)
    if found:
        low, high = number(found["low"]), number(found["high"])
        closed = (found["a"] == "[" and low.is_finite, found["b"] == "]" and high.is_finite)
        return low, high, (bool(closed[0]), bool(closed[1]))
    found = BETWEEN.search(text)
    if found is None:
        return None
    low, high = sorted((number(found["low"]), number(found["high"])))
    return low, high, (bool(low.is_finite), bool(high.is_finite))


#: The interval is all values, not only a bound of them.
_EXACTLY = re.compile(
    r"^\W*(?:output )?range\W|\brange of [\w ]+? is\b|\brange is\b|\bhas (?:a |the )?range\b", re.I
)


def outputs_lie(match: re.Match[str], s: Sentence) -> Iterator[Found]:
    found = _interval(s.text)
    if found is None:
        return
    order = 1 if re.search(r"\b(?:derivative|gradient)\b", s.text, re.I) else 0
    exact = bool(_EXACTLY.search(s.text))
    yield "range", s.subject, _within(s.subject, *found, order, exact)


def _within(
    subject: str,
    low: Expr,
    high: Expr,
    closed: tuple[bool, bool],
    order: int = 0,
    exact: bool = False,
) -> Assertion:
    if not subject:
        return Property("range")
    act = registry.load(subject)
    expr = act.formula if not order else act.derivative(order)
    return Within(expr, low, high, closed, order, exact=exact)


def _positive(match: re.Match[str], s: Sentence) -> Iterator[Found]:
    closed = match.lastgroup == "closed"
    yield "range", s.subject, _within(s.subject, sympy.Integer(0), sympy.oo, (closed, False))


def _slope(match: re.Match[str], s: Sentence) -> Iterator[Found]:
    bound = number(match["bound"])
    strict = match["than"] is not None
    if match["less"].lower() in ("greater", "larger", "more", "at least"):
        yield "range", s.subject, _within(s.subject, bound, sympy.oo, (not strict, False), 1)
    else:
        yield "range", s.subject, _within(s.subject, -sympy.oo, bound, (False, not strict), 1)


def _property(
    name: str, value: object = None, negated: bool = False, kind: str = "shape"
) -> Callable[[re.Match[str], Sentence], Iterator[Found]]:
    def build(match: re.Match[str], s: Sentence) -> Iterator[Found]:
        yield kind, s.subject, Property(name, value, negated)

    return build


def _saturates(match: re.Match[str], s: Sentence) -> Iterator[Found]:
    named = subjects.mentions(s.text[: match.start() + len(match["who"])])
    subject = named[-1].activation if named else s.subject
    kind = "exponential" if match["how"].lower().startswith("exp") else "polynomial"
    yield "limit", subject, Property("saturates", kind)


def _parameter(act_name: str, letter: str) -> Symbol | None:
    act = registry.load(act_name)
    names = {p.name: p.symbol for p in act.parameters}
    if letter in names:
        return names[letter]
    if len(act.parameters) == 1:
        return act.parameters[0].symbol
    return None


_GREEK = {"α": "alpha", "β": "beta", "λ": "lambd", "γ": "gamma"}


_BECOMES = re.compile(
    r"\b(?:becomes?|reduces? to|is (?:equal to|equivalent to|identical to|the same as|just|simply)|"
    r"equals|recovers?|degenerates? (?:in)?to|turns? into|we (?:get|obtain|recover|call))\b",
    re.I,
)


def _special(match: re.Match[str], s: Sentence) -> Iterator[Found]:
    """If α = 0, f becomes ReLU: the subject at that parameter is the other function."""
    after = subjects.mentions(s.text[match.end("value") :])
    if not after:
        return
    between = s.text[match.end("value") : match.end("value") + after[-1].start]
    if not _BECOMES.search(between) or re.search(r"\band\W+\\?[α-ω]", between):
        return
    names = list(dict.fromkeys(m.activation for m in after))
    target = names[1] if len(names) > 1 and names[0] == s.context.heading else names[0]
    before = [n for n in s.named if n != target]
    subject = before[0] if before else s.context.subject
    if not subject or subject == target:
        return
    letter = match["letter"].lstrip("\\")
    p = _parameter(subject, _GREEK.get(letter, letter))
    if p is None:
        return
    value, sign = number(match["value"]), match["sign"]
    mine, other = registry.load(subject), registry.load(target)
    if mine.inputs != other.inputs or mine.is_row or other.is_row:
        return
    right = other.formula
    own = tuple(q.symbol for q in other.parameters)
    if sign in ("=", "=="):
        special = mine.formula.subs(p, value)
        yield "special_case", target, Equal(right, special, own, (), ())
    elif len(own) == 1:
        compare = {">": p > value, "<": p < value, "≥": p >= value, "≤": p <= value}[sign]
        yield "special_case", target, Equal(mine.formula, right.subs(own[0], p), (), (), (compare,))


def _case_of(match: re.Match[str], s: Sentence) -> Iterator[Found]:
    """A and B are special cases of Maxout: each is the greatest of two straight lines."""
    general = subjects.subject_of(match["general"])
    if not general:
        return
    for special in dict.fromkeys(m.activation for m in subjects.mentions(match["special"])):
        yield "special_case", special, Property("case of", general)


def _gradient_where(match: re.Match[str], s: Sentence) -> Iterator[Found]:
    """If the activation (or the input) is > 0, the gradient is 1."""
    subject = s.subject
    if not subject or registry.load(subject).is_row or registry.load(subject).is_gated:
        return
    act = registry.load(subject)
    what = act.formula if match["what"].lower() == "activation" else lang.x
    sign = {"positive": ">", "negative": "<"}.get(match["sign"].lower(), match["sign"])
    where = {">": what > 0, "<": what < 0, "0": sympy.Eq(what, 0)}[sign]
    slope = derivative(act.formula, lang.x)
    value = number(match["value"])
    yield "derivative", subject, Equal(slope, value, (), (), (where,), 1)


def _either(match: re.Match[str], s: Sentence) -> Iterator[Found]:
    values = (number(match["a"]), number(match["b"]))
    yield "derivative", s.subject, Property("slopes", values)


def _limits(match: re.Match[str], s: Sentence) -> Iterator[Found]:
    """For x extremely large/small, σ(x) tends to 1/0 (large: the first, small: the second)."""
    subject = s.subject
    if not subject:
        return
    f = registry.load(subject).formula
    yield "limit", subject, Tends(f, sympy.oo, number(match["a"]))
    yield "limit", subject, Tends(f, -sympy.oo, number(match["b"]))


def _slope_vanishes(match: re.Match[str], s: Sentence) -> Iterator[Found]:
    subject = s.subject
    if not subject or registry.load(subject).is_row:
        return
    slope = registry.load(subject).derivative()
    for end in (sympy.oo, -sympy.oo):
        yield "limit", subject, Tends(slope, end, sympy.Integer(0), 1)


def _limit(match: re.Match[str], s: Sentence) -> Iterator[Found]:
    what = match["what"].strip()
    subject = subjects.exact(what)
    if not subject and re.fullmatch(r"(?:it|f\(x\)|function|outputs?|activation)", what, re.I):
        subject = s.subject
    if not subject or registry.load(subject).is_row:
        return
    end = (
        -sympy.oo if match["end"].lstrip("$ ").startswith(("-", "−", "neg", "minus")) else sympy.oo
    )
    yield "limit", subject, Tends(registry.load(subject).formula, end, number(match["value"]))


def _approximates(match: re.Match[str], s: Sentence) -> Iterator[Found]:
    target = subjects.subject_of(match["other"])
    subject = s.subject if s.subject != target else s.context.heading
    if not target or not subject or subject == target:
        return
    mine, other = registry.load(subject), registry.load(target)
    if mine.inputs == other.inputs and not mine.is_row and not other.is_row:
        yield (
            "approximation",
            subject,
            Equal(mine.formula, other.formula.subs(other.defaults), (), (), (), 0, True),
        )


def _constants(match: re.Match[str], s: Sentence) -> Iterator[Found]:
    for letter, value in ((match["p"], match["v"]), (match["q"], match["w"])):
        name = _GREEK.get(letter, letter.lstrip("\\"))
        name = name.replace("lambd", "lambda")
        s.context.values[s.context.subject, name] = sympy.Rational(value)
        yield "constant", s.context.subject, Constant(name, sympy.Rational(value), value)


_I = re.I
_P = r"(?P<letter>\\?(?:alpha|beta|lambda|[aα-ωk]))(?:_\{?\w+\}?)?"

ROWS: tuple[Row, ...] = (
    Row(
        re.compile(
            r"\b(?:range|between|interval|squash\w*|normali[sz]e\w*|caps?|bound(?:s|ed)?|compress\w*|"
            r"rescal\w+|outputs?)\b", _I,
        ),
        outputs_lie,
        re.compile(
            r"\b(?:parameters?|region|classes|belong\w*|adjust\w*|sampled?|drawn|random\w*|"
            r"hyper\w*|uniform\w*|steep|sensitive|flat|saturated|linear (?:in|on|for|between)|slope|threshold|min_val|inputs? (?:is |are )?(?:in|between)|switch\w*)\b|^\W*if\b|∂|\bfor x\b|\bfor \|?x|α is|where α",
            _I,
        ),
        "values lie in the interval; whether its ends are reached is not claimed",
        of_slope=True,
    ),
    Row(
        re.compile(
            r"(?P<open>\b(?:always|strictly) positive|always (?:be )?greater than (?:zero|0))|"
            r"(?P<closed>\b(?:never|not) negative\b|values as zero and above|outputs to zero and above|is (?:always )?non-?negative)",
            _I,
        ),
        _positive,
        re.compile(r"\b(?:allow\w*|derivative|gradient|convex|integer|parameter)\b", _I),
        denies=True,
        loose=True,
    ),
    Row(
        re.compile(
            rf"\b(?:derivative|gradient)\b[^.]*?\b(?:is|are|be)\b (?:always |at )?(?P<less>smaller|less|lower|greater|larger|most|least)(?P<than> than)? (?P<bound>{NUM})\b",
            _I,
        ),
        _slope,
        of_slope=True,
    ),
    Row(
        re.compile(r"\b(?:not|non|isn't|never)[- ]*(?:a )?(?:zero|0)[- ]?cent\w*|\bnot cent\w+ (?:on|at|around) (?:0|zero)", _I),
        _property("zero-centred", negated=True),
        note="read as: symmetric inputs do not have outputs of mean 0",
        denies=True,
    ),
    Row(
        re.compile(r"(?<!not )(?<!non[- ])(?<!n't )\b(?:zero|0)[- ]?(?:cent(?:er|re)d|centric)", _I),
        _property("zero-centred"),
        re.compile(r"\b(?:not|non)[- ]*(?:zero|0)|\bnot\b", _I),
        "read as: symmetric inputs have outputs of mean 0",
    ),
    Row(re.compile(r"\bcontinuously[- ]differentiable\b(?! exponential)", _I), _property("differentiable", kind="smoothness"),
        re.compile(r"\bnot\b|\bexponential linear unit", _I)),
    Row(re.compile(r"\bnot (?:fully |everywhere |continuously )?differentiable\b|\bnon-?differentiable\b", _I),
        _property("differentiable", negated=True, kind="smoothness"), denies=True),
    Row(re.compile(r"\bis (?:a )?(?:infinitely differentiable|smooth(?: (?:function|curve))?)\b(?! version| approx| and| variant|er)", _I),
        _property("smooth", kind="smoothness"), re.compile(r"\bnot\b|almost", _I)),
    Row(re.compile(r"\bdiscontinuous\b|\bnot continuous\b", _I), _property("continuous", negated=True, kind="smoothness"), denies=True),
    Row(re.compile(r"\bnon-?monoton\w+|\bnot monoton\w+", _I), _property("monotone", negated=True), denies=True),
    Row(re.compile(r"(?<!non-)(?<!non)\bmonoton\w+", _I), _property("monotone"),
        re.compile(r"\bnot?\b|non-?monoton|derivative", _I)),
    Row(re.compile(r"\bis (?:an )?odd\b(?: function)?", _I), _property("odd", kind="parity")),
    Row(re.compile(r"\bis (?:an )?even\b function", _I), _property("even", kind="parity")),
    Row(re.compile(r"\bis (?:a )?convex\b", _I), _property("convex")),
    Row(re.compile(r"\bunbounded above\b", _I), _property("bounded", "above", True)),
    Row(re.compile(r"(?<!un)\bbounded below\b", _I), _property("bounded", "below")),
    Row(re.compile(r"\b(?:is|are) unbounded\b(?! above| below)", _I), _property("bounded", "both", True)),
    Row(re.compile(r"(?P<who>\b[A-Za-z][\w ]{2,20}) converges? (?P<how>exponentially|polynomially)", _I), _saturates, free=True),
    Row(
        re.compile(rf"\b(?:if|when|for|with|setting)\s+{_P}\s*(?P<sign>=|>|<|≥|≤)\s*(?P<value>{NUM})", _I),
        _special,
        re.compile(r"\bderivative\b|\bgradient\b", _I),
        free=True,
    ),
    Row(re.compile(r"(?P<special>[^.]*?)\b(?:is|are) (?:a )?special cases? of (?P<general>[^.]*)", _I), _case_of, free=True),
    Row(
        re.compile(
            rf"\bif the (?P<what>activation|input) is (?P<sign>[<>]|positive|negative|0)\s*0?\s*, then the gradient is (?:also )?(?P<value>{NUM})",
            _I,
        ),
        _gradient_where,
        free=True,
    ),
    Row(re.compile(rf"\bgradient (?:could|can|will|is) (?:be )?either (?P<a>{NUM}) or (?P<b>{NUM})", _I), _either, free=True),
    Row(re.compile(r"extremely large/small.*?tend\w* to\s*(?P<a>\d)\s*/\s*(?P<b>\d)", _I), _limits, free=True),
    Row(re.compile(r"extremely large/small.*?gradient[^.]*?tend\w* to\s*0", _I), _slope_vanishes, free=True),
    Row(
        re.compile(
            rf"\b(?:as|when|if) x\s*(?:→|->|approaches|tends to|goes to|becomes)\s*(?P<end>[-−+]?(?:∞|inf\w*|negative infinity|positive infinity))\s*,?\s*(?:the\s+)?(?P<what>[\w() ]{{1,25}}?)\s*(?:→|approaches|tends to|converges to|goes to)\s*(?P<value>{NUM})\b",
            _I,
        ),
        _limit,
        re.compile(r"derivative|gradient", _I),
        free=True,
    ),
    Row(re.compile(r"\bsmooth (?:version|approximation|variant|relaxation) (?:of|to) (?:the )?(?P<other>[\w ]+)", _I), _approximates, free=True),
    Row(re.compile(r"\b(?:sum of (?:the |all )?(?:elements|outputs|probabilities|values)[^.]*? is|(?:sums?|adds?) (?:up )?to) (?:1|one)\b", _I),
        _property("sums to one", kind="value"), loose=True),
    Row(
        re.compile(r"(?P<p>\\?[α-ω]|\\[a-z]+) and (?P<q>\\?[α-ω]|\\[a-z]+) are set to (?P<v>\d+\.\d+) and (?P<w>\d+\.\d+)"),
        _constants,
        free=True,
    ),
)  # fmt: skip
