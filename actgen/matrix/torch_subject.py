"""What the checks of PyTorch get: an activation's file, inputs for it, and the truth."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from ..model import constant
from ..models import torch_module
from ..modules import class_name
from ..spec import Activation
from .check import kind

#: Samples, their rows (also those of softmax2d) and a batch of them.
SHAPE = (4, 3, 2, 5)
#: Inputs at which composites are known to give 0·inf, inf − inf or overflow.
HARD = (0.0, 1.0, 30.0, 88.8, 200.0, 1e4, 1e30, math.inf)
#: Rows of the same: masked, equal, far apart, overflowing when summed.
HARD_ROWS = (
    (0.0, -math.inf, 1.0), (1e30, -1e30, 0.0), (200.0, -200.0, 0.0), (88.8, 88.8, -1.0),
    (-math.inf, -math.inf, 0.5), (3e38, 3e38, -3e38), (1.0, 1.0, 1.0),
)  # fmt: skip


@dataclass(frozen=True)
class Subject:
    """An activation on trial: its functions of tensors (parameters by name), inputs, its module."""

    act: Activation
    file: ModuleType

    def __repr__(self) -> str:
        return self.act.name

    @property
    def kind(self) -> str:
        """elementwise, learned, random, gated or row."""
        return kind(self.act)

    def f(self, *inputs: Any, **values: Any) -> Tensor:
        """The activation."""
        return getattr(self.file, self.act.name)(*inputs, **values)

    def vjp(self, *inputs_and_dy: Tensor, **values: Any) -> tuple[Tensor, ...]:
        """The cotangent of each input, in closed form: what a backward pass must give."""
        return _tuple(getattr(self.file, f"{self.act.name}_vjp")(*inputs_and_dy, **values))

    def vjp_parameter(self, name: str, *inputs_and_dy: Tensor, **values: Any) -> Tensor:
        """The cotangent of a parameter, in closed form."""
        return getattr(self.file, f"{self.act.name}_vjp_{name}")(*inputs_and_dy, **values)

    def gradient(self, name: str, *inputs: Tensor, **values: Any) -> Tensor:
        """∂f/∂parameter for each element, in closed form."""
        return getattr(self.file, f"{self.act.name}_grad_{name}")(*inputs, **values)

    def jvp(self, *inputs_and_tangents: Tensor, **values: Any) -> Tensor:
        """The tangent of the output, in closed form."""
        return getattr(self.file, f"{self.act.name}_jvp")(*inputs_and_tangents, **values)

    def second(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """f″ in closed form; xx, xy, yy of gated functions."""
        return _tuple(getattr(self.file, f"{self.act.name}_second_derivative")(*inputs))

    # Modules.

    def module(self, **settings: Any) -> nn.Module:
        """A new nn.Module with its own defaults."""
        return getattr(self.file, class_name(self.act))(**settings)

    def packed(self, *inputs: Tensor) -> Tensor:
        """What the module takes: the inputs of gated functions in one tensor."""
        return torch.cat(inputs, -1) if self.act.is_gated else inputs[0]

    # Inputs.

    @functools.cached_property
    def kinks(self) -> list[float]:
        """Where f or f′ jumps; 0 for the gates of gated functions (reglu)."""
        if self.act.is_gated:
            return [0.0]
        return [float(k.at.subs(self.act.defaults)) for k in self.act.kinks()]

    def inputs(
        self, shape: Sequence[int] = SHAPE, dtype: torch.dtype = torch.float64
    ) -> tuple[Tensor, ...]:
        """Distinct ordinary numbers away from kinks, one tensor for each input."""
        return tuple(
            self._spread(shape, 4.4 - i).add(0.013 * i).to(dtype)
            for i in range(len(self.act.inputs))
        )

    def _spread(self, shape: Sequence[int], width: float) -> Tensor:
        count = math.prod(shape)
        order = torch.randperm(count, generator=torch.Generator().manual_seed(count))
        x = torch.linspace(-width, width + 0.3, count, dtype=torch.float64)[order]
        for k in self.kinks:
            x = torch.where((x - k).abs() < 0.1, k + 0.15 + 0.1 * (x - k), x)
        return x.reshape(list(shape))

    def hard(self, dtype: torch.dtype = torch.float32) -> tuple[Tensor, ...]:
        """±inf, huge and tiny inputs, ±0, each kink and its neighbours; rows of such."""
        if self.act.is_row:
            rows = torch.tensor(HARD_ROWS, dtype=dtype).view(len(HARD_ROWS), 1, 3)
            return (rows.movedim(-1, self.act.axis),)
        info = torch.finfo(dtype)
        sizes = torch.tensor([*HARD, info.max, info.tiny], dtype=torch.float64).to(dtype)
        kinks = torch.tensor([k for k in self.kinks if math.isfinite(k)], dtype=dtype)
        around = [kinks, *(torch.nextafter(kinks, kinks + s) for s in (1.0, -1.0))]
        x = torch.cat([sizes, -sizes, *around])
        if not self.act.is_gated:
            return (x,)
        plain = torch.full_like(x, 0.7)
        return torch.cat([x, plain]), torch.cat([plain, x])

    def values(
        self, shape: Sequence[int] = (), dtype: torch.dtype = torch.float64
    ) -> dict[str, Tensor]:
        """The parameters (with a finite default) as tensors of that shape."""
        return {
            p.name: torch.full(list(shape), constant(p.value), dtype=dtype)
            for p in self.act.parameters
            if p.value.is_finite
        }


def _tuple(found: Any) -> tuple[Tensor, ...]:
    return found if isinstance(found, tuple) else (found,)


def subject(act: Activation) -> Subject:
    """What the checks are given of an activation: the file that `actgen build` wrote, loaded."""
    return Subject(act, torch_module(act))
