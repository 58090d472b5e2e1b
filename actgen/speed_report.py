"""What `actgen bench` measures and prints: a table of ratios with their spread, and a chart."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.markup import escape

from . import registry, speed
from .screen import console, errors, new_table
from .speed import Case, Timing

INTRODUCTION = """How many times as fast as others

`actgen bench --save bench/results/cpu.json` measured this and
`actgen bench --show --save bench/results/cpu.json --markdown` prints it. Our Numba loops, called
with NumPy arrays, and the others are timed in turn in one process; a ratio above 1 says that ours
were faster: the median over {rounds} rounds, and the least and greatest. Inputs are normal
deviates. All allocate their results, in a process that keeps freed memory. `actgen verify
--backend numba` measures the errors of the same functions. torch: eager, for slopes its backward
function alone where that is one operation. f' is compared with what the others need for dy f'.
numpy: the formula as it is written. – : the library has no such function, or it was not measured.
Machine: {machine}.
"""
SHORT = """

## What is short, and why

- n = 16,384: a call from Python takes about as long as reading so many numbers; torch's own takes
  less. Tried: addresses by ctypes instead of NumPy's interface, one test for all arrays, no
  threads; what is left is the interpreter's.
- rows (softmax and its kin): an exponential in float64, kept for the division. Their slopes start
  from x; torch's start from the output that it keeps, which float32 has rounded. Tried: one loop
  for reductions of one depth, the greatest by integers, sums in any order, an exponential of
  degree 7.
- f' of gates returns both partial derivatives; the one that does not depend on an input is NaN
  where that is, which no table of one number can say.
- tanh, tanhshrink, sigmoid: torch computes f' from the saved output, which is not within the
  contract (docs/memory.md).
- Those that move memory: what rounds once is computed in float32 itself; slopes that float32 does
  not hold (leaky_relu's 0.01) and what rounds twice (hardswish) in float64.
- float64: functions hold 4 mixed ulp in their far tails too, which torch's do not. One exponential
  serves both tails where f decays on one side; error functions, logarithms and zeros of f' away
  from 0 still take more than torch's operations.
- bfloat16: numbers are looked up, eight in a vector; products and gates are numbers times one that
  is looked up, rounded correctly, in float64 where that is in doubt. torch computes sigmoid, tanh
  and their slopes in vectors of float32 in less time than looking up takes.
- two threads: torch hands out parts sooner, as its threads wait busily; ours wait so for a moment
  only. Tried: an executor's queue, longer waits, more and smaller parts, each of which takes
  Python's lock.
"""
FUNCTION = {"forward": "f", "derivative": "f'", "vjp": "dy f'"}


@dataclass(frozen=True)
class Asked:
    """What is to be measured; None for everything."""

    names: Sequence[str] | None
    functions: Sequence[str] | None
    dtypes: Sequence[str] | None
    sizes: Sequence[int] | None
    threads: Sequence[int] | None
    others: Sequence[str] | None

    def cases(self) -> list[Case]:
        """The product of all of it; BadParameter for what there is not."""
        for given, known in (
            (self.functions, speed.FUNCTIONS),
            (self.dtypes, speed.DTYPES),
            (self.others, speed.OTHERS),
        ):
            for word in given or ():
                if word not in known:
                    raise typer.BadParameter(f"no {word!r}; there are {', '.join(known)}")
        names = [registry.load(name).name for name in self.names or registry.names()]
        return [
            Case(name, function, dtype, n)
            for name in names
            for dtype in self.dtypes or speed.DTYPES
            for n in self.sizes or speed.SIZES
            for function in self.functions or speed.FUNCTIONS
        ]


def run(asked: Asked, *, save: Path | None, show: bool, chart: Path | None, markdown: bool) -> None:
    """Measure what is asked for, keep it, and print it."""
    cases = asked.cases()
    if show:
        if save is None:
            raise typer.BadParameter("--show prints the file that --save names")
        wanted = set(cases)
        timings = [t for t in speed.load(save) if t.case in wanted or asked.names is None]
    else:
        timings = []
        every = tuple(dict.fromkeys((1, os.cpu_count() or 1)))
        for threads in asked.threads or every:
            for timing in speed.measured(cases, threads, asked.others or speed.OTHERS):
                timings.append(timing)
                if save is not None:
                    speed.save(save, [timing])
                errors.print(escape(_line(timing)), soft_wrap=True)
    order = {name: i for i, name in enumerate(registry.names())}
    sizes = {dtype: i for i, dtype in enumerate(speed.DTYPES)}
    timings.sort(
        key=lambda t: (
            *(t.threads, sizes[t.case.dtype], order.get(t.case.name, 0), t.case.n),
            speed.FUNCTIONS.index(t.case.function),
        )
    )
    if chart is not None:
        draw(timings, chart)
    _print(timings, markdown)


def _line(t: Timing) -> str:
    told = ", ".join(f"{o} {_cell(t.ratios(o))}" for o in speed.OTHERS if t.ratios(o))
    c = t.case
    return f"{c.name} {FUNCTION[c.function]} {c.dtype} n = {c.n:,}, {t.threads} threads: {told}"


def _cell(ratios: Sequence[float]) -> str:
    if not ratios:
        return "–"
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"


def _rows(timings: Iterable[Timing]) -> Iterable[list[str]]:
    for t in timings:
        aim = speed.target(t.case, t.threads)
        ratios = t.ratios("torch")
        met = ""
        if aim is not None and ratios:
            met = "met" if statistics.median(ratios) >= aim else "short"
        cells = [_cell(t.ratios(other)) for other in speed.OTHERS]
        shown = "" if aim is None else f"{aim:g}"
        c = t.case
        yield [c.name, FUNCTION[c.function], f"{c.n:,}", cells[0], shown, met, *cells[1:]]


def _print(timings: Sequence[Timing], markdown: bool) -> None:
    columns = ["activation", "", "n", "torch", "target", "", *speed.OTHERS[1:]]
    title, _, text = INTRODUCTION.partition("\n")
    if markdown:
        machine = ", ".join(f"{k} {v}" for k, v in speed.machine().items())
        print(f"# {title}\n{text.format(rounds=speed.ROUNDS, machine=machine)}")
        print(_summary(timings) + SHORT)
    for (threads, dtype), part in _groups(timings).items():
        heading = f"{dtype}, {threads} thread{'s' if threads > 1 else ''}"
        if markdown:
            print(f"\n## {heading}\n\n| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
            for row in _rows(part):
                print(f"| {' | '.join(row)} |")
            continue
        table = new_table(heading, *columns)
        for row in _rows(part):
            table.add_row(*map(escape, row))
        console.print(table)


def _groups(timings: Sequence[Timing]) -> dict[tuple[int, str], list[Timing]]:
    found: dict[tuple[int, str], list[Timing]] = {}
    for t in timings:
        found.setdefault((t.threads, t.case.dtype), []).append(t)
    return found


def _summary(timings: Sequence[Timing]) -> str:
    lines = []
    for (threads, dtype), part in _groups(timings).items():
        aimed = [(speed.target(t.case, t.threads), t.ratios("torch")) for t in part]
        held = [statistics.median(r) >= aim for aim, r in aimed if aim is not None and r]
        if held:
            lines.append(f"- {dtype}, {threads} thread: {sum(held)} of {len(held)} targets met")
    return "\n".join(lines)


def draw(timings: Sequence[Timing], path: Path) -> None:
    """A chart: a point for each case, n across, the ratio to torch eager upwards."""
    try:
        import matplotlib
    except ImportError:
        raise typer.BadParameter("a chart needs matplotlib: pip install 'actgen[plot]'") from None
    matplotlib.use("Agg")
    from matplotlib import pyplot

    groups = _groups([t for t in timings if t.ratios("torch")])
    figure, axes = pyplot.subplots(
        len(groups), 1, figsize=(11, 3.2 * max(len(groups), 1)), squeeze=False, layout="constrained"
    )
    for axis, ((threads, dtype), part) in zip(axes[:, 0], groups.items(), strict=True):
        names = list(dict.fromkeys(t.case.name for t in part))
        for size in sorted({t.case.n for t in part}):
            for function, mark in zip(speed.FUNCTIONS, "o^s", strict=True):
                chosen = [t for t in part if (t.case.n, t.case.function) == (size, function)]
                axis.scatter(
                    [names.index(t.case.name) for t in chosen],
                    [statistics.median(t.ratios("torch")) for t in chosen],
                    marker=mark,
                    s=18,
                    label=f"{FUNCTION[function]}, n = {size:,}",
                )
        axis.axhline(1.0, color="black", linewidth=0.8)
        axis.set_yscale("log")
        axis.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
        axis.set_ylabel("times as fast as torch")
        axis.set_title(f"{dtype}, {threads} thread{'s' if threads > 1 else ''}", fontsize=10)
        axis.legend(fontsize=6, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
