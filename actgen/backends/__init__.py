"""Backends as data: one file of tables and one template folder each."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

#: Python's precedences, loosest first.
CONDITIONAL, OR, AND, NOT, COMPARE, BIT_OR, BIT_AND, SUM, PRODUCT, UNARY, CALL = range(1, 12)


@dataclass(frozen=True)
class Op:
    """How an operation is printed: a format, how tightly it binds, what its operands need."""

    text: str
    binds: int = CALL
    needs: tuple[int, ...] = (0, 0, 0)


#: Operators that Python spells alike for scalars and arrays.
INFIX: dict[str, Op] = {
    "add": Op("{0} + {1}", SUM, (SUM, PRODUCT)),
    "sub": Op("{0} - {1}", SUM, (SUM, PRODUCT)),
    "mul": Op("{0} * {1}", PRODUCT, (PRODUCT, UNARY)),
    "div": Op("{0} / {1}", PRODUCT, (PRODUCT, UNARY)),
    "neg": Op("-{0}", UNARY, (UNARY,)),
    **{
        name: Op(f"{{0}} {sign} {{1}}", COMPARE, (BIT_OR, BIT_OR))
        for name, sign in (
            ("gt", ">"),
            ("ge", ">="),
            ("lt", "<"),
            ("le", "<="),
            ("eq", "=="),
            ("ne", "!="),
        )
    },
}


@dataclass(frozen=True)
class Backend:
    """A target: its table of operations, number literals, helpers and templates.

    `ops` is printer and capability list at once. `helpers` names, for an operation, the template
    of a helper function that a generated file must carry. `spread` prints a value that does not
    depend on the inputs so that a selection between two such values has the inputs' shape and
    dtype ("{0}" where the backend needs nothing). `packages` must be importable to run it.
    """

    name: str
    ops: Mapping[str, Op]
    literal: Callable[[float], str]
    packages: tuple[str, ...]
    dtypes: tuple[str, ...]
    extra: str
    helpers: Mapping[str, str] = field(default_factory=dict)
    spread: str = "{0}"
    spread_test: str = "{0}"


#: The backends, in the order of tables.
NAMES = ("numpy", "cuda", "torch")


def get(name: str) -> Backend:
    """The backend of that name; ValueError lists the known ones."""
    if name not in NAMES:
        raise ValueError(f"no backend {name!r}; there are: {', '.join(NAMES)}")
    backend = importlib.import_module(f".{name}", __name__).BACKEND
    assert isinstance(backend, Backend)
    return backend
