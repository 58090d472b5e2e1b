"""No NaN and no infinity where the truth is finite, on every backend, in every dtype."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import pytest

import actgen
from actgen import compiler, contract, guards, model
from actgen.accuracy import FORMATS
from actgen.cases import settings
from actgen.registry import names

DTYPES = list(FORMATS)


@pytest.mark.parametrize("name", names())
def test_every_result_is_finite_where_the_truth_is(name: str) -> None:
    """Also at ±inf (the limit), NaN (NaN), subnormals, ±0, and other parameters than the defaults."""
    for dtype in DTYPES:  # the backends share the truth in one
        for backend in ("numpy", "torch", "cuda"):
            for m in actgen.verify(name, backend, dtype):
                assert m.inputs >= 13, m
                if actgen.load(name).is_gated and m.non_finite + m.far:
                    # -inf times a gate that vanishes in the format, and only in the format.
                    pytest.xfail(f"{contract.breaches([m])}")
                assert m.non_finite == 0 and m.far == 0, m


@pytest.mark.parametrize("name", [n for n in names() if not actgen.load(n).is_row])
def test_numpy_functions_raise_no_flag(name: str) -> None:
    """No overflow, invalid or divide is told of branches that are not taken, and all is finite."""
    act = actgen.load(name)
    module = actgen.compile(act).module
    scales = np.concatenate(
        [10.0 ** np.arange(-320.0, 31), [5e-324, 2.2e-308], np.linspace(0, 120, 997)]
    )
    x = np.concatenate([[0.0, -0.0], scales[scales <= 1e30], -scales[scales <= 1e30]])
    # Products of two inputs stay in range for the gated ones.
    inputs = [x] if not act.is_gated else [x, np.roll(x, 331)]
    for f in compiler.compile_activation(act).functions.values():
        public = act.name if f.name == "forward" else f"{act.name}_{f.name}"
        for i, setting in enumerate(settings(act)):
            values = {s.name: np.float64(model.constant(v)) for s, v in setting.items()}
            with np.errstate(all="raise"):
                y = getattr(module, public)(*inputs, **values)
            # At an edge of a parameter's domain the formula itself may say nothing.
            assert i or np.isfinite(y).all()


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
def test_relu_like_nan(dtype: type) -> None:
    """NaN in, NaN out, where the formula alone would lose it."""
    x = np.array([math.nan, 1.0, -1.0], dtype)
    for name in ("relu", "hardtanh", "heaviside", "threshold", "hardshrink", "relu6", "hardswish"):
        kernel = actgen.compile(name)
        for y in (kernel.forward(x), kernel.derivative(x), kernel.second_derivative(x)):
            assert math.isnan(float(y[0])) and not np.isnan(y[1:].astype(float)).any(), name


def test_a_guard_that_is_left_out_is_found() -> None:
    """The check itself can fail: naive silu, lowered as it stands, is wrong far out."""
    from actgen.lower import lower
    from actgen.trial import benches

    act = actgen.load("silu")
    bench = benches(act, {"derivative": (act.derivative(), act.derivative())})["derivative"]
    naive = lower(act.derivative(), act.inputs, [])
    wrong = bench.measure(naive).wrong
    assert len(wrong) > 10 and any(p[0] < -89 for p in wrong)
    chosen = compiler.compile_activation(act).functions["derivative"].program
    assert not bench.measure(chosen).wrong


def test_nan_guard_is_only_where_needed() -> None:
    functions = compiler.compile_activation(actgen.load("relu")).functions
    assert not any(i.op == "isnan" for i in functions["forward"].program.body)
    assert any(i.op == "isnan" for i in functions["derivative"].program.body)
    assert guards.propagate_nan(functions["forward"].program, ["x"]).body[-1].op == "where"


def test_rows_with_infinities() -> None:
    for backend in ("numpy",):
        kernel = actgen.compile("softmax", backend)
        assert kernel.forward(np.array([math.inf, 1.0, 2.0])).tolist() == [1.0, 0.0, 0.0]
        assert np.isnan(kernel.forward(np.array([math.nan, 1.0]))).all()
        log = actgen.compile("log_softmax", backend)
        assert log.forward(np.array([-math.inf, 1.0])).tolist() == [-math.inf, 0.0]
