"""The shape of the code: imports run one way, and nothing heavy comes with `import actgen`."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

#: From the bottom up: a module imports only from lines above its own.
LAYERS = """
errors limits cache
lang names project near
calculus
spec atoms
rewrite
rules program
doubleword growth
decays
lower minimax
oracle
accuracy chebyshev
model guards tails reference contract devices
approximate
exponentials
variants
asymptotics patches registry zones
flushing
measuring
cases
trial ties
treatments
stabilise rows
backends
emit compiled
intervals
forms modules row_kernels domain launches gpus sass row_cases singles
roots row_halves
pieces
shape
smoothness inverse moments ends
facts
outputs twins peers chains unary
autograd dropin tabling device_tables
headers
files formula scaffold
kernel
compiler
running
row_errors
verify build plots models namesakes
documents.commands
documents.tokens
documents.syntax documents.functions documents.trees documents.cells documents.zero
documents.repairs documents.tables documents.render documents.claims
documents.reader documents.scripts documents.conditions documents.subjects documents.equality
documents.branches documents.edits documents.python documents.extremes documents.verdicts
documents.meaning
documents.heads documents.context documents.statements documents.properties
documents.reading documents.approximations documents.known documents.identify documents.parameters
documents.equations
documents.formulas documents.judge
documents.code documents.restrictions documents.sentences
documents.prose
documents.verify
documents.show
documents
worst_cases sweep
overhead memory exhaustive speed
starting
peer_errors checks cuda_check
cuda_static cuda_speed
report
matrix.check
matrix.run
matrix.torch_noise matrix.torch_compare matrix.torch_subject
matrix.torch_ranks matrix.torch_autograd
matrix.torch_func matrix.torch_dtypes matrix.torch_tensors
matrix.torch_modules matrix.torch_input
matrix.torch_compile matrix.torch_export matrix.torch_distributed
matrix.torch
matrix.jax_subject
matrix.jax_models
matrix.jax
matrix.record
matrix
newcomer screen options
speed_report
bench
cli
"""
LEVEL = {name: i for i, line in enumerate(LAYERS.split("\n")) for name in line.split()}


def imports(path: Path) -> set[str]:
    """The modules of actgen that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            # Within a package one dot is the package, two are actgen.
            inside = path.parent.name if path.parent != ROOT / "actgen" and node.level == 1 else ""
            for name in (
                [alias.name for alias in node.names] if node.module is None else [node.module]
            ):
                whole = f"{inside}.{name}" if inside else name
                found.add(whole if whole in LEVEL else whole.split(".")[0])
    return found


MODULES = [
    path
    for folder in ("actgen", "actgen/documents", "actgen/matrix")
    for path in sorted((ROOT / folder).glob("*.py"))
]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.stem)
def test_imports_run_one_way(path: Path) -> None:
    own = path.stem if path.parent.name == "actgen" else f"{path.parent.name}.{path.stem}"
    if path.stem in ("__init__", "__main__"):
        return
    assert own in LEVEL, f"{own} has no layer: add it to LAYERS"
    for name in imports(path) & set(LEVEL):
        assert LEVEL[name] < LEVEL[own], f"{own} imports {name}, which is not below it"


@pytest.mark.parametrize(
    "path", sorted((ROOT / "actgen" / "backends").glob("*.py")), ids=lambda p: p.stem
)
def test_backends_are_data(path: Path) -> None:
    assert not imports(path) & set(LEVEL) - {"backends"}


def test_import_is_light() -> None:
    code = "import sys, actgen; print([m for m in ('numba', 'torch', 'jax', 'matplotlib') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_files_stay_small() -> None:
    for path in (ROOT / "actgen").rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 480, f"{path.name} is too long: split it"
