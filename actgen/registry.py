"""The activations that specs/ declares, by name and alias."""

from __future__ import annotations

import difflib
import functools
import importlib
import importlib.util
import pkgutil
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from . import specs  # type: ignore[attr-defined]  # lies at the top of the project
from .errors import FormulaError, FormulaWarning
from .project import project_root
from .spec import Activation


def _modules() -> Iterator[tuple[ModuleType, str]]:
    for info in sorted(pkgutil.iter_modules(specs.__path__), key=lambda i: i.name):
        file = f"specs/{info.name}.py"
        with _told(file):
            yield importlib.import_module(f"{specs.__name__}.{info.name}"), file
    own = project_root() / "specs"
    if own.is_dir() and not any(own.samefile(p) for p in specs.__path__ if Path(p).is_dir()):
        for path in sorted(own.glob("*.py")):
            if path.stem != "__init__":
                with _told(f"specs/{path.name}"):
                    yield _from_file(path), f"specs/{path.name}"


@contextmanager
def _told(file: str) -> Iterator[None]:
    """A mistake in a spec file told as one of its author's, with the line."""
    try:
        yield
    except (FormulaError, GeneratorExit):
        raise
    except Exception as mistake:
        lines = [
            f.lineno
            for f in traceback.extract_tb(mistake.__traceback__)
            if f.filename.endswith(file)
        ]
        where = f"{file}, line {lines[-1] if lines else getattr(mistake, 'lineno', '?')}"
        raise FormulaError(
            f"{where}: {type(mistake).__name__}: {mistake}", cure="correct the spec file"
        ) from mistake


def _from_file(path: Path) -> ModuleType:
    """A spec file of the user's own project."""
    spec = importlib.util.spec_from_file_location(f"_actgen_specs_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def declared() -> dict[str, tuple[Activation, str]]:
    """Every activation by name, with the spec file that declares it; FormulaError on a clash."""
    found: dict[str, tuple[Activation, str]] = {}
    names: dict[str, str] = {}
    with warnings.catch_warnings():
        # Its author was warned when it was declared.
        warnings.simplefilter("ignore", FormulaWarning)
        modules = list(_modules())
    for module, file in modules:
        for act in vars(module).values():
            if not isinstance(act, Activation):
                continue
            if act.name in found and found[act.name][0] is act:
                continue
            for name in (act.name, *act.aliases):
                if name in names:
                    raise FormulaError(f"{file}: {name!r} is already declared in {names[name]}")
                names[name] = file
            found[act.name] = (act, file)
    return dict(sorted(found.items()))


def forget() -> None:
    """Read specs/ again at the next look-up (a spec was added)."""
    declared.cache_clear()


def aliases() -> dict[str, str]:
    """Alias → name."""
    return {alias: name for name, (act, _) in declared().items() for alias in act.aliases}


def names() -> list[str]:
    """The names of all activations, sorted."""
    return list(declared())


def load(name: str) -> Activation:
    """The built-in or project activation of that name or alias; FormulaError if there is none."""
    resolved = aliases().get(name, name)
    if resolved not in declared():
        close = difflib.get_close_matches(str(name), [*declared(), *aliases()], 3, 0.5)
        hint = f"did you mean {' or '.join(close)}?" if close else "`actgen list` prints them all"
        raise FormulaError(f"no activation is called {str(name)[:60]!r}", cure=hint)
    return declared()[resolved][0]


def spec_file(name: str) -> str:
    """The file that declares an activation, relative to the project."""
    return declared()[name][1]
