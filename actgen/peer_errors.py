"""The worst errors of other libraries and of ours, on the same inputs, as a table.

Truth is Arb. Of the many inputs of float16, bfloat16 and float32, a sample that holds every
exponent is judged by Arb; at the others a double precision estimate, our own float64 kernel, picks
those at which some column may be worst, and Arb judges them. The sample also judges the estimate:
where that is off by a tenth of an ulp anywhere, Arb judges every input.
"""

from __future__ import annotations

import importlib
import math
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from flint import arb
from rich import box
from rich.table import Table

from .accuracy import FORMATS, Floats, Format, error, to_format, ulp_of
from .build import folder
from .cases import point_sets
from .compiler import compile
from .kernel import Kernel
from .oracle import Oracle, Undecided, from_float, shared
from .peers import LIBRARIES, Library, Pair, flushes, missing
from .registry import load
from .spec import Activation

#: Our backends that are measured beside the libraries.
OURS = ("torch", "numpy")
#: Errors beyond this are printed bold: what our own float32 and float64 kernels promise at worst.
BOLD = 4.0
#: Ordinary inputs by which a peer is known to be the same function, and how near it must be.
ORDINARY = tuple(s * v for v in (0.1, 0.27, 0.62, 1.19, 1.83, 2.6, 3.4, 4.9) for s in (1, -1))
SAME = 1e-3
#: Beyond this a result that is not finite is marked, and no error (as in Measurement.far).
FAR = 1e30
#: How good the estimate must be, in ulp of the format.
GOOD = 0.1
#: How many candidates Arb judges at a time, and how often at most.
BATCH, ROUNDS = 24, 12


@dataclass(frozen=True)
class Cell:
    """The worst error of one function of one implementation: in ulp, and the input it was at.

    `note` stands in for it where nothing was measured ("differs", "–"); `far` tells that a result
    is NaN or infinite where it should not be, or the other way about, for |x| beyond FAR or at
    ±inf.
    """

    ulps: float = math.nan
    at: float = math.nan
    note: str = ""
    far: bool = False

    @property
    def bold(self) -> bool:
        """Whether it is worse than our own contract."""
        return not self.note and self.ulps > BOLD

    def __str__(self) -> str:
        return self.note or digits(self.ulps) + ("†" if self.far else "")


@dataclass
class Comparison:
    """The cells of each dtype, by activation and (column, function), and what to know of them."""

    cells: dict[str, dict[str, dict[tuple[str, str], Cell]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def digits(value: float) -> str:
    """Two significant digits, as short as they come: 0.50, 1.3, 45, 1.7e7, inf."""
    if not math.isfinite(value):
        return str(value)
    if value == 0:
        return "0"
    for bound, places in ((0.995, 2), (9.95, 1), (999.5, 0)):
        if value < bound:
            return f"{value:.{places}f}"
    mantissa, _, power = f"{value:.1e}".partition("e")
    return f"{mantissa}e{int(power)}"


# Inputs.


def inputs(act: Activation, fmt: Format) -> tuple[Floats, int]:
    """Finite inputs of the format, and how many of the first ones Arb is to judge one by one.

    Those are the hard points and some of every exponent and sign; then, for the 16-bit formats,
    all that there are, and for float32 a third of a million more.
    """
    hard = np.array([p for (p,) in point_sets(act, fmt)], np.float64)
    hard = hard[np.isfinite(hard)]
    if fmt.precision < 24:
        with np.errstate(invalid="ignore"):  # signalling NaNs
            every = np.arange(1 << 16, dtype=np.uint16).view(fmt.dtype).astype(np.float64)
        judged = np.concatenate([hard, every[np.isfinite(every)][::13]])
        return np.concatenate([judged, every[np.isfinite(every)]]), len(judged)
    scales = range(fmt.emin - 1, fmt.emax + 1)
    judged = np.concatenate([hard, _patterns(fmt, scales, 8 if fmt.precision == 24 else 1)])
    if fmt.name == "float64":
        return judged, len(judged)
    more = [_patterns(fmt, scales, 64), _patterns(fmt, range(-12, 8), 8192)]
    return np.concatenate([judged, *more]), len(judged)


def _patterns(fmt: Format, scales: Sequence[int], count: int) -> Floats:
    """`count` inputs of each exponent and sign (emin − 1 stands for the subnormals)."""
    rng = np.random.default_rng(20240301)
    stored = fmt.precision - 1
    mantissas = rng.integers(0, 1 << stored, (2, len(scales), count), np.uint64)
    exponents = np.array([e - fmt.emin + 1 for e in scales], np.uint64)[None, :, None]
    width = np.dtype(fmt.bits).itemsize * 8
    signs = np.array([0, 1], np.uint64)[:, None, None] << np.uint64(width - 1)
    raw = signs | exponents << np.uint64(stored) | mantissas
    result: Floats = raw.ravel().astype(fmt.bits).view(fmt.dtype).astype(np.float64)
    return result


# Errors.


def estimated(computed: Floats, estimate: Floats, fmt: Format) -> Floats:
    """The ulp errors against double precision values: inf where one of the two is not finite."""
    with np.errstate(all="ignore"):
        power = np.maximum(np.frexp(estimate)[1] - fmt.precision, fmt.emin - fmt.precision + 1)
        ulps = np.abs(computed - estimate) / np.ldexp(1.0, power)
        ulps[np.isnan(ulps)] = np.inf
    ulps[(computed == estimate) | np.isnan(estimate)] = 0.0
    result: Floats = ulps
    return result


def worst(
    columns: Mapping[str, Floats],
    left_out: Mapping[str, Any],
    points: Floats,
    judged: int,
    oracle: Oracle,
    estimate: Floats,
    fmt: Format,
) -> dict[str, Cell]:
    """The worst error of each column; those of `left_out` (column → mask) do not count for it.

    Every column is judged at every input that Arb is asked for.
    """
    cells = dict.fromkeys(columns, Cell(0.0))
    guesses = {name: estimated(y, estimate, fmt) for name, y in columns.items()}
    for name, mask in left_out.items():
        guesses[name][mask] = 0.0

    def judge(i: int) -> bool:
        """Whether the estimate is good at an input; notes the errors there of all columns."""
        x = float(points[i])
        try:
            true = oracle(x)
        except Undecided:
            true = None
        good = true is None or _near(float(estimate[i]), true, fmt)
        for name, y in columns.items():
            guesses[name][i] = 0.0
            if true is None or true.is_nan() or (name in left_out and left_out[name][i]):
                continue
            ulps, worst_yet = error(float(y[i]), true, fmt), cells[name]
            if math.isinf(ulps) and abs(x) > FAR:
                cells[name] = replace(worst_yet, far=True)
            elif ulps > worst_yet.ulps:
                cells[name] = replace(worst_yet, ulps=ulps, at=x)
        return good

    batch: Sequence[int] = range(judged)
    seen: set[int] = set()
    for _ in range(ROUNDS):
        trusted = [judge(i) for i in batch]
        seen.update(batch)
        if not all(trusted):
            for i in range(len(points)):
                if i not in seen:
                    judge(i)
            break
        few = min(BATCH, len(points))
        batch = sorted(
            {
                int(i)
                for name, guess in guesses.items()
                for i in np.argpartition(guess, -few)[-few:]
                if guess[i] > cells[name].ulps
            }
        )
        if not batch:
            break
    return cells


def _near(estimate: float, true: arb, fmt: Format) -> bool:
    """Whether an estimate is within GOOD ulp of the true value."""
    if true.is_finite() and math.isfinite(estimate):
        return bool(abs(from_float(estimate) - true) <= GOOD * ulp_of(true, fmt))
    return not true.is_finite() or abs(true) > FORMATS["float64"].max


def _wrong_ends(values: Sequence[float], oracle: Oracle, fmt: Format) -> bool:
    """Whether the values at inf and −inf are not the limits (where there are limits)."""
    truths = [oracle(x) for x in (math.inf, -math.inf)]
    pairs = zip(values, truths, strict=True)
    return any(math.isinf(error(y, true, fmt)) for y, true in pairs if not true.is_nan())


# One activation.


def ours(act: Activation, backend: str, x: Floats, fmt: Format) -> Pair:
    """f and f′ of our kernel: the generated file, or for a new activation what would be written."""
    file = folder() / backend / f"{act.name}.py"
    kernel = (
        Kernel(act, backend, file.read_text(encoding="utf-8"))
        if file.is_file()
        else compile(act, backend)
    )
    if backend == "torch":
        library = LIBRARIES["torch"]
        at = library.array(x, fmt)
        return library.numbers(kernel.forward(at)), library.numbers(
            library.slope(kernel.forward, at)
        )
    at = to_format(x, fmt)
    with np.errstate(all="ignore"):
        f, slope = kernel.forward(at), kernel.derivative(at)
    return np.asarray(f).astype(np.float64), np.asarray(slope).astype(np.float64)


def differs(act: Activation, library: Library) -> bool:
    """Whether the peer is not the formula but has other defaults or another convention."""
    oracle = shared(act.formula, act.inputs, act.defaults)
    theirs = library.values(act, np.array(ORDINARY), FORMATS["float64"])
    true = np.array([float(oracle(x)) for x in ORDINARY])
    return not bool(np.all(np.abs(theirs - true) <= SAME * np.abs(true) + 1e-12))


def compare(act: Activation, dtype: str) -> dict[tuple[str, str], Cell]:
    """(column, function) → cell: the libraries and our backends, for f and f′."""
    fmt = FORMATS[dtype]
    points, judged = inputs(act, fmt)
    x = np.concatenate([points, [math.inf, -math.inf]])
    results: dict[str, Pair] = {}
    cells: dict[tuple[str, str], Cell] = {}
    for name in columns():
        library = LIBRARIES.get(name)
        if library is None:
            backend = name.removeprefix("ours ").strip("()")
            if backend not in missing():
                results[name] = ours(act, backend, x, fmt)
        elif name in act.peers and not library.missing:
            if differs(act, library):
                cells |= dict.fromkeys([(name, "f"), (name, "f′")], Cell(note="differs"))
            else:
                results[name] = library.pair(act, x, fmt)
    kinks = [float(k.at.subs(act.defaults)) for k in act.kinks()]
    estimates = ours(act, "numpy", points, FORMATS["float64"])
    for i, (which, expr) in enumerate((("f", act.formula), ("f′", act.derivative()))):
        oracle = shared(expr, act.inputs, act.defaults)
        given = {name: y for name, pair in results.items() if (y := pair[i]) is not None}
        estimate = estimates[i]
        assert estimate is not None
        flat = {name: np.broadcast_to(y, len(x)) for name, y in given.items()}
        subnormal = math.ldexp(1.0, fmt.emin)
        least = np.minimum(np.abs(points), np.where(estimate == 0, np.inf, np.abs(estimate)))
        tiny = (least < subnormal * (1 + 1e-6)) & (points != 0)
        at_kink = np.isin(points, kinks) if which == "f′" else np.zeros(len(points), bool)
        left_out = {
            name: at_kink | tiny if name in LIBRARIES and flushes(name, dtype) else at_kink
            for name in given
        }
        found = worst(
            {name: y[:-2] for name, y in flat.items()},
            left_out,
            points,
            judged,
            oracle,
            np.broadcast_to(estimate, len(points)),
            fmt,
        )
        for name, cell in found.items():
            ends = _wrong_ends([float(v) for v in flat[name][-2:]], oracle, fmt)
            cells[name, which] = replace(cell, far=cell.far or ends)
    return cells


def columns() -> list[str]:
    """The libraries, then our backends."""
    return [*LIBRARIES, *(f"ours ({b})" for b in OURS)]


# All of them.


def why_not(act: Activation) -> str:
    """Why an activation is not compared; empty where it is."""
    if not any(name in act.peers for name in LIBRARIES):
        return f"{', '.join(LIBRARIES)} have no such function"
    if act.is_row:
        return "works on rows"
    return "has two inputs" if act.is_gated else ""


def pieces(names: Sequence[str], dtypes: Sequence[str]) -> int:
    """How many times `progress` will be called."""
    return sum(not why_not(load(n)) for n in names) * len(dtypes)


def compare_all(
    names: Sequence[str], dtypes: Sequence[str], progress: Callable[[str], None] = lambda name: None
) -> Comparison:
    """Compare activations in each dtype; `notes` tell what is left out, and why."""
    found = Comparison({d: {} for d in dtypes})
    reasons: dict[str, list[str]] = {}
    for name in names:
        act = load(name)
        if why := why_not(act):
            reasons.setdefault(why, []).append(name)
            continue
        for dtype in dtypes:
            found.cells[dtype][name] = compare(act, dtype)
            progress(name)
    for name in LIBRARIES:
        if flushed := [d for d in dtypes if flushes(name, d)]:
            found.notes.append(
                f"{name} flushes subnormals to zero in {', '.join(flushed)}: its columns leave out "
                "inputs and results that are subnormal"
            )
    found.notes += [f"skipped: {name}: {why}" for name, why in missing().items()]
    found.notes += [f"skipped: {', '.join(those)}: {why}" for why, those in reasons.items()]
    return found


LEGEND = (
    "Worst error found, in ulp of the format at the true value, with every column on the same "
    "inputs: all of a 16-bit format; for float32 and float64 hard points and every exponent, for "
    "float32 a third of a million more. f′ is what the library's own autograd gives, away from "
    "kinks. inf: NaN or infinite where the truth is finite. †: so for |x| > 1e30, or at ±inf "
    "another value than the limit. –: no such function or derivative. differs: not "
    f"the formula but another convention of that name. Bold: worse than {BOLD:g} ulp."
)


def rows(found: Comparison, dtype: str) -> tuple[list[str], list[list[Cell]]]:
    """The heads of one dtype's table, and the cells of each activation in that order."""
    keys = [(column, which) for which in ("f", "f′") for column in columns()]
    cells = [[of.get(k, Cell(note="–")) for k in keys] for of in found.cells[dtype].values()]
    return ["activation", *(f"{column} {which}" for column, which in keys)], cells


def markdown(found: Comparison, command: str) -> str:
    """Everything as Markdown, with the command that made it and the platform it holds for."""
    here = ", ".join(f"{k} {v}" for k, v in platform_of().items())
    lines = ["# Worst errors, beside other libraries", "", f"Made by `{command}` on {here}."]
    lines += ["", LEGEND, ""]
    for dtype in found.cells:
        heads, table = rows(found, dtype)
        lines += [f"## {dtype}", "", f"| {' | '.join(heads)} |"]
        lines += [f"|---|{'--:|' * (len(heads) - 1)}"]
        for name, cells in zip(found.cells[dtype], table, strict=True):
            shown = [f"**{c}**" if c.bold else str(c) for c in cells]
            lines.append(f"| {name} | {' | '.join(shown)} |")
        lines.append("")
    lines += [f"- {line}" for line in found.notes]
    return "\n".join(lines).rstrip() + "\n"


def tables(found: Comparison) -> Iterator[Table]:
    """A table for the terminal of each dtype."""
    for dtype in found.cells:
        heads, table = rows(found, dtype)
        drawn = Table(title=f"Worst ulp in {dtype}", box=box.SIMPLE, title_justify="left")
        for i, head in enumerate(heads):
            drawn.add_column(head.replace(" ", "\n"), justify="right" if i else "left")
        for name, cells in zip(found.cells[dtype], table, strict=True):
            drawn.add_row(name, *(f"[bold]{c}[/bold]" if c.bold else str(c) for c in cells))
        yield drawn


def platform_of() -> dict[str, str]:
    """Where this was measured: the machine, its C library, the libraries' versions."""
    here = {"machine": platform.machine(), "libc": " ".join(platform.libc_ver())}
    versions = {"numpy": np.__version__}
    for name, library in LIBRARIES.items():
        if not library.missing:
            versions[name] = str(importlib.import_module(name).__version__)
    return here | versions
