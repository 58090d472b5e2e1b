"""The command line."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import sympy
import typer
from rich import box
from rich.markup import escape
from rich.table import Table

from . import backends, bench
from .errors import ActgenError, FormulaWarning
from .options import Backends, Names, OverContract, Parameters, parameters
from .screen import (
    bar,
    console,
    errors,
    new_table,
    print_matrix,
    print_peers,
    print_report,
    print_verdicts,
    run_sweep,
)

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Accurate activation functions, compiled from one formula. Exit codes: 0 fine, 1 "
    "something is false or differs, 2 usage.",
)
app.add_typer(bench.app, name="bench")


def _show_version(wanted: bool) -> None:
    if wanted:
        from . import __version__

        print(f"actgen {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and stop."
        ),
    ] = False,
) -> None:
    pass


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


@app.command(context_settings={"ignore_unknown_options": True})
def show(
    what: Annotated[str, typer.Argument(metavar="NAME|FORMULA")],
    stage: Annotated[str, typer.Option(help="calculus, program or stable.")] = "calculus",
    backend: Annotated[
        str | None, typer.Option("--backend", "-b", help="Print the generated source of a backend.")
    ] = None,
    latex: Annotated[bool, typer.Option("--latex", help="Formulas as LaTeX.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the facts as JSON.")] = False,
    peers: Annotated[
        bool, typer.Option("--peers", help="What each library computes under its names.")
    ] = False,
    param: Parameters = None,
) -> None:
    """An activation: its formula, derivatives and kinks, its programs, or its generated source."""
    from . import compiler
    from .emit import legend, text
    from .facts import facts

    act = _activation(what, parameters(param))
    if backend is not None and stage == "stable" and backends.get(backend).tables:
        from . import device_tables, tabling

        told = {"memory": tabling.strategies, "shared": device_tables.strategies}
        for line in told[backends.get(backend).tables](compiler.compile_activation(act)):
            console.print(escape(line), soft_wrap=True)
        return
    if backend is not None:
        print(compiler.source(act, backend), end="")
        return
    if peers:
        from .namesakes import lines

        for line in lines(act):
            console.print(escape(line), soft_wrap=True)
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
            table = new_table(
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
    over_contract: OverContract = False,
) -> None:
    """Generate the files of activations (all of the project's by default).

    Nothing is written where a function is over the accuracy contract.
    """
    from . import build as building

    count = len(names or building.own_names())
    with bar(count, "building") as progress:
        if check:
            found = building.check(names or (), backend or (), progress)
        else:
            found = building.build(names or (), backend or (), progress, over_contract)
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
    from . import registry, report
    from .accuracy import FORMATS
    from .build import own_names

    chosen = [registry.load(n).name for n in names] if names else own_names()
    targets = [backends.get(b).name for b in backend] if backend else list(backends.NAMES)
    dtypes = dtype or list(FORMATS)
    for d in dtypes:
        if d not in FORMATS:
            raise typer.BadParameter(f"no dtype {d!r}; there are {', '.join(FORMATS)}")
    if exhaustive:
        run_sweep(chosen, targets, dtype or ["float32"], state, limit, dask)
        return
    if markdown and not peers:
        raise typer.BadParameter("--markdown goes with --peers")
    if peers:
        print_peers(chosen, dtypes, markdown, " ".join(["actgen", *sys.argv[1:]]))
        return
    with bar(report.pieces(chosen, targets), "verifying") as progress:
        found = report.verify_all(chosen, targets, dtypes, progress)
    if record:
        report.record(found)
    if as_json:
        print(json.dumps([m.as_dict() for r in found.results.values() for m in r.measurements]))
    else:
        print_report(found, targets, dtypes)
    if not found.ok:
        raise typer.Exit(1)


@app.command()
def matrix(
    names: Names = None,
    backend: Annotated[str, typer.Option("--backend", "-b", help="torch or jax.")] = "torch",
    check: Annotated[
        list[str] | None,
        typer.Option("--check", help="Only this check; may be repeated.", show_default=False),
    ] = None,
    light: Annotated[
        bool, typer.Option("--light", help="Leave out checks that compile, export or start others.")
    ] = False,
    record: Annotated[
        bool, typer.Option("--record", help="Write what was found to generated/matrix.json.")
    ] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Try nothing; print what is recorded as Markdown.")
    ] = False,
) -> None:
    """Try what users of torch or jax do with activations. Exit 1 where one does not work."""
    from . import registry
    from .build import own_names
    from .matrix import record as recording
    from .matrix import run

    if markdown:
        print(recording.markdown(backend), end="")
        return
    chosen = [registry.load(n).name for n in names] if names else own_names()
    with bar(run.cells(backend, chosen, check or (), light), "trying") as progress:
        found = run.run(backend, chosen, check or (), light, progress)
    if record:
        recording.record(backend, found)
    if not print_matrix(found, backend):
        raise typer.Exit(1)


@app.command(context_settings={"ignore_unknown_options": True})
def new(
    name: Annotated[str, typer.Argument(help="The new activation's name.")],
    formula: Annotated[str, typer.Argument(help='Its formula over x, for example "x*tanh(x)".')],
    param: Parameters = None,
    backend: Backends = None,
    over_contract: OverContract = False,
) -> None:
    """Declare an activation: write its spec, build it, verify it, show derivative and errors.

    Nothing is written unless every backend is within the accuracy contract.
    """
    from . import newcomer

    targets = [backends.get(b).name for b in backend] if backend else list(backends.NAMES)
    made = newcomer.make(name, formula, parameters(param), targets)
    for line in made.lines:
        console.print(escape(line), soft_wrap=True)
    print_report(made.report, targets, list(made.dtypes))
    if not (made.report.sound if over_contract else made.report.ok):
        console.print("[red]nothing was written[/red]: see above")
        if made.report.sound:
            console.print("add --over-contract to have the files anyway")
        raise typer.Exit(1)
    for path in newcomer.write(made):
        console.print(f"wrote {path}")


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


@app.command("verify-document")
def verify_document(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdicts as JSON.")] = False,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the verdicts as Markdown.")
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option(help="Write a page with typeset formulas and plots.", show_default=False),
    ] = None,
) -> None:
    """Read documents that print activation formulas; say which are true. Exit 1 if one is false.

    Markdown, LaTeX, reStructuredText or plain text; claims files (.toml) of specs/documents too.
    """
    from . import documents
    from .documents import show
    from .project import write_atomic

    found, unread = [], []
    with bar(len(files), "reading") as progress:
        for file in files:
            progress(file.name)
            try:
                found.append(documents.verify_document(file))
            except ActgenError as wrong:
                unread.append(wrong)
    if as_json:
        print(json.dumps([show.as_dict(d) for d in found], indent=2, ensure_ascii=False))
    elif as_markdown:
        print(show.markdown(found), end="")
    else:
        for document in found:
            print_verdicts(document)
    if html is not None:
        write_atomic(html, show.html(found))
    for problem in unread:
        errors.print(f"[red]error[/red]: {escape(str(problem))}", soft_wrap=True)
    if unread:
        raise typer.Exit(2)
    if any(v.outcome == "fails" for document in found for v in document):
        raise typer.Exit(1)


def main() -> None:
    """The entry point: errors of the user's are told in a line or two, without a traceback."""
    warnings.showwarning = _show_warning
    warnings.simplefilter("once", FormulaWarning)
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
