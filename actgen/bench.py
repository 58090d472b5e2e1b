"""`actgen bench`: what calls, backward passes and new formulas cost."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from typer.core import TyperGroup

from .options import Names, Parameters
from .screen import console, errors, new_table

Markdown = Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown.")]


class _Group(TyperGroup):
    """`actgen bench [NAME …]` is `actgen bench speed [NAME …]`; --cuda, --static: commands too."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As given, where it names a command or asks for help."""
        for flag in ("--cuda", "--static"):
            if flag in args:
                args = [flag.removeprefix("--"), *(a for a in args if a != flag)]
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = ["speed", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Group, help="Measurements of speed, as ratios or with the machine they hold for."
)


@app.command()
def speed(
    names: Names = None,
    function: Annotated[
        list[str] | None, typer.Option(help="forward, derivative or vjp; all three.")
    ] = None,
    dtype: Annotated[
        list[str] | None, typer.Option(help="float32, float64 or bfloat16; all three.")
    ] = None,
    n: Annotated[list[int] | None, typer.Option(help="Numbers: 16K, 1M and 16M.")] = None,
    threads: Annotated[
        list[int] | None, typer.Option(help="One and as many as there are CPUs.")
    ] = None,
    against: Annotated[
        list[str] | None, typer.Option(help="torch, torch.compile, jax.jit or numpy; all four.")
    ] = None,
    save: Annotated[
        Path | None, typer.Option(help="Add the times to this file (JSON).", dir_okay=False)
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Measure nothing; print the file.")] = False,
    chart: Annotated[Path | None, typer.Option(help="Draw the ratios into this file.")] = None,
    markdown: Markdown = False,
) -> None:
    """How many times as fast as others our Numba loops are, timed in turn in one run."""
    from . import speed_report

    speed_report.run(
        speed_report.Asked(names, function, dtype, n, threads, against),
        save=save,
        show=show,
        chart=chart,
        markdown=markdown,
    )


START = """What a first call costs

`actgen bench start silu gelu mish relu swiglu softmax --markdown` prints this page: f of 4,096
float32 numbers, each in a new process.
Cold: nothing is compiled yet; warm: machine code is kept from another process, the table is written
anew. Beside it how many times as long the first call of torch.compile takes with an empty cache.
"""


@app.command()
def start(names: Names = None, markdown: Markdown = False) -> None:
    """What the first call of a Numba file costs, cold and warm, and what its table takes."""
    from . import registry, starting

    columns = ["activation", "cold, s", "warm, s", "table, ms", "table, KB", "torch.compile / cold"]
    rows = []
    for name in names or registry.names():
        s = starting.start(registry.load(name).name)
        ratio = "–" if s.compiled is None else f"{s.compiled / s.cold:.1f}"
        row = [f"{s.cold:.2f}", f"{s.warm:.2f}", f"{s.table_seconds * 1e3:.1f}"]
        rows.append([name, *row, f"{s.table_bytes // 1024}", ratio])
    _print(START, columns, rows, markdown)


@app.command("new")
def new(
    formula: Annotated[str, typer.Argument()] = "x*tanh(log(1+exp(a*x)))",
    param: Parameters = None,
) -> None:
    """The time that `actgen new` takes on this machine, against its target of 10 seconds."""
    given = param or (["a=1.0"] if formula == "x*tanh(log(1+exp(a*x)))" else [])
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "actgen", "new", "bench_activation", formula]
        command += [part for p in given for part in ("--param", p)]
        start = time.perf_counter()
        done = subprocess.run(
            command,
            env={**os.environ, "ACTGEN_ROOT": folder, "ACTGEN_CACHE": ""},
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - start
    if done.returncode:
        errors.print(escape(done.stdout + done.stderr))
        raise typer.Exit(1)
    console.print(f"actgen new took {seconds:.1f} s; the target is 10 s")


@app.command("exhaustive")
def exhaustive(
    names: Names = None,
    stride: Annotated[int, typer.Option(help="Try every so manieth number.", min=1)] = 1,
) -> None:
    """Every float32 number through the tables of the Numba files: the worst error of each."""
    from .exhaustive import worst
    from .registry import names as declared

    over = False
    for name in names or declared():
        for found in worst(name, stride):
            over |= not found.ulp <= 1.0
            console.print(
                f"{name} {found.function}: {found.ulp:.4f} ulp at x = {found.at!r}, "
                f"{found.tried:,} numbers"
            )
    if over:
        raise typer.Exit(1)


OVERHEAD = """Time of a call over torch's own

`actgen bench overhead --markdown` prints this page: float32, one thread, the median over rounds in
which both are timed in turn.
"""
MEMORY = """Saved for backward, bytes an element

`actgen bench memory --markdown` prints this page, measured with saved_tensors_hooks. Where f' is
known as a function of the output y, it stands here with how far it is from the truth when it is
computed from the rounded output; where that is within the contract the output is saved.
"""


@app.command()
def overhead(names: Names = None, markdown: Markdown = False) -> None:
    """Our time over torch's own function's at sizes where a call is all overhead; one thread."""
    from . import overhead as measuring
    from . import registry

    acts = [registry.load(n) for n in names or registry.names()]
    columns = ["activation"]
    columns += [f"forward, n = {n:,}" for n in measuring.SIZES]
    columns += [f"forward + backward, n = {n:,}" for n in measuring.SIZES]
    rows = [
        [o.name, *(f"{r:.1f}" for r in (*o.forward, *o.backward))]
        for o in measuring.overheads(acts)
    ]
    _print(OVERHEAD, columns, rows, markdown)


@app.command()
def memory(names: Names = None, markdown: Markdown = False) -> None:
    """What a backward pass keeps, beside torch's own function; and f' in f, how far off."""
    from . import memory as measuring
    from . import registry

    columns = ["activation"]
    for dtype in measuring.DTYPES:
        columns += [f"saved in {dtype}", "bytes", "torch's"]
    columns += ["f' in the output y", "error in float32"]
    rows = []
    for s in measuring.saved([registry.load(n) for n in names or registry.names()]):
        row = [s.name]
        for what, own, theirs in zip(s.what, s.own, s.theirs, strict=True):
            row += [what, f"{own:g}", "–" if theirs is None else f"{theirs:g}"]
        rows.append([*row, s.slope or "–", dict(s.errors).get("float32", "–")])
    _print(MEMORY, columns, rows, markdown)


STATIC = """What CUDA kernels take

`actgen bench static --markdown` prints this page: every kernel compiled for the GPU, its machine
code counted without running it. An element of the loop over vectors takes so many instructions, and
so many of the unit for exp2, log2, reciprocals and square roots; `read` are 16 bytes from a table
in shared memory, at any place of it. Blocks for rare inputs are left out: those that call a
function, and the programs of what is in no table. `of a copy` is the predicted share of the speed
of a copy: the time that memory takes over the longest of memory's, the issue's, the unit's and
shared memory's (`actgen/gpus.py`). Softmax and its kin: rows that are read once and keep a whole
block busy; their reductions are counted.
"""


@app.command()
def static(
    names: Names = None,
    dtype: Annotated[
        list[str] | None, typer.Option(help="float32, float16 or bfloat16; all three.")
    ] = None,
    gpu: Annotated[str, typer.Option(help="A100, H100, H200 or B200.")] = "H200",
    save: Annotated[
        Path | None, typer.Option(help="Write the figures (JSON).", dir_okay=False)
    ] = None,
    markdown: Markdown = False,
) -> None:
    """What CUDA kernels take an element, from their machine code; no GPU is needed."""
    from . import cuda_static, registry, sass
    from .gpus import GPUS

    dtypes = _some("dtype", dtype, cuda_static.DTYPES)

    if not sass.installed():
        errors.print("actgen\\[cuda] is not installed: pip install 'actgen[cuda]'")
        raise typer.Exit(2)
    if gpu not in GPUS:
        raise typer.BadParameter(f"no GPU {gpu!r}; there are: {', '.join(GPUS)}")
    chosen = GPUS[gpu]
    found = list(cuda_static.rows(names or registry.names(), dtypes, chosen))
    if save is not None:
        cuda_static.save(save, found)
    columns = ["activation", "", "dtype", "instructions", "special", "read"]
    columns += ["registers", "of a copy"]
    table = [
        [
            row.activation,
            row.function,
            row.dtype,
            f"{row.figures.instructions:.1f}",
            f"{row.figures.special:.1f}",
            f"{row.figures.rows:.1f}",
            str(row.figures.registers),
            f"{row.fraction(chosen):.2f}",
        ]
        for row in found
    ]
    _print(STATIC.replace("the GPU", f"the {gpu}", 1), columns, table, markdown)
    good = sum(row.fraction(chosen) >= 0.95 for row in found)
    console.print(f"{good} of {len(found)} kernels at 0.95 of a copy or above", highlight=False)


CUDA = """CUDA kernels on a GPU

`actgen bench cuda --save bench/results/GPU.json` checks every value first, then measures this: f
and its product with dy, the results allocated, each beside a copy, torch eager and torch.compile on
one stream in turn. `of a copy` compares bytes a second; a ratio above 1 says that ours was faster.
"""


@app.command()
def cuda(
    names: Names = None,
    function: Annotated[list[str] | None, typer.Option(help="forward or vjp; both.")] = None,
    dtype: Annotated[
        list[str] | None, typer.Option(help="float32, float16 or bfloat16; all three.")
    ] = None,
    n: Annotated[list[int] | None, typer.Option(help="Numbers: 2^12 to 2^28.")] = None,
    against: Annotated[
        list[str] | None, typer.Option(help="copy, torch or torch.compile; all three.")
    ] = None,
    check: Annotated[
        bool, typer.Option(help="Check all values first; nothing is timed if one is wrong.")
    ] = True,
    save: Annotated[
        Path | None, typer.Option(help="Write what was found (JSON).", dir_okay=False)
    ] = None,
    markdown: Markdown = False,
) -> None:
    """CUDA kernels on a GPU: every value checked, then timed beside a copy and torch."""
    from . import cuda_speed, devices, registry

    if not devices.device_present():
        errors.print(
            "there is no CUDA device here: run this on a machine with one; "
            "`actgen bench static` counts machine code without"
        )
        raise typer.Exit(2)
    wanted, dtypes = names or registry.names(), _some("dtype", dtype, cuda_speed.DTYPES)
    functions = _some("function", function, cuda_speed.FUNCTIONS)
    others = _some("contender", against, cuda_speed.OTHERS)
    checked = _checked_on_gpu(wanted, dtypes) if check else []
    timings = []
    for timing in cuda_speed.timed(
        wanted,
        functions,
        dtypes,
        n or cuda_speed.SIZES,
        others,
        note=lambda text: errors.print(escape(text)),
    ):
        timings.append(timing)
        if save is not None:  # what was measured is kept, whatever comes after
            cuda_speed.save(save, cuda_speed.machine(), checked, timings)
    columns = ["activation", "", "dtype", "n", "of a copy", "torch", "torch.compile", "short"]
    rows = []
    for t in timings:
        ratios = (t.of_copy, t.ratio("torch"), t.ratio("torch.compile"))
        shown = ["–" if ratio is None else f"{ratio:.2f}" for ratio in ratios]
        rows.append([t.activation, t.function, t.dtype, f"{t.n:,}", *shown, ", ".join(t.short)])
    _print(CUDA, columns, rows, markdown)


def _some(what: str, given: Sequence[str] | None, known: Sequence[str]) -> Sequence[str]:
    """What was asked for, or all there is; BadParameter for what there is not."""
    for one in given or ():
        if one not in known:
            raise typer.BadParameter(f"no {what} {one!r}; there are: {', '.join(known)}")
    return given or known


def _checked_on_gpu(names: Sequence[str], dtypes: Sequence[str]) -> list[Any]:
    """Every value of the 16-bit formats, where float32 is hard, and numbers all over; or Exit."""
    from . import contract, cuda_speed, report

    found = report.verify_all(names, ["cuda"], dtypes)
    for result in found.results.values():
        for problem in result.problems:
            errors.print(escape(problem))
        for m in result.measurements:
            if not contract.holds(m):
                errors.print(escape(f"over the contract: {m}"))
    dense = list(cuda_speed.dense(names))
    wrong = [d for d in dense if not d.mixed_ulp <= contract.MIXED.most or d.non_finite]
    for d in wrong:
        errors.print(escape(f"over the contract: {d}"))
    if wrong or not found.ok:
        raise typer.Exit(1)
    return dense


def _print(
    text: str, columns: Sequence[str], rows: Sequence[Sequence[str]], markdown: bool
) -> None:
    """A table under a text whose first line is its title."""
    title, _, more = text.partition("\n")
    if markdown:
        print("\n".join([f"# {title}", more, *_markdown(columns, rows)]))
        return
    table = new_table(title, *columns)
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    return [
        *lines,
        *(f"| {' | '.join(c.replace('|', chr(92) + '|') for c in row)} |" for row in rows),
    ]
