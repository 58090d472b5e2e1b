"""What a backward pass keeps: bytes an element, beside torch's own function."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from . import contract, outputs
from .accuracy import FORMATS
from .compiler import compile_activation
from .peers import LIBRARIES
from .shape import readable
from .spec import Activation

DTYPES = ("float32", "bfloat16")
SIZE = 4096


@dataclass(frozen=True)
class Saved:
    """What is saved of an activation, by dtype.

    `own` and `theirs` are bytes an element of the output (of x for functions that reduce), torch's
    None where it has no such function or derivative; `what` says whether ours is the input or the
    output. `slope` is f′ written in the output, "" where it is not known to be a function of it,
    and `errors` how far that is from the truth, by dtype, as the contract measures.
    """

    name: str
    what: tuple[str, ...]
    own: tuple[float, ...]
    theirs: tuple[float | None, ...]
    slope: str
    errors: tuple[tuple[str, str], ...]


def saved(acts: Sequence[Activation]) -> list[Saved]:
    """Measured with saved_tensors_hooks: each storage once, parameters left out."""
    return [_saved(act) for act in acts]


def _saved(act: Activation) -> Saved:
    from .emit import text

    module = importlib.import_module(f"actgen.generated.torch.{act.name}")
    own = getattr(module, act.name)
    count = len(act.inputs)
    what, ours, theirs = [], [], []
    for dtype in DTYPES:
        inputs = [_input(act, dtype) for _ in range(count)]
        size, kept = _kept(partial(own, *inputs), inputs)
        what.append(kept)
        ours.append(size)
        theirs.append(_peer(act, dtype))
    form = outputs.output_form(compile_activation(act))
    found = tuple((name, contract.got(m)) for name, m in form.errors)
    slope = "" if form.expr is None else text(readable(form.expr))
    return Saved(act.name, tuple(what), tuple(ours), tuple(theirs), slope, found)


def _input(act: Activation, dtype: str) -> Any:
    import torch

    shape = (SIZE // 16, 4, 4) if act.is_row else (SIZE,)
    leaf = torch.linspace(-4, 4, SIZE).reshape(shape).to(getattr(torch, dtype)).requires_grad_()
    return leaf * 1.0  # an activation's input is rarely a leaf


def _peer(act: Activation, dtype: str) -> float | None:
    if "torch" not in act.peers:
        return None
    theirs = LIBRARIES["torch"].function(act, FORMATS[dtype])
    if act.is_gated:
        import torch

        halves = [_input(act, dtype) for _ in act.inputs]
        packed = torch.cat([h.detach() for h in halves], -1).requires_grad_() * 1.0
        return _kept(partial(theirs, packed), [packed])[0]
    x = _input(act, dtype)
    return _kept(partial(theirs, x), [x])[0]


def _kept(run: Callable[[], Any], inputs: Sequence[Any]) -> tuple[float, str]:
    """Bytes saved for each of SIZE elements, and which tensors they are."""
    import torch

    storages: dict[int, int] = {}

    def pack(tensor: Any) -> Any:
        if tensor.numel() > 1:
            storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        y = run()
    if not y.requires_grad:
        return 0.0, "nothing"
    known = {t.untyped_storage().data_ptr(): "input" for t in inputs}
    known[y.untyped_storage().data_ptr()] = "output"
    words = sorted({known.get(at, "another") for at in storages}) or ["nothing"]
    return sum(storages.values()) / SIZE, " and ".join(words)
