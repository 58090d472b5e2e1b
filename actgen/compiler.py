"""The line of stages: spec → calculus → program → stabilise → emit.

`compile_activation` runs it up to the programs, `source` adds the text for one backend, `compile`
loads that text and returns a Kernel.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator

from sympy import Expr

from . import backends, cache, calculus, guards, row_halves
from .compiled import Compiled, Function
from .errors import FormulaWarning
from .files import source_text
from .kernel import Kernel
from .lang import symbol
from .lower import lower
from .registry import declared, load, spec_file
from .rows import lift_rows
from .spec import Activation
from .stabilise import stabilise
from .ties import leaning
from .trial import benches
from .variants import lift


def derived(act: Activation) -> Iterator[tuple[str, Expr, Expr]]:
    """(name, lifted expression, the same from the formula as written) of each function."""
    formula, lifted = act.formula, lift(act.formula)
    yield "forward", lifted, formula
    if act.is_gated:
        for v in act.inputs:
            yield (
                f"derivative_{v}",
                lift(calculus.derivative(lifted, v)),
                calculus.derivative(formula, v),
            )
        for i, v in enumerate(act.inputs):
            for w in act.inputs[i:]:
                first = lift(calculus.derivative(lifted, v)), calculus.derivative(formula, v)
                yield (
                    f"second_derivative_{v}{w}",
                    lift(calculus.derivative(first[0], w)),
                    calculus.derivative(first[1], w),
                )
    else:
        x = act.inputs[0]
        first = lift(calculus.derivative(lifted, x)), calculus.derivative(formula, x)
        yield "derivative", *first
        yield (
            "second_derivative",
            lift(calculus.derivative(first[0], x)),
            calculus.derivative(first[1], x),
        )
    for p in act.parameters:
        yield f"grad_{p.name}", lift(calculus.derivative(lifted, p.symbol)), act.gradient(p.name)


def row_derived(act: Activation) -> Iterator[tuple[str, Expr, tuple[str, ...]]]:
    """(name, expression, extra row inputs) of each function of a row function."""
    x = act.inputs[0]
    yield "forward", act.formula, ()
    yield "derivative", act.derivative(), ()
    yield "second_derivative", act.derivative(2), ()
    yield "vjp", calculus.row_vjp(act.formula, x, symbol("dy")), ("dy",)
    yield "jvp", calculus.row_jvp(act.formula, x, symbol("dx")), ("dx",)


_COMPILED: dict[Activation, Compiled] = {}


def compile_activation(act: Activation) -> Compiled:
    """Every function of the activation with its program; compiled once, and kept (cache.py)."""
    if act not in _COMPILED:
        name = cache.key(act)
        found = cache.get(name)
        if not isinstance(found, Compiled) or found.activation != act:
            found = _compile(act)
            cache.put(name, found)
        _COMPILED[act] = found
    return _COMPILED[act]


def is_here(act: Activation) -> bool:
    """Whether the activation was compiled, or read from disk, in this process already."""
    return act in _COMPILED


def remember(compiled: Compiled) -> None:
    """Take over what another process has compiled."""
    _COMPILED[compiled.activation] = compiled


def _compile(act: Activation) -> Compiled:
    functions = {}
    if act.is_row:
        for name, truth, extra in row_derived(act):
            inputs = [act.inputs[0], *map(symbol, extra)]
            expr = lift_rows(truth, set(inputs))
            # Rounding errors of float64 arguments are nothing to float32.
            program, short = (lower(expr, inputs, (), wide=wide) for wide in (True, False))
            if not isinstance(program.outputs[0], str):  # a constant: give it the row's shape
                program = short = guards.propagate_nan(program, [program.inputs[0]])
            other = short if short != program else None
            half = row_halves.half(short, program)
            functions[name] = Function(name, truth, expr, program, narrow=other, half=half)
    else:
        symbols = [p.symbol for p in act.parameters]
        every = list(derived(act))
        bench = benches(act, {name: (truth, expr) for name, expr, truth in every})
        for name, expr, truth in every:
            choice = stabilise(expr, truth, act, bench[name])
            side = leaning(truth, act.inputs)
            lean = None if side is None else lower(side, act.inputs, symbols)
            functions[name] = Function(
                name,
                truth,
                expr,
                choice.program,
                choice,
                lean,
                choice.narrow,
                choice.half,
                choice.double,
            )
    return Compiled(act, functions)


def source(act: Activation | str, backend: str) -> str:
    """The text of the generated file for one backend."""
    act = load(act) if isinstance(act, str) else act
    known = act.name in declared() and declared()[act.name][0] == act
    where = spec_file(act.name) if known else "a formula"
    return source_text(compile_activation(act), backends.get(backend), where)


def compile(act: Activation | str, backend: str = "numpy") -> Kernel:
    """The activation as callable kernels of a backend; `.source` is the file `build` writes.

    Warns FormulaWarning if a function of it was found over the accuracy contract. Raises
    FormulaError for an unknown name, ValueError for an unknown backend,
    BackendUnavailable where its package is not installed.
    """
    act = load(act) if isinstance(act, str) else act
    for f in compile_activation(act).functions.values():
        if f.choice is not None and not f.choice.held:
            warnings.warn(
                f"{act.name}: no form of its {f.name} was found that holds the accuracy contract "
                f"on every input: {f.choice.worst}",
                FormulaWarning,
                stacklevel=2,
            )
    return Kernel(act, backend, source(act, backend))
