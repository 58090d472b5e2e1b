"""One property that a framework's users rely on, and what trying it on an activation showed."""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..spec import Activation

#: Results of a check.
YES, NO, NOT_APPLICABLE = "yes", "no", "–"


#: Kinds of activations: the columns of the page.
KINDS = ("elementwise", "learned", "random", "gated", "row")


def kind(act: Activation) -> str:
    """One of KINDS."""
    if act.is_row:
        return "row"
    if act.is_gated:
        return "gated"
    if any(p.random is not None for p in act.parameters):
        return "random"
    return "learned" if any(p.learned for p in act.parameters) else "elementwise"


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

    @property
    def meaning(self) -> str:
        """What is asked, in a line: of its function's docstring."""
        run: Any = self.run
        while isinstance(run, functools.partial):
            run = run.args[0] if run.args else run.func
        return str(run.__doc__).splitlines()[0]


@dataclass(frozen=True)
class Outcome:
    """What a check showed of an activation: yes, no (and why) or not applicable."""

    activation: str
    check: str
    result: str
    why: str = ""


@dataclass(frozen=True)
class Noise:
    """A warning that a framework gives about itself: the start of its text, and where from."""

    message: str
    category: type[Warning]
    origin: str


@contextmanager
def strict(noise: Iterable[Noise]) -> Iterator[None]:
    """Every warning is an error, those of a framework about itself aside."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for row in noise:
            warnings.filterwarnings("ignore", row.message, row.category)
        yield


def told(error: BaseException) -> str:
    """The first line of an error, without what differs from run to run."""
    first = next((line for line in str(error).splitlines() if line.strip()), "")
    # Dynamo says what it met on a line of its own.
    if context := re.search(r"debug context: (.+)", str(error)):
        first = context[1]
    first = re.sub(r"0x[0-9a-f]+|(?<![\w.])/[\w./-]+/", "…", first.strip())
    kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
    return f"{kind}{first}"[:200].strip()


def attempt(check: Check, act: Activation, subject: Any, noise: Iterable[Noise]) -> Outcome:
    """The outcome of a check on an activation."""
    if not check.applies(act):
        return Outcome(act.name, check.name, NOT_APPLICABLE)
    try:
        with strict(noise):
            check.run(subject)
    except Exception as error:
        return Outcome(act.name, check.name, NO, told(error))
    return Outcome(act.name, check.name, YES)
