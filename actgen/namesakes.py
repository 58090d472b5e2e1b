"""Whose numbers a name stands for: what each library computes under it by default.

torch's, jax's and numpy's functions are the specs' peers; those of libraries that are not called
here are in specs/peers.csv.
"""

from __future__ import annotations

import csv
import importlib.resources
from collections.abc import Mapping
from dataclasses import dataclass, field

from . import registry
from .oracle import Oracle
from .spec import Activation

#: Differences are looked for at so many points of [-REACH, REACH].
POINTS, REACH = 2401, 24.0


@dataclass(frozen=True)
class Namesake:
    """A function of a library: called without more arguments it computes `activation`.

    `values` are its defaults where they are not ours.
    """

    library: str
    name: str
    activation: str
    values: Mapping[str, float] = field(default_factory=dict, hash=False)

    @property
    def plain(self) -> str:
        """The name as it is compared: hard_sigmoid, HardSigmoid and hardsigmoid are one."""
        return plain(self.name)

    def shown(self) -> str:
        """What it computes, as a call of ours."""
        given = ", ".join(f"{k}={v:g}" for k, v in self.values.items())
        return f"{self.activation}({given})" if given else self.activation


def plain(name: str) -> str:
    """A name in lower case without underscores."""
    return name.lower().replace("_", "")


def every() -> list[Namesake]:
    """All that are known, the specs' peers first."""
    found = []
    for act, _ in registry.declared().values():
        for library, text in act.peers.items():
            path, _, arguments = text.partition("(")
            if not arguments.count("=") and library != "torch.nn":
                found.append(Namesake(library, path.rpartition(".")[2], act.name))
    text = importlib.resources.files("actgen.specs").joinpath("peers.csv").read_text("utf-8")
    for row in csv.DictReader(text.splitlines()):
        pairs = (p.split("=") for p in row["values"].split() if p)
        values = {name: float(value) for name, value in pairs}
        found.append(Namesake(row["library"], row["name"], row["activation"], values))
    return list(dict.fromkeys(found))


def namesakes(act: Activation) -> list[Namesake]:
    """The functions that compute it, and those that have one of its names and do not."""
    known = every()
    own = {plain(n) for n in (act.name, *act.aliases)}
    own |= {n.plain for n in known if n.activation == act.name}
    return [n for n in known if n.plain in own or n.activation == act.name]


def apart(act: Activation, other: Namesake) -> float:
    """The greatest difference found between an activation and what a namesake computes.

    0 where both are the same formula at the same values; NaN for rows and gated functions.
    """
    theirs = registry.load(other.activation)
    if theirs == act and not other.values:
        return 0.0
    if act.is_row or act.is_gated or theirs.is_row or theirs.is_gated:
        return float("nan")
    theirs = theirs.with_defaults(other.values)
    first, second = (Oracle(a.formula, a.inputs, a.defaults) for a in (act, theirs))
    step = 2 * REACH / (POINTS - 1)
    points = [i * step - REACH for i in range(POINTS)]
    return max(abs(float(first(x)) - float(second(x))) for x in points)


def lines(act: Activation) -> list[str]:
    """What `actgen show NAME --peers` prints: each library's function, and where names conflict."""
    found = namesakes(act)
    table = [f"{n.library}: {n.name} computes {n.shown()}" for n in found]
    for other in found:
        gap = apart(act, other)
        if gap != 0:
            size = "" if gap != gap else f", up to {gap:.3g} apart for |x| <= {REACH:g}"
            table.append(
                f"conflict: {other.library}'s {other.name} is {other.shown()}, "
                f"not {act.name} as declared here{size}"
            )
    table += [f"{name}: {convention}" for name, convention in act.conventions.items()]
    return table
