"""The CUDA kernels themselves: compiled to PTX without a GPU, run in the simulator or on a device.

Run as a program, because the simulator must be chosen before Numba is imported:

    python -m actgen.cuda_check ptx|run NAME …       prints problems as JSON, a list a name
"""

from __future__ import annotations

import importlib
import json
import math
import os
import pickle
import re
import subprocess
import sys
import types as pytypes
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import as_strided

from . import model
from .accuracy import FORMATS
from .compiled import Compiled, Function
from .compiler import compile, compile_activation, remember
from .registry import load
from .running import device_program
from .spec import Activation

ARCHITECTURES = ((8, 0), (9, 0), (10, 0))
#: Sizes around vectors and the simulator's blocks of 4 threads: one element, a vector, a tail.
SIZES = (1, 4, 13, 45)
#: What reads or writes 16 bytes in PTX.
VECTOR = r"\b{}\.global\S*\.(?:v4\.\w?32|v2\.\w?64)"
SPECIAL = (math.nan, math.inf, -math.inf, 0.0, -0.0, 1e30, -1e30, 1e-40, -1e-40)


def _odd(a: Any) -> Any:
    return a.reshape(-1)[:138].reshape(6, 23)


View: TypeAlias = Callable[[Any], Any]
#: Views of what is read and of what is written, of an array of shape (2, 3, 24).
VIEWS: tuple[tuple[str, View, View], ...] = (
    ("halves of packed rows", lambda a: a[..., 12:], lambda a: a[..., :12]),
    ("not of whole vectors", lambda a: a[..., 1:23], lambda a: a[..., 1:23]),
    ("read only in part", lambda a: a[..., 8:], lambda a: a.reshape(-1)[:96].reshape(2, 3, 16)),
    ("rows of an odd size", lambda a: _odd(a)[:, :16], lambda a: _odd(a)[:, :16]),
    ("every other row", lambda a: a.reshape(6, 24)[::2], lambda a: a.reshape(6, 24)[3:]),
    ("every other element", lambda a: a[..., ::2], lambda a: a[..., 1::2]),
    ("transposed", lambda a: a.reshape(6, 24).T, lambda a: a.reshape(6, 24).T),
    ("one transposed", lambda a: a.reshape(6, 24).T, lambda a: a.reshape(24, 6)),
    ("one row, repeated", lambda a: as_strided(a, (3, 24), (0, 4)), lambda a: a[0]),
)


#: The file, and the environment's word for it, by which a compiled activation reaches the checks.
COMPILED = "ACTGEN_COMPILED"


def hand_over(compiled: Compiled, folder: Path) -> None:
    """Leave a compiled activation for the checks that run with `root=folder`."""
    (folder / COMPILED).write_bytes(pickle.dumps(compiled))


def in_subprocess(
    mode: str, names: Sequence[str], *, simulate: bool, root: Path | None = None
) -> dict[str, list[str]]:
    """The problems of each name, found by this module run as a program.

    `root`: another project, in which the file COMPILED holds what this process has compiled.
    """
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1" if simulate else "0"}
    if root is not None:
        environment |= {"ACTGEN_ROOT": str(root), COMPILED: str(root / COMPILED)}
    command = [sys.executable, "-m", "actgen.cuda_check", mode, *names]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        return {name: [f"cuda_check {mode} failed: {done.stderr.strip()[-400:]}"] for name in names}
    found: dict[str, list[str]] = json.loads(lines[-1])
    return found


# PTX.


def ptx_problems(act: Activation) -> list[str]:
    """Compile every kernel; report float64 instructions outside float64 kernels, 32-bit loops."""
    found = []
    for label, storage, kernel, signature, vectors in kernels(act, compile(act, "cuda").module):
        # In float32 for every architecture; the other dtypes differ in their loads, and the other
        # kernels of a function in their loops.
        every = storage == "float32" and "," not in label
        for architecture in ARCHITECTURES if every else ((9, 0),):
            where = f"{act.name}{label} {storage} sm_{architecture[0]}{architecture[1]}"
            try:
                ptx = ptx_of(kernel, signature, architecture)
            except Exception as problem:  # every failure of the compiler is a finding
                reason = (str(problem).splitlines() or [""])[0]
                found.append(f"{where}: {type(problem).__name__}: {reason}")
                continue
            wide = re.search(r"^.*\.f64.*$", ptx, re.MULTILINE)
            if storage != "float64" and wide:
                found.append(f"{where}: float64 in it: {wide.group().strip()}")
            if not re.search(r"setp\.\w+\.[su]64", ptx):
                found.append(f"{where}: no 64-bit comparison of the index")
            if vectors:
                found += [
                    f"{where}: {what} of fewer than 16 bytes alone"
                    for what, word in (("loads", "ld"), ("stores", "st"))
                    if not re.search(VECTOR.format(word), ptx)
                ]
    return found


def ptx_of(kernel: Any, signature: Sequence[Any], capability: tuple[int, int]) -> str:
    """The PTX of a kernel as Numba would compile it for a device."""
    cuda: Any = importlib.import_module("numba.cuda")
    found: str = cuda.compile(
        kernel.py_func,
        signature,
        device=False,
        cc=capability,
        output="ptx",
        abi="numba",
        launch_bounds=kernel.targetoptions.get("launch_bounds"),
    )[0]
    return found


def kernels(act: Activation, module: Any) -> Iterator[tuple[str, str, Any, tuple[Any, ...], bool]]:
    """(label, dtype, kernel, Numba types of its arguments, whether it reads vectors)."""
    from numba import types

    for storage in FORMATS:
        number = types.float64 if storage == "float64" else types.float32
        if act.is_row:
            functions = compile_activation(act).functions
            for name in functions if storage == "float32" else ("forward", "vjp"):
                integers = len(functions[name].program.inputs) + 4
                own = module._own(f"_{name}", storage)
                lanes = module._LANES[storage][0]
                # Vectors are of rows along the last axis.
                whole = act.axis == -1 and not (act.reduces and name in ("forward", "jvp"))
                for label, kernel, width, alone in (
                    (f"_{name}", f"{own}_once", lanes, False),
                    (f"_{name}, one by one", f"{own}_once", 1, False),
                    (f"_{name}, long rows", own, lanes, False),
                    (f"_{name}, a thread a row", own, 1, True),
                ):
                    compiled = module._kernel(kernel, storage, width, alone)
                    wide = whole and label == f"_{name}"
                    yield label, storage, compiled, (types.int64,) * integers, wide
            continue
        products = [n for n in module._ARRAYS if n.startswith("_vjp")]
        for name in module._ARRAYS if storage == "float32" else ("_forward", *products):
            arrays = [types.int64] * module._ARRAYS[name]
            numbers = [number] * len(act.parameters)
            signature = (*arrays, *numbers, *[types.int64] * 3)
            for label, also in _readings(module, name, storage):
                yield name + label, storage, module._kernel(name, storage, *also), signature, True
            if name == "_forward" and storage == "bfloat16":
                kernel, each = module._strided_kernel(name, storage), len(arrays) + 1
                steps = [types.UniTuple(types.int64, each)] * 2
                places = [types.int64] * each
                signature = (*places, *numbers, *steps, *[types.int64] * 3)
                yield f"strided {name}", storage, kernel, signature, True
        placed = 3 * len(act.parameters)
        if act.parameters:
            each = module._each_kernel("_forward", storage)
            integers = len(act.inputs) + placed + 2
            yield "_forward, arrays", storage, each, (types.int64,) * integers, False
        for p in act.parameters:
            some, all_of = module._sum_kernels(f"_vjp_{p.name}", storage)
            integers = len(act.inputs) + 1 + placed + 5
            yield f"_vjp_{p.name}", storage, some, (types.int64,) * integers, False
            yield f"_vjp_{p.name}, sum", storage, all_of, (types.int64,) * 4, False


def _readings(module: Any, name: str, storage: str) -> list[tuple[str, tuple[bool, ...]]]:
    """The ways of a kernel: whether it reads rows, which the parameters may decide."""
    if not hasattr(module, "_is_read"):
        return [("", ())]
    is_read = module._is_read(name, storage, module._DEFAULTS)
    others = [(", any parameters", (False,))] if is_read and module._DEFAULTS else []
    return [("", (is_read,)), *others]


def pretend_device() -> None:
    """Numba asks for a device only to know its compute capability; without one, say 9.0."""
    import numba.cuda.dispatcher as dispatcher

    dispatcher.get_current_device = lambda: pytypes.SimpleNamespace(compute_capability=(9, 0))


# Running.


class _Float32Math:
    """math for the simulator: NumPy's functions, which keep float32 and do not raise."""

    inf, nan, prod = math.inf, math.nan, math.prod
    sqrt, exp, expm1, log, log1p = np.sqrt, np.exp, np.expm1, np.log, np.log1p
    sinh, cosh, tanh, sin, cos, tan = np.sinh, np.cosh, np.tanh, np.sin, np.cos, np.tan
    asin, acos, atan = np.arcsin, np.arccos, np.arctan
    asinh, acosh, atanh, isnan, pow = np.arcsinh, np.arccosh, np.arctanh, np.isnan, np.power

    @staticmethod
    def erf(x: Any) -> Any:
        return type(x)(math.erf(x))

    @staticmethod
    def erfc(x: Any) -> Any:
        return type(x)(math.erfc(x))


def run_problems(act: Activation, simulate: bool) -> list[str]:
    """Run the kernels on small arrays of every dtype and compare with the programs' own values."""
    kernel = compile(act, "cuda")
    module: Any = kernel.module
    if simulate:
        module._WARP, module._THREADS, module.math = 2, 4, _Float32Math
        module._blocks = lambda count, each=2: min(count, each, 2)
        if act.is_row:
            module._MOST, module._MANY = dict.fromkeys(FORMATS, 4), 12
    compiled = compile_activation(act)
    found: list[str] = []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for dtype in FORMATS:
            for f in compiled.functions.values():
                # Loads and stores are the same code in every function: all of them in float32,
                # the first in every dtype, the first at every size.
                if dtype == "float32" or f.name == "forward":
                    sizes = SIZES if (dtype, f.name) == ("float32", "forward") else SIZES[-1:]
                    for n in sizes[-1:] if act.is_row else sizes:
                        found += _run_one(kernel.module, act, f, dtype, n)
        if not act.is_row:
            found += _run_products(module, act)
            found += _run_tables(module, act)
        if simulate and act.is_row:
            found += _run_rows_beside(module, act)
        if simulate and not act.is_row:
            for offsets in ((1, 1), (3, 3), (1, 2)):
                found += _run_beside(module, act, offsets)
            for label, *views in VIEWS:
                found += _run_strided(module, act, label, *views)
        for p in act.parameters:
            found += _sums(module, act, p.name)
    return found


def _run_products(module: Any, act: Activation) -> list[str]:
    """The cotangents of the inputs in float32 and bfloat16, against products with derivatives."""
    found = []
    for dtype in ("float32", "bfloat16"):
        *arrays, dy = _inputs(SIZES[-1], len(act.inputs) + 1, FORMATS[dtype].dtype)
        if act.is_gated:  # one input's cotangent need not depend on it
            arrays[0][0] = 1.0
        for v in [f"_{v}" for v in act.inputs] if act.is_gated else [""]:
            slope = getattr(module, f"{act.name}_derivative{v}")(*arrays)
            label = f"{act.name} vjp{v} {dtype}"
            expected = np.asarray(dy, np.float64) * np.asarray(slope, np.float64)
            given = getattr(module, f"{act.name}_vjp{v}")(*arrays, dy)
            found += _compare(label, given, expected.astype(dy.dtype), dtype)
    return found


def _run_tables(module: Any, act: Activation) -> list[str]:
    """What is read from rows, at a number in each of them and beyond, against the programs."""
    found, readers = [], getattr(module, "_READERS", {})
    for f in compile_activation(act).functions.values():
        if f"_{f.name}" in readers:
            table = module._TABLES[readers[f"_{f.name}"][0]]
            x = ((np.arange(table.first - 64, table.last + 64) + 0.3) * table.step).astype(
                np.float32
            )
            label = f"{act.name} {f.name} of each row"
            found += _run_at(module, act, f, "float32", [x] * len(act.inputs), label)
    return found


def _run_beside(module: Any, act: Activation, offsets: tuple[int, int]) -> list[str]:
    """f of arrays, and into one, that begin so many elements after whole vectors."""
    from numba import cuda

    n, f = SIZES[-1], getattr(module, act.name)
    arrays = _inputs(n, len(act.inputs), np.float32)
    expected = f(*arrays)

    def beside(a: Any, offset: int) -> Any:
        whole = cuda.to_device(np.full(n + 8, 7.0, np.float32))
        skipped = -whole.ctypes.data % 16 // 4 + offset
        whole[skipped : skipped + n] = a
        return whole, whole[skipped : skipped + n]

    placed = [beside(a, offsets[0])[1] for a in arrays]
    whole, out = beside(np.zeros(n, np.float32), offsets[1])
    f(*placed, out=out)
    found = _compare(f"{act.name} forward at {offsets}", out.copy_to_host(), expected, "float64")
    if int((np.asarray(whole.copy_to_host()) == 7.0).sum()) < 8:
        found.append(f"{act.name} forward at {offsets}: writes beside the result")
    return found


def _run_rows_beside(module: Any, act: Activation) -> list[str]:
    """f of rows that begin one element after a whole vector."""
    from numba import cuda

    f, n = getattr(module, act.name), 8 * module._MOST["float32"]
    x = _inputs(n + 1, 1, np.float32)[0]
    x[: len(SPECIAL)] = 1.5
    whole = cuda.to_device(x)
    return _compare(
        f"{act.name} forward beside", f(whole[1:], axis=0), f(x[1:].copy(), axis=0), "float64"
    )


def _run_strided(module: Any, act: Activation, label: str, given: View, into: View) -> list[str]:
    """f of views of larger arrays, into one."""
    from numba.cuda.simulator.cudadrv.devicearray import FakeCUDAArray

    f, shape = getattr(module, act.name), (2, 3, 24)
    arrays = [a.reshape(shape) for a in _inputs(math.prod(shape), len(act.inputs), np.float32)]
    expected = f(*(np.ascontiguousarray(given(a)) for a in arrays))
    whole = np.full(shape, 7.0, np.float32)
    out = into(whole)
    f(*(FakeCUDAArray(given(a)) for a in arrays), out=FakeCUDAArray(out))
    found = _compare(f"{act.name} forward, {label}", out, expected, "float64")
    if int((whole == 7.0).sum()) < whole.size - out.size:
        found.append(f"{act.name} forward, {label}: writes beside the result")
    return found


def _inputs(n: int, count: int, dtype: Any) -> list[Any]:
    rng = np.random.default_rng(n)
    arrays = [rng.normal(0, 3, n) for _ in range(count)]
    if n > len(SPECIAL):
        arrays[0][: len(SPECIAL)] = SPECIAL
    with np.errstate(over="ignore"):
        return [a.astype(dtype) for a in arrays]


def _run_one(module: Any, act: Activation, f: Function, dtype: str, n: int) -> list[str]:
    fmt = FORMATS[dtype]
    if act.is_row:
        function, shapes = _function(module, act, f), _shapes(module)
        some = shapes if (dtype, f.name) == ("float32", "forward") else shapes[:FEW]
        return [problem for s in some for problem in _run_rows(function, act, f, dtype, *s)]
    arrays = _inputs(n, len(act.inputs), fmt.dtype)
    return _run_at(module, act, f, dtype, arrays, f"{act.name} {f.name} {dtype} n={n}")


def _run_at(
    module: Any, act: Activation, f: Function, dtype: str, arrays: Sequence[Any], label: str
) -> list[str]:
    """A function of arrays against its program."""
    given = dict(zip(f.program.inputs, arrays, strict=True))
    given |= {p.name: model.constant(p.value) for p in act.parameters}
    expected = model.evaluate(device_program(f, FORMATS[dtype]), given, FORMATS[dtype])[0]
    return _compare(label, _function(module, act, f)(*arrays), expected, dtype)


def _function(module: Any, act: Activation, f: Function) -> Any:
    return getattr(module, act.name + ("" if f.name == "forward" else f"_{f.name}"))


#: The first of these shapes, for all functions and dtypes: one of each kind.
FEW = 3


def _shapes(module: Any) -> list[tuple[tuple[int, ...], int]]:
    """Shapes and axes: rows read once, often, and by a thread each; vectors of all sizes."""
    warp, most = module._WARP, module._MOST["float32"]
    once = [((3, lanes * (warp + 1)), 1) for lanes in (16, 8, 4, 2)]
    several = [((3, 16 * (most + 1)), 1), ((2, most + 7, 3), 1), ((3, most + 7), 1)]
    alone = [((4, most + 7, 3), 1), ((3, warp), 1), ((3, 1), 1)]
    full = [((3, 16 * most), 1), ((2, warp + 1, 3), 1)]
    return [once[0], several[0], alone[0], *once[1:], *several[1:], *alone[1:], *full]


def _run_rows(
    function: Any, act: Activation, f: Function, dtype: str, shape: tuple[int, ...], axis: int
) -> list[str]:
    """A row function of arrays, along an axis."""
    fmt, rng = FORMATS[dtype], np.random.default_rng(shape[axis])
    single = shape[:axis] + shape[axis + 1 :]
    shapes = [shape] * len(f.program.inputs)
    if act.reduces and f.name == "vjp":
        shapes[-1] = single
    arrays = [rng.normal(0, 3, s).astype(fmt.dtype) for s in shapes]
    if f.name == "forward":
        arrays[0].flat[0], arrays[0].flat[-1] = math.nan, math.inf
    one = act.reduces and f.name in ("forward", "jvp")
    expected = np.empty(single if one else shape, fmt.dtype)
    for i in np.ndindex(single):
        at = (*i[:axis], slice(None), *i[axis:])
        rows = [a[at] if a.shape == shape else a[i][None] for a in arrays]
        value = model.evaluate_row(device_program(f, fmt), rows, fmt)
        expected[i if one else at] = value[0] if one else value
    label = f"{act.name} {f.name} {dtype} rows of {shape[axis]}"
    return _compare(label, function(*arrays, axis=axis), expected, dtype)


def _sums(module: Any, act: Activation, name: str) -> list[str]:
    """A parameter's cotangent, for one value and for one a channel, against a plain sum."""
    rng = np.random.default_rng(5)
    x = rng.normal(0, 2, (8, 3, 10)).astype(np.float32)
    dy = rng.normal(0, 1, x.shape).astype(np.float32)
    p = act.parameter(name)
    if not p.value.is_finite or act.is_gated:
        return []
    terms = dy * np.asarray(getattr(module, f"{act.name}_grad_{name}")(x), np.float32)
    total = getattr(module, f"{act.name}_vjp_{name}")
    found = _compare(f"{act.name} vjp_{name}", total(x, dy), np.sum(terms), "float16")
    each = {name: np.full(3, model.constant(p.value), np.float32)}
    return found + _compare(
        f"{act.name} vjp_{name} a channel", total(x, dy, **each), terms.sum((0, 2)), "float16"
    )


#: How far two float32 evaluations of one program may differ, relative to the greater of 1 and
#: the value; indexing errors are of order 1.
_NEAR = {"float64": 1e-11, "float32": 2e-5, "float16": 4e-3, "bfloat16": 3e-2}


def _compare(label: str, got: Any, expected: Any, dtype: str) -> list[str]:
    a, b = np.asarray(got, np.float64), np.asarray(expected, np.float64)
    if a.shape != b.shape:
        return [f"{label}: shape {a.shape}, expected {b.shape}"]
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    near = np.abs(a - b) <= _NEAR[dtype] * np.maximum(1.0, np.abs(b))
    wrong = np.flatnonzero(~np.ravel(same | (near & np.isfinite(b))))
    if not wrong.size:
        return []
    i = wrong[0]
    return [f"{label}: element {i} is {np.ravel(a)[i]!r}, the program gives {np.ravel(b)[i]!r}"]


def main(arguments: list[str]) -> None:
    """Print the problems of each named activation as one line of JSON."""
    mode, *names = arguments
    simulate = os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"
    if file := os.environ.get(COMPILED):
        remember(pickle.loads(Path(file).read_bytes()))
    if mode == "ptx":
        pretend_device()
    found = {
        n: ptx_problems(load(n)) if mode == "ptx" else run_problems(load(n), simulate)
        for n in names
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
