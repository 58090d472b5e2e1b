"""Warnings that PyTorch gives about itself; any other fails the check that it comes up in."""

from __future__ import annotations

import torch

from .check import Noise

NOISE = (
    Noise("Converting a tensor to a Python", torch.jit.TracerWarning, "sizes checked in a trace"),
    Noise("`torch.jit.", DeprecationWarning, "forward mode and Inductor script; traces are tried"),
    Noise("<class 'torch.autograd.function.Function'> should", DeprecationWarning, "Dynamo"),
    Noise("Attempted to insert a get_attr Node", UserWarning, "func.linearize, folding constants"),
    Noise("dynamo_pgo force disabled", UserWarning, "compilation without its caches"),
    Noise("Sparse CSR tensor support is in beta", UserWarning, "the first CSR tensor"),
    Noise("`torch._prims_common.check` is", FutureWarning, "Inductor's lowering of expand"),
    Noise("`isinstance.treespec, LeafSpec.`", FutureWarning, "a copy of an exported program"),
)
