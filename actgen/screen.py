"""What the command line shows: progress bars, tables, reports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


@contextmanager
def bar(total: int, what: str) -> Iterator[Any]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda name: bar.update(task, advance=1, description=f"{what} {name:<20}")


def new_table(title: str, *columns: str) -> Table:
    table = Table(title=title, box=box.SIMPLE, title_justify="left")
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right")
    return table


def run_sweep(
    names: list[str],
    targets: list[str],
    dtypes: list[str],
    state: Path | None,
    limit: int | None,
    dask: str | None,
) -> None:
    from functools import partial

    from . import contract, registry, sweep
    from .compiler import compile_activation

    acts = [registry.load(n) for n in names]
    acts = [a for a in acts if not a.is_row and not a.is_gated]
    execute = sweep.local if dask is None else partial(sweep.dask, address=dask)
    breaches = []
    for act in acts:
        for target in targets:
            for d in dtypes:
                count = min(sweep.chunks(d), limit or sweep.chunks(d))
                total = count * len(compile_activation(act).functions)
                with bar(total, f"{target} {d}") as progress:
                    done = sweep.sweep(
                        act.name, target, d,
                        folder=state, limit=limit, execute=execute, progress=progress,
                    )  # fmt: skip
                for m in done.measurements:
                    part = "all" if m.exhaustive else "part: "
                    console.print(
                        f"{m.activation} {m.function} on {m.backend} in {m.dtype}: {part} "
                        f"{m.inputs:,} inputs, {contract.got(m)}",
                        soft_wrap=True,
                    )
                if done.inputs:
                    console.print(f"  {done.inputs:,} inputs now, {done.rate:,.0f} per second")
                breaches += contract.breaches(done.measurements)
    for breach in breaches:
        console.print(f"[red]over the contract[/red]: {escape(breach)}", soft_wrap=True)
    if breaches:
        raise typer.Exit(1)


def print_peers(names: list[str], dtypes: list[str], markdown: bool, command: str) -> None:
    """The worst errors of other libraries beside ours, and what was left out."""
    from . import peer_errors

    with bar(peer_errors.pieces(names, dtypes), "comparing") as progress:
        found = peer_errors.compare_all(names, dtypes, progress)
    if markdown:
        print(peer_errors.markdown(found, command), end="")
        return
    screen = console if console.is_terminal else Console(width=max(console.width, 110))
    for table in peer_errors.tables(found):
        screen.print(table)
    for line in [peer_errors.LEGEND, *found.notes]:
        console.print(escape(line), soft_wrap=True)


def print_report(found: Any, targets: list[str], dtypes: list[str]) -> None:
    """The table of worst errors, then what is wrong and what was skipped."""
    from .report import shown

    columns = [(t, d) for t in targets for d in dtypes]
    title = "Worst mixed ulp of f, f′, f″ and parameter gradients on hard inputs"
    heads = [f"{t}\n{d.replace('float', 'f')}" for t, d in columns]
    table = new_table(title, "activation", *heads, "checks")
    for result in found.results.values():
        cells = [shown(result.worst(t, d)) for t, d in columns]
        table.add_row(
            result.name, *cells, "ok" if not result.problems else f"{len(result.problems)} failed"
        )
    wide = 24 + 9 * (len(columns) + 1)
    screen = console if console.is_terminal else Console(width=max(console.width, wide))
    screen.print(table)
    for result in found.results.values():
        for problem in result.problems:
            console.print(f"[red]false[/red]: {escape(problem)}", soft_wrap=True)
        for breach in result.breaches:
            console.print(f"[red]over the contract[/red]: {escape(breach)}", soft_wrap=True)
    for line in found.skipped:
        console.print(f"skipped: {escape(line)}", soft_wrap=True)


def print_matrix(outcomes: Any, backend: str) -> bool:
    """How many checks of each group hold, then those that do not; whether that is all right."""
    from .matrix import record, run
    from .matrix.check import NO, NOT_APPLICABLE, YES

    checks = run.framework(backend).checks
    group = {c.name: c.group for c in checks}
    groups = list(dict.fromkeys(group[o.check] for o in outcomes))
    table = new_table(f"{backend}: checks that hold", "activation", *groups)
    for name in dict.fromkeys(o.activation for o in outcomes):
        cells = []
        for g in groups:
            own = [o.result for o in outcomes if o.activation == name and group[o.check] == g]
            tried, held = len(own) - own.count(NOT_APPLICABLE), own.count(YES)
            cells.append(f"{held}" if held == tried else f"[red]{held} of {tried}[/red]")
        table.add_row(name, *cells)
    screen = console if console.is_terminal else Console(width=max(console.width, 140))
    screen.print(table)
    wrong = record.unexplained(backend, outcomes)
    for o in wrong:
        console.print(f"[red]no[/red]: {o.activation}: {o.check}: {escape(o.why)}", soft_wrap=True)
    for c in checks:
        if c.limitation and any(o.check == c.name and o.result == NO for o in outcomes):
            console.print(f"limitation: {c.name}: {escape(c.limitation)}", soft_wrap=True)
    return not wrong


def print_verdicts(found: Any) -> None:
    """A document's verdicts as a table, then what was mended to read it."""
    from .documents.render import letters
    from .documents.show import COLOURS, WORDS, formula, summary

    table = Table(title=escape(summary(found)), box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("line", justify="right", no_wrap=True)
    for column, ratio in (("claim", 5), ("about", 2), ("verdict", 2), ("how it is known", 6)):
        table.add_column(column, overflow="fold", ratio=ratio)
    for v in found:
        c = v.claim
        number = f"{c.location.line}" + (
            f"\n({c.location.equation})" if c.location.equation else ""
        )
        text = formula(c)
        colour = COLOURS[v.outcome]
        table.add_row(
            number,
            escape(text if len(text) <= 240 else text[:239] + "…"),
            escape(f"{c.kind}\n{c.subject}".strip()),
            f"[{colour}]{WORDS[v.outcome]}[/{colour}]",
            escape(letters(v.text)),
        )
    screen = console if console.is_terminal else Console(width=max(console.width, 140))
    screen.print(table)
    for r in found.repairs:
        told = f"repaired, line {r.line}: {r.found} → {r.replaced} ({r.why})"
        console.print(escape(told), soft_wrap=True)
