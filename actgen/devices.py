"""Whether CUDA kernels can be compiled here, and whether there is a device to run them."""

from __future__ import annotations

import ctypes.util
import functools
import importlib.util
import subprocess
import sys


def installed() -> bool:
    """Whether Numba-CUDA can be imported."""
    return all(importlib.util.find_spec(p) is not None for p in ("numba", "numba_cuda"))


@functools.cache
def device_present() -> bool:
    """Whether a CUDA device can be used here."""
    if not installed():
        return False
    if not (ctypes.util.find_library("cuda") or ctypes.util.find_library("nvcuda")):
        return False  # no driver: no need to start Numba to learn it
    code = "from numba import cuda; print(cuda.is_available())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip() == "True"
