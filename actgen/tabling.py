"""Which functions of one float32 number are read from a table on a CPU, and how it is laid out.

The table itself is written where the generated file runs, by the text of its template, from the
file's own float64 loop: here the same text is run on the model of the program, to measure which
layout holds.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import cache, emit, model, singles, unary
from .backends import Backend
from .compiled import Compiled, Function
from .spec import Activation

Array = NDArray[Any]

#: What an operation takes, an addition being 1; what stands in no table is 1.
COSTS = {
    **dict.fromkeys(("div", "sqrt"), 4),
    **dict.fromkeys(("exp", "expm1"), 20),
    **dict.fromkeys(("log", "log1p", "tanh", "sinh", "cosh"), 30),
    **dict.fromkeys(("erf", "erfc"), 50),
    **dict.fromkeys(("sin", "cos", "tan", "pow"), 200),
    **dict.fromkeys(("asin", "acos", "atan", "asinh", "acosh", "atanh"), 200),
}
#: What reading takes from rows, for each zero of them, and from cells where the CPU permutes 32
#: numbers at once, for each degree of their polynomials and for a zero.
ROW_COST, ZERO_COST = 14.0, 2.0
CELL_COST, DEGREE_COST, FINE_COST = 3.5, 0.6, 3.5
#: The same where cells are divided by x - zero, by how many of the 32 are: none, all, some.
DIVIDED_COST, SOME_DIVIDED = {0: 0.0, 32: 1.05}, 1.5
#: A number that no table holds is computed alone.
SCALAR = 8.0
STEPS = tuple(2.0**-k for k in (7, 8, 9, 10))
DEGREES, CELLS = (4, 5, 6, 7), (0.5, 0.25)
#: A cell is read if no float tried in it is further off. Those that were not tried are a tenth of
#: an ulp further at most (`actgen bench exhaustive` tries all).
CELL_ULP, PRODUCT_ULP = 0.8, 0.9
TRIED = 4096
#: Rows that few inputs meet may be left to the program: this share of them.
FEW = 1e-4
#: Inputs are as likely as under N(0, SPREAD**2); rows should serve wider ones too.
SPREAD, WIDE = 1.5, 4.0

NO_CELLS = {"cell": 0.0, "degree": 0, "fine": False, "refused": 0, "divided": (0, 0, 0.0)}


@dataclass(frozen=True)
class Plan:
    """How a function is computed: `layout` is None where its program is, and `why` says so.

    `cost` is the table's for each number where AVX-512 is and where it is not, `program` that of
    the program; `share` of inputs from N(0, 4) the rows leave to the program.
    """

    layout: dict[str, Any] | None
    why: str
    program: float
    cost: tuple[float, float] = (math.inf, math.inf)
    share: float = 1.0


def _code() -> str:
    """The template that writes tables."""
    return emit.render("numba/table.jinja", {})


@functools.cache
def _text() -> Any:
    """Its functions."""
    names: dict[str, Any] = {"__name__": __name__, "Any": Any, "NamedTuple": NamedTuple}
    names |= {"np": np, "Array": Array}
    exec(_code(), names)
    return SimpleNamespace(**names)


def plans(compiled: Compiled) -> dict[str, Plan]:
    """The plan of each function of one number, its parameters at their defaults; kept on disk."""
    act = compiled.activation
    if act.is_row:
        return {}
    name = cache.key("tables", act, unary.source(), Path(__file__).read_text(), _code())
    found = cache.get(name)
    if not isinstance(found, dict):
        found = {
            f.name: planned(f, act)
            for f in compiled.functions.values()
            if not act.is_gated or f.name in {of for of, _, _ in unary.gates(act).values()}
        }
        cache.put(name, found)
    return found


def planned(function: Function, act: Activation) -> Plan:
    """A table for the function where one holds and costs less than its program."""
    program = function.program
    cost = float(sum(COSTS.get(i.op, 1) for i in (function.narrow or program).body))
    if cost <= ROW_COST:
        return Plan(None, "the program costs no more than reading a row", cost)
    f = unary.value_of(function, act)
    zeros = unary.zeros(f)
    left = _is_left(f)
    multiplied = act.is_gated or function.name.startswith(("derivative", "grad_"))
    shares = {step: _share(f, zeros, step, left) for step in STEPS}
    step = next((s for s in STEPS if shares[s] < FEW), min(STEPS, key=lambda s: (shares[s], -s)))
    share = shares[step]
    rows = ROW_COST + ZERO_COST * len(zeros) + _missed(share) + share * SCALAR * cost
    found = _cells(f, zeros, rows, left, multiplied)
    cells, chosen = min([(rows, NO_CELLS), *found], key=lambda c: c[0])
    if rows > cost:
        return Plan(None, "the program costs less", cost, (cells, rows), share)
    layout = {"zeros": zeros, "step": step, "left": left, **chosen}
    return Plan(layout, "the table costs less", cost, (cells, rows), share)


def _missed(share: float) -> float:
    """How likely one of sixteen numbers is among that share."""
    return float(1.0 - (1.0 - min(share, 1.0)) ** 16)


# Layouts.


def _is_left(f: Callable[[Array], Array]) -> bool:
    """Whether the value at 0 is that of negative numbers and not that of positive ones."""
    below, at, above = f(np.array([-(2.0**-100), 0.0, 2.0**-100]))
    return bool(abs(at - below) < abs(at - above))


def _share(f: Callable[[Array], Array], zeros: tuple[float, ...], step: float, left: bool) -> float:
    """The share of inputs whose rows do not hold, from one row in some."""
    text = _text()
    table = text._Table(zeros, step, left)
    every, half = np.arange(2 * text._ROWS), text._ROWS
    beside = [first + np.arange(count) for first, count in (text._near(z, table) for z in zeros)]
    rows = np.unique(np.concatenate([every[::32], every[half - 4 : half + 4], *beside]))
    with np.errstate(all="ignore"):
        held = np.isfinite(text._quadratics(f, table, rows)[:, 0])
    # Each stands for the rows up to the next one.
    x = (rows - text._ROWS) * step / WIDE
    weights = np.diff(rows, append=rows[-1] + 1) * np.exp(-0.5 * x * x)
    inside = 1.0 - 2.0 * _normal(-text._ROWS * step / WIDE)
    return float(1.0 - inside * weights[held].sum() / weights.sum())


def _divisions(zeros: tuple[float, ...], cell: float) -> Iterator[tuple[int, int, float]]:
    """Which cells may be of f over x - zero: none, some about the one zero, one side's, all."""
    yield 0, 0, 0.0
    if len(zeros) == 1:
        at = math.floor(zeros[0] / cell)
        for beside in (1, 2, 3):
            yield at - beside, 2 * beside + (zeros[0] != 0.0), zeros[0]
        if zeros[0] == 0.0:
            yield from ((-16, 32, 0.0), (-1, 17, 0.0), (-16, 17, 0.0))


def _cells(
    f: Callable[[Array], Array],
    zeros: tuple[float, ...],
    rows: float,
    left: bool,
    multiplied: bool,
) -> Iterator[tuple[float, dict[str, Any]]]:
    """What reading cells takes, where `rows` are read of the rest; and how they are laid out."""
    cells = (np.arange(32) + 16) % 32 - 16

    @functools.cache
    def points(cell: float, tried: int) -> tuple[Array, Array]:
        inside = np.random.default_rng(0).uniform(size=(32, tried))  # every bit of a float
        inside[:, 0] = float(left)  # the end that is the cell's
        x = ((cells[:, None] + inside) * cell).astype(np.float32)
        return x, f(x.ravel()).reshape(x.shape)

    best = rows
    for fine, degree, cell in itertools.product((False, True), DEGREES, CELLS):
        cost = CELL_COST + DEGREE_COST * degree + FINE_COST * fine
        if cost >= best:
            continue
        weights = np.diff([_normal(c * cell / SPREAD) for c in range(-16, 17)])[cells + 16]
        for divided in _divisions(zeros, cell):
            layout = {"cell": cell, "degree": degree, "fine": fine, "divided": divided}
            for tried in (TRIED // 32, TRIED):  # most are worse than the best by a few already
                holds = _cell_errors(f, *points(cell, tried), layout, multiplied) <= CELL_ULP
                missed = _missed(float(1.0 - weights[holds].sum()))
                total = cost + DIVIDED_COST.get(divided[1], SOME_DIVIDED) + missed * rows
                if total >= best:
                    break
            else:
                best = total
                refused = sum(1 << i for i in range(32) if not holds[i])
                yield total, {**layout, "refused": refused}


def _normal(x: float) -> float:
    """The distribution function of N(0, 1)."""
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def _cell_errors(
    f: Callable[[Array], Array], x: Array, true: Array, layout: dict[str, Any], multiplied: bool
) -> Array:
    """The greatest error in each cell in ulp, computed as the generated file computes it.

    `multiplied`: that of a product with it too.
    """

    def rounded(a: Array) -> Array:
        return a.astype(single).astype(double)

    text = _text()
    single, double = np.float32, np.float64
    cell, (start, count, zero) = layout["cell"], layout["divided"]
    with np.errstate(all="ignore"):
        words = text._polynomials(f, text._Table((), STEPS[0], **layout))
        words = [w[:, None].astype(double) for w in words]
        first, *c = words[: layout["degree"] + 1]
        errors = words[layout["degree"] + 1 :]
        cells = np.round(x.astype(double).mean(axis=1, keepdims=True) / cell - 0.5)
        d = rounded(x.astype(double) - (cells + 0.5) * cell)
        p = c[-1]
        for q in reversed(c[1:-1]):
            p = rounded(p * d + q)
        if layout["fine"]:
            part = rounded(p * d + errors[1])
            slope = rounded(c[0] + part)
            product = rounded(slope * d)
            p = rounded(rounded(slope * d - product) + errors[0])
            p = rounded(rounded((c[0] - slope) + part) * d + p)
            total = rounded(first + product)
            p, first = rounded(rounded((first - total) + product) + p), total
        else:
            p = rounded(rounded(p * d + c[0]) * d + errors[0])
        divided = (cells >= start) & (cells < start + count)
        high = float(single(zero))
        rest = rounded(x.astype(double) - high)
        u = rounded(rest - single(zero - high))
        low = np.where(divided, rounded(rest - u) - single(zero - high), 0.0)
        u = np.where(divided, u, 1.0)
        exact = u * first + rounded(u * p + rounded(low * first))
        y = exact.astype(single)
        ulp = np.spacing(np.abs(true).astype(single)).astype(double)
        error = np.where(y == true, 0.0, np.abs(y.astype(double) - true) / ulp)
        if multiplied:  # a product is rounded where an ulp is as small as it may be
            product = 0.5 + np.abs(exact - true) / np.abs(true) * 2.0**24
            error = np.fmax(error, product + CELL_ULP - PRODUCT_ULP)
    return np.asarray(np.where(np.isnan(error), math.inf, error).max(axis=1))


def strategies(compiled: Compiled) -> Iterator[str]:
    """How each function is computed, a line each, and why: what it takes in additions a number."""
    act, program = compiled.activation, "the program in float64, rounded once"
    if act.is_row or (act.is_gated and not unary.linear(act)):
        why = "a result depends on its whole row" if act.is_row else "no table is of two inputs"
        yield f"every function: {program}: {why}"
        return
    if act.is_gated:
        v, w = unary.linear(act), unary.variable(act)
        yield f"a table is of the function of {w} that {v} is multiplied by"
    yield (
        "float16, bfloat16: a table of all 65,536 results, from 8,192 numbers on; times others in "
        "float32, in float64 where that might round wrongly"
    )
    yield "float64: the program"
    if act.parameters and any(plan.layout for plan in plans(compiled).values()):
        defaults = ", ".join(f"{p.name} = {model.constant(p.value):g}" for p in act.parameters)
        yield f"float32 where not {defaults}: {program}"
    for name, plan in plans(compiled).items():
        how, costs = _told(plan)
        if singles.roundings(compiled.functions[name].program) is not None:
            how, costs = "the program in float32", "each value is rounded once at most"
        yield f"{name}, float32: {how or program}: {costs}"


def _told(plan: Plan) -> tuple[str, str]:
    """How, unless by the program, and what each way takes."""
    costs = f"program {plan.program:.0f}"
    costs += "" if math.isinf(plan.cost[1]) else f", rows {plan.cost[1]:.0f}"
    if plan.layout is None:
        return "", f"{plan.why} ({costs})"
    zeros = ", ".join(f"{z:.6g}" for z in plan.layout["zeros"])
    how = f"rows {plan.layout['step']:g} wide"
    how += f", of f/(x - zero) near {zeros}" if zeros else ""
    if cell := plan.layout["cell"]:
        fine, degree = "fine " if plan.layout["fine"] else "", plan.layout["degree"]
        how = f"with AVX-512 {fine}cells {cell:g} wide of degree {degree}, else {how}"
        refused = plan.layout["refused"].bit_count()
        costs += f", cells {plan.cost[0]:.0f}" + (f", {refused} of 32 refused" if refused else "")
    if plan.share > 1e-6:
        costs += f"; rows leave {plan.share:.2g} of N(0, {WIDE:g}²) to the program"
    return how, f"{plan.why} ({costs})"


# Slots.


def _halves(
    act: Activation,
    products: list[tuple[str, str, str, list[str]]],
    kernels: list[dict[str, Any]],
) -> Iterator[dict[str, Any]]:
    """Kernels of several arrays that in 16 bits read the table of another's results."""
    given = {k["name"]: k["arrays"] for k in kernels}
    for name, of, x, factors in products:
        # Neither what is alone nor, where float32 is between, what rounds to it.
        if len(given[name]) == 1 or len(given[of]) != len(act.inputs) or of.endswith("_narrow"):
            continue
        order = [given[name].index(a) for a in (x, *(factors or set(given[name]) - {x}))]
        yield {
            "name": name,
            "of": of,
            "lean": f"{of}_lean_loop" if f"{of}_lean" in given else None,
            "order": tuple(order),
            "factors": len(factors),
        }


def slots(compiled: Compiled, kernels: list[dict[str, Any]], backend: Backend) -> dict[str, Any]:
    """What a template prints: how functions are tabled, and which kernels read them."""
    act = compiled.activation
    found = plans(compiled) if backend.tables == "memory" else {}
    layouts = [
        {
            "name": f"_{name}",
            "table": f"_{name}_table",
            "look_up": f"_{name}_look_up",
            **plan.layout,
        }
        for name, plan in found.items()
        if plan.layout is not None
    ]
    numbers = [backend.literal(model.constant(p.value)) for p in act.parameters]
    known = {entry["name"]: entry for entry in layouts}
    products = list(unary.products(act, kernels)) if backend.tables == "memory" else []
    readers = []
    short = {k["name"] for k in kernels if k["name"].endswith("_narrow")}
    for name, of, x, factors in products if layouts else ():
        arrays = next(k["arrays"] for k in kernels if k["name"] == name)
        if of not in known or not unary.is_plain(compiled, name, x, factors):
            continue
        used = [x, *factors]
        kept = [f"float64(kept_at[{16 * used.index(a) if a in used else 0} + i])" for a in arrays]
        given = [f"{a} + i" for a in used]
        few = [f"at + {192 + 64 * k}" for k in range(len(used))]
        readers.append(
            {
                "name": name,
                "of": of,
                "look_up": known[of]["look_up"],
                "used": used,
                "rest": ", ".join(["out", *arrays, "table"]),
                "given": ", ".join([*given, "None", "None"][:3]),
                "few": ", ".join([*few, "None", "None"][:3]),
                "left_lines": emit.call(
                    "y = ",
                    f"{name}_narrow" if f"{name}_narrow" in short else name,
                    [*kept, *numbers],
                    92,
                ),
            }
        )
    halves = list(_halves(act, products, kernels))
    defaults = f"({', '.join(numbers)}{',' if len(numbers) == 1 else ''})"
    return {
        "layouts": layouts,
        "halves": halves,
        "factors": sorted({h["factors"] for h in halves}),
        "readers": readers,
        "defaults": defaults,
        # What f does not depend on may be anything.
        "table_inputs": ", ".join(["_at(x)"] * len(act.inputs)),
    }
