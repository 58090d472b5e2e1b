"""The JAX backend: the matrix of checks, accuracy when compiled, peers, what is written down."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import jet

import actgen
from actgen import checks, contract, flushing, running
from actgen.accuracy import FORMATS
from actgen.compiler import compile_activation
from actgen.matrix.jax import CHECKS, subject
from actgen.registry import names

#: One of each kind: plain, with a learned parameter, gated, a row, a row that is reduced.
KINDS = ("silu", "swish", "geglu", "softmax", "maxout")


@pytest.fixture(autouse=True)
def no_caches():
    yield
    jax.clear_caches()  # each test compiles its own; together they would fill the memory


@pytest.mark.parametrize("name", names())
def test_light_checks(name: str) -> None:
    act = actgen.load(name)
    made = subject(act)
    for check in CHECKS:
        if not check.heavy and not check.limitation and check.applies(act):
            check.run(made)


@pytest.mark.parametrize("name", KINDS)
def test_heavy_checks(name: str) -> None:
    act = actgen.load(name)
    made = subject(act)
    for check in CHECKS:
        slow = check.name == "five nested derivatives" and name not in ("silu", "maxout")
        if check.heavy and check.applies(act) and not slow:
            check.run(made)


def test_jet_fails_as_it_does_for_jax() -> None:
    """The limitation that the matrix names: once this passes, the row is to be an ordinary one."""
    one = jnp.ones(3)
    with pytest.raises(jax.errors.UnexpectedTracerError):
        jet.jet(jax.nn.relu, (one,), ((one, one),))
    (check,) = (c for c in CHECKS if c.limitation)
    with pytest.raises(jax.errors.UnexpectedTracerError):
        check.run(subject(actgen.load("relu")))


# Accuracy.


@pytest.mark.parametrize("name", ["silu", "elu", "tanh"])
def test_contract_holds_compiled(name: str) -> None:
    for dtype in ("bfloat16", "float32", "float64"):
        found = actgen.verify(name, "jax", dtype)
        assert contract.breaches(found) == []


@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "float64"])
@pytest.mark.parametrize("name", ["silu", "gelu", "elu", "mish", "hardswish"])
def test_compiled_is_eager(name: str, dtype: str) -> None:
    """To the bit: also where a user's compilation knows the parameters."""
    module = actgen.compile(name, "jax").module
    with checks.LIBRARIES["jax"].context():
        x = jnp.linspace(-9, 9, 4001).astype(dtype)
        for suffix in ("", "_derivative", "_second_derivative"):
            f = getattr(module, name + suffix)
            assert np.array_equal(f(x), jax.jit(lambda x, f=f: f(x))(x)), suffix


def test_what_xla_flushes() -> None:
    """XLA on a CPU takes subnormal float32 for zeros, compiled or not; float16 is not touched."""
    assert running.flushes("jax", "float32") and running.flushes("jax", "float64")
    assert running.flushes("jax", "bfloat16") and not running.flushes("jax", "float16")
    assert not running.flushes("torch", "float32")


def test_flushing_forgives_nothing_else() -> None:
    f = compile_activation(actgen.load("silu")).references({})["forward"]
    fmt = FORMATS["float32"]
    least = np.ldexp(1.0, -126)
    points = np.array([[least], [least / 2], [least * 64], [1.0]])
    truth = f.truth(points, fmt)

    def forgiven(y: list[float]) -> list[bool]:
        plain = np.full(4, 1e6)
        got = flushing.forgiven(np.array(y), plain, points, truth, f, fmt, 4.0)
        return (got <= 4).tolist()

    assert forgiven([0.0, 0.0, 0.0, 0.0]) == [True, True, False, False]
    assert forgiven([1.0, least * 64, least, -1.0]) == [False] * 4


@pytest.mark.parametrize("name", [n for n in names() if not actgen.load(n).is_gated])
def test_third_derivative_at_zero(name: str) -> None:
    """Through a composite with |x| in it, which has no slope there."""
    act = actgen.load(name)
    if act.is_row or act.kinks():
        return
    module = actgen.compile(act, "jax").module
    with checks.LIBRARIES["jax"].context():
        second = getattr(module, f"{name}_second_derivative")
        third = float(jax.grad(second)(0.0))
        step = 1e-4
        apart = float(second(step) - second(-step))
    assert abs(apart) > 0.1 or abs(third - apart / (2 * step)) < 1e-5  # or f'' jumps


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin"])
def test_hessian_of_equal_entries(name: str) -> None:
    """Rows whose greatest entry is not one alone, as at the start of training."""
    f = getattr(actgen.compile(name, "jax").module, name)
    own = {"softmax": jax.nn.softmax, "log_softmax": jax.nn.log_softmax}
    theirs = own.get(name, lambda x: jax.nn.softmax(-x))
    with checks.LIBRARIES["jax"].context():
        for row in ([0.0, 0.0, 0.0], [1.0, 1.0, -2.0]):
            hessians = (jax.jacfwd(jax.jacrev(g))(jnp.array(row)) for g in (f, theirs))
            assert np.allclose(*hessians, atol=1e-14)


@pytest.mark.parametrize("name", [n for n in names() if "jax" in actgen.load(n).peers])
def test_peer(name: str) -> None:
    assert checks.peers(actgen.load(name)) == []


@pytest.mark.parametrize("name", ["silu", "prelu", "softmax"])
def test_check_grads(name: str) -> None:
    assert checks.check_grads(actgen.load(name)) == []


def test_check_grads_sees_a_wrong_slope(monkeypatch: pytest.MonkeyPatch) -> None:
    act = actgen.load("silu")
    kernel = actgen.compile(act, "jax")
    wrong = jax.custom_jvp(kernel.module.silu)
    wrong.defjvps(lambda t, y, x: 1.001 * t * kernel.module.silu_derivative(x))
    monkeypatch.setattr(kernel.module, "silu", wrong)
    monkeypatch.setattr(checks, "compile", lambda *_: kernel)
    assert "silu: check_grads" in checks.check_grads(act)[0]


# Use.


def test_random_slopes() -> None:
    module = actgen.compile("rrelu", "jax").module
    x = -jnp.ones(4000)
    y, a = jax.jit(module.rrelu_random)(x, jax.random.key(0))
    assert np.array_equal(y, a * x) and 1 / 8 <= a.min() < 0.13 and 0.32 < a.max() <= 1 / 3


def test_axes() -> None:
    module = actgen.compile("softmax", "jax").module
    x = jax.random.normal(jax.random.key(1), (2, 3, 4))
    for axis in (0, 1, -1):
        moved = jnp.moveaxis(module.softmax(jnp.moveaxis(x, axis, -1)), -1, axis)
        assert np.array_equal(module.softmax(x, axis=axis), moved)
    maxout = actgen.compile("maxout", "jax").module.maxout
    assert np.array_equal(maxout(x, axis=1), x.max(1))


def test_unused_jax_is_not_imported(tmp_path: Path) -> None:
    code = (
        "import sys, actgen; actgen.compile('silu', 'jax').source; assert 'jax' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
