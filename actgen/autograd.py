"""The slots of a PyTorch file of an elementwise or gated activation: what it differentiates.

`_PARTIALS` says, for each kernel, which kernel is its derivative in each argument; `_SMOOTH` has
the twins that are differentiated where no kernel is (see twins.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import emit, outputs
from .backends import Backend
from .backends.torch import FUSED
from .chains import slopes
from .compiled import Compiled
from .lang import symbol
from .lower import lower
from .model import constant
from .program import Program
from .rows import plain_rows
from .spec import Activation
from .twins import twin

#: The kernel of f' from the output, where there is one.
FROM_OUTPUT = "derivative_of_output"
#: The loop that multiplies it by a cotangent.
VJP_OF_OUTPUT = "vjp_of_output"


def partials(act: Activation) -> dict[str, tuple[str | None, ...]]:
    """Kernel → its derivatives in the inputs and the parameters; None where there is no kernel."""
    count = len(act.inputs) + len(act.parameters)
    first = [f"derivative_{v}" for v in act.inputs] if act.is_gated else ["derivative"]
    table: dict[str, tuple[str | None, ...]] = {}
    for kernel in ("forward", *first):
        known = slopes(act, kernel)
        table[kernel] = (*known, *[None] * (count - len(known)))
    return table


def _direct(act: Activation, arguments: Sequence[str]) -> list[str]:
    """Statements that return f's values at once where nothing else is wanted."""
    if act.name in FUSED:
        return []
    before = "direct = " if act.is_gated else "direct = None if inplace else "
    called = emit.call(before, "_values", ['"forward"', *arguments], 96)
    return [*called, "if direct is not None:", "    return direct"]


def _products(act: Activation) -> dict[str, str]:
    """Kernel of a first derivative → the kernel of its product with a cotangent (files.py)."""
    first = {f"derivative_{v}": f"vjp_{v}" for v in act.inputs} if act.is_gated else {}
    gradients = {f"grad_{p.name}": f"vjp_{p.name}" for p in act.parameters}
    return (first or {"derivative": "vjp"}) | gradients | {FROM_OUTPUT: VJP_OF_OUTPUT}


def slots(compiled: Compiled, backend: Backend, public: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The slots of the template, `public` being the functions of the file but f itself."""
    act = compiled.activation
    symbols = [p.symbol for p in act.parameters]
    form = outputs.output_form(compiled)
    kernels, smooth = [_Text(f.name, f.program, backend) for f in compiled.functions.values()], []
    for f, kernel in zip(compiled.functions.values(), kernels, strict=True):
        text = _Text(f.name, twin(f.expr, act.inputs, symbols), backend, "_smooth")
        if text.program.used:  # a constant has no derivative
            same = text.lines == kernel.lines and act.name not in FUSED
            smooth.append(kernel if same else text)
    if form.program is not None and form.dtypes:
        kernels.append(_Text(FROM_OUTPUT, form.program, backend))
    if act.name in FUSED:
        kernels[0].lines = _fused(act, kernels[0].lines)
    texts = [*kernels, *smooth]
    inputs, parameters = [str(s) for s in act.inputs], [p.name for p in act.parameters]
    arguments = ", ".join([*inputs, *parameters])
    checks = [f"_check({', '.join(inputs)})"]
    checks += ["_check_gate(x, y)"] if act.is_gated else []
    named = ", ".join([inputs[0], *(f"{p}={p}" for p in parameters)])
    checks += [f"_check_parameters({named})"] if parameters else []
    typed = [f"{n}: Tensor" for n in inputs] + [
        f"{p.name}: Value = {backend.literal(constant(p.value))}" for p in act.parameters
    ]
    overwrite = ["if inplace:", f"    return _overwrite({arguments})"]
    typed += [] if act.is_gated else ["inplace: bool = False"]
    return {
        "forward_define": emit.define(act.name, typed, "Tensor"),
        "forward_doc": "f, the activation itself.",
        "loop_names": "[*_KERNELS, *_PRODUCTS.values()]",
        "forward_lines": [
            *_direct(act, [*inputs, *parameters]),
            *checks,
            *([] if act.is_gated else overwrite),
            f'return _call("forward", {arguments})',
        ],
        "compiled_define": _compiled_define([*inputs, *parameters]),
        "together": arguments if len(inputs) + len(parameters) > 1 else f"{arguments},",
        "public": [_public(f, compiled, checks) for f in public],
        "kernels": [t.slots for t in kernels],
        "programs": [t.slots for t in smooth if t not in kernels],
        "helpers": emit.helpers({op for t in texts for op in t.ops}, backend),
        "uses_math": any("math." in line for t in texts for line in t.lines)
        or any("math." in t for t in typed),
        "uniform_math": any(t.needs_tensors for t in texts),
        "kernel_rows": _rows(kernels),
        "smooth_rows": _rows(smooth),
        "product_rows": [f'"{k}": "{v}",' for k, v in _products(act).items()],
        "fused": act.name in FUSED,
        "partial_rows": [f'"{k}": {_names(v)},' for k, v in partials(act).items()],
        "from_output": FROM_OUTPUT if len(kernels) > len(compiled.functions) else "",
        "output_arguments": ", ".join(["x: Tensor", *(f"{p}: Value" for p in parameters)]),
        "output_lines": _output_lines(compiled, form, backend),
    }


def row_slots(compiled: Compiled, backend: Backend) -> dict[str, Any]:
    """The slots of a row function: each kernel and its plain form, which takes no entry apart."""
    act = compiled.activation
    kernels, plain = [], []
    for f in compiled.functions.values():
        inputs = [symbol(name) for name in f.program.inputs]
        program = lower(plain_rows(f.truth, set(inputs)), inputs, ())
        kernels.append(_Text(f.name, f.program, backend))
        if program.used:
            plain.append(_Text(f.name, program, backend, "_smooth"))
    texts = [*kernels, *plain]
    return {
        "programs": [t.slots for t in plain],
        "kernel_rows": _rows(kernels),
        "smooth_rows": _rows(plain),
        "helpers": emit.helpers({op for t in texts for op in t.ops}, backend),
        "name": act.name,
        "fused": False,
        "loop_names": "[*_KERNELS]",
    }


def _fused(act: Activation, lines: list[str]) -> list[str]:
    """f by torch's own kernel, and as before for parameters that are tensors."""
    names = [p.name for p in act.parameters]
    line = f"return nn.functional.{FUSED[act.name]}({', '.join([str(act.inputs[0]), *names])})"
    if not names:
        return [line]
    test = f"not isinstance({names[0]}, Tensor)"
    if len(names) > 1:
        test = f"not any(isinstance(p, Tensor) for p in ({', '.join(names)}))"
    return [f"if {test}:", f"    {line}", *lines]


class _Text:
    """A program as a function of the file: what it is called, its statements, what it needs."""

    def __init__(self, name: str, program: Program, backend: Backend, suffix: str = "") -> None:
        self.key, self.name, self.program = name, f"_{name}{suffix}", program
        self.lines, self.ops = emit.function_lines(program, backend)

    @property
    def slots(self) -> dict[str, Any]:
        """Its definition and its lines."""
        arguments = [f"{n}: Tensor" for n in self.program.inputs]
        arguments += [f"{n}: Value" for n in self.program.parameters]
        return {"define": emit.define(self.name, arguments, "Tensor"), "lines": self.lines}

    @property
    def needs_tensors(self) -> bool:
        """Whether it applies a function to parameters alone (they must be tensors then)."""
        plain = {"add", "sub", "mul", "neg"}  # Python's division by zero is an error
        body = self.program.body
        return any(i.dest in self.program.uniform and i.op not in plain for i in body)


def _rows(texts: Sequence[_Text]) -> list[str]:
    """A dictionary of functions as lines of source, one entry a line."""
    return [f'"{t.key}": {t.name},' for t in texts]


def _compiled_define(arguments: Sequence[str]) -> list[str]:
    """The first lines of a Function's forward, whose signature is no Function's."""
    typed = ["ctx: Any", "name: str", *(f"{n}: Any" for n in arguments)]
    first, *rest = emit.define("forward", typed, "Tensor", width=68).splitlines()
    return [f"{first}  # type: ignore[override]", *rest]


def _public(f: dict[str, Any], compiled: Compiled, checks: Sequence[str]) -> dict[str, Any]:
    """A public function: those with lines of their own call others."""
    lines = f.get("lines") or _public_lines(f["suffix"], compiled, f["array_names"], checks)
    define = f["define_pair" if "lines" in f else "define"]
    return {"define": define, "doc": f["doc"], "lines": lines}


def _output_lines(compiled: Compiled, form: outputs.OutputForm, backend: Backend) -> list[str]:
    """Statements that say whether the parameters and the dtype admit the output form."""
    lines, tests = [], []
    for p in compiled.activation.parameters:
        lines.append(f"if isinstance({p.name}, Tensor):")
        lines.append("    return False")
    if len(form.dtypes) < len(backend.dtypes):
        tests.append(f"x.dtype in ({', '.join(f'torch.{d}' for d in form.dtypes)})")
    if form.requires != True:  # noqa: E712 (SymPy's true)
        condition = lower(form.requires, (), [p.symbol for p in compiled.activation.parameters])
        tests.append(emit.statements(condition, backend)[1][0])
    return [*lines, f"return {' and '.join(tests) or True}"]


def _names(values: Sequence[str | None]) -> str:
    """A tuple of names and None as source."""
    shown = ", ".join("None" if v is None else f'"{v}"' for v in values)
    return f"({shown},)" if len(values) == 1 else f"({shown})"


def _public_lines(
    suffix: str, compiled: Compiled, arrays: Sequence[str], checks: Sequence[str]
) -> list[str]:
    """The statements of a public function but f itself, by its suffix: _vjp_x, _grad_alpha, …"""
    act = compiled.activation
    inputs, parameters = [str(s) for s in act.inputs], [p.name for p in act.parameters]
    arguments = ", ".join([*inputs, *parameters])
    lines = [f"_check({', '.join(arrays)})", *checks[1:]]
    name = suffix.removeprefix("_")
    kind, _, wrt = name.partition("_")
    if name in compiled.functions:
        return [*lines, f'return _call("{name}", {arguments})']
    if kind == "jvp":
        terms = [
            (tangent, f"derivative_{v}" if act.is_gated else "derivative")
            for v, tangent in zip(inputs, arrays[len(inputs) :], strict=True)
        ]
    elif wrt in parameters:
        lines += _sum("terms = ", "_terms", arguments, [(arrays[-1], f"grad_{wrt}")])
        return [*lines, f"return _sum_to(terms, {wrt}, x)"]
    else:
        terms = [(arrays[-1], f"derivative_{wrt}" if wrt else "derivative")]
    return [*lines, *_sum("return ", "_product", arguments, terms)]


def _sum(before: str, name: str, arguments: str, terms: Sequence[tuple[str, str]]) -> list[str]:
    """A statement that adds factors times kernels of the arguments."""
    together = f"({arguments},)" if ", " not in arguments else f"({arguments})"
    pairs = [f'({factor}, "{kernel}")' for factor, kernel in terms]
    return emit.call(before, name, [together, *pairs], 96)
