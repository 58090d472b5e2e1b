"""Backends as data: one file of tables and one template folder each."""

from __future__ import annotations

import importlib
import math
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


def literals(module: str) -> Callable[[float], str]:
    """How numbers are written: as Python floats, infinities and NaN by their names in a module."""

    def literal(value: float) -> str:
        if math.isinf(value):
            return f"{module}.inf" if value > 0 else f"-{module}.inf"
        return f"{module}.nan" if math.isnan(value) else repr(value).replace("e+", "e")

    return literal


@dataclass(frozen=True)
class Signatures:
    """How the functions of a generated file are written down.

    `array` and `value` are the types of public arrays and parameters, `result` that of results;
    `plain` those of the arrays and parameters of kernels (None: not annotated). `last` are the
    arguments that every elementwise function ends with, `row_last` those of row functions, where
    "{axis}" stands for the default axis.
    """

    array: str
    value: str
    result: str
    plain: tuple[str, str] | None = None
    last: tuple[str, ...] = ()
    row_last: tuple[str, ...] = ("axis: int = {axis}",)


@dataclass(frozen=True)
class Backend:
    """A target: its table of operations, number literals, helpers and templates.

    `ops` is printer and capability list at once. `helpers` names, for an operation, the templates
    of helper functions that a generated file must carry. `spread` prints a value that does not
    depend on the inputs so that a selection between two such values has the inputs' shape and
    dtype ("{0}" where the backend needs nothing). `hold` prints a sum with a constant that the
    backend's compiler would otherwise merge with the next constant. `packages` must be importable
    to run it. `usage` and `row_usage` say in a file's header what its functions take; `default`
    prints the default of a parameter. `leans`: ties are decided by a second program. `loops`: in
    which style row functions are loops over the row (row_kernels.STYLES), if they are. `linear`:
    they need tangents that are linear programs too. `flushes`: subnormal numbers may count as
    zeros. `exports`: what a file offers besides the functions of its activation. `compiles`:
    machine code is made of a file, and kept beside it. `eager`: what is chosen between has names,
    as a choice between expressions would be a branch. `tables`: from where float32 functions of one
    number may be read, "memory" (tabling) or a GPU's "shared" memory (device_tables). `variants`:
    which programs of a function it prints besides, of narrow and half (compiled.Function);
    operations that are good enough for these end in "_near". `double`: it computes in float64
    alone, and prints the program for that.
    """

    name: str
    ops: Mapping[str, Op]
    literal: Callable[[float], str]
    packages: tuple[str, ...]
    dtypes: tuple[str, ...]
    extra: str
    signatures: Signatures
    usage: str
    row_usage: str
    default: Callable[[float], str]
    helpers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    spread: str = "{0}"
    spread_test: str = "{0}"
    hold: str = "{0}"
    leans: bool = False
    loops: str = ""
    linear: bool = False
    flushes: bool = False
    exports: tuple[str, ...] = ()
    compiles: bool = False
    eager: bool = False
    tables: str = ""
    variants: tuple[str, ...] = ()
    double: bool = False


#: The backends, in the order of tables.
NAMES = ("numpy", "numba", "cuda", "torch", "jax")


def get(name: str) -> Backend:
    """The backend of that name; ValueError lists the known ones."""
    if name not in NAMES:
        raise ValueError(f"no backend {name!r}; there are: {', '.join(NAMES)}")
    backend = importlib.import_module(f".{name}", __name__).BACKEND
    assert isinstance(backend, Backend)
    return backend
