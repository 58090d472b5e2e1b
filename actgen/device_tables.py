"""Which functions of one number a GPU reads from rows in shared memory, and how they are laid out.

The generated file carries polynomials, of which the text of its template makes the rows; here the
same text is run, to measure which of them hold.
"""

from __future__ import annotations

import functools
import math
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from flint import arb
from numpy.typing import NDArray

from . import cache, chebyshev, emit, model, unary
from .accuracy import Format
from .approximate import gpu_cost
from .backends import Backend
from .compiled import Compiled
from .program import Program
from .spec import Activation

Array = NDArray[Any]

STEPS = (2.0**-5, 2.0**-6, 2.0**-7)
#: Rows of 16 bytes: as many as leave a multiprocessor room for five blocks.
MOST = 2500
#: Rows are of |x| < REACH, on the right further where the last one serves all beyond it.
REACH, FLAT = 7.25, 16.0
#: Inputs are as likely as under N(0, SPREAD**2); one of WARP that is in no row makes all wait.
SPREAD, WARP = 1.5, 128
#: What reading takes in instructions, with a zero, and for each row that blocks fetch first.
COST, ZERO_COST, ROW_COST = 32.0, 6.0, 0.004
#: Programs that take no more wait for memory anyway, those of 16 bits for what rows take there.
ENOUGH, SHORT = 70.0, 48.0
#: A row is read if no float32 tried in it, 2**-20 from the zero or more, is further off in ulp
#: before it is rounded.
ULP, TRIED = 0.22, 48
#: Polynomials: as wide, through as many points; terms that add less are left out.
WIDTH, POINTS, LEAST = 0.5, 16, 2.0**-36
MAGIC = 1.5 * 2.0**23


def _code() -> str:
    """The template that makes rows."""
    return emit.render("cuda/table.jinja", {})


@functools.cache
def _text() -> Any:
    """Its functions."""
    names: dict[str, Any] = {"__name__": __name__, "np": np, "Any": Any, "NamedTuple": NamedTuple}
    exec(_code(), names)
    return SimpleNamespace(**names)


def tables(compiled: Compiled) -> dict[str, Any]:
    """The table (the template's _Table) of each function that has one; kept on disk."""
    act = compiled.activation
    if act.is_row:
        return {}
    name = cache.key("device tables", act, unary.source(), Path(__file__).read_text(), _code())
    found = cache.get(name)
    if not isinstance(found, dict):
        found = {}
        for of in _candidates(compiled):
            f = compiled.functions[of]
            functions = unary.value_of(f, act), unary.exactly(f, act)
            table = _tabled(*functions, gpu_cost(f.program))
            if table is not None:
                found[of] = tuple(table)
        cache.put(name, found)
    return {of: _text()._Table(*table) for of, table in found.items()}


def _candidates(compiled: Compiled) -> list[str]:
    act = compiled.activation
    if not act.is_gated:
        return ["forward", "derivative"]
    return list(dict.fromkeys(of for of, _, _ in unary.gates(act).values()))


def _tabled(f: Callable[[Array], Array], exact: Callable[[arb], arb], program: float) -> Any:
    """The table that costs least, None where the program costs less."""
    zeros = unary.zeros(f)
    if program <= ENOUGH or len(zeros) > 1:
        return None
    zero = None if not zeros else arb(0) if zeros[0] == 0.0 else unary.refined(exact, zeros[0])
    if zero is not None and not abs(zero - zeros[0]) < 2.0**-30:
        return None
    best, least = None, program
    for step in STEPS:
        table = _held(f, exact, zero, step)
        if table is None:
            continue
        low, high = (table.first - 0.5) * step, (table.last + 0.5) * step
        share = _normal(low / SPREAD) + (0.0 if table.flat else _normal(-high / SPREAD))
        cost = COST + ZERO_COST * len(zeros) + ROW_COST * (table.last - table.first)
        cost += (1.0 - (1.0 - share) ** WARP) * program
        if cost < least:
            best, least = table, cost
    return best


def _normal(x: float) -> float:
    """The distribution function of N(0, 1)."""
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def _held(
    f: Callable[[Array], Array], exact: Callable[[arb], arb], zero: arb | None, step: float
) -> Any:
    """The table of all rows about 0 that hold; None if there is none."""
    single = 0.0 if zero is None else float(np.float32(float(zero)))
    rest = 0.0 if zero is None else float(np.float32(float(zero - single)))
    middle = round(single / step)
    high = _flat_from(f, zero is not None and single == 0.0, middle * step)
    flat = high is not None
    count = math.ceil(REACH / WIDTH)
    start = middle * step - WIDTH * count
    # The last piece of a flat table is a constant, and its first row is the last one.
    end = high + WIDTH if flat else middle * step + WIDTH * count
    divided = 0 if zero is None else None if single == 0.0 else round(0.5 * WIDTH / step)
    first, last = (round(at / step) for at in (start, end - flat * 0.5 * WIDTH))
    table = _text()._Table(first, last, step, single, rest, divided, flat, start, "")
    pieces = tuple(_pieces(exact, zero, divided, table, end))
    table = table._replace(pieces=_joined(pieces))
    wrong = first + np.flatnonzero(errors(table, f) > ULP)
    low = max(int(max(wrong[wrong < 0], default=first - 1)) + 1, math.ceil(-REACH / step))
    up = int(min(wrong[wrong >= 0], default=last + 1)) - 1
    flat = flat and up == last
    up = up if flat else min(up, math.floor(REACH / step))
    if low >= 0 or up <= 0 or up - low >= MOST:
        return None
    skipped = max(0, math.floor((low * step - start) / WIDTH))
    start += WIDTH * skipped
    used = math.floor((up * step - start) / WIDTH + 0.5) + 1
    text = _joined(pieces[skipped : skipped + used])
    return table._replace(first=low, last=up, flat=flat, start=start, pieces=text)


def _joined(pieces: Sequence[tuple[float, ...]]) -> str:
    return ";\n".join(" ".join(map(repr, piece)) for piece in pieces)


def _flat_from(f: Callable[[Array], Array], by_x: bool, middle: float) -> Any:
    """From where on f, or f over x, is one float32; None if from nowhere."""
    x = middle + WIDTH * np.arange(1, int(FLAT / WIDTH))
    beyond = np.array([1e2, 1e4, 1e6])
    ends, h = (f(at) / (at if by_x else 1.0) for at in (beyond, x))
    limit = float(ends[-1])
    if not math.isfinite(limit) or limit == 0.0 or limit != np.float32(limit):
        return None
    if (np.abs(ends - limit) > 2.0**-27 * abs(limit)).any():
        return None
    off = np.flatnonzero(np.abs(h - limit) > 2.0**-27 * abs(limit))
    at = int(off[-1]) + 1 if off.size else 0
    return float(x[at]) if at < len(x) else None


def _pieces(
    exact: Callable[[arb], arb], zero: arb | None, divided: int | None, table: Any, end: float
) -> Iterator[tuple[float, ...]]:
    """Polynomials of h in the distance from a piece's middle."""
    count = round((end - table.start) / WIDTH) + 1
    for i in range(count):
        middle = table.start + WIDTH * i
        beside = divided is None or (divided and abs(middle - table.zero) < 0.5 * WIDTH)
        by = zero if beside else None
        if table.flat and i == count - 1:
            beyond = arb(10) ** 6
            yield (float(exact(beyond) / (beyond if divided is None else 1)),)
            continue

        def h(x: arb, by: arb | None = by) -> arb:
            return exact(x) if by is None else exact(x) / (x - by)

        yield chebyshev.polynomial(h, middle, 0.5 * WIDTH, POINTS, LEAST) or (math.nan,)


def errors(table: Any, f: Callable[[Array], Array]) -> Array:
    """The greatest error of each row in ulp of float32, before rounding, of numbers tried in it."""
    rows = np.arange(table.first, table.last + 1)
    inside = np.random.default_rng(0).uniform(-0.5, 0.5, (len(rows), TRIED))
    inside[:, :3] = (-0.5 + 2.0**-12, 0.5 - 2.0**-12, 0.0)
    x = ((rows[:, None] + inside) * table.step).astype(np.float32)
    c, q, u, v = read(table, x.ravel())
    y = c.astype(np.float64) + q
    if u is not None:
        y = y * (u.astype(np.float64) if v is None else u.astype(np.float64) + v)
    y, true = (w.reshape(x.shape) for w in (y, f(x.ravel().astype(np.float64))))
    with np.errstate(all="ignore"):
        error = np.abs(y - true) / np.spacing(np.abs(true).astype(np.float32)).astype(np.float64)
    beside = (table.divided != 0) & (np.abs(x - table.zero) < 2.0**-20)
    error = np.where(beside | (y == true), 0.0, error)
    return np.asarray(np.where(np.isnan(error), math.inf, error).max(axis=1))


def holds(table: Any, x: Array) -> Array:
    """Whether numbers are in a row."""
    low, high = bounds(table)
    return np.asarray((x > low) & (x < high))


def bounds(table: Any) -> tuple[float, float]:
    """Between which numbers all are in a row."""
    high = math.inf if table.flat else (table.last + 0.5) * table.step
    return (table.first - 0.5) * table.step, high


def read(table: Any, x: Array) -> tuple[Array, Array, Array | None, Array | None]:
    """What the row of each x says: c, q, u and v of (c + q) (u + v); None for 1 and 0."""
    f: Any = np.float32
    k = row_of(table, x)
    row = words(table)[np.clip(k.astype(np.int64) - table.first, 0, table.last - table.first)]
    c0, c1, c2, _ = (np.ascontiguousarray(w).view(f) for w in row.T)
    left = (row[:, 3] << np.uint32(16)).view(f)
    c3 = (row[:, 3] & np.uint32(0xFFFF0000)).view(f)
    with np.errstate(all="ignore"):
        t = fused(k, f(-table.step), x)
        q = fused(fused(fused(c3, t, c2), t, c1), t, left)
        if table.divided == 0:
            return c0, q, None, None
        if table.divided is None:
            return c0, q, x, None
        middle = round(table.zero / table.step)
        near = (k >= f(middle - table.divided)) & (k < f(middle + table.divided))
        u, v = np.where(near, x - f(table.zero), f(1.0)), np.where(near, f(-table.rest), f(0.0))
        return c0, q, u, v


def row_of(table: Any, x: Array) -> Array:
    """The number of each one's row, as float32."""
    f: Any = np.float32
    with np.errstate(all="ignore"):
        top = np.minimum(x, f(table.last * table.step))
        return np.asarray(fused(top, f(1.0 / table.step), f(MAGIC)) - f(MAGIC))


def fused(a: Any, b: Any, c: Any) -> Array:
    """a b + c of float32, rounded once; one number in 2**29 is rounded twice."""
    return np.asarray(np.float64(a) * np.float64(b) + np.float64(c), np.float32)


@functools.lru_cache(16)
def words(table: Any) -> Array:
    """The table's rows, four words each."""
    return np.asarray(_text()._words(table))


def slots(compiled: Compiled, kernels: list[dict[str, Any]], backend: Backend) -> dict[str, Any]:
    """What a template prints: the tables, and which kernels read them."""
    found = tables(compiled) if backend.tables == "shared" else {}
    if not found:
        return {"tables": []}
    act = compiled.activation
    known = {k["name"]: k for k in kernels}
    readers: list[dict[str, Any]] = [
        {
            "name": name,
            "of": of,
            "x": _given(known[name]["arrays"], x, [])[0],
            "arguments": ", ".join(_arrays(len(known[name]["arrays"]))),
            "count": len(known[name]["arrays"]),
            "lines": _product(found[of[1:]], *_given(known[name]["arrays"], x, factors)),
            "short": is_short(compiled, (known[name]["of"] or name)[1:]),
        }
        for name, of, x, factors in unary.products(act, kernels)
        if of[1:] in found and unary.is_plain(compiled, name, x, factors)
    ]
    lanes = (4, 8) if any(r["short"] for r in readers) else (4,)
    return {
        "tables": [
            {"name": f"_{of}", "table": table, "lines": _wrapped(table.pieces)}
            for of, table in found.items()
        ],
        "table_readers": readers,
        "table_factors": any("fused" in line for r in readers for line in r["lines"]),
        "table_arities": [_arity(n, act, lanes) for n in sorted({r["count"] for r in readers})],
        "table_defaults": [model.constant(p.value) for p in act.parameters],
    }


def is_short(compiled: Compiled, name: str) -> bool:
    """Whether a function's rows are read where results have 16 bits."""
    function = compiled.functions[name]
    return gpu_cost(function.half or function.program) > SHORT


def _given(arrays: list[str], x: str, factors: list[str]) -> tuple[str, list[str]]:
    """What a function that takes so many arrays calls these of them."""
    return f"a{arrays.index(x)}", [f"a{arrays.index(by)}" for by in factors]


def _product(table: Any, x: str, factors: list[str]) -> list[str]:
    """Statements that return (c + q) (u + v) times factors, which u and v take first.

    Their product is of the size of the result, or larger: it loses nothing that the result has.
    """
    u, v = "" if table.divided == 0 else "u", "v" if table.divided else ""
    lines = [f"c, q, {u or '_'}, {v or '_'} = parts(place, {x})"]
    for by in factors:
        if u:
            lines.append(f"u, e = multiply({u}, {by}), {u}")
            rest = f"fused(e, {by}, -u)"
            lines.append(f"v = fused({v}, {by}, {rest})" if v else f"v = {rest}")
            v = "v"
        u = "u" if u else by
    small = f"fused({u}, q, multiply({v}, c + q))" if v else f"multiply({u}, q)"
    return [*lines, f"return fused({u}, c, {small})" if u else "return c + q"]


def product(
    c: Array, q: Array, u: Array | None, v: Array | None, factors: Sequence[Array]
) -> Array:
    """The same of numbers: None stands for a u of 1 and a v of 0."""
    for by in factors:
        if u is None:
            u = by
        else:
            e = fused(u, by, -(u * by))
            u, v = u * by, e if v is None else fused(v, by, e)
    if u is None:
        return np.asarray(c + q)
    return fused(u, c, u * q if v is None else fused(u, q, v * (c + q)))


def _wrapped(text: str) -> list[str]:
    return [line for piece in text.split("\n") for line in textwrap.wrap(piece, 98)]


def _arity(count: int, act: Activation, lanes: Sequence[int]) -> dict[str, Any]:
    """The kernel of so many arrays."""
    arrays = _arrays(count)
    numbers = [f"p{k}" for k in range(len(act.parameters))]
    return {
        "count": count,
        "arguments": ", ".join(arrays),
        "numbers": "".join(f", {n}" for n in numbers),
        "single": ", ".join([*(f"load({a}, i)" for a in arrays), *numbers]),
        "groups": [{"lanes": n, "lines": _group_lines(arrays, n)} for n in lanes],
    }


def _arrays(count: int) -> list[str]:
    return [f"a{k}" for k in range(count)]


def _group_lines(arrays: Sequence[str], lanes: int) -> list[str]:
    """Statements that read a vector, and write what its rows say and return whether they do."""
    given = [", ".join(f"{a}_v[{k}]" for a in arrays) for k in range(lanes)]
    return [
        *(f"{a}_v = read({a}, i)" for a in arrays),
        *_unless([f"holds({g})" for g in given]),
        "y = (",
        *(f"    value(place, {g})," for g in given),
        ")",
        *_unless([f"abs(y[{k}]) < infinity" for k in range(lanes)]),
        "write(out, i, y)",
        "return True",
    ]


def _unless(tests: Sequence[str], width: int = 92) -> list[str]:
    """Statements that return False unless all hold."""
    line = f"if not ({' and '.join(tests)}):"
    broken = ["if not (", f"    {tests[0]}", *(f"    and {t}" for t in tests[1:]), "):"]
    return [*([line] if len(line) <= width else broken), "    return False"]


def strategies(compiled: Compiled) -> Iterator[str]:
    """How each function is computed, a line each dtype: about the instructions a number takes."""
    found = tables(compiled)
    yield "float64: the program in float64"
    for name, f in compiled.functions.items():
        program = f"the program, about {gpu_cost(f.program)} instructions"
        of, x, factors = _reads(compiled, name)
        if of not in found or not unary.is_plain(compiled, f"_{name}", x, factors):
            yield f"{name}, float32: {program}"
            rows = ""
        else:
            rows = _told(found[of], x)
            yield f"{name}, float32: {rows}; else {program}"
        short = "the same" if f.half is None else _short(f.half)
        if rows and is_short(compiled, name):
            short = f"the same rows; else {short}"
        yield f"{name}, float16, bfloat16: {short}"


def _told(table: Any, x: str) -> str:
    low, high = bounds(table)
    near = f", divided by {x} - ({table.zero:.6g}) near that" if table.divided else ""
    near = f", divided by {x}" if table.divided is None else near
    cost = COST + ZERO_COST * (table.divided != 0)
    until = "on" if math.isinf(high) else f"to {high:g}"
    return (
        f"rows of {x} {table.step:g} wide from {low:g} {until}{near}, in shared memory, about "
        f"{cost:.0f} instructions"
    )


def _short(half: Program) -> str:
    kinds = sorted({i.op for i in half.body} & model.NEAR)
    what = f" with {', '.join(kinds)}" if kinds else ""
    return f"a program{what}, about {gpu_cost(half)} instructions"


# What the kernels compute, on the CPU.


def _reads(compiled: Compiled, name: str) -> tuple[str, str, list[str]]:
    """Of what function, at which input, a function is the value times which inputs."""
    act = compiled.activation
    return unary.gates(act).get(f"_{name}", (name, str(act.inputs[0]), []))


def run(
    compiled: Compiled, name: str, arrays: Sequence[Array], values: Mapping[str, float], fmt: Format
) -> tuple[Array, Array]:
    """What kernels read from rows at these numbers, in the format, and where they do."""
    act, inputs = compiled.activation, compiled.functions[name].program.inputs
    defaults = all(values.get(p.name) == model.constant(p.value) for p in act.parameters)
    of, x, factors = _reads(compiled, name)
    table = tables(compiled).get(of) if defaults and fmt.precision <= 24 else None
    plain = table is not None and unary.is_plain(compiled, f"_{name}", x, factors)
    if not plain or (fmt.precision < 16 and not is_short(compiled, name)):
        return np.zeros(arrays[0].shape, fmt.dtype), np.zeros(arrays[0].shape, bool)
    given = {n: a.astype(fmt.dtype).astype(np.float32) for n, a in zip(inputs, arrays, strict=True)}
    with np.errstate(all="ignore"):
        y = product(*read(table, given[x]), [given[n] for n in factors])
        return y.astype(fmt.dtype), holds(table, given[x]) & np.isfinite(y)
