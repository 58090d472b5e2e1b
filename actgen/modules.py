"""The nn.Module of an activation: its arguments, what it stores, its forward."""

from __future__ import annotations

from typing import Any

from .backends import torch as target
from .emit import call, define
from .model import constant
from .spec import Activation, Parameter


def class_name(act: Activation) -> str:
    """torch's own class name where it has one, else the name in capitals."""
    if "torch.nn" in act.peers:
        return act.peers["torch.nn"].rpartition(".")[2]
    return "".join(part.capitalize() for part in act.name.split("_"))


def attribute(p: Parameter) -> str:
    """What a module calls a learned parameter: `weight` where it is nn.PReLU's."""
    return "weight" if p.per_channel else p.name


def slots(act: Activation) -> dict[str, Any]:
    """The slots `module`, `init_define`, `init_lines`, `module_lines` and `extra_repr`."""
    arguments: list[str] = []
    lines: list[str] = []
    before: list[str] = []
    shown: list[str] = []
    values: list[str] = []
    learned = [p for p in act.parameters if p.learned]
    for p in act.parameters:
        _parameter(p, arguments, lines, before, shown, values)
    if act.is_gated:
        arguments.append("dim: int = -1")
        lines.append("self.dim = dim")
        before += _halves(act)
        shown.append("dim={self.dim}")
    elif not learned:
        arguments.append("inplace: bool = False")
        lines.append("self.inplace = inplace")
        values.append("inplace=self.inplace")
    if any(p.random for p in act.parameters):
        arguments.append("generator: torch.Generator | None = None")
        lines.append("self.generator = generator")
    if learned:
        arguments += ["device: Any = None", "dtype: Any = None"]
    inputs = [str(s) for s in act.inputs] if act.is_gated else ["input"]
    return {
        "module": class_name(act),
        "init_define": define("__init__", ["self", *arguments], "None", width=96).splitlines(),
        "init_lines": lines,
        "module_lines": [*before, *call("return ", act.name, [*inputs, *values], 92)],
        "extra_repr": _repr_lines(list(dict.fromkeys(shown)), "inplace: bool = False" in arguments),
        "learned": bool(learned),
    }


def _halves(act: Activation) -> list[str]:
    """The inputs of a gated function, halves of one tensor; odd sizes are refused as by nn.GLU."""
    return [
        "if input.shape[self.dim] % 2:",
        '    expected = f"expected an even size along dim {self.dim}"',
        f'    raise RuntimeError(f"{act.name}: {{expected}}, got {{tuple(input.shape)}}")',
        f"{', '.join(map(str, act.inputs))} = input.chunk(2, self.dim)",
    ]


def _repr_lines(parts: list[str], inplace: bool) -> list[str]:
    if not parts:
        return ['return "inplace=True" if self.inplace else ""'] if inplace else []
    shown = [f'f"{", ".join(parts)}"']
    if len(shown[0]) > 80:
        pieces = [f'    f"{part}, "' for part in parts[:-1]] + [f'    f"{parts[-1]}"']
        shown = ["(", *pieces, ")"]
    if not inplace:
        return [f"return {shown[0]}", *shown[1:]]
    last = 'return f"{shown}, inplace=True" if self.inplace else shown'
    return [f"shown = {shown[0]}", *shown[1:], last]


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
            "    drawn = torch.empty_like(input)",
            f"    {name} = drawn.uniform_(self.lower, self.upper, generator=self.generator)",
        ]
        shown += ["lower={self.lower}", "upper={self.upper}"]
        values.append(name)
    elif p.learned:
        # A vector, as in nn.PReLU: one value for all, or one a channel.
        own, start = attribute(p), "init" if p.per_channel else name
        size = "num_parameters: int = 1"
        if p.per_channel:
            arguments += [size, f"{start}: float = {default}"]
        else:
            arguments += [f"{start}: float = {default}", *([size] if size not in arguments else [])]
        lines.append("self.num_parameters = num_parameters")
        made = f"torch.full((num_parameters,), float({start}), device=device, dtype=dtype)"
        lines += [f"{start}_ = {made}", f"self.{own} = nn.Parameter({start}_)"]
        values.append(f"_by_channel(self.{own}, input)")
        shown.append("num_parameters={self.num_parameters}")
    else:
        arguments.append(f"{name}: float = {default}")
        lines.append(f"self.{name} = {name}")
        values.append(f"self.{name}")
        shown.append(f"{name}={{self.{name}}}")
