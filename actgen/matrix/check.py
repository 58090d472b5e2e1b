"""One property that a framework's users rely on, and what trying it on an activation showed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..spec import Activation

#: Results of a check.
YES, NO, NOT_APPLICABLE = "yes", "no", "–"


def every(act: Activation) -> bool:
    """The check applies to every activation."""
    return True


@dataclass(frozen=True)
class Check:
    """A row of the matrix: what is tried on every activation.

    `run` takes what the framework's table of checks makes of an activation (its subject) and
    raises, with what was expected and what came, where the property does not hold. `heavy` ones
    compile; ordinary tests run them on one activation of each kind. `limitation` names the issue
    of a framework that fails in the same way with its own functions.
    """

    name: str
    group: str
    run: Callable[[Any], None]
    heavy: bool = False
    applies: Callable[[Activation], bool] = every
    limitation: str = ""


@dataclass(frozen=True)
class Outcome:
    """What a check showed of an activation: yes, no (and why) or not applicable."""

    activation: str
    check: str
    result: str
    why: str = ""
