"""Models of flax with an activation in them: the loss falls, as with the function of jax.nn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..accuracy import FORMATS
from ..peers import LIBRARIES
from ..spec import Activation
from .check import Check
from .jax_subject import Subject


def _train(apply: Callable[[Any, Any], Any], start: Any) -> list[float]:
    """The losses of a few steps of Adam."""
    import jax
    import optax

    x = jax.random.normal(jax.random.key(0), (16, 8))
    wanted = x.sum(-1, keepdims=True) ** 2 / 8

    def loss(parameters: Any) -> Any:
        return ((apply(parameters, x) - wanted) ** 2).mean()

    optimiser = optax.adam(0.02)

    def step(parameters: Any, state: Any) -> Any:
        value, slopes = jax.value_and_grad(loss)(parameters)
        change, state = optimiser.update(slopes, state)
        return optax.apply_updates(parameters, change), state, value

    parameters, state, losses = start, optimiser.init(start), []
    compiled = jax.jit(step)
    for _ in range(20):
        parameters, state, value = compiled(parameters, state)
        losses.append(float(value))
    return losses


def _learns(s: Subject, losses: Callable[[Callable[[Any], Any]], list[float]]) -> None:
    """The loss falls, and does so as with the function of jax.nn where there is one."""

    def hidden(h: Any) -> Any:
        return s.f(*([h] * len(s.arrays)))

    ours = losses(hidden)
    assert np.isfinite(ours).all() and ours[-1] < ours[0], f"losses {ours}"
    act = s.activation
    if "jax" in act.peers and not act.is_gated:
        theirs = losses(LIBRARIES["jax"].function(act, FORMATS["float32"]))
        assert np.allclose(ours, theirs, rtol=1e-3), f"losses {ours}; jax.nn has {theirs}"


def _linen(s: Subject) -> None:
    """A small flax.linen model learns as with the built-in."""
    import jax
    from flax import linen

    def losses(hidden: Callable[[Any], Any]) -> list[float]:
        class Model(linen.Module):  # type: ignore[misc]
            @linen.compact  # type: ignore[untyped-decorator]
            def __call__(self, x: Any) -> Any:
                h = hidden(linen.Dense(32)(x))
                return linen.Dense(1)(h if h.ndim == x.ndim else h[..., None])

        made = Model()
        start = made.init(jax.random.key(1), jax.numpy.zeros((1, 8)))
        return _train(made.apply, start)

    _learns(s, losses)


def _nnx(s: Subject) -> None:
    """A small flax.nnx model learns as with the built-in."""
    from flax import nnx

    reduces = s.activation.reduces

    def losses(hidden: Callable[[Any], Any]) -> list[float]:
        class Model(nnx.Module):  # type: ignore[misc]
            def __init__(self) -> None:
                rngs = nnx.Rngs(1)
                self.first = nnx.Linear(8, 32, rngs=rngs)
                self.last = nnx.Linear(1 if reduces else 32, 1, rngs=rngs)

            def __call__(self, x: Any) -> Any:
                h = hidden(self.first(x))
                return self.last(h[..., None] if reduces else h)

        graph, start = nnx.split(Model())
        return _train(lambda parameters, x: nnx.merge(graph, parameters)(x), start)

    _learns(s, losses)


def _smooth(act: Activation) -> bool:
    """Whether a step of training can be expected to help: not where f′ is 0 all over."""
    return bool(act.derivative() != 0)


MODELS = (
    Check("flax.linen", "models", _linen, heavy=True, applies=_smooth),
    Check("flax.nnx", "models", _nnx, heavy=True, applies=_smooth),
)
