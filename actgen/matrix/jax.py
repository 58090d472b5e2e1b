"""JAX: every transformation, sharding, export, dtypes, and models of flax, on every activation."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from ..spec import Activation
from .check import Check, Noise
from .jax_models import MODELS
from .jax_subject import Subject, array, in_float64, same, subject, weights

__all__ = ["CHECKS", "NOISE", "subject"]

#: Warnings that JAX gives about itself; any other fails the check that it comes up in.
NOISE: tuple[Noise, ...] = ()

#: A slope by central differences in float64, against a derivative.
STEP, SLOPE = 1e-5, 1e-6

# Transformations.


def _jit(s: Subject) -> None:
    """Compiled, every bit is that of the eager call."""
    import jax

    same(s.f(*s.arrays), jax.jit(s.f)(*s.arrays), 0.0)


def _grad(s: Subject) -> None:
    """Reverse mode in every input, compiled: the closed vjp, and f itself."""
    import jax

    every = tuple(range(len(s.arrays)))
    y = s.f(*s.arrays)
    value, slopes = jax.jit(jax.value_and_grad(s.total, every))(*s.arrays)
    same(s.function("_vjp")(*s.arrays, weights(y)), slopes if len(every) > 1 else slopes[0])
    same(s.total(*s.arrays), value)


def _jvp(s: Subject) -> None:
    """Forward mode: f and the closed jvp."""
    import jax

    tangents = tuple(map(weights, s.arrays))
    y, change = jax.jvp(s.f, s.arrays, tangents)
    same(s.f(*s.arrays), y)
    same(s.function("_jvp")(*s.arrays, *tangents), change)


def _vmap(s: Subject) -> None:
    """Mapped over the first axis: the whole at once."""
    import jax

    same(s.f(*s.arrays), jax.vmap(s.f)(*s.arrays))


def _vmap_grad(s: Subject) -> None:
    """Gradients of each sample: those of their sum."""
    import jax

    each = jax.vmap(jax.grad(lambda *rows: s.f(*rows).sum()))(*s.arrays)
    same(jax.grad(lambda *rows: s.f(*rows).sum())(*s.arrays), each)


def _jacobians(s: Subject) -> None:
    """Both modes give one Jacobian, compiled too."""
    import jax

    row = s.x[0]
    forwards = jax.jacfwd(s.one)(row)
    same(forwards, jax.jacrev(s.one)(row))
    if not s.activation.is_row and not s.activation.is_gated:
        same(np.asarray(np.diag(s.function("_derivative")(row))), forwards)


def _hessian(s: Subject) -> None:
    """Forward over reverse: differences of the gradient."""
    import jax

    with in_float64(s) as wide:

        def total(row: Any) -> Any:
            y = wide.one(row)
            return (y * weights(y)).sum()

        row = wide.x[0]
        forwards = jax.hessian(total)(row)

        def along(_: Any, v: Any) -> Any:
            return forwards @ v

        same(forwards, jax.jacrev(jax.jacrev(total))(row), 1e-9)
        same(forwards, jax.jacfwd(jax.jacfwd(total))(row), 1e-9)
        same(forwards, forwards.T, 1e-9)
        _differences(jax.grad(total), along, row)


def _differences(f: Callable[[Any], Any], slope: Callable[[Any, Any], Any], x: Any) -> None:
    """slope(x, v), the derivative of f at x along v, against a central difference."""
    v = weights(x)
    apart = (f(x + STEP * v) - f(x - STEP * v)) / (2 * STEP)
    same(apart, slope(x, v), SLOPE * max(1.0, float(abs(apart).max())))


def _fifth(s: Subject) -> None:
    """Five derivatives: each the slope of the one before, forwards and backwards."""

    with in_float64(s) as wide:
        row = wide.x[0]
        f: Callable[[Any], Any] = wide.one
        for order in range(5):
            backwards = _summed(f) if order % 2 else _pushed(f)
            if order == 4:
                _differences(f, functools.partial(_along, f), row)
            f = backwards
        assert np.isfinite(np.asarray(f(row))).all(), f"a fifth derivative is {f(row)}"


def _summed(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    import jax

    slope: Callable[[Any], Any] = jax.grad(lambda x: (f(x) * weights(f(x))).sum())
    return slope


def _along(f: Callable[[Any], Any], x: Any, v: Any) -> Any:
    import jax

    return jax.jvp(f, (x,), (v,))[1]


def _pushed(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: _along(f, x, weights(x))


def _linearize(s: Subject) -> None:
    """The linear map at a point: the jvp."""
    import jax

    y, linear = jax.linearize(s.f, *s.arrays)
    same(s.f(*s.arrays), y)
    tangents = tuple(map(weights, s.arrays))
    same(s.function("_jvp")(*s.arrays, *tangents), linear(*tangents))


def _scan(s: Subject) -> None:
    """Inside lax.scan, differentiated through."""
    import jax

    def total(x: Any) -> Any:
        return jax.lax.scan(lambda carry, row: (carry + s.one(row).sum(), None), 0.0, x)[0]

    def plain(x: Any) -> Any:
        return s.one(x[0]).sum() + s.one(x[1]).sum()

    same(jax.value_and_grad(plain)(s.x), jax.value_and_grad(total)(s.x))


def _checkpoint(s: Subject) -> None:
    """Recomputed in the backward pass: the same gradients."""
    import jax

    again = jax.checkpoint(s.total)
    same(jax.grad(s.total)(*s.arrays), jax.jit(jax.grad(again))(*s.arrays))


def _export(s: Subject) -> None:
    """Serialised, read back, called and differentiated."""
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
    """In shard_map over two devices: the whole, and its gradient."""
    import jax

    rows = jax.sharding.PartitionSpec("rows")
    home: Any = jax if hasattr(jax, "shard_map") else importlib.import_module("jax.experimental")
    split = home.shard_map(s.f, mesh=_mesh(), in_specs=rows, out_specs=rows)
    same(s.f(*s.arrays), jax.jit(split)(*s.arrays))
    slopes = jax.jit(jax.grad(lambda *a: split(*a).sum()))(*s.arrays)
    same(jax.grad(lambda *a: s.f(*a).sum())(*s.arrays), slopes)


def _sharded(s: Subject) -> None:
    """Sharded arrays through jit on two devices: the same values and gradients."""
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
    """0-d and empty arrays, and their gradients."""
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
        w = weights(s.f(*narrow)).astype(jnp.float32)

        def total(*arrays: Any, w: Any = w) -> Any:
            return (s.f(*arrays).astype(jnp.float32) * w).sum()

        same(jax.grad(total)(*wide).astype(dtype), jax.grad(total)(*narrow), 0.0)


def _wide(s: Subject) -> None:
    """float64 is kept where it is switched on, and float32 beside it."""
    import jax

    with in_float64(s) as wide:
        assert jax.grad(wide.total)(*wide.arrays).dtype == np.float64
        same(s.f(*s.arrays), wide.f(*wide.arrays).astype(np.float32))
        assert wide.f(*s.arrays).dtype == np.float32


def _integers(s: Subject) -> None:
    """Integers are refused by a TypeError that says what was expected."""
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

    far = array([[-3e4, -200.0, -90.5, 90.5, 200.0], [3e4, -1e3, 1e3, -30.0, 30.0]], np.float32)
    f: Callable[[Any], Any] = s.one
    for order in range(1, 4):
        f = _summed(f)
        found = np.asarray(jax.jit(f)(far))
        assert np.isfinite(found).all(), f"derivative {order} at {far} is {found}"


# Parameters.


def _has_values(act: Activation) -> bool:
    return any(p.value.is_finite for p in act.parameters)


def _parameters(s: Subject) -> None:
    """Gradients in each parameter: the closed forms."""
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
        channels = array(np.full((2, 1), value), np.float32)
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


# What JAX cannot do.


def _jet(s: Subject) -> None:
    """Taylor series by jax.experimental.jet."""
    import jax.numpy as jnp
    from jax.experimental import jet

    one = jnp.ones_like(s.x)
    jet.jet(s.one, (s.x,), ((one, jnp.zeros_like(one)),))


def _takes_numbers(act: Activation) -> bool:
    return not act.is_row


CHECKS: tuple[Check, ...] = (
    Check("jit", "transformations", _jit),
    Check("grad, value_and_grad, jit of grad", "transformations", _grad),
    Check("jvp", "transformations", _jvp),
    Check("vmap", "transformations", _vmap),
    Check("vmap of grad", "transformations", _vmap_grad, heavy=True),
    Check("jacfwd, jacrev", "transformations", _jacobians, heavy=True),
    Check("hessian", "transformations", _hessian, heavy=True),
    Check("five nested derivatives", "transformations", _fifth, heavy=True),
    Check("linearize", "transformations", _linearize, heavy=True),
    Check("lax.scan", "transformations", _scan, heavy=True),
    Check("checkpoint", "transformations", _checkpoint, heavy=True),
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
    Check(
        "array-valued parameters",
        "parameters",
        _parameter_arrays,
        heavy=True,
        applies=_has_values,
    ),
    Check("only what is asked for", "parameters", _only_what_is_asked, applies=_has_values),
    *MODELS,
    Check(
        "jet",
        "transformations",
        _jet,
        limitation="jax.experimental.jet has no rule for custom_jvp: jax.nn.relu fails too",
    ),
)
