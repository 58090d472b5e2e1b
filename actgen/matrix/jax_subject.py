"""A generated JAX file as the checks of the matrix call it, and how they compare results."""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import model
from ..checks import ordinary
from ..compiler import compile
from ..spec import Activation

#: Results of the same closed forms, put together in another order.
CLOSE = 2e-5


@dataclass(frozen=True)
class Subject:
    """A generated file and how it is called: `f(*arrays)`, at the parameters' defaults.

    `arrays` are float32 inputs of shape (2, 5), rows along the last axis. `options` are the
    keywords of every call, `values` the parameters that can be differentiated.
    """

    activation: Activation
    module: Any
    arrays: tuple[Any, ...]
    options: dict[str, Any]
    values: dict[str, float]

    def function(self, suffix: str = "") -> Callable[..., Any]:
        """A function of the file, with its keywords."""
        named: Callable[..., Any] = getattr(self.module, self.activation.name + suffix)
        return functools.partial(named, **self.options) if self.options else named

    @property
    def f(self) -> Callable[..., Any]:
        """The activation itself."""
        return self.function()

    @property
    def one(self) -> Callable[[Any], Any]:
        """The activation as a function of its first input, the others held."""
        f, others = self.f, self.arrays[1:]
        if not others:
            return f
        return lambda x: f(x, *(o if x.ndim == o.ndim else o.ravel()[0] for o in others))

    @property
    def x(self) -> Any:
        """The first input."""
        return self.arrays[0]

    def total(self, *arrays: Any) -> Any:
        """A number to differentiate: each result with a weight of its own."""
        import jax.numpy as jnp

        y = self.f(*arrays)
        return jnp.sum(y * weights(y))


def subject(act: Activation) -> Subject:
    """The activation for the checks of CHECKS; BackendUnavailable where jax is not installed."""
    if "jax" not in sys.modules:  # two devices to shard over, where nothing is running yet
        flags = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = f"{flags} --xla_force_host_platform_device_count=2".strip()
    module = compile(act, "jax").module
    points = np.resize(np.array(ordinary(act)), 10).reshape(2, 5)
    others = [0.6 * points + 0.11] * (len(act.inputs) - 1)
    arrays = tuple(array(a, np.float32) for a in (points, *others))
    values = {p.name: model.constant(p.value) for p in act.parameters if p.value.is_finite}
    return Subject(act, module, arrays, {"axis": -1} if act.is_row else {}, values)


def array(values: Any, dtype: Any) -> Any:
    import jax.numpy as jnp

    return jnp.asarray(np.asarray(values, dtype))


def weights(y: Any) -> Any:
    """A different weight for each entry, in the dtype of y."""
    import jax.numpy as jnp

    return jnp.cos(jnp.arange(y.size, dtype=jnp.float32)).reshape(y.shape).astype(y.dtype)


def same(expected: Any, got: Any, tolerance: float = CLOSE) -> None:
    """Raise AssertionError unless trees of arrays agree, relative to the greater of 1 and them."""
    import jax

    leaves = jax.tree.leaves(expected), jax.tree.leaves(got)
    assert len(leaves[0]) == len(leaves[1]), f"expected {leaves[0]}, got {leaves[1]}"
    for a, b in zip(*leaves, strict=True):
        assert a.dtype == b.dtype, f"expected {a.dtype}, got {b.dtype}"
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        assert a.shape == b.shape, f"expected shape {a.shape}, got {b.shape}"
        apart = np.abs(a - b) <= tolerance * np.maximum(1.0, np.abs(a))
        assert np.all(apart | (a == b)), f"expected {a}, got {b}"


@contextlib.contextmanager
def in_float64(s: Subject) -> Iterator[Subject]:
    """The same in float64, with that switched on."""
    import jax

    home: Any = jax if hasattr(jax, "enable_x64") else importlib.import_module("jax.experimental")
    with home.enable_x64(True):
        arrays = tuple(array(a, np.float64) for a in s.arrays)
        yield Subject(s.activation, s.module, arrays, s.options, s.values)
