"""The nn.Module of an activation: its arguments, what it stores, its forward."""

from __future__ import annotations

from typing import Any

from .backends import torch as target
from .emit import define
from .model import constant
from .spec import Activation, Parameter


def class_name(act: Activation) -> str:
    """torch's own class name where it has one, else the name in capitals."""
    if "torch.nn" in act.peers:
        return act.peers["torch.nn"].rpartition(".")[2]
    return "".join(part.capitalize() for part in act.name.split("_"))


def slots(act: Activation) -> dict[str, Any]:
    """The slots `module`, `init_define`, `init_lines`, `forward_lines` and `extra_repr`."""
    arguments: list[str] = []
    lines: list[str] = []
    before: list[str] = []
    shown: list[str] = []
    values: list[str] = []
    for p in act.parameters:
        _parameter(p, arguments, lines, before, shown, values)
    if act.is_gated:
        arguments.append("dim: int = -1")
        lines.append("self.dim = dim")
        before.append(
            f"{', '.join(map(str, act.inputs))} = input.chunk({len(act.inputs)}, self.dim)"
        )
        shown.append("dim={self.dim}")
    inputs = [str(s) for s in act.inputs] if act.is_gated else ["input"]
    return {
        "module": class_name(act),
        "init_define": define("__init__", ["self", *arguments], "None", width=96).splitlines(),
        "init_lines": lines,
        "forward_lines": [*before, f"return {act.name}({', '.join([*inputs, *values])})"],
        "extra_repr": _text_lines(shown),
    }


def _text_lines(parts: list[str]) -> list[str]:
    line = f'return f"{", ".join(parts)}"'
    if not parts or len(line) <= 90:
        return [line] if parts else []
    pieces = [f'    f"{part}, "' for part in parts[:-1]] + [f'    f"{parts[-1]}"']
    return ["return (", *pieces, ")"]


def _parameter(
    p: Parameter,
    arguments: list[str],
    lines: list[str],
    before: list[str],
    shown: list[str],
    values: list[str],
) -> None:
    name, default = p.name, target.literal(constant(p.value))
    if p.random is not None:
        arguments += [f"lower: float = {p.random.low!r}", f"upper: float = {p.random.high!r}"]
        lines += ["self.lower, self.upper = lower, upper"]
        before += [
            f"{name}: Value = (self.lower + self.upper) / 2",
            "if self.training:",
            f"    {name} = torch.empty_like(input).uniform_(self.lower, self.upper)",
        ]
        shown += ["lower={self.lower}", "upper={self.upper}"]
        values.append(name)
    elif p.per_channel:
        arguments += ["num_parameters: int = 1", f"init: float = {default}"]
        lines += [f"self.{name} = nn.Parameter(torch.full((num_parameters,), init))"]
        before += [
            "# One value a channel: along dimension 1.",
            f"shape = (-1, *[1] * (input.dim() - 2)) if self.{name}.numel() > 1 else ()",
            f"{name} = self.{name}.view(shape)",
        ]
        shown.append(f"num_parameters={{self.{name}.numel()}}")
        values.append(name)
    elif p.learned:
        arguments.append(f"{name}: float = {default}")
        lines.append(f"self.{name} = nn.Parameter(torch.tensor({name}))")
        values.append(f"self.{name}")
        shown.append(f"{name}={{self.{name}.item():.4g}}")
    else:
        arguments.append(f"{name}: float = {default}")
        lines.append(f"self.{name} = {name}")
        values.append(f"self.{name}")
        shown.append(f"{name}={{self.{name}}}")
