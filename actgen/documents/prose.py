"""Plain sentences that claim something mathematical, and formulas printed as plain text.

Only sentences whose meaning is plain are judged; one that fits a row of `sentences` but says more
("unlike", "if", "not") is listed with the word that stands in the way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from . import code, formulas, subjects
from .claims import Claim, Location
from .context import Context
from .reader import INLINE
from .sentences import BETWEEN, INTERVAL, ROWS, Row, Sentence, outputs_lie

#: A negation in another language: the table reads English.
_FOREIGN = re.compile(
    r"\b(?:pas|n'est|quasi|nicht|kein\w*|est|les|des|und|der|die|ist|est-ce|une?)\b", re.I
)

_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z*\[$(])|;\s+|\n(?=[-*•] |[A-Z][\w ]{1,24}:)")
#: Plain text such as `f(x) = max(0, x)` or `σ'(x) = σ(x)(1 - σ(x))`.
_FORMULA = re.compile(
    r"(?:^|(?<=[\s:*|(]))(?P<head>(?:\bd/dx\s*)?[A-Za-zσφϕψΦ][\w.]*\s*['′’]*\s*\(\s*[\w, ]+\)\s*&?=(?!=))"
)
_COMPUTED = re.compile(
    r"\b(?:computed|calculated|defined|given|expressed) (?:as|by) (?P<code>[a-z0-9(][^.,;$]*[*/+(][^,;$]*?)(?=\s+(?:where|with|and)\b|[,;]|\.\s|\.?$)",
    re.I,
)
_APPROXIMATION = re.compile(r"approximat\w*[^.]*?Eq(?:uation|s)?\.?\s*\(?(\d+)\)?", re.I)


def plain(text: str) -> str:
    """A line with its inline mathematics as plain characters, without marks of emphasis."""
    text = re.sub(r"<[^<>]*>", " ", text)
    text = re.sub(r"\*\*|__|(?<![\w*])\*(?=\w)|(?<=\w)\*(?![\w*(])|`", "", text)
    for old, new in (
        (r"\infty", "∞"),
        (r"\alpha", "α"),
        (r"\beta", "β"),
        (r"\lambda", "λ"),
        (r"\ge", "≥"),
        (r"\le", "≤"),
        (r"\to", "→"),
        ("$", ""),
        (r"\(", ""),
        (r"\)", ""),
        (":math:", ""),
    ):
        text = text.replace(old, new)
    return text


def claims_of(text: str, line: int, context: Context) -> Iterator[Claim]:
    """The claims of one paragraph: sentences by the table, then formulas in plain text."""
    for found in _APPROXIMATION.finditer(text):
        context.approximations.add(found.group(1))
    start = 0
    before, last = "", ""
    lead = re.match(r"\W*(?:\*\*([^*]+)\*\*|([A-Z][\w -]{2,30}):(?=\s))", text)
    term = (lead.group(1) or lead.group(2)) if lead else ""
    heading = context.heading
    if term and not subjects.mentions(term) and not _labels(term):
        context.heading = ""  # a term of its own: what follows is about that
    for piece in _SENTENCE.split(text):
        at = text.index(piece, start)
        start = at + len(piece)
        meant = before if _PRONOUN.match(piece) else ""
        s = _parsed(" ".join(piece.split()), line + text.count("\n", 0, at), context, meant)
        if not (_OF_DERIVATIVE.match(last) and _RANGE_LINE.match(piece)):
            yield from _sentence(s)
        before, last = s.own or before, piece
    context.heading = heading
    yield from _formulas(text, line, context)


_PRONOUN = re.compile(r"\W*(?:it|its|this|they|the function|the outputs?)\b", re.I)
_OF_DERIVATIVE = re.compile(r"\W*(?:derivative|gradient)", re.I)
_RANGE_LINE = re.compile(r"\W*range\b", re.I)


def _labels(text: str) -> bool:
    """Whether a bold lead says what kind of remark follows, and of what."""
    words = set(re.findall(r"[a-z]+", text.lower()))
    return bool(words) and words <= _REMARKS


_REMARKS = frozenset(
    "range ranges formula equation definition derivative gradient output outputs note properties "
    "property advantages disadvantages pros cons description input the of and values".split()
)


def _parsed(text: str, line: int, context: Context, before: str) -> Sentence:
    """The sentence, its subject: a name near its start that no other word makes another's."""
    shown = plain(text)
    blank = plain(INLINE.sub(" ", text))
    found = subjects.mentions(blank)
    own, blocked = "", False
    if found:
        lead = re.findall(r"[A-Za-z]+", blank[: found[0].start])
        joined = re.search(r"[-–:.,(|/]\s*$", blank[: found[0].start])
        plainly = not lead or joined or lead[-1].lower() in _BEFORE_NAME
        near = len(lead) <= (12 if re.search(r",\s*(?:the )?$", blank[: found[0].start]) else 6)
        own = found[0].activation if near and plainly else ""
        blocked = near and not plainly and not _VERBS.intersection(w.lower() for w in lead)
    named = tuple(m.activation for m in found)
    return Sentence(shown, line, named, context, before, own, blocked)


_VERBS = frozenset("is are was has have can may could will does do it its we this".split())

#: Words that may stand between the start of a sentence and its subject.
_BEFORE_NAME = frozenset(
    "the a an of in by and or with both applies that its log derivative gradient slope output "
    "outputs values range interval function functions activation this using use our".split()
)


def _sentence(s: Sentence) -> Iterator[Claim]:
    """The claims of one sentence by the table."""
    text, shown = s.text, s.text
    if text.rstrip().endswith("?") or _FOREIGN.search(text):
        return
    place = Location(s.context.file, s.line)
    for row in ROWS:
        match = row.pattern.search(shown)
        if match is None:
            continue
        doubt = "" if row.free else _doubt(s, match, row)
        other = row.never.search(shown[: _end(s, match, row)]) if row.never is not None else None
        if other is not None and row.build is not outputs_lie:
            continue
        if other is not None:
            doubt = f"not about all values: {other.group().strip()!r}"
        for kind, subject, assertion in row.build(match, s):
            notes = (row.note,) if row.note else ()
            reason = doubt or ("" if subject else "the sentence names no activation")
            if reason:
                yield Claim(text, place, kind, subject, None, reason, form="prose")
            else:
                yield Claim(text, place, kind, subject, assertion, "", notes, "prose")
    said = _COMPUTED.search(shown)
    if said and s.named and "=" not in shown:
        before, s.context.weak = s.context.heading, s.named[0]
        s.context.heading = s.named[0]
        yield from code.inline_claims(said["code"].strip(), s.line, s.context)
        s.context.heading = before


#: How a sentence begins whose subject is a function: its name, "the output", a verb of a list.
_BEGINS = re.compile(
    r"^\W*(?:(?:in|for|with) the \w+ function,? we can see that )?(?:the |its |this |all |both |an? )?"
    r"(?:whole |overall )?(?:function|activation|outputs?|values?|it|range|curve|squash\w*|maps?|"
    r"normali[sz]\w*|caps?|appl\w+|can|zero|non|not|is|bounded|unbounded|monoton\w*|smooth|"
    r"continuous\w*|differentiable|discontinuous|rescal\w*|compress\w*|derivative|gradient|slope)\b",
    re.I,
)
_DOUBTS = re.compile(
    r"\b(?:unlike|whereas|while|although|however|contrary|version of|belief|mistake|wrong\w*|false|"
    r"weights?|images?|pixels?|loss|learning rate|accuracy|logits?|ratio|difference|terms?|sums? of (?!the (?:elements|outputs|probab))|"
    r"minus|plus|times|composition|product|inverse|squared?|complementary|variants?|parts?|limit|approximations?|regime|nets?|networks?|layers?|shifted|rescaled|becomes|applied|sometimes|normalized to|normalised to|is mapped|outside|exceeds?|"
    r"beyond|papers?|noted|true that|"
    r"hardly|nearly|almost|outperforms?|which|when|if|unless|compared)\b",
    re.I,
)
_DENIED = re.compile(r"\b(?:not|never|nothing|but monotonic|no longer|neither|nor)\b|n't\b", re.I)
_TWICE = re.compile(
    r"\b(?:neither|nor|no)\b|(?:\bnot|\bnever|n't)\s+(?:\w+\s+)?(?:non|not|un\w+|dis\w+)\b|n't\s+non",
    re.I,
)
_OF_SLOPE = re.compile(r"^\W*(?:\w+\s+){0,3}(?:derivative|gradient|nature|nowhere)\b", re.I)
_CONDITIONS = re.compile(
    r"^\W*(?:at|on|for|when|if|unless|only)\b(?! (?:all|every|any|the|each|binary|most|\w+ing)\b)",
    re.I,
)


#: What may follow a claim in its sentence without restricting it.
_ENDS = re.compile(
    r"\s*(?:$|[.,;!)(:]|(?:and|but|everywhere|functions?|activations?|which|than)\b|(?:o|ou)?s\b)",
    re.I,
)
_BOTH = re.compile(
    r"\s*(?:,|and|or|/|&)\s*(?:the )?(?:leaky |hard |soft)?[A-Z]?\w*(?:LU|lu|sigmoid|tanh)\b"
)
#: Words that may stand between a function and what is said of it.
_LINKS = frozenset(
    "function functions activation activations unit units s output outputs value values is are has "
    "have be a an the always also both it its and that can as not non whole zero elu of interval "
    "gradient derivative takes only lies lie in".split()
)


def _after_own(s: Sentence) -> int:
    return next((m.end for m in subjects.mentions(s.text) if m.activation == s.own), 0)


def _directly(s: Sentence, upto: str, match: re.Match[str]) -> bool:
    """Whether nothing but plain words links the name and what is said."""
    between = upto[min(_after_own(s), match.start()) : match.start()]
    return {w.lower() for w in re.findall(r"[A-Za-z]+", between)} <= _LINKS


def _end(s: Sentence, match: re.Match[str], row: Row) -> int:
    """Where in a sentence its claim ends: behind the interval, if it is about one."""
    if row.build is not outputs_lie:
        return len(s.text)
    interval = INTERVAL.search(s.text) or BETWEEN.search(s.text)
    return max(match.end(), interval.end() if interval else 0)


def _doubt(s: Sentence, match: re.Match[str], row: Row) -> str:
    """Why a sentence that fits a row is not plain enough to be judged; "" if it is."""
    shown = s.text
    end = _end(s, match, row) if row.build is outputs_lie else match.end()
    upto = shown[:end]
    if not (_BEGINS.match(shown) or s.own):
        return "the sentence is not about a function in plain words"
    for pattern in (_DOUBTS, _TWICE if row.denies else _DENIED):
        found = pattern.search(upto)
        if found:
            return f"not a plain sentence: {found.group()!r}"
    slope = re.search(r"\b(?:derivatives?|gradients?|slope)\b", upto, re.I)
    if slope and not row.of_slope:
        return "it may be about the derivative"
    if row.build is outputs_lie and len(INTERVAL.findall(shown)) > 1:
        return "it speaks of two intervals"
    if row.build is not outputs_lie and not _ENDS.match(shown[end:]):
        return f"it goes on: {' '.join(shown[end:].split()[:3])!r}"
    if s.own and row.build is not outputs_lie and not row.loose and not _directly(s, upto, match):
        return "its subject may be more than the function"
    if s.own and _BOTH.match(shown[_after_own(s) :]):
        return "it speaks of two functions"
    if _OF_SLOPE.search(shown[end:]):
        return "it may be about the derivative"
    if _CONDITIONS.search(shown[end:]):
        return "it holds under a condition that is not read"
    return ""


def _formulas(text: str, line: int, context: Context) -> Iterator[Claim]:
    """Formulas printed as plain text, from a head to the end of the line or a clause."""
    for n, raw in enumerate(text.split("\n")):
        bare = re.sub(r"`[^`]*`", lambda m: " " * len(m.group()), raw)
        masked = INLINE.sub(lambda m: " " * len(m.group()), bare)
        heads = list(_FORMULA.finditer(masked))
        for i, found in enumerate(heads):
            end = heads[i + 1].start() if i + 1 < len(heads) else len(bare)
            formula = bare[found.start("head") : end]
            formula = re.split(
                r",?\s+(?:where|which|and|with|in which)\b|\s\(\"|\s[—–]\s|;\s|\.\s+[A-Z]|\s\(\S{3,}\s|\s\([^()]*≈[^()]*\)|\|\s",
                formula,
            )[0]
            formula = formula.replace("$", "").strip().rstrip(".,*|")
            if _looks_like_code(formula):
                continue
            yield from formulas.claims_of(formula, line + n, "", context)


def _looks_like_code(formula: str) -> bool:
    return bool(re.search(r"\b(?:nn|np|jnp|tf|torch|plt|self)\.", formula))
