"""Programs of row functions for results of 16 bits, tried on rows against the exact program."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import model
from .accuracy import FORMATS, Format, quantum, to_format
from .approximate import cheapest
from .near import SIDES
from .program import Program, with_inverses
from .row_cases import rows
from .trial import NARROW

Array = NDArray[Any]
EXACT = FORMATS["float64"]
#: Of normal numbers with these standard deviations; and how many of each length.
SCALES = (1e-3, 0.1, 1.0, 4.0, 20.0, 1e3)
#: And of cotangents and tangents for the hard rows.
FAR = (1.0, 1e30, 1e-30)
#: Rows up to that length are moved, by so much of half an ulp.
SHORT, STEP = 16, 2.0**-4
LENGTHS = {1: 1, 2: 8, 7: 9, 60: 3, 1000: 1}


@dataclass(frozen=True)
class _Case:
    """Rows of a format, and the true results for them: exact, rounded, and their ulp.

    `slack` is how far half an ulp of the inputs moves each, `judged` where float32 is right at all.
    """

    fmt: Format
    rows: list[Array]
    true: Array
    near: Array
    ulp: Array
    slack: Array
    judged: Array | bool = True

    def right(self, program: Program, side: int = 0) -> Array:
        """Where results in float32, rounded, are the true ones to NARROW ulp."""
        with np.errstate(all="ignore"):
            y = model.evaluate_row(program, self.rows, self.fmt, side).astype(np.float64)
            within = np.abs(y - self.true) - self.slack <= NARROW * self.ulp
        result: Array = within | (y == self.near) | (np.isnan(y) & np.isnan(self.true))
        return result


def half(short: Program, chosen: Program) -> Program | None:
    """The cheapest for 16 bits, with approximations; `short` is without what only float32 needs."""
    cases = list(_cases(chosen))
    found = cheapest([with_inverses(short), short], chosen, lambda p: _agrees(p, cases))
    # An approximate quotient is a product already: its inverse is computed once a row.
    return found and with_inverses(found, "div_near")


def _agrees(program: Program, cases: Sequence[_Case]) -> bool:
    tried = itertools.product(cases, SIDES)
    return all((case.right(program, side) | ~case.judged).all() for case, side in tried)


def _slack(program: Program, rows: Sequence[Array], true: Array, fmt: Format) -> Array:
    """How far half an ulp of each entry moves results, to first order; 0 of long rows."""
    total = np.zeros(len(true))
    for i, row in enumerate(rows):
        for j in range(len(row)) if len(row) <= SHORT else ():
            step = quantum(np.abs(row[j]), fmt) / 2
            moved = [np.array(r) for r in rows]
            moved[i][j] += step * STEP
            change = np.abs(model.evaluate_row(program, moved, EXACT) - true) / STEP
            total += np.where(np.isfinite(change), change, 0.0)
    return total


def _cases(program: Program) -> Iterator[_Case]:
    """Rows with equal, far and infinite entries among them; cotangents of any size."""
    rng = np.random.default_rng(17)
    others = len(program.inputs) - 1

    def case(fmt: Format, x: Array, scale: float, alone: bool = False) -> _Case:
        here = np.arange(len(x)) == np.argmax(x) if alone else 1.0
        rows = [x, *scale * rng.normal(0, 1, (others, len(x))) * here]
        with np.errstate(all="ignore"):
            given = [to_format(np.clip(r, -fmt.max, fmt.max), fmt).astype(float) for r in rows]
            given = [np.where(np.isinf(r), r, g) for r, g in zip(rows, given, strict=True)]
            true = model.evaluate_row(program, given, EXACT)
            near = true.astype(fmt.dtype).astype(np.float64)
            slack = _slack(program, given, true, fmt)
        found = _Case(fmt, given, true, near, quantum(np.abs(true), fmt), slack)
        return replace(found, judged=found.right(program))

    for fmt in (FORMATS["float16"], FORMATS["bfloat16"]):
        for (length, times), scale in itertools.product(LENGTHS.items(), SCALES):
            for turn in range(times):
                x = rng.normal(0, scale, length)
                if turn % 3 == 1:
                    x[rng.integers(length, size=2)] = x.max()
                if turn % 7 == 2:
                    x[rng.integers(length)] = -np.inf
                yield case(fmt, x, scale)
        # A cotangent may be of one entry alone: that of cross entropy is.
        more = itertools.product(FAR, (False, True)) if others else [(1.0, False)]
        for row, (scale, alone) in itertools.product(rows(), more):
            if len(row) <= max(LENGTHS):
                yield case(fmt, np.array(row), scale, alone)
