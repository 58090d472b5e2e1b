"""Peers: how specs name them, how they are called, and what their errors are beside ours."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import actgen
from actgen import checks, peer_errors, peers
from actgen.accuracy import FORMATS
from actgen.errors import FormulaError
from actgen.oracle import Oracle
from actgen.peers import LIBRARIES
from actgen.registry import names

ROOT = Path(__file__).resolve().parent.parent
NAMED = [(n, lib) for n in names() for lib in LIBRARIES if lib in actgen.load(n).peers]


def need(library: str) -> None:
    if LIBRARIES[library].missing:
        pytest.skip(LIBRARIES[library].missing)


def planted(name: str, **changes: str) -> actgen.Activation:
    """A declared activation with other peers."""
    act = actgen.load(name)
    return dataclasses.replace(act, peers={**act.peers, **changes})


# What specs name.


@pytest.mark.parametrize(("name", "library"), NAMED)
def test_every_named_peer_is_a_function(name: str, library: str) -> None:
    need(library)
    function, _, _ = LIBRARIES[library].resolve(actgen.load(name).peers[library])
    assert callable(function)


@pytest.mark.parametrize("name", sorted({n for n, lib in NAMED if lib == "jax"}))
def test_jax_computes_the_formula(name: str) -> None:
    need("jax")
    assert checks.peers(actgen.load(name)) == []


@pytest.mark.parametrize(
    "text",
    [
        "torch.nn.functional.gelu(x, approximate=__import__('os').name)",
        "torch.nn.functional.gelu(torch.ones(3))",
        "torch._C._nn.gelu",
        "torch.nn.functional.__name__",
        "torch.hub.load",
        "os.system('true')",
        "torch.nn.functional.no_such_function",
        "torch.nn.functional.gelu(x",
        "lambda: 0",
    ],
)
def test_only_calls_of_the_librarys_functions(text: str) -> None:
    with pytest.raises(FormulaError):
        LIBRARIES["torch"].resolve(text)


# A wrong peer is seen.


def test_another_function_fails_the_check() -> None:
    assert "gives" in checks.peers(planted("silu", torch="torch.nn.functional.mish"))[0]


def test_another_jax_function_fails_the_check() -> None:
    need("jax")
    assert "jax.nn.relu6" in checks.peers(planted("relu", jax="jax.nn.relu6"))[0]


def test_another_convention_is_no_error() -> None:
    """jax.nn.gelu with its default is the tanh form: that differs, and is no ulp error."""
    need("jax")
    cells = peer_errors.compare(planted("gelu", jax="jax.nn.gelu"), "bfloat16")
    assert {str(cells["jax", which]) for which in ("f", "f′")} == {"differs"}
    assert str(cells["torch", "f"]) != "differs"


# What is measured.


def worst_near(name: str, dtype: str, library: str, low: float, high: float) -> list[float]:
    """The worst errors of f and f′ of a library on a short stretch, by Arb alone."""
    act, fmt = actgen.load(name), FORMATS[dtype]
    x = np.linspace(low, high, 40).astype(fmt.dtype).astype(np.float64)
    found = []
    for y, expr in zip(LIBRARIES[library].pair(act, x, fmt), (act.formula, act.derivative())):
        oracle = Oracle(expr, act.inputs, act.defaults)
        cells = peer_errors.worst({"it": y}, {}, x, len(x), oracle, y, fmt)
        found.append(cells["it"].ulps)
    return found


def test_known_bad_points_of_torch() -> None:
    """What the evidence says: sigmoid′ is 0 at 24.3, gelu is 0 at −11.5."""
    assert worst_near("sigmoid", "float32", "torch", 24.2, 24.4)[1] > 1.6e7
    assert worst_near("gelu", "float32", "torch", -11.6, -11.4)[0] > 1.6e7
    assert worst_near("tanh", "float32", "torch", 0.2, 0.4)[0] < 1


def test_float32_table_of_sigmoid_and_gelu() -> None:
    for name in ("sigmoid", "gelu"):
        cells = peer_errors.compare(actgen.load(name), "float32")
        assert cells["torch", "f′"].ulps > 1.6e7
        assert cells["ours (numpy)", "f"].ulps <= 1
        assert cells["ours (numpy)", "f′"].ulps <= 1
    assert cells["torch", "f"].ulps > 1.6e7
    assert cells["torch", "f"].far  # NaN at −inf
    assert not cells["ours (numpy)", "f"].far


def test_all_16_bit_inputs_are_there() -> None:
    points, judged = peer_errors.inputs(actgen.load("relu"), FORMATS["float16"])
    assert len(set(points)) == 2 * 31 * 1024 - 1  # the two zeros are equal
    assert judged < len(points)


def test_a_wrong_estimate_hides_nothing() -> None:
    """One bad value among many, and an estimate that shares it: every input is judged by Arb."""
    act, fmt = actgen.load("silu"), FORMATS["float32"]
    x = np.linspace(1, 2, 300).astype(np.float32).astype(np.float64)
    y = x / (1 + np.exp(-x))
    good = y.astype(np.float32).astype(np.float64)
    y[:200] *= 1 + 1e-6
    oracle = Oracle(act.formula, act.inputs, act.defaults)
    cells = peer_errors.worst({"same": y, "good": good}, {}, x, 5, oracle, y, fmt)
    assert cells["same"].ulps > 8
    assert cells["good"].ulps <= 0.51


def test_kinks_do_not_count() -> None:
    need("jax")
    cells = peer_errors.compare(actgen.load("relu"), "bfloat16")
    assert {cell.ulps for cell in cells.values()} == {0.0}


def test_non_finite_is_an_infinite_error() -> None:
    act, fmt = actgen.load("silu"), FORMATS["float32"]
    x = np.array([1.0, 2.0, 1e35])
    y = np.array([math.nan, 2.0, math.inf])
    oracle = Oracle(act.formula, act.inputs, act.defaults)
    cell = peer_errors.worst({"it": y}, {}, x, 3, oracle, x, fmt)["it"]
    assert (cell.ulps, cell.at, cell.far, cell.bold, str(cell)) == (
        math.inf,
        1.0,
        True,
        True,
        "inf†",
    )


# What is printed.


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.5001, "0.50"), (0.999, "1.0"), (1.34, "1.3"), (9.96, "10"), (999.6, "1.0e3")],
)
def test_digits(value: float, text: str) -> None:
    assert peer_errors.digits(value) == text
    assert peer_errors.digits(math.inf) == "inf"


def test_without_jax_its_columns_are_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    find = peers.importlib.util.find_spec
    monkeypatch.setattr(
        peers.importlib.util, "find_spec", lambda name: None if name == "jax" else find(name)
    )
    peers.flushes.cache_clear()
    found = peer_errors.compare_all(["relu", "softmax"], ["bfloat16"])
    peers.flushes.cache_clear()
    assert "skipped: jax: jax is not installed (pip install 'actgen[jax]')" in found.notes
    assert "skipped: softmax: works on rows" in found.notes
    text = peer_errors.markdown(found, "actgen verify relu softmax --peers")
    assert "| relu | 0 | – | 0 | 0 | 0 | – | 0 | 0 |" in text
    assert checks.peers(actgen.load("relu")) == []


def test_command_line() -> None:
    command = [sys.executable, "-m", "actgen", "verify", "tanh", "--peers", "--markdown"]
    done = subprocess.run(
        [*command, "-d", "bfloat16"], capture_output=True, text=True, check=True
    ).stdout
    assert "Made by `actgen verify tanh --peers --markdown -d bfloat16`" in done
    assert "| tanh | 0.50 |" in done
    assert "**256**" in done


def test_the_published_table_has_every_activation() -> None:
    text = (ROOT / "docs" / "peers.md").read_text(encoding="utf-8")
    compared = [n for n in names() if not peer_errors.why_not(actgen.load(n))]
    for section in text.split("\n## ")[1:]:
        rows = [line.split(" | ")[0][2:] for line in section.splitlines() if line[:2] == "| "]
        assert rows[1:] == compared, "make it anew: actgen verify --peers --markdown"


# Names that libraries do not agree on.


def test_names_that_mean_two_functions_are_told() -> None:
    from actgen.namesakes import lines

    gelu = "\n".join(lines(actgen.load("gelu")))
    assert "jax: gelu computes gelu_tanh" in gelu
    assert "conflict: jax's gelu is gelu_tanh" in gelu and "0.000473 apart" in gelu
    assert "conflict: torch" not in gelu
    slope = "\n".join(lines(actgen.load("leaky_relu")))
    assert "conflict: keras's leaky_relu is leaky_relu(negative_slope=0.2)" in slope
    assert "2.02e-09 apart" in "\n".join(lines(actgen.load("softplus")))


def test_tabled_names_are_of_declared_activations() -> None:
    from actgen.namesakes import every

    for namesake in every():
        act = actgen.load(namesake.activation)
        assert set(namesake.values) <= {p.name for p in act.parameters}, namesake


def test_flax_starts_its_slopes_where_the_table_says() -> None:
    import flax.linen as nn
    import jax

    from actgen.namesakes import every

    (row,) = (n for n in every() if n.library == "flax")
    start = nn.PReLU().init(jax.random.key(0), jax.numpy.ones(3))["params"]["negative_slope"]
    assert float(start) == pytest.approx(row.values["a"])
