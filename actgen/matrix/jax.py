"""JAX: every transformation, sharding, export, dtypes, and models of flax, on every activation."""

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
from .check import Check

#: Results of the same closed forms, put together in another order.
CLOSE = 2e-5
#: A slope by central differences in float64, against a derivative.
STEP, SLOPE = 1e-5, 1e-6


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
        named = getattr(self.module, self.activation.name + suffix)
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
    arrays = tuple(_array(a, np.float32) for a in (points, *others))
    values = {p.name: model.constant(p.value) for p in act.parameters if p.value.is_finite}
    return Subject(act, module, arrays, {"axis": -1} if act.is_row else {}, values)


def _array(values: Any, dtype: Any) -> Any:
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
def _float64(s: Subject) -> Iterator[Subject]:
    """The same in float64, with that switched on."""
    import jax

    home: Any = jax if hasattr(jax, "enable_x64") else importlib.import_module("jax.experimental")
    with home.enable_x64(True):
        arrays = tuple(_array(a, np.float64) for a in s.arrays)
        yield Subject(s.activation, s.module, arrays, s.options, s.values)


# Transformations.


def _jit(s: Subject) -> None:
    import jax

    same(s.f(*s.arrays), jax.jit(s.f)(*s.arrays), 0.0)


def _grad(s: Subject) -> None:
    import jax

    every = tuple(range(len(s.arrays)))
    y = s.f(*s.arrays)
    value, slopes = jax.value_and_grad(s.total, every)(*s.arrays)
    same(s.function("_vjp")(*s.arrays, weights(y)), slopes if len(every) > 1 else slopes[0])
    same(s.total(*s.arrays), value)
    same(slopes, jax.jit(jax.grad(s.total, every))(*s.arrays))


def _jvp(s: Subject) -> None:
    import jax

    tangents = tuple(map(weights, s.arrays))
    y, change = jax.jvp(s.f, s.arrays, tangents)
    same(s.f(*s.arrays), y)
    same(s.function("_jvp")(*s.arrays, *tangents), change)


def _vmap(s: Subject) -> None:
    import jax

    same(s.f(*s.arrays), jax.vmap(s.f)(*s.arrays))


def _vmap_grad(s: Subject) -> None:
    import jax

    each = jax.vmap(jax.grad(lambda *rows: s.f(*rows).sum()))(*s.arrays)
    same(jax.grad(lambda *rows: s.f(*rows).sum())(*s.arrays), each)


def _jacobians(s: Subject) -> None:
    import jax

    row = s.x[0]
    forwards = jax.jacfwd(s.one)(row)
    same(forwards, jax.jacrev(s.one)(row))
    if not s.activation.is_row and not s.activation.is_gated:
        same(np.asarray(np.diag(s.function("_derivative")(row))), forwards)


def _hessian(s: Subject) -> None:
    import jax

    with _float64(s) as wide:

        def total(row: Any) -> Any:
            y = wide.one(row)
            return (y * weights(y)).sum()

        row = wide.x[0]
        forwards = jax.hessian(total)(row)
        same(forwards, jax.jacrev(jax.jacrev(total))(row), 1e-9)
        same(forwards, jax.jacfwd(jax.jacfwd(total))(row), 1e-9)
        same(forwards, forwards.T, 1e-9)
        _differences(jax.grad(total), lambda x, v: forwards @ v, row)


def _differences(f: Callable[[Any], Any], slope: Callable[[Any, Any], Any], x: Any) -> None:
    """slope(x, v), the derivative of f at x along v, against a central difference."""
    v = weights(x)
    apart = (f(x + STEP * v) - f(x - STEP * v)) / (2 * STEP)
    same(apart, slope(x, v), SLOPE * max(1.0, float(abs(apart).max())))


def _fifth(s: Subject) -> None:
    """Five derivatives: each the slope of the one before, forwards and backwards."""
    import jax

    with _float64(s) as wide:
        row = wide.x[0]
        f: Callable[[Any], Any] = wide.one
        for order in range(5):
            backwards = _summed(f) if order % 2 else _pushed(f)
            if order == 4:
                _differences(f, lambda x, v, f=f: jax.jvp(f, (x,), (v,))[1], row)
            f = backwards
        assert np.isfinite(np.asarray(f(row))).all(), f"a fifth derivative is {f(row)}"


def _summed(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    import jax

    return jax.grad(lambda x: (f(x) * weights(f(x))).sum())


def _pushed(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    import jax

    return lambda x: jax.jvp(f, (x,), (weights(x),))[1]


def _linearize(s: Subject) -> None:
    import jax

    y, linear = jax.linearize(s.f, *s.arrays)
    same(s.f(*s.arrays), y)
    tangents = tuple(map(weights, s.arrays))
    same(s.function("_jvp")(*s.arrays, *tangents), linear(*tangents))


def _scan(s: Subject) -> None:
    import jax

    def total(x: Any) -> Any:
        return jax.lax.scan(lambda carry, row: (carry + s.one(row).sum(), None), 0.0, x)[0]

    def plain(x: Any) -> Any:
        return s.one(x[0]).sum() + s.one(x[1]).sum()

    same(jax.value_and_grad(plain)(s.x), jax.value_and_grad(total)(s.x))


def _checkpoint(s: Subject) -> None:
    import jax

    again = jax.checkpoint(s.total)
    same(jax.grad(s.total)(*s.arrays), jax.jit(jax.grad(again))(*s.arrays))


def _export(s: Subject) -> None:
    import jax
    from jax import export

    exported = export.export(jax.jit(s.f))(*s.arrays)
    loaded = export.deserialize(exported.serialize(vjp_order=1))
    same(s.f(*s.arrays), loaded.call(*s.arrays), 0.0)
    total = jax.grad(lambda *a: loaded.call(*a).sum())(*s.arrays)
    same(jax.grad(lambda *a: s.f(*a).sum())(*s.arrays), total)


# Sharding.


def _mesh() -> Any:
    import jax

    return jax.sharding.Mesh(np.array(jax.devices("cpu")[:2]), ("rows",))


def _shard_map(s: Subject) -> None:
    import jax

    rows = jax.sharding.PartitionSpec("rows")
    home: Any = jax if hasattr(jax, "shard_map") else importlib.import_module("jax.experimental")
    split = home.shard_map(s.f, mesh=_mesh(), in_specs=rows, out_specs=rows)
    same(s.f(*s.arrays), jax.jit(split)(*s.arrays))
    slopes = jax.jit(jax.grad(lambda *a: split(*a).sum()))(*s.arrays)
    same(jax.grad(lambda *a: s.f(*a).sum())(*s.arrays), slopes)


def _sharded(s: Subject) -> None:
    import jax

    rows = jax.sharding.NamedSharding(_mesh(), jax.sharding.PartitionSpec("rows"))
    placed = [jax.device_put(a, rows) for a in s.arrays]
    y = jax.jit(s.f)(*placed)
    same(s.f(*s.arrays), y)
    assert len(y.sharding.device_set) == len(_mesh().devices), f"sharded as {y.sharding}"
    slopes = jax.jit(jax.grad(s.total))(*placed)
    same(jax.grad(s.total)(*s.arrays), slopes)
    assert slopes.sharding.is_equivalent_to(rows, slopes.ndim), f"sharded as {slopes.sharding}"


# Shapes and dtypes.


def _shapes(s: Subject) -> None:
    import jax

    empty = [a[:0] for a in s.arrays]
    assert s.f(*empty).size == 0 and jax.grad(s.total)(*empty).shape == (0, 5)
    if s.activation.is_row:
        return
    points = [a[0, 0] for a in s.arrays]
    same(s.f(*s.arrays)[0, 0], s.f(*points))
    assert jax.grad(s.f)(*points).shape == ()


def _numbers(s: Subject) -> None:
    """Python's floats are taken, as jax.nn takes them."""
    numbers = [float(a[0, 0]) for a in s.arrays]
    y = s.f(*numbers)
    assert y.shape == () and y.dtype == np.float32, f"expected a float32, got {y!r}"
    same(s.f(*s.arrays)[0, 0], y)


def _narrow(s: Subject) -> None:
    """16-bit arrays: the float32 result rounded once, compiled or not, derivatives too."""
    import jax
    import jax.numpy as jnp

    for dtype in (jnp.float16, jnp.bfloat16):
        narrow = [a.astype(dtype) for a in s.arrays]
        wide = [a.astype(jnp.float32) for a in narrow]
        same(s.f(*wide).astype(dtype), s.f(*narrow), 0.0)
        same(s.f(*narrow), jax.jit(s.f)(*narrow), 0.0)
        ones = [jax.grad(lambda *a: s.f(*a).astype(jnp.float32).sum())(*a) for a in (narrow, wide)]
        same(ones[1].astype(dtype), ones[0], 0.0)


def _wide(s: Subject) -> None:
    """float64 is kept where it is switched on, and float32 beside it."""
    import jax

    with _float64(s) as wide:
        assert jax.grad(wide.total)(*wide.arrays).dtype == np.float64
        same(s.f(*s.arrays), wide.f(*wide.arrays).astype(np.float32))
        assert wide.f(*s.arrays).dtype == np.float32


def _integers(s: Subject) -> None:
    import jax.numpy as jnp

    for dtype in (jnp.int32, jnp.bool_, jnp.complex64):
        try:
            s.f(*(jnp.ones((2, 5), dtype) for _ in s.arrays))
        except TypeError as problem:
            wanted = f"{s.activation.name}: expected a floating array, got"
            assert str(problem).startswith(wanted), f"said {problem}"
        else:
            raise AssertionError(f"{dtype} was taken")


def _infinities(s: Subject) -> None:
    """No cotangent becomes NaN far out, up to the third derivative."""
    import jax

    far = _array([[-3e4, -200.0, -90.5, 90.5, 200.0], [3e4, -1e3, 1e3, -30.0, 30.0]], np.float32)
    f: Callable[[Any], Any] = s.one
    for order in range(1, 4):
        f = _summed(f)
        found = np.asarray(jax.jit(f)(far))
        assert np.isfinite(found).all(), f"derivative {order} at {far} is {found}"


# Parameters.


def _has_values(act: Activation) -> bool:
    return any(p.value.is_finite for p in act.parameters)


def _parameters(s: Subject) -> None:
    import jax

    y = s.f(*s.arrays)
    for name, value in s.values.items():

        def total(v: Any, name: str = name) -> Any:
            y = s.f(*s.arrays, **{name: v})
            return (y * weights(y)).sum()

        known = s.function(f"_vjp_{name}")(*s.arrays, weights(y))
        slope = jax.jit(jax.grad(total))(value)
        same(known, slope, 1e-4)
        same(slope, jax.jacfwd(total)(value), 1e-4)
        assert np.isfinite(jax.grad(jax.grad(total))(value)), f"d²/d{name}² is not finite"


def _parameter_arrays(s: Subject) -> None:
    """One value a channel: broadcast forwards, summed backwards, in every parameter."""
    import jax

    for name, value in s.values.items():
        channels = _array(np.full((2, 1), value), np.float32)
        y = s.f(*s.arrays, **{name: channels})
        same(s.f(*s.arrays, **{name: value}), y)
        slope = jax.grad(lambda v, n=name: s.f(*s.arrays, **{n: v}).sum())(channels)
        each = s.function(f"_grad_{name}")(*s.arrays, **{name: channels})
        same(each.sum(1, keepdims=True), slope, 1e-4)
        by_hand = s.function(f"_vjp_{name}")(*s.arrays, y * 0 + 1, **{name: channels})
        same(slope, by_hand, 1e-4)
        mapped = jax.vmap(lambda row, v, n=name: s.f(*row, **{n: v}))(s.arrays, channels)
        same(y, mapped)


def _only_what_is_asked(s: Subject) -> None:
    """∂f/∂parameter is not computed where the parameter is not differentiated."""
    import jax

    def size(arguments: Any) -> int:
        def f(x: Any, v: Any) -> Any:
            return s.f(x, *s.arrays[1:], **dict(zip(s.values, v, strict=True))).sum()

        return len(str(jax.make_jaxpr(jax.grad(f, arguments))(s.x, tuple(s.values.values()))))

    assert size(0) < size((0, 1)), "the derivative in x alone costs as much as all of them"


# Models.


def _train(s: Subject, apply: Callable[[Any, Any], Any], start: Any) -> list[float]:
    """The losses of a few steps of Adam."""
    import jax
    import optax

    x = jax.random.normal(jax.random.key(0), (16, 8))
    wanted = x.sum(-1, keepdims=True) ** 2 / 8

    def loss(parameters: Any) -> Any:
        return ((apply(parameters, x) - wanted) ** 2).mean()

    optimiser = optax.adam(0.02)

    @jax.jit
    def step(parameters: Any, state: Any) -> Any:
        value, slopes = jax.value_and_grad(loss)(parameters)
        change, state = optimiser.update(slopes, state)
        return optax.apply_updates(parameters, change), state, value

    parameters, state, losses = start, optimiser.init(start), []
    for _ in range(20):
        parameters, state, value = step(parameters, state)
        losses.append(float(value))
    return losses


def _learns(s: Subject, losses: Callable[[Callable[[Any], Any]], list[float]]) -> None:
    """The loss falls, and does so as with the function of jax.nn where there is one."""
    from ..accuracy import FORMATS
    from ..peers import LIBRARIES

    def hidden(h: Any) -> Any:
        return s.f(*([h] * len(s.arrays)))

    ours = losses(hidden)
    assert np.isfinite(ours).all() and ours[-1] < ours[0], f"losses {ours}"
    act = s.activation
    if "jax" in act.peers and not act.is_gated:
        theirs = losses(LIBRARIES["jax"].function(act, FORMATS["float32"]))
        assert np.allclose(ours, theirs, rtol=1e-3), f"losses {ours}; jax.nn has {theirs}"


def _linen(s: Subject) -> None:
    import jax
    from flax import linen

    def losses(hidden: Callable[[Any], Any]) -> list[float]:
        class Model(linen.Module):  # type: ignore[misc]
            @linen.compact
            def __call__(self, x: Any) -> Any:
                h = hidden(linen.Dense(32)(x))
                return linen.Dense(1)(h if h.ndim == x.ndim else h[..., None])

        made = Model()
        start = made.init(jax.random.key(1), jax.numpy.zeros((1, 8)))
        return _train(s, made.apply, start)

    _learns(s, losses)


def _nnx(s: Subject) -> None:
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
        return _train(s, lambda parameters, x: nnx.merge(graph, parameters)(x), start)

    _learns(s, losses)


# What JAX cannot do.


def _jet(s: Subject) -> None:
    import jax.numpy as jnp
    from jax.experimental import jet

    one = jnp.ones_like(s.x)
    jet.jet(s.one, (s.x,), ((one, jnp.zeros_like(one)),))


def _takes_numbers(act: Activation) -> bool:
    return not act.is_row


def _smooth(act: Activation) -> bool:
    """Whether a step of training can be expected to help: not where f′ is 0 all over."""
    return act.derivative() != 0


CHECKS: tuple[Check, ...] = (
    Check("jit", "transformations", _jit),
    Check("grad, value_and_grad, jit of grad", "transformations", _grad),
    Check("jvp", "transformations", _jvp),
    Check("vmap", "transformations", _vmap),
    Check("vmap of grad", "transformations", _vmap_grad),
    Check("jacfwd, jacrev", "transformations", _jacobians),
    Check("hessian", "transformations", _hessian, heavy=True),
    Check("five nested derivatives", "transformations", _fifth, heavy=True),
    Check("linearize", "transformations", _linearize),
    Check("lax.scan", "transformations", _scan, heavy=True),
    Check("checkpoint", "transformations", _checkpoint),
    Check("export, saved and loaded", "transformations", _export, heavy=True),
    Check("shard_map", "sharding", _shard_map, heavy=True),
    Check("jit with NamedSharding", "sharding", _sharded, heavy=True),
    Check("scalars and empty arrays", "shapes and dtypes", _shapes),
    Check("Python numbers", "shapes and dtypes", _numbers, applies=_takes_numbers),
    Check("float16, bfloat16 rounded once", "shapes and dtypes", _narrow, heavy=True),
    Check("float64", "shapes and dtypes", _wide, heavy=True),
    Check("integers refused", "shapes and dtypes", _integers),
    Check("finite derivatives far out", "shapes and dtypes", _infinities, heavy=True),
    Check("gradients of parameters", "parameters", _parameters, applies=_has_values),
    Check("array-valued parameters", "parameters", _parameter_arrays, applies=_has_values),
    Check("only what is asked for", "parameters", _only_what_is_asked, applies=_has_values),
    Check("flax.linen", "models", _linen, heavy=True, applies=_smooth),
    Check("flax.nnx", "models", _nnx, heavy=True, applies=_smooth),
    Check(
        "jet",
        "transformations",
        _jet,
        limitation="jax.experimental.jet has no rule for custom_jvp: jax.nn.relu fails too",
    ),
)
