"""Planted errors are found, in every format, subnormal results included; the contract; the sweep."""

from __future__ import annotations

import importlib.util
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

import actgen
from actgen import (
    cli,
    contract,
    measuring,
    report,
    row_errors,
    running,
    sweep,
    worst_cases,
    zones,
)
from actgen.accuracy import (
    FORMATS,
    Format,
    Measurement,
    errors,
    from_ordered,
    ordered,
    quantum,
    to_format,
)
from actgen.backends import NAMES
from actgen.cases import cases
from actgen.compiler import compile_activation
from actgen.contract import Limit
from actgen.lang import x
from actgen.reference import Reference

LABELS = {"activation": "a", "function": "f", "backend": "torch", "dtype": "float32"}
ULP = Limit("ulp", 1.0)

ROOT = Path(__file__).resolve().parent.parent


def case_of(name: str, dtype: str, function: str = "forward") -> measuring.Case:
    act = actgen.load(name)
    return cases(act, compile_activation(act).truths, FORMATS[dtype], 0)[function]


def right(case: measuring.Case, fmt: Format) -> NDArray[Any]:
    """Results within half an ulp."""
    truth = case.truth
    value = np.ldexp(truth.high, -truth.lift)
    return to_format(value, fmt).astype(np.float64)


def planted(
    case: measuring.Case, y: NDArray[Any], where: int, steps: int, fmt: Format
) -> Measurement:
    wrong = y.copy()
    index = ordered(to_format([y[where]], fmt), fmt) + steps
    wrong[where] = from_ordered(index, fmt)[0]
    return measuring.measure(wrong, case, fmt, ULP, ["x"], **LABELS)


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("name", ["silu", "tanhshrink"])
def test_planted_errors_are_found(name: str, dtype: str) -> None:
    fmt, case = FORMATS[dtype], case_of(name, dtype)
    y = right(case, fmt)
    clean = measuring.measure(y, case, fmt, ULP, ["x"], **LABELS)
    # In float64 `right` rounds twice where the result is subnormal.
    assert (
        clean.max_ulp <= (0.751 if dtype == "float64" else 0.501)
        and not clean.non_finite
        and not clean.far
    )
    size = np.abs(y)
    least = 2.0**fmt.emin
    rng = np.random.default_rng(4)
    kinds = {
        "subnormal": np.flatnonzero((size < least / 4) & (size > 8 * fmt.tiny)),
        "small": np.flatnonzero((size > least) & (size < 2.0 ** (fmt.emin // 2))),
        "normal": np.flatnonzero((size > 0.1) & (size < 10)),
        "great": np.flatnonzero((size > 100) & (size < fmt.max / 4)),
    }
    for kind, which in kinds.items():
        assert len(which), kind
        for where in rng.choice(which, 3):
            for steps in (-40, -3, 3, 17):
                # Beyond a power of two a step is two ulp of the smaller side, or half a one.
                found = planted(case, y, int(where), steps, fmt)
                assert abs(steps) / 2 - 0.51 <= found.max_ulp <= 2 * abs(steps) + 0.51, kind
                assert dict(found.at)["x"] == case.points[where, 0]
    for bad in (math.nan, math.inf):
        wrong = y.copy()
        wrong[int(kinds["normal"][0])] = bad
        assert measuring.measure(wrong, case, fmt, ULP, ["x"], **LABELS).non_finite == 1


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_one_misrounded_result_is_found(dtype: str) -> None:
    fmt, case = FORMATS[dtype], case_of("silu", dtype)
    assert case.exhaustive and len(case.points) == 65536
    assert case.expected is not None
    limit = contract.limit("numpy", dtype)
    good = measuring.measure(
        case.expected, case, fmt, limit, ["x"], **{**LABELS, "backend": "numpy", "dtype": dtype}
    )
    assert good.misrounded == 0 and contract.holds(good) and good.max_ulp <= 0.5
    for point in (1.5, -3.0, fmt.tiny * 5):
        where = int(np.flatnonzero(case.points[:, 0] == point)[0])
        wrong = case.expected.copy()
        wrong[where] = from_ordered(ordered(to_format([wrong[where]], fmt), fmt) + 1, fmt)[0]
        found = measuring.measure(
            wrong, case, fmt, limit, ["x"], **{**LABELS, "backend": "numpy", "dtype": dtype}
        )
        assert found.misrounded == 1 and dict(found.at)["x"] == point
        (line,) = contract.breaches([found])
        assert "a f on numpy" in line and repr(point) in line and "correctly rounded" in line


def test_mixed_errors_forgive_the_input_and_no_more() -> None:
    fmt = FORMATS["float32"]
    r = Reference(x**2 - 2, x**2 - 2, [x], {})
    root = float(np.float32(2**0.5))
    points = np.array([[root], [root], [1.0], [3.0]])
    case = measuring.Case(r, points, r.truth(points, fmt), [[]])
    y = np.array([0.0, 1e-3, -1 + 3 * 2.0**-24, 7.0 + 40 * 2.0**-21])
    plain = errors(y, case.truth, fmt)
    mixed = measuring.corners_of(case, points, case.truth, fmt).mixed(y, plain, fmt)
    assert plain[0] > 1e6 and mixed[0] == 0.0
    assert mixed[1] > 100
    assert mixed[2] <= 1 < plain[2]
    assert 35 < mixed[3] < plain[3]


def test_mixed_errors_do_not_bridge_a_jump() -> None:
    """Halfway up the step of heaviside is no value of it."""
    act = actgen.load("heaviside")
    fmt = FORMATS["float32"]
    r = compile_activation(act).references(act.defaults)["forward"]
    points = np.array([[0.0]])
    case = measuring.Case(r, points, r.truth(points, fmt), [[0.0]])
    y = np.array([0.25])
    mixed = measuring.corners_of(case, points, case.truth, fmt).mixed(
        y, errors(y, case.truth, fmt), fmt
    )
    assert mixed[0] > 1e6


def test_mixed_errors_move_every_input() -> None:
    """silu(y)·x near the root of ∂/∂y: only y can explain what is off."""
    act = actgen.load("swiglu")
    fmt = FORMATS["float32"]
    r = compile_activation(act).references(act.defaults)["derivative_y"]
    points = np.array([[1.0, float(np.float32(-1.2784645))]])
    case = measuring.Case(r, points, r.truth(points, fmt), [[], []])
    true = float(case.truth.high[0])
    slope = 2.0**-25 * 0.3
    y = np.array([float(np.float32(true + slope / 2))])
    plain = errors(y, case.truth, fmt)
    assert plain[0] > 4
    assert measuring.corners_of(case, points, case.truth, fmt).mixed(y, plain, fmt)[0] <= 1
    y = y + 1e-5
    assert (
        measuring.corners_of(case, points, case.truth, fmt).mixed(
            y, errors(y, case.truth, fmt), fmt
        )[0]
        > 100
    )


def test_zones_cover_roots_and_borders() -> None:
    act = actgen.load("silu")
    fmt = FORMATS["float32"]
    points = set(case_of("silu", "float32", "derivative").points[:, 0].tolist())
    root = np.float32(-1.2784645)
    for step in range(-500, 500):
        at = from_ordered(ordered(np.array([root]), fmt) + step, fmt)[0]
        assert at in points
    forward = case_of("silu", "float32").points[:, 0]
    forward = forward[~np.isnan(forward)]
    r = compile_activation(act).references({})["forward"]
    kind = zones.kinds(r.truth(np.sort(forward)[:, None], fmt), fmt)
    border = np.flatnonzero(np.abs(np.diff(np.abs(kind))) > 0)
    ordered_points = ordered(to_format(np.sort(forward), fmt), fmt)
    assert len(border) >= 4
    assert all(ordered_points[i + 1] - ordered_points[i] <= 1 for i in border)


def test_next_to_zero() -> None:
    r = Reference(x, x, [x], {})
    fmt = FORMATS["float16"]
    values = zones.all_values(fmt)
    values = values[~np.isnan(values)][:, None]
    near = zones.next_to_zero(r.truth(values, fmt), len(values))
    assert sorted(np.abs(values[near, 0]) / fmt.tiny) == [0, 0, 1, 1, 2, 2]


def test_the_ulp_of_zero_is_the_least_number() -> None:
    for fmt in FORMATS.values():
        least = fmt.emin - fmt.precision + 1
        assert quantum(np.array([0.0, 2.0**least]), fmt).tolist() == [2.0**least] * 2


def test_infinity_is_the_float_after_the_greatest() -> None:
    fmt = FORMATS["float16"]
    r = Reference(x, x, [x], {})
    truth = r.truth(np.array([[65504.0], [65504.0 + 17], [65104.0], [1e9]]), fmt)
    assert errors([math.inf] * 4, truth, fmt).tolist() == [1.0, 0.0, 1 + 400 / 32, 0.0]
    assert (
        errors([65504.0] * 4, truth, fmt)[1] == 17 / 32
        and errors([1.0] * 4, truth, fmt)[3] == math.inf
    )


def line(**fields: Any) -> Measurement:
    base = Measurement("silu", "forward", "torch", "float32", 0.5, 0.5, (("x", 1.0),), 10, 0)
    return replace(base, **fields)


def test_the_contract() -> None:
    assert contract.holds(line(max_ulp=50.0, max_mixed_ulp=4.0))
    assert not contract.holds(line(max_mixed_ulp=4.1))
    assert not contract.holds(line(backend="numpy", max_ulp=1.1, max_mixed_ulp=0.5))
    assert contract.holds(line(dtype="float16", max_ulp=0.9, away_ulp=0.51))
    assert not contract.holds(line(dtype="float16", max_ulp=0.9, away_ulp=0.52))
    assert not contract.holds(line(dtype="float16", max_ulp=1.1))
    assert not contract.holds(line(non_finite=1)) and not contract.holds(line(far=1))
    with pytest.raises(
        actgen.ContractError, match=r"silu forward on torch in float32: 5 mixed ulp"
    ):
        contract.enforce([line(max_mixed_ulp=5.0)])
    assert not report.Result("silu", [line(max_mixed_ulp=5.0)]).ok
    assert report.Result("silu", [line()]).ok


def test_verify_says_where_the_contract_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        report,
        "verify_all",
        lambda *a, **k: report.Report(
            {"silu": report.Result("silu", [line(max_mixed_ulp=5.0)])}, []
        ),
    )
    done = CliRunner().invoke(cli.app, ["verify", "silu"])
    assert (
        done.exit_code == 1
        and "over the contract: silu forward on torch in float32: 5 mixed ulp" in done.output
    )


def test_measurements_survive_json() -> None:
    m = line(max_ulp=math.inf, at=(("x", -math.inf), ("alpha", 0.1)))
    assert Measurement.from_dict(json.loads(json.dumps(m.as_dict()))) == m


# Rows.


def test_a_wrong_row_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    act = actgen.load("softmax")
    f = compile_activation(act).functions["forward"]
    fmt = FORMATS["float32"]
    labels = {"activation": "softmax", "backend": "numpy", "dtype": "float32"}
    run = running.runner(compile_activation(act), "numpy")
    good = row_errors.measure(act, f, run, fmt, labels)
    assert good.max_mixed_ulp <= 1 and good.row

    def off(*args: Any) -> Any:
        y = np.array(run(*args))
        return y + (np.abs(y) > 1e-30) * quantum(np.abs(y), fmt) * 40

    assert 39 < row_errors.measure(act, f, off, fmt, labels).max_ulp < 82
    assert row_errors.measure(act, f, off, fmt, labels).max_mixed_ulp > 30


# Sweeps.


def test_a_sweep_goes_on_where_it_stopped(tmp_path: Path) -> None:
    def here(jobs: Any) -> Any:
        return map(sweep.measure, jobs)

    options: dict[str, Any] = {
        "folder": tmp_path,
        "size": 1 << 14,
        "functions": ("forward",),
        "execute": here,
    }
    part = sweep.sweep("silu", "numpy", "float16", limit=2, **options)
    assert part.inputs > 30000 and part.rate > 0
    assert not part.measurements[0].exhaustive and part.measurements[0].inputs == part.inputs
    path = sweep.state_file(tmp_path, "silu", "numpy", "float16")
    lines = path.read_text().splitlines()
    assert len(lines) == 2
    path.write_text(lines[0] + "\n" + lines[1][:50])  # killed in the middle of a write
    rest = sweep.sweep("silu", "numpy", "float16", **options)
    assert rest.measurements[0].exhaustive and rest.measurements[0].inputs == 65536
    again = sweep.sweep("silu", "numpy", "float16", **options)
    assert again.inputs == 0 and again.measurements == rest.measurements
    old = sweep.read_state(path, "another source", 1 << 14)
    assert old == {}


def test_a_sweep_of_float32_on_the_command_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no sweep of float64"):
        sweep.chunks("float64")
    with pytest.raises(actgen.ActgenError, match="only functions of one number"):
        sweep.sweep("softmax", "numpy", folder=tmp_path)
    done = CliRunner().invoke(
        cli.app,
        [
            "verify",
            "relu",
            "-b",
            "numpy",
            "-d",
            "float16",
            "--exhaustive",
            "--state",
            str(tmp_path),
        ],
    )
    assert done.exit_code == 0, done.output
    assert "all 65,536 inputs" in done.output and "per second" in done.output


@pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="no Dask here")
@pytest.mark.filterwarnings("ignore")
def test_a_sweep_on_dask(tmp_path: Path) -> None:
    import distributed

    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        done = sweep.sweep(
            "silu",
            "numpy",
            "float16",
            folder=tmp_path,
            size=1 << 15,
            execute=lambda jobs: sweep.dask(jobs, cluster.scheduler_address),
        )
    assert [m.exhaustive for m in done.measurements] == [True] * 3


# Worst cases.


def test_worst_cases_are_kept_and_replayed(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    act = actgen.load("elu")
    found = line(
        activation="elu",
        backend="numpy",
        dtype="float32",
        at=(("x", -1.5), ("alpha", 1.0)),
        max_ulp=0.4,
    )
    worst_cases.record(act, [found], tmp_path)
    (row,) = worst_cases.read("elu", tmp_path)
    assert (row.input, row.output, row.ulp) == ("bfc00000", "bf46e0f1", "0.4")
    more = [replace(found, at=(("x", -1.5 - i / 8), ("alpha", 4.0))) for i in range(12)]
    worst_cases.record(act, more, tmp_path)
    rows = worst_cases.read("elu", tmp_path)
    assert len(rows) == worst_cases.CAP and row in rows
    assert all(map(contract.holds, worst_cases.replay(act, "numpy", rows)))


STORED = sorted(p.stem for p in worst_cases.path_of("x").parent.glob("*.csv"))


@pytest.mark.parametrize("name", STORED)
def test_stored_worst_cases(name: str) -> None:
    """What was once the worst stays within the contract, on every backend."""
    act = actgen.load(name)
    rows = worst_cases.read(name)
    truths = compile_activation(act).functions
    for row in rows[::5]:
        fmt = FORMATS[row.dtype]
        values = {
            k: float(v) for k, v in (item.split("=") for item in row.parameters.split(";") if item)
        }
        oracle = worst_cases.Oracle(
            truths[row.function].truth, act.inputs, worst_cases.setting_of(act, values)
        )
        point = [worst_cases.from_bits(b, fmt) for b in row.input.split()]
        assert worst_cases.to_bits(worst_cases.correct(oracle, point, fmt), fmt) == row.output, row
    for backend in NAMES:
        if backend not in report.missing():
            found = worst_cases.replay(act, backend, rows)
            assert contract.breaches(found) == []
