"""Checks of PyTorch: tensors and models spread over two processes."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard, distribute_tensor
from torch.nn.parallel import DistributedDataParallel

from .check import Check
from .torch_autograd import reference
from .torch_compare import expect, near, near_each, weights
from .torch_ranks import RANKS, on_ranks
from .torch_subject import Subject

#: Divisible by the number of ranks along every axis that is sharded.
EVEN = (4, 6, 2, 4)


def mesh() -> DeviceMesh:
    """Both ranks in a line."""
    return init_device_mesh("cpu", (RANKS,))


def spread(s: Subject, placement: Any) -> None:
    """f and the gradients of inputs and parameters as DTensors: those of the whole tensor."""
    inputs, values = s.inputs(EVEN), s.values()
    line = mesh()
    leaves = [distribute_tensor(i, line, [placement]).requires_grad_() for i in inputs]
    spread_values = {
        k: distribute_tensor(v, line, [Replicate()]).requires_grad_() for k, v in values.items()
    }
    y = s.f(*leaves, **spread_values)
    expect(isinstance(y, DTensor), f"a {type(y).__name__} comes out")
    local = s.f(*inputs)
    whole_y = y.full_tensor()
    near(whole_y, local, "f")
    loss = (whole_y * weights(local)).sum()
    grads = torch.autograd.grad(loss, [*leaves, *spread_values.values()])
    whole = [g.full_tensor() if isinstance(g, DTensor) else g for g in grads]
    near_each(whole, reference(s, inputs, values), "gradient")


def partial_sums(s: Subject) -> None:
    """A DTensor whose ranks hold summands: f of the sum, never the sum of f."""
    inputs = s.inputs(EVEN)
    line = mesh()
    given = [DTensor.from_local(i / RANKS, line, [Partial()]) for i in inputs]
    near(s.f(*given).full_tensor(), s.f(*inputs), "f")


def sharded_model(s: Subject) -> None:
    """fully_shard (FSDP2) of a model around the module: output and gradients of the whole."""
    _model(s, _fully)


def _fully(model: nn.Module) -> nn.Module:
    line = mesh()
    for layer in (model[0], model[2]):
        fully_shard(layer, mesh=line)
    return fully_shard(model, mesh=line)


def replicated_model(s: Subject) -> None:
    """DistributedDataParallel: gradients are those of the whole batch."""
    _model(s, DistributedDataParallel)


def _model(s: Subject, wrap: Any) -> None:
    def made() -> nn.Module:
        torch.manual_seed(0)
        layers = nn.Linear(24, 32), nn.Unflatten(1, (2, 2, 8)), s.module()
        return nn.Sequential(*layers).double().eval()

    rank = torch.distributed.get_rank()
    x = s.inputs((4, 24))[0]
    plain, model = made(), wrap(made())
    y = plain(x)
    (y * weights(y)).sum().backward()
    mine = slice(2 * rank, 2 * rank + 2)
    out = model(x[mine])
    near(out, y[mine], "output")
    # Both wrappers average gradients over the ranks.
    (RANKS * out * weights(y)[mine]).sum().backward()
    found = [p.grad for p in model.parameters()]
    whole: list[Tensor] = [g.full_tensor() if isinstance(g, DTensor) else g for g in found]
    near_each(whole, [p.grad for p in plain.parameters()], "gradient")


def _row(name: str, run: Any) -> Check:
    return Check(name, "distributed", partial(on_ranks, run), heavy=True)


CHECKS = (
    _row("DTensor replicated", partial(spread, placement=Replicate())),
    _row("DTensor, shards of axis 0", partial(spread, placement=Shard(0))),
    _row("DTensor, shards of axis 1", partial(spread, placement=Shard(1))),
    _row("DTensor, shards of the last axis", partial(spread, placement=Shard(3))),
    _row("DTensor of partial sums", partial_sums),
    _row("FSDP2", sharded_model),
    _row("DistributedDataParallel", replicated_model),
)
