"""Files of a backend that stand for a whole namespace: torch.nn.functional and torch.nn.

Most functions of torch's are ours with `input` for x; those that are not have an adapter, a file
in templates/torch/functional or templates/torch/nn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from . import emit
from .backends import torch as target
from .model import constant
from .modules import class_name
from .spec import Activation

PREFIX = "torch.nn.functional."
#: Functions that torch.nn.functional has with a trailing underscore as well.
IN_PLACE = ("threshold", "relu", "hardtanh", "elu", "selu", "celu", "leaky_relu", "rrelu")


@dataclass(frozen=True)
class Adapter:
    """A name whose signature is torch's and not ours: what it needs, the first of which it calls.

    `template` is its file, that of the same name where it is empty.
    """

    name: str
    needs: tuple[str, ...]
    template: str = ""

    @property
    def slots(self) -> dict[str, str]:
        """What its template is given."""
        return {"name": self.name, "of": self.needs[0], "template": self.template or self.name}


#: The adapters of each namespace.
ADAPTERS: dict[str, tuple[Adapter, ...]] = {
    "functional": (
        Adapter("gelu", ("gelu", "gelu_tanh")),
        Adapter("glu", ("glu",)),
        Adapter("gumbel_softmax", ("softmax",)),
        Adapter("log_softmax", ("log_softmax",), "row"),
        Adapter("prelu", ("prelu",)),
        Adapter("rrelu", ("rrelu",)),
        Adapter("softmax", ("softmax",), "row"),
        Adapter("softmin", ("softmin",), "row"),
        Adapter("softplus", ("softplus_threshold",)),
        Adapter("threshold", ("threshold",)),
    ),
    "nn": (
        Adapter("GELU", ("gelu", "gelu_tanh")),
        Adapter("Softmax", ("softmax",), "row"),
        Adapter("Softmin", ("softmin",), "row"),
        Adapter("LogSoftmax", ("log_softmax",), "row"),
    ),
}


def files(backend: str, acts: Sequence[Activation]) -> dict[str, str]:
    """File name → text of the namespaces over these activations; only PyTorch has any."""
    if backend != "torch":
        return {}
    return {
        "functional.py": emit.render("torch/functional.py.jinja", _functional(acts)),
        "nn.py": emit.render("torch/nn.py.jinja", _nn(acts)),
    }


def _adapters(space: str, acts: Sequence[Activation]) -> list[Adapter]:
    known = {act.name for act in acts}
    return [a for a in ADAPTERS[space] if known.issuperset(a.needs)]


def _functional(acts: Sequence[Activation]) -> dict[str, Any]:
    adapters = _adapters("functional", acts)
    adapted = {a.name for a in adapters}
    own = [act for act in acts if act.name not in adapted]
    plain = [act for act in own if act.peers.get("torch", "").startswith(PREFIX)]
    plain = [act for act in plain if act.peers["torch"].removeprefix(PREFIX) == act.name]
    hidden = {*(act.name for act in plain), *(n for a in adapters for n in a.needs)}
    exported = [act.name for act in own if act.name not in hidden]
    over = [n for n in IN_PLACE if n in adapted or n in {act.name for act in plain}]
    return {
        "imports": sorted(
            {n: f"{n} as _{n}" if n in hidden else n for n in (*hidden, *exported)}.items()
        ),
        "adapters": [a.slots for a in adapters],
        "functions": [_function(act) for act in plain],
        "in_place": over,
        "exports": emit.exports(
            [*adapted, *exported, *(act.name for act in plain), *(f"{n}_" for n in over)]
        ),
    }


def _function(act: Activation) -> dict[str, Any]:
    """A function of torch's signature that calls ours."""
    values = [f"{p.name}: float = {target.literal(constant(p.value))}" for p in act.parameters]
    names = [p.name for p in act.parameters]
    arguments = ["input: Tensor", *values, "inplace: bool = False"]
    called = ", ".join(["input", *names, "inplace=inplace"])
    return {
        "name": act.name,
        "define": emit.define(act.name, arguments, "Tensor"),
        "line": f"return _{act.name}({called})",
    }


def _nn(acts: Sequence[Activation]) -> dict[str, Any]:
    adapters = _adapters("nn", acts)
    classes = {a.name: "" for a in adapters}
    # A class that torch.nn names is torch's; another activation's of that name stays in its file.
    for act in sorted(acts, key=lambda a: "torch.nn" not in a.peers):
        classes.setdefault(class_name(act), act.name)
    own = {cls: name for cls, name in classes.items() if name}
    return {
        "classes": sorted(own.items(), key=lambda item: item[1]),
        "adapters": [a.slots for a in adapters],
        "exports": emit.exports(classes),
    }
