"""For those who build PyTorch models: activations by name, gains, and swapping them in a model."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import sympy

from . import registry
from .compiler import compile
from .errors import FormulaError
from .facts import facts
from .lang import x
from .modules import class_name
from .spec import Activation


def torch_module(act: Activation) -> Any:
    """The PyTorch module of an activation.

    Declared activations give that of actgen.generated.torch, whose instances can be pickled;
    those of a project of one's own are compiled here.
    """
    try:
        return importlib.import_module(f"actgen.generated.torch.{act.name}")
    except ModuleNotFoundError as missing:
        if missing.name != f"actgen.generated.torch.{act.name}":
            raise
        return compile(act, "torch").module


def module_class(name: str) -> Any:
    """The nn.Module class of an activation, by name or alias; FormulaError for an unknown name."""
    act = registry.load(name)
    return getattr(torch_module(act), class_name(act))


def get_activation(name: str, **options: Any) -> Any:
    """An nn.Module that computes an activation: get_activation("leaky_relu", negative_slope=0.2).

    Raises FormulaError for an unknown name, TypeError for an option that it does not take.
    """
    made = module_class(name)
    known = list(inspect.signature(made.__init__).parameters)[1:]
    for option in options:
        if option not in known:
            takes = ", ".join(known) or "no options"
            raise TypeError(f"{name} takes {takes}; got {option!r}")
    return made(**options)


# Gains.


def calculate_gain(name: str, **parameters: float) -> float:
    """1/sqrt(E[f(x)²]) for x ~ N(0, 1), from the facts: what weights are scaled by to keep the
    size of signals through a layer.

    relu √2 and leaky_relu √(2/(1 + slope²)) are torch.nn.init's; that has rules of thumb for tanh
    (5/3), sigmoid (1) and selu (3/4), for which this gives 1.5925, 1.8462 and 1. Both inputs of a
    gated function are taken to be independent. Raises FormulaError for an unknown name or
    parameter, for row functions (theirs depends on the length of the row), and where the integral
    is not enclosed.
    """
    act = registry.load(name).with_defaults(parameters)
    if act.is_row:
        raise FormulaError(
            f"{act.name} has no gain of its own: it depends on the length of the row"
        )
    if act.is_gated:
        act = _gate(act)
    found = facts(act).get("moments")
    if found is None:
        raise FormulaError(f"{act.name}: E[f²] for a normal input was not enclosed")
    return float(found.value.gain)


def _gate(act: Activation) -> Activation:
    """g of f(x, y) = x·g(y): E[f²] is E[g²], E[x²] being 1."""
    value, gate = act.inputs
    other = sympy.cancel(act.formula / value)
    if value in other.free_symbols:
        raise FormulaError(f"{act.name}: the gain of a gate that is no factor is not known")
    return Activation(f"{act.name}_gate", other.xreplace({gate: x}), parameters=act.parameters)


# Swapping.


def swap_activations(model: Any, by: Mapping[str, str] | None = None) -> list[str]:
    """Replace activations inside a model, in place; what was replaced, as "path: old -> new".

    `by` maps names to names: those of torch.nn (ReLU, GELU) or of activations (relu, gelu) to
    those of activations. Without it each activation of torch.nn becomes ours of the same function.
    Functions kept as attributes (`self.activation = torch.nn.functional.relu`) are replaced too;
    calls written out in a model's forward cannot be. Arguments, parameters and training mode are
    kept where old and new have them in common. Raises FormulaError for a name that is neither.
    """
    table = _table(by)
    changed = []
    for path, holder, name, old in list(_members(model)):
        new = _successor(old, table)
        if new is None:
            continue
        setattr(holder, name, new)
        if hasattr(holder, "activation_relu_or_gelu"):
            holder.activation_relu_or_gelu = 0  # no fused layer with torch's own function in it
        changed.append(f"{path}: {_shown(old)} -> {_shown(new)}")
    return changed


def _table(by: Mapping[str, str] | None) -> dict[Any, str]:
    """Classes of torch.nn and ours, functions of torch.nn.functional → the activation to put."""
    from torch import nn

    theirs = {
        act.name: getattr(nn, act.peers["torch.nn"].rpartition(".")[2])
        for act, _ in registry.declared().values()
        if "torch.nn" in act.peers
    }
    if by is None:
        return {
            key: name
            for name, cls in theirs.items()
            for key in (cls, _peer_function(name))
            if key is not None
        }
    back = {cls.__name__: name for name, cls in theirs.items()}
    table: dict[Any, str] = {}
    for old, new in by.items():
        name = back.get(old) or registry.load(old).name
        keys = (theirs.get(name), _peer_function(name), module_class(name), _function(name))
        table |= dict.fromkeys((k for k in keys if k is not None), registry.load(new).name)
    return table


def _peer_function(name: str) -> Any:
    """torch's function of the same name and arguments; None where it has none."""
    from torch.nn import functional

    peer = registry.load(name).peers.get("torch", "")
    return getattr(functional, peer.removeprefix("torch.nn.functional."), None)


def _members(model: Any) -> Iterator[tuple[str, Any, str, Any]]:
    """(path, holder, attribute, value) of every submodule and every function kept by one."""
    from torch import nn

    for prefix, holder in model.named_modules():
        dot = f"{prefix}." if prefix else ""
        for name, child in holder.named_children():
            yield dot + name, holder, name, child
        for name, value in vars(holder).items():
            if inspect.isroutine(value) and not isinstance(value, nn.Module):
                yield dot + name, holder, name, value


def _successor(old: Any, table: Mapping[Any, str]) -> Any:
    """What stands in for a module or a function; None to leave it."""
    from torch import nn

    if not isinstance(old, nn.Module):
        return _function(table[old]) if old in table else None
    if type(old) not in table:
        return None
    made = _same(type(old), table[type(old)])
    known = list(inspect.signature(made.__init__).parameters)[1:]
    kept = {n: getattr(old, n) for n in known if hasattr(old, n)}
    new = made(**{n: v for n, v in kept.items() if not isinstance(v, nn.Parameter)})
    state = {k: v for k, v in old.state_dict().items() if k in new.state_dict()}
    for p in old.parameters():
        new.to(device=p.device, dtype=p.dtype)
    new.load_state_dict(state, strict=False)
    return new.train(old.training)


def _same(cls: Any, name: str) -> Any:
    """The class to make: with torch's own arguments where it is to compute what `cls` does."""
    act = registry.load(name)
    if act.peers.get("torch.nn") == f"torch.nn.{cls.__name__}":
        drop_in = importlib.import_module("actgen.generated.torch.nn")
        return getattr(drop_in, cls.__name__)
    return module_class(name)


def _function(name: str) -> Any:
    """An activation as a function that can be pickled, where it is a declared one."""
    made = module_class(name)
    return getattr(importlib.import_module(made.__module__), registry.load(name).name)


def _shown(value: Any) -> str:
    shown = value.__name__ if inspect.isroutine(value) else str(value)
    home = value if inspect.isroutine(value) else type(value)
    return f"{home.__module__}.{shown}"
