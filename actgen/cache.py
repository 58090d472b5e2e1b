"""What was compiled before, on disk, by content: the activation and the compiler's own sources.

The folder is $ACTGEN_CACHE, else $XDG_CACHE_HOME/actgen, else ~/.cache/actgen; an empty
ACTGEN_CACHE turns it off. Nothing else reads it, and it may be deleted at any time.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.resources
import os
import pickle
import re
import tempfile
from pathlib import Path
from typing import Any

import flint
import numpy
import sympy


def folder() -> Path | None:
    """Where results are kept; None where they are not."""
    given = os.environ.get("ACTGEN_CACHE")
    if given is not None:
        return Path(given) if given else None
    base = os.environ.get("XDG_CACHE_HOME")
    return Path(base) / "actgen" if base else Path.home() / ".cache" / "actgen"


@functools.cache
def _sources() -> str:
    """A digest of the modules that decide on programs, and of versions of what they stand on."""
    digest = hashlib.sha256()
    for module in (sympy, numpy, flint):
        digest.update(module.__version__.encode())
    for path in modules():
        digest.update(path.read_bytes())
    return digest.hexdigest()


def modules() -> list[Path]:
    """The compiler, and all that choosing a program imports."""
    here = Path(__file__).parent
    found = {here / "compiler.py"}
    pending = ["stabilise", "rows", "row_halves", "compiled", "ties", "outputs"]
    while pending:
        path = here / f"{pending.pop()}.py"
        if path.is_file() and path not in found:
            found.add(path)
            for module, names in re.findall(r"^from \.(\w*) import (.*)", path.read_text(), re.M):
                pending += [module] if module else re.findall(r"\w+", names)
    return sorted(found)


@functools.cache
def package() -> str:
    """A digest of the whole package, its templates, and the versions of what it stands on."""
    digest = hashlib.sha256(_sources().encode())
    for root in ("actgen", "actgen.templates"):
        pending = [importlib.resources.files(root)]
        while pending:
            for entry in sorted(pending.pop().iterdir(), key=lambda e: e.name):
                if entry.is_dir() and entry.name != "__pycache__":
                    pending.append(entry)
                elif entry.name.endswith((".py", ".jinja")):
                    digest.update(entry.name.encode() + entry.read_bytes())
    return digest.hexdigest()


def key(*parts: Any) -> str:
    """The name under which something is kept."""
    text = "\n".join([_sources(), *map(repr, parts)])
    return hashlib.sha256(text.encode()).hexdigest()


def get(name: str) -> Any | None:
    """What was kept under that key; None where nothing was, or what is there is damaged."""
    place = folder()
    if place is None:
        return None
    try:
        return pickle.loads((place / name).read_bytes())
    except Exception:  # a damaged file may raise anything; it is made anew
        return None


def put(name: str, value: Any) -> None:
    """Keep a value; a full or read-only disk is no error."""
    _write(name, pickle.dumps(value))


def text(name: str, source: str) -> Path | None:
    """A file with that text, whose name says what is in it; None where there is no place for it."""
    place = folder()
    if place is None:
        return None
    path = place / "kernels" / name
    return path if path.is_file() or _write(f"kernels/{name}", source.encode()) else None


def _write(name: str, content: bytes) -> bool:
    """Whether a file is there now: whole, as readers see it, or not at all."""
    place = folder()
    if place is None:
        return False
    try:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=place)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(temporary, place / name)
    except OSError:
        return False
    return True
