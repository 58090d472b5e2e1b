"""What users of a framework do with an activation: the checks, and the record of them all."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from actgen.errors import FormulaError
from actgen.matrix import record, run
from actgen.matrix.check import KINDS, NO, NOT_APPLICABLE, YES, Noise, Outcome, kind, strict, told
from actgen.matrix.run import Job, do, framework
from actgen.registry import load, names

#: Of each kind one activation, on which checks that compile are tried here; `actgen matrix` tries
#: all on all. Every check on the first; on the others those where their kind goes its own way.
ALL = "silu"
SOME = {
    "prelu": ("compile", "compile at hard inputs", "compiled module"),
    "rrelu": ("compiled module that draws", "export, strict"),
    "swiglu": ("compile", "export, strict"),
    "softmax": ("compile", "compile at hard inputs", "export, strict"),
}
TORCH = framework("torch")
DOCS = Path(__file__).resolve().parent.parent / "docs"
HEAVY = [c for c in TORCH.checks if c.heavy and c.group != run.SHARED and not c.limitation]


def failures(outcomes: list[Outcome]) -> list[str]:
    return [f"{o.activation}: {o.check}: {o.why}" for o in outcomes if o.result == NO]


@pytest.mark.parametrize("name", names())
def test_light_checks(name: str) -> None:
    light = tuple(c.name for c in TORCH.chosen(light=True))
    assert failures(do(Job("torch", (name,), light))) == []


@pytest.mark.parametrize("check", [c.name for c in HEAVY])
def test_heavy_checks(check: str) -> None:
    assert failures(do(Job("torch", (ALL,), (check,)))) == []


@pytest.mark.parametrize("name", SOME)
def test_heavy_checks_of_other_kinds(name: str) -> None:
    assert failures(do(Job("torch", (name,), SOME[name]))) == []


def test_distributed_checks() -> None:
    shared = tuple(c.name for c in TORCH.checks if c.group == run.SHARED)
    assert failures(do(Job("torch", (ALL, *SOME), shared))) == []


def test_one_of_each_kind_is_tried() -> None:
    assert {kind(load(name)) for name in (ALL, *SOME)} == set(KINDS)


@pytest.mark.parametrize("backend", run.FRAMEWORKS)
def test_the_page_is_of_the_record(backend: str) -> None:
    assert (DOCS / f"{backend}.md").read_text() == record.markdown(backend)


@pytest.mark.parametrize("backend", run.FRAMEWORKS)
def test_the_record_covers_every_check(backend: str) -> None:
    """`actgen matrix --record` wrote it, and nothing in it is no without a reason."""
    found = record.read(backend)
    tried = {(o.activation, o.check) for o in found}
    assert tried >= {(n, c.name) for n in names() for c in framework(backend).checks}
    assert [f"{o.activation}: {o.check}: {o.why}" for o in record.unexplained(backend, found)] == []


# The engine itself.


def test_checks_are_told_apart() -> None:
    assert len({c.name for c in TORCH.checks}) == len(TORCH.checks)
    assert all(c.meaning.endswith((".", "…")) for c in TORCH.checks)
    with pytest.raises(FormulaError, match="no check is called"):
        TORCH.chosen(["nonesuch"])


def test_jobs_hold_every_cell_once() -> None:
    activations = ["silu", "glu", "softmax"]
    cells = [
        (name, check)
        for job in run.jobs("torch", activations, TORCH.checks)
        for name in job.activations
        for check in job.checks
    ]
    assert sorted(cells) == sorted((n, c.name) for n in activations for c in TORCH.checks)


def test_a_record_is_read_back(project) -> None:
    first, second = "float32 and float64", "0-d"
    (project / "specs").mkdir()
    (project / "specs" / "own.py").write_text(
        "from actgen.lang import x\nfrom actgen.spec import Activation\n"
        'own = Activation("own", x / (1 + x**2))\n'
    )
    record.record("torch", [Outcome("own", first, YES), Outcome("own", second, NO, "it: is")])
    record.record("torch", [Outcome("own", first, NOT_APPLICABLE)])
    found = record.read("torch")
    assert found == [Outcome("own", first, NOT_APPLICABLE), Outcome("own", second, NO, "it: is")]
    assert record.unexplained("torch", found) == [found[1]]
    page = record.markdown("torch")
    assert "**0 of 1**" in page and "- 0-d, own: it: is" in page


def test_only_known_warnings_pass() -> None:
    import warnings

    with strict([Noise("known", UserWarning, "here")]):
        warnings.warn("known and more", UserWarning, stacklevel=1)
        with pytest.raises(UserWarning, match="other"):
            warnings.warn("other", UserWarning, stacklevel=1)


def test_why_is_the_same_on_every_machine() -> None:
    assert told(ValueError("\nat 0x7f00 in /home/me/x.py\nmore")) == "ValueError: at … in …x.py"
    assert told(AssertionError("1.0, not 2.0")) == "1.0, not 2.0"


def test_what_is_limited_is_limited_for_torch_s_own() -> None:
    """Once a compiled torch.nn.functional.silu takes double backward, the row is an ordinary one."""
    (row,) = (c for c in TORCH.checks if c.limitation)
    assert row.name == "compile, then backward twice"
    x = torch.linspace(-1, 1, 4).requires_grad_()
    with strict(TORCH.noise):
        y = torch.compile(torch.nn.functional.silu, backend="aot_eager")(x)
        (grad,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        with pytest.raises(RuntimeError, match="does not currently support double backward"):
            torch.autograd.grad(grad.sum(), x)
