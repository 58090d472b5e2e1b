"""The CUDA kernels without a GPU: run in the simulator, compiled to PTX."""

from __future__ import annotations

import numpy as np
import pytest

import actgen
from actgen import cuda_check, report
from actgen.registry import names

pytestmark = pytest.mark.skipif(not cuda_check.installed(), reason="numba-cuda is not installed")

#: A subprocess each, so that Numba's start is paid a few times and not for every activation.
GROUPS = [names()[i::6] for i in range(6)]


@pytest.mark.parametrize("group", GROUPS, ids=lambda g: f"{g[0]} and {len(g) - 1} more")
def test_kernels_run_in_the_simulator(group: list[str]) -> None:
    found = cuda_check.in_subprocess("run", group, simulate=not cuda_check.device_present())
    assert found == {name: [] for name in group}


@pytest.mark.parametrize("group", GROUPS, ids=lambda g: f"{g[0]} and {len(g) - 1} more")
def test_kernels_compile_without_float64(group: list[str]) -> None:
    found = cuda_check.in_subprocess("ptx", group, simulate=False)
    assert found == {name: [] for name in group}


def test_the_checks_can_fail(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel with a float64 constant is found in its PTX."""
    import re

    from numba import cuda, types

    def kernel(x, out):
        for i in range(cuda.grid(1), out.size, cuda.gridsize(1)):
            out[i] = x[i] * 1.1

    ptx, _ = cuda.compile(
        kernel,
        (types.float32[::1], types.float32[::1]),
        device=False,
        cc=(9, 0),
        output="ptx",
        abi="numba",
    )
    assert re.search(r"\.f64", ptx)
    problems = cuda_check._compare("x", np.array([1.0, 2.0]), np.array([1.0, 3.0]), "float32")
    assert problems == ["x: element 1 is np.float64(2.0), the program gives np.float64(3.0)"]


def test_what_was_skipped_is_said() -> None:
    skipped: list[str] = []
    report.cuda_modes(["cuda"], skipped)
    assert cuda_check.device_present() or "no GPU here" in skipped[0]


def test_source_needs_no_device() -> None:
    kernel = actgen.compile("silu", "cuda")
    assert "@cuda.jit" in kernel.source and callable(kernel.module.silu)
