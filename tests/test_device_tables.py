"""Rows that CUDA kernels read from shared memory: their errors, their bounds, what is multiplied."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

import actgen
from actgen import device_tables, unary
from actgen.accuracy import FORMATS
from actgen.compiler import compile, compile_activation
from actgen.registry import names

SINGLE = FORMATS["float32"]


def tabled() -> Iterator[tuple[str, str]]:
    for name in names():
        for of in device_tables.tables(compile_activation(actgen.load(name))):
            yield name, of


TABLED = list(tabled())


def test_what_costs_much_is_read() -> None:
    assert {"gelu", "gelu_tanh", "mish", "geglu"} <= {name for name, _ in TABLED}
    assert not {"relu", "silu", "tanh", "softmax"} & {name for name, _ in TABLED}


@pytest.mark.parametrize("name, of", TABLED)
def test_rows_hold_at_other_numbers(name: str, of: str) -> None:
    compiled = compile_activation(actgen.load(name))
    table = device_tables.tables(compiled)[of]
    f = unary.value_of(compiled.functions[of], compiled.activation)
    low, high = device_tables.bounds(table)
    rng = np.random.default_rng(3)
    x = rng.uniform(low, min(high, 20.0), 1 << 20).astype(np.float32)
    x = np.concatenate([x, np.exp(rng.uniform(-80, 0, 1 << 14)).astype(np.float32)])
    x = x[device_tables.holds(table, x) & (np.abs(x - table.zero) >= 2.0**-20)]
    y = device_tables.product(*device_tables.read(table, x), ()).astype(float)
    true = f(x.astype(float))
    assert (np.abs(y - true) / np.spacing(np.abs(true).astype(np.float32))).max() < 0.8


@pytest.mark.parametrize("name, of", TABLED)
def test_rows_are_never_left(name: str, of: str) -> None:
    """The ends of what is read from rows: the row numbers found there are of the table."""
    table = device_tables.tables(compile_activation(actgen.load(name)))[of]
    low, high = (np.float32(v) for v in device_tables.bounds(table))
    at = np.array([low, np.nextafter(low, np.float32(0)), np.nextafter(high, np.float32(0)), high])
    assert device_tables.holds(table, at).tolist() == [False, True, True, False]
    assert not device_tables.holds(table, np.float32([math.nan, math.inf, -math.inf])).any()
    k = device_tables.row_of(table, at[1:3])
    assert k[0] >= table.first and k[1] <= table.last


@pytest.mark.parametrize("name", sorted({name for name, _ in TABLED}))
def test_files_make_the_same_rows(name: str) -> None:
    act = actgen.load(name)
    module = compile(act, "cuda").module
    found = device_tables.tables(compile_activation(act))
    assert module._TABLES.keys() == {f"_{of}" for of in found}
    for of, table in found.items():
        given = module._TABLES[f"_{of}"]
        assert tuple(given._replace(pieces="")) == tuple(table._replace(pieces=""))
        assert given.pieces.split() == table.pieces.split()
        assert (module._words(given) == device_tables.words(table)).all()


def test_products_keep_small_and_large_factors() -> None:
    """x g(y) where g(y) alone is subnormal, or x y alone infinite: right, or left to the program."""
    compiled = compile_activation(actgen.load("geglu"))
    x = np.array([1e22, 1e38, 3e38, 1e-30, math.inf, math.nan, -1e30])
    y = np.array([-1.4e-45, 1e-40, 7.0, -3e-9, 1.0, 1.0, -7.0])
    got, where = device_tables.run(compiled, "forward", [x, y], {}, SINGLE)
    single = y.astype(np.float32).astype(float)
    true = x.astype(np.float32) * np.array([v * math.erfc(-v / math.sqrt(2)) / 2 for v in single])
    assert where.tolist() == [True, True, False, True, False, False, True]
    ulp = np.spacing(np.abs(true[where]).astype(np.float32))
    assert (np.abs(got[where].astype(float) - true[where]) <= 0.8 * ulp).all()


def test_other_parameters_are_left_to_the_program() -> None:
    compiled = compile_activation(actgen.load("softplus"))
    x = [np.linspace(-3.0, 3.0, 7)]
    for values, all_of_them in (({"beta": 1.0}, True), ({"beta": 1.5}, False)):
        _, where = device_tables.run(compiled, "forward", x, values, SINGLE)
        assert where.all() == all_of_them
