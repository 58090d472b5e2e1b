"""What a GPU is told to do: a kernel's PTX as machine code, and what its loop takes an element."""

from __future__ import annotations

import functools
import importlib.util
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import BackendUnavailable

_LABEL = re.compile(r"^(\.L\w+):")
_INSTRUCTION = re.compile(r"^\s*/\*[0-9a-f]{4,}\*/\s+(?:@!?\w+\s+)?([A-Z][\w.]*)(.*)$")
_DOUBLE = re.compile(r"D(ADD|MUL|FMA|SETP|MNMX)|[FI]2F\S*\.F64|MUFU\.\w+64")
_BRANCH = re.compile(r"`\((\.L\w+)\)")


@dataclass(frozen=True)
class Figures:
    """Of one kernel: registers, and what its loop over vectors takes an element.

    `instructions` and `special` (exp2, log2, reciprocal, square root) are counted without the
    blocks that call a function, which are for rare inputs. `doubles` are instructions of float64
    in the whole kernel, `stack` those that use local memory; `vectors` is whether the loop reads
    and writes 16 bytes at a time.
    """

    registers: int
    instructions: float
    special: float
    doubles: int
    stack: int
    vectors: bool


def installed() -> bool:
    """Whether the linker and the disassembler are here."""
    found = importlib.util.find_spec("cuda") and importlib.util.find_spec("cuda.bindings")
    return bool(found) and None not in (_tool("nvdisasm"), _tool("cuobjdump"))


@functools.cache
def _tool(name: str) -> str | None:
    """A program of NVIDIA's, from its wheel or the path."""
    spec = importlib.util.find_spec("nvidia")
    for place in spec.submodule_search_locations or () if spec else ():
        for path in sorted(Path(place).glob(f"*/bin/{name}")):
            return str(path)
    return shutil.which(name)


def cubin(ptx: str, capability: tuple[int, int]) -> bytes:
    """Machine code of PTX."""
    link: Any = importlib.import_module("cuda.bindings.nvjitlink")
    handle = link.create(1, [f"-arch=sm_{capability[0]}{capability[1]}"])
    try:
        text = ptx.encode() + b"\0"
        link.add_data(handle, link.InputType.PTX, text, len(text), "kernel")
        link.complete(handle)
        code = bytearray(link.get_linked_cubin_size(handle))
        link.get_linked_cubin(handle, code)
    finally:
        link.destroy(handle)
    return bytes(code)


def _output(tool: str, *arguments: str) -> str:
    path = _tool(tool)
    if path is None:
        raise BackendUnavailable(f"{tool} is not installed: pip install nvidia-cuda-{tool}")
    done = subprocess.run([path, *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def figures(code: bytes, lanes: int) -> Figures:
    """The figures of the one kernel of machine code, `lanes` of whose numbers are a vector.

    BackendUnavailable where NVIDIA's nvdisasm or cuobjdump is not installed.
    """
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(code)
        file.flush()
        listing = _output("nvdisasm", file.name)
        usage = _output("cuobjdump", "-res-usage", file.name)
    return counted(listing, max(int(n) for n in re.findall(r"REG:(\d+)", usage)), lanes)


def counted(listing: str, registers: int, lanes: int) -> Figures:
    """The figures from nvdisasm's listing."""
    body = _kernel(listing)
    names = [name for name, _ in body if name]
    loop = _loop(body)
    stored = sum(name.startswith("STG.E.128") for name in loop)
    return Figures(
        registers,
        len(loop) / (stored * lanes) if stored else 0.0,
        sum(name.startswith("MUFU") for name in loop) / (stored * lanes) if stored else 0.0,
        sum(bool(_DOUBLE.match(name)) for name in names),
        sum(name.startswith(("LDL", "STL")) for name in names),
        bool(stored) and any(name.startswith("LDG.E.128") for name in loop),
    )


def _kernel(listing: str) -> list[tuple[str, str]]:
    """Labels ("", label) and instructions (name, arguments) of the entry, in order."""
    sections = re.split(r"^//-+ \.text\.", listing, flags=re.MULTILINE)[1:]
    [entry] = [s for s in sections if "STO_CUDA_ENTRY" in s]
    found = []
    for line in entry.splitlines():
        if label := _LABEL.match(line):
            found.append(("", label.group(1)))
        elif (instruction := _INSTRUCTION.match(line)) and instruction.group(1) != "NOP":
            found.append((instruction.group(1), instruction.group(2)))
    return found


def _loop(body: list[tuple[str, str]]) -> list[str]:
    """The instructions of the smallest loop that stores vectors, without blocks for rare inputs.

    One that loads them too, if there is one: blocks after the end of a loop jump back into it.
    """
    places = {label: i for i, (name, label) in enumerate(body) if not name}
    found: list[tuple[int, int]] = []
    for i, (name, arguments) in enumerate(body):
        target = _BRANCH.search(arguments) if name.startswith("BRA") else None
        if target and places.get(target.group(1), i) < i:
            start = places[target.group(1)]
            if any(n.startswith("STG.E.128") for n, _ in body[start:i]):
                found.append((start, i + 1))
    if not found:
        return []
    whole = [
        (start, end)
        for start, end in found
        if any(n.startswith("LDG.E.128") for n, _ in body[start:end])
    ]
    start, end = min(whole or found, key=lambda span: span[1] - span[0])
    blocks: list[list[str]] = [[]]
    for name, _ in body[start:end]:
        if name:
            blocks[-1].append(name)
        if not name or name.startswith(("BRA", "EXIT", "RET")):
            blocks.append([])
    return [
        name for block in blocks if not any(n.startswith("CALL") for n in block) for name in block
    ]
