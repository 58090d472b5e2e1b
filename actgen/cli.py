"""The command line."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import sympy
import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from .errors import ActgenError, FormulaWarning

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Accurate activation functions, compiled from one formula. Exit codes: 0 fine, 1 "
    "something is false or differs, 2 usage.",
)
console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]…", show_default=False)]
Backends = Annotated[
    list[str] | None,
    typer.Option(
        "--backend", "-b", help="numpy, cuda or torch; may be repeated.", show_default=False
    ),
]


@contextmanager
def _bar(total: int, what: str) -> Iterator[Any]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda name: bar.update(task, advance=1, description=f"{what} {name:<20}")


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, box=box.SIMPLE, title_justify="left")
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right")
    return table


@app.command("list")
def list_(
    documents: Annotated[
        bool, typer.Option("--documents", help="The names in the source documents, as Markdown.")
    ] = False,
) -> None:
    """The declared activations: formula, aliases, whose defaults they follow."""
    from . import registry
    from .emit import text
    from .names import markdown

    if documents:
        print(markdown(), end="")
        return
    table = Table(box=box.SIMPLE)
    for column in ("name", "formula", "parameters", "aliases and conventions"):
        table.add_column(column, overflow="fold")
    for act, _ in registry.declared().values():
        values = ", ".join(
            f"{p.name}={float(p.value):.6g}" + (" (learned)" if p.learned else "")
            for p in act.parameters
        )
        notes = [", ".join(act.aliases)] if act.aliases else []
        notes += [f"{name}: {convention}" for name, convention in act.conventions.items()]
        table.add_row(*map(escape, (act.name, text(act.formula), values, "; ".join(notes))))
    console.print(table)


def _activation(what: str, parameters: dict[str, float]) -> Any:
    from . import formula, registry

    if what.isidentifier() and what != "x":
        return registry.load(what)
    return formula.parse(what, parameters=parameters)


def _parameters(given: list[str] | None) -> dict[str, float]:
    values: dict[str, float] = {}
    for item in given or []:
        name, sign, number = item.partition("=")
        try:
            values[name.strip()] = float(number)
        except ValueError:
            raise typer.BadParameter(
                f"{item!r} is not name=number, for example alpha=1.0"
            ) from None
        if not sign:
            raise typer.BadParameter(f"{item!r} is not name=number, for example alpha=1.0")
    return values


Parameters = Annotated[
    list[str] | None,
    typer.Option(
        "--param", "-p", help="A parameter and its default: alpha=1.0.", show_default=False
    ),
]


@app.command(context_settings={"ignore_unknown_options": True})
def show(
    what: Annotated[str, typer.Argument(metavar="NAME|FORMULA")],
    stage: Annotated[str, typer.Option(help="calculus, program or stable.")] = "calculus",
    backend: Annotated[
        str | None, typer.Option("--backend", "-b", help="Print the generated source of a backend.")
    ] = None,
    latex: Annotated[bool, typer.Option("--latex", help="Formulas as LaTeX.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the facts as JSON.")] = False,
    param: Parameters = None,
) -> None:
    """An activation: its formula, derivatives and kinks, its programs, or its generated source."""
    from . import compiler
    from .emit import legend, text
    from .facts import facts

    act = _activation(what, _parameters(param))
    if backend is not None:
        print(compiler.source(act, backend), end="")
        return
    if as_json:
        print(json.dumps(facts(act).as_dict(), indent=2))
        return
    if stage not in ("calculus", "program", "stable"):
        raise typer.BadParameter(f"no stage {stage!r}; there are calculus, program and stable")
    write = sympy.latex if latex else text
    if stage == "calculus":
        inputs = ", ".join(map(str, act.inputs))
        rows = list(compiler.row_derived(act)) if act.is_row else list(compiler.derived(act))
        for name, expr, *_ in rows:
            expr = act.formula if name == "forward" else expr
            console.print(
                f"[bold]{name}[/bold]({inputs}) = {escape(str(write(expr)))}", soft_wrap=True
            )
        for line in [] if act.is_row else legend(row[1] for row in rows):
            console.print(escape(line), soft_wrap=True)
        for p in act.parameters:
            console.print(
                f"parameter {p.name} = {float(p.value):.6g}" + (", learned" if p.learned else "")
            )
        if not act.is_row and not act.is_gated:
            for line in facts(act).lines():
                console.print(escape(line), soft_wrap=True)
        return
    compiled = compiler.compile_activation(act)
    for f in compiled.functions.values():
        if stage == "program":
            console.print(f"[bold]{f.name}[/bold]")
            for i in f.program.body:
                console.print(
                    escape(f"  {i.dest} = {i.op}({', '.join(map(str, i.args))})"), soft_wrap=True
                )
            console.print(f"  return {', '.join(map(str, f.program.outputs))}")
        elif f.choice is not None:
            table = _table(
                f"{act.name} {f.name}",
                *("form", "repairs", "cost", "wrong"),
                *("mixed ulp\nfloat32", "mixed ulp\nfloat64", "float64 to\nfloat32, ulp", ""),
            )
            for c in f.choice.candidates:
                errs = [f"{e:.3g}" for e in (c.single, c.double, c.rounded)]
                best = f.choice.chosen
                chosen = (
                    "chosen"
                    if (c.form, c.tail, c.cost) == (best.form, best.tail, best.cost)
                    else ""
                )
                table.add_row(c.form, c.tail, str(c.cost), str(c.wrong), *errs, chosen)
            console.print(table)
            console.print(escape(f"  {text(f.choice.chosen.expr)}"), soft_wrap=True)
        else:
            console.print(escape(f"{f.name}: one form: {text(f.expr)}"), soft_wrap=True)


@app.command()
def build(
    names: Names = None,
    backend: Backends = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Write nothing; say what differs, exit 1 if anything does."),
    ] = False,
) -> None:
    """Generate the files of activations (all of the project's by default)."""
    from . import build as building

    count = len(names or building.own_names())
    with _bar(count, "building") as progress:
        run = building.check if check else building.build
        found = run(names or (), backend or (), progress)
    if check:
        for line in found:
            console.print(escape(line), soft_wrap=True)
        if found:
            console.print(
                f"{len(found)} differences; `actgen build` writes files anew, "
                "`actgen verify --record` measures"
            )
            raise typer.Exit(1)
        console.print("generated/ is what the specs say")
        return
    console.print(f"{len(found)} files written in {building.folder()}")


@app.command()
def verify(
    names: Names = None,
    backend: Backends = None,
    dtype: Annotated[
        list[str] | None,
        typer.Option(
            "--dtype",
            "-d",
            help="float16, bfloat16, float32 or float64; may be repeated.",
            show_default=False,
        ),
    ] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Write what was measured to generated/accuracy.json.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the measurements as JSON.")
    ] = False,
    exhaustive: Annotated[
        bool,
        typer.Option("--exhaustive", help="All 2**32 inputs, at the defaults; resumes."),
    ] = False,
    state: Annotated[
        Path | None,
        typer.Option("--state", help="Where --exhaustive keeps what is done.", show_default=False),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", help="--exhaustive: so many chunks of 2**22 a function at most."),
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option("--dask", help="--exhaustive: on this Dask cluster, tcp://host:port."),
    ] = None,
    peers: Annotated[
        bool, typer.Option("--peers", help="Only the worst ulp of torch, jax and ours, compared.")
    ] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="With --peers: print it as Markdown.")
    ] = False,
) -> None:
    """Measure every kernel against the truth and cross-check backends, derivatives and peers."""
    from . import backends, registry, report
    from .accuracy import FORMATS
    from .build import own_names

    chosen = [registry.load(n).name for n in names] if names else own_names()
    targets = [backends.get(b).name for b in backend] if backend else list(backends.NAMES)
    dtypes = dtype or list(FORMATS)
    for d in dtypes:
        if d not in FORMATS:
            raise typer.BadParameter(f"no dtype {d!r}; there are {', '.join(FORMATS)}")
    if exhaustive:
        _sweep(chosen, targets, dtype or ["float32"], state, limit, dask)
        return
    if markdown and not peers:
        raise typer.BadParameter("--markdown goes with --peers")
    if peers:
        print_peers(chosen, dtypes, markdown, " ".join(["actgen", *sys.argv[1:]]))
        return
    with _bar(report.pieces(chosen, targets), "verifying") as progress:
        found = report.verify_all(chosen, targets, dtypes, progress)
    if record:
        report.record(found)
    if as_json:
        print(json.dumps([m.as_dict() for r in found.results.values() for m in r.measurements]))
    else:
        print_report(found, targets, dtypes)
    if not found.ok:
        raise typer.Exit(1)


def _sweep(
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
                with _bar(total, f"{target} {d}") as progress:
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

    with _bar(peer_errors.pieces(names, dtypes), "comparing") as progress:
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
    table = _table(title, "activation", *heads, "checks")
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


@app.command(context_settings={"ignore_unknown_options": True})
def new(
    name: Annotated[str, typer.Argument(help="The new activation's name.")],
    formula: Annotated[str, typer.Argument(help='Its formula over x, for example "x*tanh(x)".')],
    param: Parameters = None,
    backend: Backends = None,
) -> None:
    """Declare an activation: write its spec, build it, verify it, show derivative and errors.

    Nothing is written unless every backend's results are finite where the truth is; errors over
    the contract are told.
    """
    from . import backends, newcomer

    targets = [backends.get(b).name for b in backend] if backend else list(backends.NAMES)
    made = newcomer.make(name, formula, _parameters(param), targets)
    for line in made.lines:
        console.print(escape(line), soft_wrap=True)
    print_report(made.report, targets, list(made.dtypes))
    if not made.report.sound:
        console.print("[red]nothing was written[/red]: see above")
        raise typer.Exit(1)
    for path in newcomer.write(made):
        console.print(f"wrote {path}")


bench = typer.Typer(
    no_args_is_help=True, help="Measurements of speed, as ratios or with the machine they hold for."
)
app.add_typer(bench, name="bench")


@bench.command("new")
def bench_new(
    formula: Annotated[str, typer.Argument()] = "x*tanh(log(1+exp(a*x)))",
    param: Parameters = None,
) -> None:
    """The time that `actgen new` takes on this machine, against its target of 10 seconds."""
    import subprocess
    import tempfile
    import time

    given = param or (["a=1.0"] if formula == "x*tanh(log(1+exp(a*x)))" else [])
    with tempfile.TemporaryDirectory() as folder:
        import os

        command = [sys.executable, "-m", "actgen", "new", "bench_activation", formula]
        command += [part for p in given for part in ("--param", p)]
        start = time.perf_counter()
        done = subprocess.run(
            command,
            env={**os.environ, "ACTGEN_ROOT": folder},
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - start
    if done.returncode:
        errors.print(escape(done.stdout + done.stderr))
        raise typer.Exit(1)
    console.print(f"actgen new took {seconds:.1f} s; the target is 10 s")


@app.command()
def plot(
    names: Annotated[list[str], typer.Argument(metavar="NAME…")],
    output: Annotated[
        str, typer.Option("--output", "-o", help="The file to write: .png, .svg or .pdf.")
    ] = "activations.png",
) -> None:
    """Draw f, f′ and f″ of activations."""
    from . import registry
    from .plots import draw

    draw([registry.load(n) for n in names], output)
    console.print(f"wrote {output}")


def main() -> None:
    """The entry point: errors of the user's are told in a line or two, without a traceback."""
    warnings.showwarning = _show_warning
    warnings.simplefilter("always", FormulaWarning)
    try:
        app(standalone_mode=True)
    except ActgenError as problem:
        errors.print(f"[red]error[/red]: {escape(str(problem))}", soft_wrap=True)
        raise SystemExit(2 if isinstance(problem, ValueError) else 1) from None
    except ValueError as problem:
        if problem.args and "there are:" in str(problem):
            errors.print(f"[red]error[/red]: {escape(str(problem))}", soft_wrap=True)
            raise SystemExit(2) from None
        raise
    except OSError as problem:
        errors.print(f"[red]error[/red]: {escape(str(problem))}", soft_wrap=True)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        errors.print("interrupted; nothing was written")
        raise SystemExit(1) from None


def _show_warning(message: Any, category: Any, *_: Any, **__: Any) -> None:
    if issubclass(category, FormulaWarning):
        errors.print(f"[yellow]warning[/yellow]: {escape(str(message))}", soft_wrap=True)
