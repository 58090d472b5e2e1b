"""The checks of PyTorch, all of them, and what they are given of an activation."""

from __future__ import annotations

from . import (
    torch_autograd,
    torch_compile,
    torch_distributed,
    torch_dtypes,
    torch_export,
    torch_func,
    torch_input,
    torch_modules,
    torch_tensors,
)
from .torch_noise import NOISE
from .torch_subject import subject

__all__ = ["CHECKS", "NOISE", "subject"]

CHECKS = (
    *torch_dtypes.CHECKS,
    *torch_tensors.CHECKS,
    *torch_autograd.CHECKS,
    *torch_func.CHECKS,
    *torch_modules.CHECKS,
    *torch_input.CHECKS,
    *torch_compile.CHECKS,
    *torch_export.CHECKS,
    *torch_distributed.CHECKS,
)
