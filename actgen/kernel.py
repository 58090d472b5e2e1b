"""A generated file, loaded: forward, derivative, second_derivative, gradient, vjp and jvp."""

from __future__ import annotations

import hashlib
import importlib.util
import linecache
import sys
from types import ModuleType
from typing import Any

from . import backends, cache
from .errors import BackendUnavailable, FormulaError
from .spec import Activation


def load_source(name: str, source: str, kept: bool = False) -> ModuleType:
    """A module from its text; tracebacks and inspect can see the lines.

    `kept`: in a file of the cache, so that what is compiled of it is kept beside it.
    """
    digest = hashlib.sha256(source.encode()).hexdigest()[:12]
    module = ModuleType(f"_actgen_{name}_{digest}")
    path = cache.text(f"{name}_{digest}.py", source) if kept else None
    file = str(path) if path else f"<actgen {name} {digest}>"
    module.__file__ = file
    if path is None:
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    sys.modules[module.__name__] = module
    exec(compile(source, file, "exec"), module.__dict__)
    return module


class Kernel:
    """The functions of one activation on one backend.

    `source` is the text of the standalone file; `module` what it defines. Arrays are the
    backend's: NumPy arrays, torch tensors, device arrays. Parameters are keyword arguments.
    """

    def __init__(self, activation: Activation, backend: str, source: str) -> None:
        self.activation, self.backend, self.source = activation, backend, source
        self._module: ModuleType | None = None

    @property
    def module(self) -> ModuleType:
        """The generated module; BackendUnavailable where its packages are not installed."""
        if self._module is None:
            target = backends.get(self.backend)
            for package in target.packages:
                try:
                    missing = importlib.util.find_spec(package) is None
                except ModuleNotFoundError:
                    missing = True
                if missing:
                    raise BackendUnavailable(
                        f"backend {self.backend!r} needs {package!r}, which is not installed\n"
                        f"  pip install 'actgen[{target.extra}]'"
                    )
            self._module = load_source(
                f"{self.activation.name}_{self.backend}", self.source, target.compiles
            )
        return self._module

    def _call(self, suffix: str, *arrays: Any, **options: Any) -> Any:
        return getattr(self.module, self.activation.name + suffix)(*arrays, **options)

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """f."""
        return self._call("", *inputs, **options)

    __call__ = forward

    def derivative(self, *inputs: Any, **options: Any) -> Any:
        """f′; for gated functions a tuple of ∂f/∂x and ∂f/∂y; for rows the Jacobian's diagonal."""
        return self._call("_derivative", *inputs, **options)

    def value_and_derivative(self, *inputs: Any, **options: Any) -> tuple[Any, ...]:
        """f and f′, or f and its partial derivatives: in one pass where the backend has one."""
        if hasattr(self.module, f"{self.activation.name}_value_and_derivative"):
            found: tuple[Any, ...] = self._call("_value_and_derivative", *inputs, **options)
            return found
        slopes = self.derivative(*inputs, **options)
        several = slopes if isinstance(slopes, tuple) else (slopes,)
        return self.forward(*inputs, **options), *several

    def second_derivative(self, *inputs: Any, **options: Any) -> Any:
        """f″; for gated functions a tuple of ∂²f/∂x², ∂²f/∂x∂y, ∂²f/∂y²."""
        return self._call("_second_derivative", *inputs, **options)

    def gradient(self, *inputs_and_name: Any, **options: Any) -> Any:
        """∂f/∂parameter, elementwise: gradient(x, "alpha", …)."""
        *inputs, name = inputs_and_name
        self.activation.parameter(name)
        return self._call(f"_grad_{name}", *inputs, **options)

    def vjp(self, *inputs_and_dy: Any, **options: Any) -> Any:
        """The cotangents of the inputs: vjp(x, dy); a tuple for gated functions: vjp(x, y, dy)."""
        return self._call("_vjp", *inputs_and_dy, **options)

    def vjp_parameter(self, *inputs_dy_name: Any, **options: Any) -> Any:
        """The cotangent of a parameter, summed to its shape: vjp_parameter(x, dy, "alpha", …)."""
        *inputs, name = inputs_dy_name
        self.activation.parameter(name)
        if self.activation.is_row:
            raise FormulaError(f"{self.activation.name} has no parameters")
        return self._call(f"_vjp_{name}", *inputs, **options)

    def jvp(self, *inputs_and_tangents: Any, **options: Any) -> Any:
        """The tangent of the output: jvp(x, dx); jvp(x, y, dx, dy) for gated functions."""
        return self._call("_jvp", *inputs_and_tangents, **options)

    def __repr__(self) -> str:
        return f"<{self.backend} kernel of {self.activation.name}>"
