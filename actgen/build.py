"""Writing generated/: all of it or nothing, and checking what is there."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from . import backends, cache, dropin, registry
from .accuracy import Measurement
from .compiler import compile_activation, is_here, remember, source
from .contract import breaches
from .errors import ContractError, FormulaError
from .formula import CONDITIONS, CONSTANTS, FUNCTIONS
from .project import cores, project_root, replace_tree
from .spec import Activation, check_identifier

INIT = '"""Standalone implementations, one file an activation. Written by actgen; do not edit."""\n'
ACCURACY = "accuracy.json"

Progress = Callable[[str], None]


def folder() -> Path:
    """Where generated files go."""
    return project_root() / "generated"


def own_names() -> list[str]:
    """The activations that this project's specs/ declares."""
    own = project_root() / "specs"
    return [n for n in registry.names() if (own / Path(registry.spec_file(n)).name).is_file()]


def texts(
    names: Iterable[str], targets: Sequence[str], progress: Progress = lambda name: None
) -> dict[str, str]:
    """Relative path → text of the generated files."""
    names = list(names)
    keys = {
        (name, target): cache.key(
            "file", cache.package(), registry.load(name), registry.spec_file(name), target
        )
        for name in names
        for target in targets
    }
    kept = {pair: cache.get(key) for pair, key in keys.items()}
    fresh = [n for n in names if any(not isinstance(kept[n, t], str) for t in targets)]
    if len(fresh) > 1:
        _compile_all(fresh, progress)
    files = {f"{target}/__init__.py": INIT for target in targets}
    for name in names:
        if len(fresh) <= 1 or name not in fresh:
            progress(name)
        for target in targets:
            text = kept[name, target]
            if not isinstance(text, str):
                text = source(name, target)
                cache.put(keys[name, target], text)
            files[f"{target}/{name}.py"] = text
    return files | _namespaces(files, targets)


def _namespaces(files: dict[str, str], targets: Sequence[str]) -> dict[str, str]:
    """Files over all activations of the project, where each has its own file by then."""
    acts = [registry.load(n) for n in own_names()]
    found: dict[str, str] = {}
    for target in targets:
        paths = [f"{target}/{act.name}.py" for act in acts]
        if all(p in files or (folder() / p).is_file() for p in paths):
            found |= {f"{target}/{name}": text for name, text in dropin.files(target, acts).items()}
    return found


def _compile_all(names: list[str], progress: Progress) -> None:
    """Compile activations on all cores; each is then remembered here."""
    acts = [registry.load(n) for n in names]
    with ProcessPoolExecutor(cores(len(acts)), mp_context=get_context("spawn")) as pool:
        for act, compiled in zip(acts, pool.map(compile_activation, acts), strict=True):
            remember(compiled)
            progress(act.name)


def _resolve(names: Sequence[str], targets: Sequence[str]) -> tuple[list[str], list[str]]:
    chosen = [registry.load(n).name for n in names] if names else own_names()
    for target in targets:
        backends.get(target)
    return chosen, list(targets) or list(backends.NAMES)


def build(
    names: Sequence[str] = (),
    targets: Sequence[str] = (),
    progress: Progress = lambda name: None,
    over_contract: bool = False,
) -> list[str]:
    """Write the generated files of activations (all by default); the paths that changed.

    A full build also removes files that no spec accounts for. Nothing is written unless
    everything could be generated, within the contract if `over_contract` does not say otherwise
    (ContractError); a build that is killed leaves generated/ as it was.
    """
    chosen, kinds = _resolve(names, targets)
    files = texts(chosen, kinds, progress)
    if not over_contract:
        hold(map(registry.load, chosen))
    stale = frozenset() if names else frozenset(_unaccounted(files, kinds))
    return replace_tree(folder(), files, stale)


def hold(acts: Iterable[Activation]) -> None:
    """Raise ContractError, with the worst input, where a function is over the contract."""
    found = [line for act in acts for line in _over(act)]
    if found:
        lines = "\n  ".join(found)
        cure = "write the formula another way, or add --over-contract to have the files anyway"
        raise ContractError(
            f"over the accuracy contract; nothing was written:\n  {lines}\n  {cure}"
        )


def _over(act: Activation) -> list[str]:
    """Its functions that are over the contract, each with its worst input."""
    key, here = cache.key("over the contract", act), is_here(act)
    found = None if here else cache.get(key)
    if not isinstance(found, list):
        found = [
            f"{act.name} {f.name}: {f.choice.worst}"
            for f in compile_activation(act).functions.values()
            if f.choice is not None and not f.choice.held
        ]
        if not here:
            cache.put(key, found)
    return found


def _unaccounted(files: dict[str, str], kinds: Sequence[str]) -> list[str]:
    found = (p for kind in kinds for p in sorted((folder() / kind).glob("*.py")))
    return [name for p in found if (name := str(p.relative_to(folder()))) not in files]


def check(
    names: Sequence[str] = (), targets: Sequence[str] = (), progress: Progress = lambda name: None
) -> list[str]:
    """What differs between generated/ and what a build would write, a line a file."""
    chosen, kinds = _resolve(names, targets)
    files = texts(chosen, kinds, progress)
    found = []
    for name, text in sorted(files.items()):
        path = folder() / name
        if not path.is_file():
            found.append(f"missing: generated/{name}")
        elif path.read_text(encoding="utf-8") != text:
            found.append(f"edited or out of date: generated/{name}")
    if not names:
        found += [f"of no spec: generated/{name}" for name in _unaccounted(files, kinds)]
        found += _uncovered(chosen, kinds)
    return found


def _uncovered(chosen: Iterable[str], kinds: Iterable[str]) -> list[str]:
    """Kernels that accuracy.json says nothing about, or nothing good."""
    path = folder() / ACCURACY
    if not path.is_file():
        return [f"missing: generated/{ACCURACY}; `actgen verify --record` writes it"]
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["measurements"]
    measured = {(r["activation"], r["backend"], r["function"]): r for r in rows}
    found = []
    for name in chosen:
        for kind in kinds:
            for function in compile_activation(registry.load(name)).functions:
                if (name, kind, function) not in measured:
                    found.append(
                        f"not measured: {name} {function} on {kind} in generated/{ACCURACY}"
                    )
    return found + [f"over its contract: {b}" for b in breaches(map(Measurement.from_dict, rows))]


def free_name(name: str) -> None:
    """Raise FormulaError unless `name` may be given to a new activation."""
    check_identifier(name, "name")
    if name in registry.declared() or name in registry.aliases():
        owner = registry.load(name)
        raise FormulaError(
            f"name {name!r} is taken: it is declared in {registry.spec_file(owner.name)}",
            cure=f"choose another, for example {'my_' + name!r}",
        )
    if name in FUNCTIONS or name in CONDITIONS or name in CONSTANTS or name == "Piecewise":
        raise FormulaError(
            f"name {name!r} is a function of formulas",
            cure=f"choose another, for example {'my_' + name!r}",
        )
    if name in sys.stdlib_module_names or name in ("numpy", "torch", "numba", "jax"):
        raise FormulaError(
            f"name {name!r} is a Python module, which a file of that name would hide",
            cure=f"choose another, for example {'my_' + name!r}",
        )
    if (project_root() / "specs" / f"{name}.py").exists():
        raise FormulaError(f"specs/{name}.py exists already", cure="choose another name")
