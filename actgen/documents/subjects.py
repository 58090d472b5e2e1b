"""Which activation a piece of text is about: names, aliases and how people write them."""

from __future__ import annotations

import difflib
import functools
import re
from dataclasses import dataclass, replace

import sympy
from sympy import Expr, Symbol

from .. import registry
from ..names import document_names
from ..spec import Activation
from .functions import Named

#: Names in common language, beside those of specs/ and of specs/names.csv.
COMMON = {
    "logistic function": "sigmoid", "logistic sigmoid": "sigmoid", "sigmoid function": "sigmoid",
    "sigmoidal": "sigmoid", "hyperbolic tangent": "tanh", "tan h": "tanh", "soft plus": "softplus",
    "smooth relu": "softplus", "binary step": "heaviside", "unit step": "heaviside",
    "heaviside step": "heaviside", "step function": "heaviside", "heaviside": "heaviside",
    "leaky rectified linear unit": "leaky_relu", "leaky rectifier": "leaky_relu",
    "randomized leaky relu": "rrelu", "randomized leaky rectified linear unit": "rrelu",
    "parametric rectified linear unit": "prelu", "parameteric relu": "prelu",
    "scaled exponential linear unit": "selu", "hard sigmoid": "hardsigmoid",
    "hard tanh": "hardtanh", "hard swish": "hardswish", "log softmax": "log_softmax",
    "log sigmoid": "logsigmoid", "sigmoid linear unit": "silu", "swish 1": "silu", "sil": "silu",
    "gated linear unit": "glu", "soft shrink": "softshrink", "hard shrink": "hardshrink",
    "tanh shrink": "tanhshrink", "rectifier": "relu", "relu function": "relu",
}  # fmt: skip

#: Which of two functions of one name is meant, libraries do not agree.
SIBLINGS = {"hard_sigmoid": "hardsigmoid", "hardsigmoid": "hard_sigmoid"}

#: Words that name an activation only where they stand as a heading or a function.
PLAIN = frozenset("step threshold maximum s p max".split())
#: Prefixes of library names that say nothing of the function.
_PREFIX = re.compile(
    r"^(?:tf|keras|torch|jax|nn|F|functional|activations|layers|Layers|flax|linen|np|jnp|ops|special|"
    r"numpy|math|scipy|K|backend)\."
)


def normal(name: str) -> str:
    """A name without what people vary: case, spaces, hyphens, underscores, library prefixes."""
    while _PREFIX.match(name):
        name = _PREFIX.sub("", name)
    return re.sub(r"[\s_\-\\.]+", "", name).lower()


@functools.cache
def table() -> dict[str, str]:
    """Every known name in its normal form, and the activation it means."""
    found: dict[str, str] = {}
    for row in document_names():
        if row.spec and "symbol" not in row.note and "misprint" not in row.note:
            found.setdefault(normal(row.name), row.spec.partition("(")[0])
    for row in document_names():
        if row.spec and "symbol" not in row.note:
            found.setdefault(normal(row.name), row.spec.partition("(")[0])
    for name, spec in COMMON.items():
        found.setdefault(normal(name), spec)
    for alias, name in registry.aliases().items():
        found[normal(alias)] = name
    for name in registry.names():
        found[normal(name)] = name
    # `normal` makes one of these two names of specs/: the letters as they stand decide.
    found.pop("hardsigmoid", None)
    for single in [name for name in found if len(name) == 1]:
        found.pop(single)
    return found


def exact(name: str) -> str:
    """The activation that a name as it stands, or in its normal form, means; "" for none."""
    bare = name
    while _PREFIX.match(bare):
        bare = _PREFIX.sub("", bare)
    if bare in registry.names():
        return bare
    form = normal(name)
    if form == "hardsigmoid":
        return "hard_sigmoid" if "_" in bare else "hardsigmoid"
    known = table()
    return known.get(form) or (known.get(form[:-1], "") if form.endswith("s") else "")


@functools.lru_cache(maxsize=512)
def function(name: str) -> Named | None:
    """The declared activation of that name as a function of its inputs and parameters."""
    if len(name) < 2:
        return None
    spec = exact(name)
    return named(registry.load(spec)) if spec else None


def named(act: Activation) -> Named:
    """An activation as a function."""
    return Named(
        act.name, act.formula, act.inputs, tuple(p.symbol for p in act.parameters), act.name
    )


def at_defaults(named: Named) -> Named:
    """The function with defaults for parameters that a call leaves out: softplus inside Mish."""
    values = defaults(registry.load(named.activation))
    return replace(named, defaults=tuple(values.items()))


def defaults(act: Activation) -> dict[Symbol, Expr]:
    """The default parameters as printed: 0.01 is 1/100, not the float next to it."""
    return {
        s: sympy.Rational(repr(float(v))) if v.is_Rational else v for s, v in act.defaults.items()
    }


@dataclass(frozen=True)
class Mention:
    """An activation named in a text: where, and how many characters."""

    activation: str
    start: int
    end: int


_WORD = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[._][A-Za-z0-9]+)*|\d+")


def mentions(text: str, title: bool = False) -> list[Mention]:
    """The activations that a text names, longest names first where they overlap."""
    text = re.sub(r"\$[^$]*\$|<[^>]+>|\*\*|`", lambda m: " " * len(m.group()), text)
    words = list(_WORD.finditer(text))
    found: list[Mention] = []
    i = 0
    while i < len(words):
        used = 1
        for count in range(min(6, len(words) - i), 0, -1):
            start, end = words[i].start(), words[i + count - 1].end()
            phrase = text[start:end]
            if re.search(r"[.!?;:()]\s", phrase) or "\n" in phrase:
                continue
            form = normal(phrase)
            if len(form) < 3 or (form in PLAIN and not title and "." not in phrase):
                continue
            spec = exact(phrase)
            if spec:
                found.append(Mention(spec, start, end))
                used = count
                break
        i += used
    return found


def subject_of(text: str, title: bool = False) -> str:
    """The first activation that a text names; "" for none."""
    found = mentions(text, title)
    return found[0].activation if found else ""


#: Words that may stand before a name in a heading without making it another function.
PLAIN_BEFORE = frozenset(
    "the a an of and or vs in with for function functions activation activations unit units is "
    "what using use why how problem like to on by activationfunction derivative gradient "
    "range".split()
)


def heading_subject(text: str) -> str:
    """The activation that a heading is about; "" where a word makes it another ("Shifted ReLU")."""
    found = mentions(text, True)
    if not found:
        return ""
    before = re.sub(r"[*_#`$]|^\W*\d+(?:\.\d+)*\.?", " ", text[: found[0].start])
    words = re.findall(r"[A-Za-z]+", before)
    joined = before.rstrip(" ")
    near = words[-1].lower() if words and not re.search(r"[-–—:.,(|/]\s*$", joined) else ""
    if near and near not in PLAIN_BEFORE:
        return ""
    if re.match(
        r"\W*(?:variants?|variations?|family|based|like|alternatives?)\b",
        text[found[0].end :],
        re.I,
    ):
        return ""
    return found[0].activation


def close(name: str) -> str:
    """A known name like this one, for a message; "" for none."""
    known = {normal(k): k for k in [*registry.names(), *registry.aliases(), *COMMON]}
    found = difflib.get_close_matches(normal(name), list(known), 1, 0.7)
    return known[found[0]] if found else ""
