"""`actgen new`: from formula text to a spec, generated files and a table of errors."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from . import build, cuda_check, registry
from .compiler import compile_activation
from .emit import legend, text
from .facts import facts
from .formula import parse
from .project import project_root, replace_tree, write_atomic
from .report import Report, cuda_modes, examine, missing
from .scaffold import spec_text
from .spec import Activation

DTYPES = ("float32", "float64", "bfloat16")


@dataclass
class Made:
    """An activation that was compiled and verified but not yet written."""

    activation: Activation
    spec: str
    report: Report
    lines: list[str]
    targets: Sequence[str]
    dtypes: Sequence[str] = DTYPES


def make(name: str, formula: str, parameters: dict[str, float], targets: Sequence[str]) -> Made:
    """Parse, compile and verify in memory; FormulaError for anything that cannot be taken."""
    build.free_name(name)
    act = parse(formula, name=name, parameters=parameters)
    spec = spec_text(act)
    skipped = [f"{b}: {why}" for b, why in missing().items() if b in targets]
    with TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        # The CUDA kernels are compiled and run by processes of their own, beside all the rest.
        write_atomic(Path(folder) / "specs" / f"{name}.py", spec)
        cuda_check.hand_over(compile_activation(act), Path(folder))
        running = [
            pool.submit(
                cuda_check.in_subprocess, mode, [name], simulate=simulate, root=Path(folder)
            )
            for mode, simulate in cuda_modes(targets, skipped)
        ]
        result = examine(act, [t for t in targets if t not in missing()], DTYPES)
        for future in running:
            result.problems += future.result()[name]
    return Made(act, spec, Report({name: result}, skipped), _introduce(act), targets)


def _introduce(act: Activation) -> list[str]:
    """What is shown of a new activation: formula, derivatives, facts."""
    compiled = compile_activation(act)
    lines = [f"f  = {text(act.formula)}"]
    for f in compiled.functions.values():
        if f.name != "forward":
            lines.append(f"{f.name} = {text(f.expr)}")
    lines += legend(f.expr for f in compiled.functions.values())
    if not act.is_gated:
        lines += facts(act).lines()
    return lines


def write(made: Made) -> list[str]:
    """Write the spec and the generated files; their paths."""
    name, root = made.activation.name, project_root()
    path = f"specs/{name}.py"
    write_atomic(root / path, made.spec)
    registry.forget()
    files = build.texts([name], made.targets)
    replace_tree(build.folder(), files)
    return [path, *(f"generated/{f}" for f in files if f.endswith(f"/{name}.py"))]
