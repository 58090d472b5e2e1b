"""Checks of PyTorch: torch.export, ONNX in ONNX Runtime, AOTInductor."""

from __future__ import annotations

import io
import operator
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch._inductor import config as inductor

from .check import Check
from .torch_compare import double, expect, near, near_where_finite
from .torch_modules import stirred
from .torch_subject import SHAPE, Subject

#: Core ATen and what stands beside it in a decomposed graph.
PLAIN = (operator.getitem, operator.mul, operator.add, operator.floordiv)


def exported(s: Subject, strict: bool) -> None:
    """The module, exported with a dynamic batch, saved, loaded and run: f, also at hard inputs."""
    module, x = _module(s), s.packed(*s.inputs(dtype=torch.float32))
    program = torch.export.export(
        module, (x,), strict=strict, dynamic_shapes=({0: torch.export.Dim("batch")},)
    )
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    buffer.seek(0)
    run = torch.export.load(buffer).module()
    for size in (SHAPE[0], 7):
        x = s.packed(*s.inputs((size, *SHAPE[1:]), torch.float32))
        near(run(x), module(x), f"batch of {size}")


def hard(s: Subject) -> None:
    """The exported function at ±inf, at large inputs and at kinks."""
    inputs = s.hard()
    program = torch.export.export(_Function(s).eval(), inputs, strict=True)
    near_where_finite([program.module()(*inputs)], [s.f(*double(inputs))], "f")


def decomposed(s: Subject) -> None:
    """run_decompositions leaves core ATen operators alone; they run."""
    module, x = _module(s), s.packed(*s.inputs(dtype=torch.float32))
    program = torch.export.export(module, (x,), strict=True).run_decompositions()
    for node in program.graph.nodes:
        if node.op != "call_function" or node.target in PLAIN:
            continue
        known = isinstance(node.target, torch._ops.OpOverload)
        core = known and torch.Tag.core in node.target.tags
        expect(core, f"{node.target} is no core ATen operator")
    near(program.module()(x), module(x), "f")


def onnx(s: Subject) -> None:
    """torch.onnx.export and ONNX Runtime, with a dynamic batch, also at hard inputs."""
    import onnxruntime

    module, x = _module(s), s.packed(*s.inputs(dtype=torch.float32))
    hard = s.hard()
    with tempfile.TemporaryDirectory() as folder:
        for model, example, tries in (
            (module, (x,), [(x,), (s.packed(*s.inputs((7, *SHAPE[1:]), torch.float32)),)]),
            (_Function(s).eval(), hard, [hard]),
        ):
            path = Path(folder) / "model.onnx"
            torch.onnx.export(
                model, example, path, dynamo=True, verbose=False, optimize=True,
                dynamic_shapes=({0: torch.export.Dim("batch")},) if example[0] is x else None,
            )  # fmt: skip
            session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
            names = [i.name for i in session.get_inputs()]
            for given in tries:
                arrays = {n: t.numpy() for n, t in zip(names, given, strict=True)}
                (found,) = session.run(None, arrays)
                truth = model.double()(*double(given)).detach()
                model.float()
                _near_runtime(torch.from_numpy(found), truth)


def _near_runtime(found: Tensor, truth: Tensor) -> None:
    """ONNX Runtime's own exp, erf and tanh are up to 1e-6 off, relatively: ten times torch's."""
    expect(found.shape == truth.shape, f"shape {tuple(found.shape)}, not {tuple(truth.shape)}")
    finite = torch.isfinite(truth.float())
    near(found[finite], truth[finite], "f in ONNX Runtime", scale=10.0)


def aot(s: Subject) -> None:
    """AOTInductor: compiled ahead of time, packaged, loaded and run with another batch."""
    module, x = _module(s), s.packed(*s.inputs(dtype=torch.float32))
    batch = torch.export.Dim("batch", min=2, max=64)
    program = torch.export.export(module, (x,), dynamic_shapes=({0: batch},))
    with tempfile.TemporaryDirectory() as folder, inductor.patch(compile_threads=1):
        package = torch._inductor.aoti_compile_and_package(
            program, package_path=str(Path(folder) / "model.pt2")
        )
        run = torch._inductor.aoti_load_package(package)
        for size in (SHAPE[0], 7):
            x = s.packed(*s.inputs((size, *SHAPE[1:]), torch.float32))
            near(run(x), module(x), f"batch of {size}")


def _module(s: Subject) -> nn.Module:
    return stirred(s).float()


class _Function(nn.Module):  # type: ignore[misc]
    """f itself as a module, its inputs apart."""

    def __init__(self, s: Subject) -> None:
        super().__init__()
        self.f = s.f

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.f(*inputs)


def _row(name: str, run: Any) -> Check:
    return Check(name, "export", run, heavy=True)


CHECKS = (
    _row("export, strict", partial(exported, strict=True)),
    _row("export, not strict", partial(exported, strict=False)),
    _row("export at hard inputs", hard),
    _row("export to core ATen", decomposed),
    _row("ONNX Runtime", onnx),
    _row("AOTInductor", aot),
)
