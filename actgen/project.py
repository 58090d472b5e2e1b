"""Where the project lies, and writing to it so that nothing is ever left half done."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from .errors import BuildError

#: Staging folders carry this prefix; a build removes those of builds that were killed.
_STAGING = ".generated-"


def project_root() -> Path:
    """The folder that holds specs/ and generated/.

    ACTGEN_ROOT if set; else the checkout that actgen is installed from; else the current folder
    (for a project that uses an installed actgen).
    """
    if chosen := os.environ.get("ACTGEN_ROOT"):
        return Path(chosen).resolve()
    checkout = Path(__file__).resolve().parent.parent
    return checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()


def write_atomic(path: Path, text: str) -> bool:
    """Write a file whole or not at all; untouched where it already says so. True if it changed."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    return True


def replace_tree(
    folder: Path, files: Mapping[str, str], remove: frozenset[str] = frozenset()
) -> list[str]:
    """Bring `folder` to hold `files` (relative path → text) in one step; what changed.

    Other files stay as they are. The new tree is staged beside the old one and the two are
    exchanged, so a build killed at any moment leaves the old tree or the new one.
    """
    _remove_stale(folder)
    old = {str(p.relative_to(folder)): p for p in _files(folder)}
    changed = [
        name
        for name, text in files.items()
        if name not in old or old[name].read_text(encoding="utf-8") != text
    ] + [name for name in remove if name in old]
    if not changed:
        return []
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        staging = Path(tempfile.mkdtemp(dir=folder.parent, prefix=_STAGING))
    except OSError as problem:
        raise BuildError(f"cannot write beside {folder}: {problem.strerror}") from problem
    try:
        for name, path in old.items():
            if name not in remove and name not in changed:
                target = staging / name
                target.parent.mkdir(parents=True, exist_ok=True)
                _link(path, target)
        for name in changed:
            if name in files:
                write_atomic(staging / name, files[name])
        os.chmod(staging, 0o755)
        _exchange(staging, folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return changed


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


def _link(source: Path, target: Path) -> None:
    """The unchanged file under its new folder, with its time stamps."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _remove_stale(folder: Path) -> None:
    for path in folder.parent.glob(f"{_STAGING}*") if folder.parent.is_dir() else ():
        shutil.rmtree(path, ignore_errors=True)


def _exchange(staging: Path, folder: Path) -> None:
    """Swap two folders atomically where the system can; by two renames elsewhere."""
    if not folder.exists():
        os.rename(staging, folder)
        return
    with contextlib.suppress(AttributeError, OSError):
        libc = ctypes.CDLL(None, use_errno=True)
        at_cwd, exchange = -100, 2
        if libc.renameat2(at_cwd, os.fsencode(staging), at_cwd, os.fsencode(folder), exchange) == 0:
            return
        if ctypes.get_errno() not in (errno.EINVAL, errno.ENOSYS, errno.EXDEV):
            raise BuildError(f"cannot replace {folder}: {os.strerror(ctypes.get_errno())}")
    aside = staging.with_name(staging.name + "-old")
    os.rename(folder, aside)
    os.rename(staging, folder)
    shutil.rmtree(aside, ignore_errors=True)


def cores(pieces: int) -> int:
    """How many processes to use for so many pieces of work."""
    return min(len(os.sched_getaffinity(0)), 8, max(1, pieces))
