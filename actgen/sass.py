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
from typing import Any, NamedTuple

from .errors import BackendUnavailable

_LABEL = re.compile(r"^(\.L\w+):")
_INSTRUCTION = re.compile(r"^\s*/\*[0-9a-f]{4,}\*/\s+(?:(@!?\w+)\s+)?([A-Z][\w.]*)(.*)$")
_DOUBLE = re.compile(r"D(ADD|MUL|FMA|SETP|MNMX)|[FI]2F\S*\.F64|MUFU\.\w+64")
_BRANCH = re.compile(r"`\((\.L\w+)\)")


@dataclass(frozen=True)
class Figures:
    """Of one kernel: registers, and what its loop over vectors takes an element.

    `instructions`, `special` (exp2, log2, reciprocal, square root) and `rows` (16 bytes read from
    shared memory) are counted without the blocks for rare inputs. `doubles` are instructions of
    float64 in the whole kernel, `stack` those that use local memory; `vectors` is whether the loop
    reads and writes 16 bytes at a time.
    """

    registers: int
    instructions: float
    special: float
    rows: float
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
    names = [line.name for line in body if line.name]
    loop = _loop(body)
    stored = sum(name.startswith(STORE) for name in loop)
    each = 1.0 / (stored * lanes) if stored else 0.0
    return Figures(
        registers,
        len(loop) * each,
        sum(name.startswith("MUFU") for name in loop) * each,
        sum(name.startswith("LDS.128") for name in loop) * each,
        sum(bool(_DOUBLE.match(name)) for name in names),
        sum(name.startswith(("LDL", "STL")) for name in names),
        bool(stored) and any(name.startswith(LOAD) for name in loop),
    )


LOAD, STORE = "LDG.E.128", "STG.E.128"


class _Line(NamedTuple):
    """An instruction with its condition and arguments; or, without a name, a label."""

    condition: str
    name: str
    arguments: str

    @property
    def target(self) -> str:
        """The label it jumps to, if it is a jump."""
        found = _BRANCH.search(self.arguments) if self.name.startswith("BRA") else None
        return found.group(1) if found else ""

    @property
    def is_final(self) -> bool:
        """Whether what follows is not run after it: BRA.DIV is for lanes that are apart."""
        always = self.name == "BRA" and self.arguments.lstrip().startswith("`(")
        return not self.condition and (always or self.name.startswith(("EXIT", "RET")))


def _kernel(listing: str) -> list[_Line]:
    """The lines of the entry, in order."""
    sections = re.split(r"^//-+ \.text\.", listing, flags=re.MULTILINE)[1:]
    [entry] = [s for s in sections if "STO_CUDA_ENTRY" in s]
    found = []
    for line in entry.splitlines():
        if label := _LABEL.match(line):
            found.append(_Line("", "", label.group(1)))
        elif (instruction := _INSTRUCTION.match(line)) and instruction.group(2) != "NOP":
            found.append(_Line(*(part or "" for part in instruction.groups())))
    return found


def _loop(body: list[_Line]) -> list[str]:
    """The instructions of the smallest loop that stores vectors, without blocks for rare inputs.

    One that loads them too, if there is one: blocks after the end of a loop jump back into it.
    Rare is what calls a function, and what is neither on the way to the store nor after it.
    """
    places = {line.arguments: i for i, line in enumerate(body) if not line.name}
    found: list[tuple[int, int]] = []
    for i, line in enumerate(body):
        start = places.get(line.target, i)
        if start < i and any(other.name.startswith(STORE) for other in body[start:i]):
            found.append((start, i + 1))
    if not found:
        return []
    whole = [
        (start, end)
        for start, end in found
        if any(line.name.startswith(LOAD) for line in body[start:end])
    ]
    start, end = min(whole or found, key=lambda span: span[1] - span[0])
    blocks = [b for b in _blocks(body[start:end]) if b]
    on_the_way = _on_the_way(blocks)
    return [
        line.name
        for i, block in enumerate(blocks)
        if i in on_the_way and not any(line.name.startswith("CALL") for line in block)
        for line in block
        if line.name
    ]


def _blocks(lines: list[_Line]) -> list[list[_Line]]:
    """Lines that are run together, the labels before them among them."""
    blocks: list[list[_Line]] = [[]]
    for line in lines:
        if not line.name and any(other.name for other in blocks[-1]):
            blocks.append([])
        blocks[-1].append(line)
        if line.name.startswith(("BRA", "EXIT", "RET")):
            blocks.append([])
    return blocks


def _on_the_way(blocks: list[list[_Line]]) -> set[int]:
    """The blocks of a loop from which a store is reached, and those reached from one."""
    labels = {line.arguments: i for i, b in enumerate(blocks) for line in b if not line.name}
    stores = {i for i, b in enumerate(blocks) if any(o.name.startswith(STORE) for o in b)}
    after: dict[int, set[int]] = {}
    for i, block in enumerate(blocks):
        last = block[-1]
        jumps = {labels[last.target]} if last.target in labels else set()
        # A store and a jump under one condition: what is not stored goes on below.
        stored = {o.condition for o in block if o.name.startswith(STORE)}
        done = bool(last.condition) and stored == {last.condition}
        falls = not (last.is_final or done)
        after[i] = (jumps | ({i + 1} if falls else set())) - {0, len(blocks)}
    before = {i: {j for j, some in after.items() if i in some} for i in after}
    return _reached(stores, after) | _reached(stores, before)


def _reached(start: set[int], edges: dict[int, set[int]]) -> set[int]:
    """What is reached along edges, and where they start."""
    found, pending = set(start), list(start)
    while pending:
        new = edges[pending.pop()] - found
        found |= new
        pending += new
    return found
