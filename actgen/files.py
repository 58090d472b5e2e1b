"""The slots of a generated file: which functions it has, their signatures, bodies and texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from . import (
    autograd,
    chains,
    device_tables,
    emit,
    launches,
    model,
    modules,
    outputs,
    singles,
    tabling,
)
from .backends import Backend
from .compiled import Compiled, Function
from .headers import header, label_of
from .program import Program
from .row_kernels import by_threads, dear, loops, near, scratch, shapes, stages
from .spec import Activation

_DOCS = {
    "": "f, the activation itself.",
    "_derivative": "f', the derivative in x; at a kink that of the branch that owns the point.",
    "_second_derivative": "f'', the second derivative, branch by branch.",
    "_vjp": "The cotangent of x: dy times f'(x).",
    "_jvp": "The tangent of f: dx times f'(x).",
}

_ROW_DOCS = {
    "": "f of each row.",
    "_derivative": "The diagonal of each row's Jacobian.",
    "_second_derivative": "The second derivatives of each entry in its own input.",
    "_vjp": "The cotangent of x, from sums over the row.",
    "_jvp": "The tangent of f, from sums over the row.",
}


def source_text(compiled: Compiled, backend: Backend, spec_file: str) -> str:
    """The text of the generated file."""
    act = compiled.activation
    kind = "rows" if act.is_row else "elementwise"
    slots = header(compiled, backend, spec_file)
    slots |= _row_slots(compiled, backend) if act.is_row else _slots(compiled, backend)
    return emit.render(f"{backend.name}/{kind}.py.jinja", slots)


# Elementwise and gated functions.


def _kernels(compiled: Compiled, backend: Backend) -> tuple[list[dict[str, Any]], set[str]]:
    kernels, ops = [], set()
    for name, _, program in _programs(compiled, backend):
        kernel, used = _program_kernel(name, program, backend)
        ops |= used
        kernels.append(kernel)
    return kernels, ops


def _program_kernel(
    name: str, program: Program, backend: Backend
) -> tuple[dict[str, Any], set[str]]:
    """The kernel of a program, and the operations it uses."""
    rounded = singles.roundings(program) if backend.compiles else None
    language = backend if rounded is None else singles.in_single(backend)
    lines, used = emit.function_lines(program, language)
    given = program.inputs, program.parameters
    return _kernel(name, *given, backend, lines, rounded=rounded), used


def _programs(compiled: Compiled, backend: Backend) -> Iterator[tuple[str, Function, Program]]:
    """Every program that a file carries: the kernel's name, and the function that it is of."""
    for f in compiled.functions.values():
        own = f.double if backend.double else None
        yield f"_{f.name}", f, own or f.program
        if f.lean is not None and backend.leans:
            yield f"_{f.name}_lean", f, f.lean
        for variant in backend.variants:
            if (program := getattr(f, variant)) is not None:
                yield f"_{f.name}_{variant}", f, program


def _narrowed(kernels: list[dict[str, Any]]) -> list[str]:
    """The kernels that have a second program, for what is rounded to float32."""
    names = [k["name"] for k in kernels]
    return [name for name in names if f"{name}_narrow" in names]


def _kernel(
    name: str,
    arrays: Sequence[str],
    parameters: Sequence[str],
    backend: Backend,
    lines: list[str],
    of: str = "",
    rounded: int | None = None,
) -> dict[str, Any]:
    """A function on plain values: how it is defined and called, and its statements.

    `of`: it is the last of its arrays times that kernel. `rounded`: how often its result is in the
    format that it is given, None where it takes float64 alone.
    """
    array, value = backend.signatures.plain or ("", "")
    typed = [f"{n}: {array}" if array else n for n in arrays]
    typed += [f"{n}: {value}" if value else n for n in parameters]
    return {
        "name": name,
        "define": emit.define(name, typed, array),
        "arguments": ", ".join([*arrays, *parameters]),
        "lines": lines,
        "arrays": list(arrays),
        "of": of,
        "rounded": rounded,
        **_loop(name, arrays, parameters, rounded is not None),
    }


def _value(array: str, single: bool) -> str:
    """An element of an array at an address, as float64 unless `single`."""
    return f"{array}_at[i]" if single else f"float64({array}_at[i])"


def _loop(
    name: str, arrays: Sequence[str], parameters: Sequence[str], single: bool
) -> dict[str, Any]:
    """A loop over elements at addresses: how it is defined, and what it does with each."""
    given = [_value(a, single) for a in arrays] + [f"_each({p}, i)" for p in parameters]
    return {
        "loop_define": emit.define(f"{name}_loop", ["like", "n", "out", *arrays, *parameters], ""),
        "loop_lines": emit.call("out_at[i] = ", name, given, 92),
    }


def _several_loop(
    name: str,
    kernels: Sequence[str],
    arrays: Sequence[str],
    parameters: Sequence[str],
    single: bool,
) -> dict[str, Any]:
    """A loop that writes what several kernels make of the same elements."""
    outs = [f"out{i}" for i in range(len(kernels))]
    given = ", ".join([*(f"{a}_i" for a in arrays), *(f"_each({p}, i)" for p in parameters)])
    lines = [f"{a}_i = {_value(a, single)}" for a in arrays]
    for out, kernel in zip(outs, kernels, strict=True):
        lines += emit.call(f"{out}_at[i] = ", kernel, given.split(", "), 92)
    return {
        "name": name,
        "rounded": 1 if single else None,
        "loop_define": emit.define(f"{name}_loop", ["like", "n", *outs, *arrays, *parameters], ""),
        "pointers": [*arrays, *outs],
        "loop_lines": lines,
    }


def _tuple(names: Sequence[str]) -> str:
    return f"({names[0]},)" if len(names) == 1 else f"({', '.join(names)})"


def _defines(
    name: str, arguments: list[str], backend: Backend, axis: int | None = None
) -> dict[str, str]:
    """The first line of a public function; `axis` is the default axis of a row function."""
    written = backend.signatures
    last = written.last if axis is None else [a.format(axis=axis) for a in written.row_last]
    return {
        "define": emit.define(name, [*arguments, *last], written.result),
        "define_plain": emit.define(name, arguments, written.result),
        "define_pair": emit.define(name, arguments, f"tuple[{written.result}, ...]"),
    }


def _slots(compiled: Compiled, backend: Backend) -> dict[str, Any]:
    act, written = compiled.activation, backend.signatures
    inputs = [str(s) for s in act.inputs]
    parameters = [p.name for p in act.parameters]
    typed = [
        f"{p.name}: {written.value} = {backend.default(model.constant(p.value))}"
        for p in act.parameters
    ]
    kernels, ops = _kernels(compiled, backend)
    chain = _chain(act, kernels)
    leaning = [f.name for f in compiled.functions.values() if f.lean is not None]

    def public(
        suffix: str, kernel: str, extra: tuple[str, ...] = (), doc: str = ""
    ) -> dict[str, Any]:
        arrays = [*inputs, *extra]
        return {
            "name": act.name + suffix,
            "suffix": suffix,
            "kernel": kernel,
            "lean": f", lean={kernel}_lean" if kernel[1:] in leaning else "",
            "doc": doc or _DOCS[suffix],
            **_defines(
                act.name + suffix,
                [*(f"{a}: {written.array}" for a in arrays), *typed],
                backend,
            ),
            "arrays": _tuple(arrays),
            "array_names": arrays,
            "count": len(arrays),
            "parameters": _tuple(parameters),
            "arguments": ", ".join([*arrays, *parameters]),
        }

    def several(
        suffix: str, members: list[str], extra: tuple[str, ...], doc: str
    ) -> dict[str, Any]:
        """A function that returns what several others do."""
        whole = public(suffix, "", extra, doc)
        called = [f"{act.name}{'' if m == '_forward' else m}" for m in members]
        known = {k["name"]: k["rounded"] for k in kernels}
        short = [f"{m}_narrow" if f"{m}_narrow" in known else m for m in members]
        loops = {suffix: members} | ({f"{suffix}_narrow": short} if short != members else {})
        given = [*inputs, *extra], parameters, all(known[m] is not None for m in members)
        single = _tuple([f"{m}_loop" for m in members])
        together = [f"{suffix}_loop", single, whole["arrays"], whole["parameters"]]
        return {
            **whole,
            "lines": emit.tuple_lines([f"{f}({whole['arguments']})" for f in called]),
            "members": called,
            "together": [
                *emit.call("several = ", "_together", together, 96),
                "if several is not None:",
                "    return several",
            ],
            "loops": [_several_loop(n, of, *given) for n, of in loops.items() if backend.compiles],
        }

    def product(name: str, *terms: tuple[str, str]) -> None:
        """A kernel that sums products of a cotangent or tangent with a derivative."""
        known = {k["name"]: k["rounded"] for k in kernels}
        several = {name: terms}
        for variant in backend.variants:
            short = [(by, f"{of}_{variant}") for by, of in terms]
            if known.keys() & {of for _, of in short}:
                several[f"{name}_{variant}"] = tuple(
                    new if new[1] in known else old for new, old in zip(short, terms, strict=True)
                )
        for name, terms in several.items():
            called = [f"{by} * {of}({', '.join([*inputs, *parameters])})" for by, of in terms]
            arrays, lines = [*inputs, *(by for by, _ in terms)], [f"return {' + '.join(called)}"]
            of = terms[0][1] if len(terms) == 1 else ""
            rounded = 1 if of and known[of] == 0 else None
            kernels.append(_kernel(name, arrays, parameters, backend, lines, of, rounded))

    form = outputs.output_form(compiled) if backend.compiles else outputs.NONE
    if form.program is not None and form.dtypes:  # for the backward passes that save the output
        name, called = f"_{autograd.FROM_OUTPUT}", ", ".join(["y", *parameters])
        slope, used = _program_kernel(name, form.program, backend)
        ops |= used
        given, lines = form.program.parameters, [f"return dy * {name}({called})"]
        rounded = 1 if slope["rounded"] == 0 else None
        whole = f"_{autograd.VJP_OF_OUTPUT}"
        kernels += [slope, _kernel(whole, ["y", "dy"], given, backend, lines, rounded=rounded)]

    functions = [public("", "_forward")]
    pairs: list[dict[str, Any]] = []
    sums: list[dict[str, Any]] = []
    if act.is_gated:
        cotangent = "dout"
        for v in inputs:
            functions.append(public(f"_derivative_{v}", f"_derivative_{v}", doc=f"df/d{v}."))
        seconds = [f.name for f in compiled.functions.values() if f.name.startswith("second_")]
        for name in seconds:
            functions.append(public(f"_{name}", f"_{name}", doc=f"{label_of(name, act)}."))
        for v in inputs:
            product(f"_vjp_{v}", (cotangent, f"_derivative_{v}"))
            functions.append(
                public(f"_vjp_{v}", f"_vjp_{v}", (cotangent,), f"The cotangent of {v}.")
            )
        tangents = [f"d{v}" for v in inputs]
        product("_jvp", *((t, f"_derivative_{t[1:]}") for t in tangents))
        functions.append(public("_jvp", "_jvp", tuple(tangents), "The tangent of f."))
        for suffix, members, extra, doc in (
            (
                "_derivative",
                [f"_derivative_{v}" for v in inputs],
                (),
                "The partial derivatives in the inputs.",
            ),
            (
                "_second_derivative",
                [f"_{n}" for n in seconds],
                (),
                "The second partial derivatives: xx, xy, yy.",
            ),
            ("_vjp", [f"_vjp_{v}" for v in inputs], (cotangent,), "The cotangents of the inputs."),
        ):
            pairs.append(several(suffix, members, extra, doc))
    else:
        cotangent = "dy"
        functions += [
            public("_derivative", "_derivative"),
            public("_second_derivative", "_second_derivative"),
        ]
        for suffix, tangent in (("_vjp", "dy"), ("_jvp", "dx")):
            product(suffix, (tangent, "_derivative"))
            functions.append(public(suffix, suffix, (tangent,)))
    for index, p in enumerate(parameters):
        functions.append(public(f"_grad_{p}", f"_grad_{p}", doc=f"df/d{p}, elementwise."))
        product(f"_vjp_{p}", (cotangent, f"_grad_{p}"))
        doc = f"The cotangent of {p}, summed to its shape."
        sums.append(
            {**public(f"_vjp_{p}", f"_vjp_{p}", (cotangent,), doc), "index": index, "wrt": p}
        )
    random = [
        {
            **public("_random", "", doc="-"),
            "wrt": p.name,
            "low": repr(p.random.low),
            "high": repr(p.random.high),
            "first": inputs[0],
            "call": f"{act.name}({', '.join([*inputs, *parameters])})",
        }
        for p in act.parameters
        if p.random is not None
    ]
    if backend.compiles:
        slopes = [f"_derivative_{v}" for v in inputs] if act.is_gated else ["_derivative"]
        doc = "f and its derivatives, the inputs read once."
        pairs.append(several("_value_and_derivative", ["_forward", *slopes], (), doc))
    names = [f["name"] for f in (*functions, *pairs, *sums)]
    module = modules.slots(act)
    rest = [*functions[1:], *pairs, *sums]
    own = autograd.slots(compiled, backend, rest) if backend.name == "torch" else {}
    own |= tabling.slots(compiled, kernels, backend)
    own |= device_tables.slots(compiled, kernels, backend)
    return {
        "functions": functions,
        "kernels": kernels,
        "chain": chain,
        "products": kernels[len(chain) :],
        "pairs": pairs,
        "sums": sums,
        "random": random,
        "exports": emit.exports(names),
        "random_exports": emit.exports([*names, *(f["name"] for f in random), *backend.exports]),
        "torch_exports": emit.exports([*names, module["module"]]),
        "helpers": emit.helpers(ops, backend),
        "inputs": inputs,
        "gated": act.is_gated,
        "narrowed": _narrowed([*kernels, *(loop for f in pairs for loop in f["loops"])]),
        "singles": [
            k["name"]
            for k in (*kernels, *(loop for f in pairs for loop in f["loops"]))
            if parameters and k["rounded"] is not None
        ],
        "widens": bool(parameters) or any(k["rounded"] is None for k in kernels),
        "leans": bool(leaning),
        "uses_math": _uses(kernels, "math.") or any("math." in t for t in typed),
        "parameter_names": parameters,
        "reduces_blocks": bool(parameters),
        "reduces_rows": False,
        **launches.slots(functions, inputs, parameters),
        **module,
        **own,
    }


def _chain(act: Activation, kernels: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The kernels from the last derivative to the function, each with its slopes."""
    found = []
    for k in reversed(kernels):
        known = ", ".join(f"_{s}" for s in chains.slopes(act, k["name"][1:]))
        found.append({**k, "slopes": known})
    return found


def _uses(kernels: list[dict[str, Any]], word: str) -> bool:
    return any(word in line for k in kernels for line in k["lines"])


# Row functions.


def _row_slots(compiled: Compiled, backend: Backend) -> dict[str, Any]:
    act = compiled.activation
    kernels, ops = (_row_kernels if backend.loops else _kernels)(compiled, backend)
    tangent = {}
    if backend.linear:
        program = chains.tangent(act)
        lines, used = emit.function_lines(program, backend)
        ops |= used
        tangent = _kernel("_tangent", program.inputs, (), backend, lines)
    functions = []
    for f in compiled.functions.values():
        suffix = "" if f.name == "forward" else f"_{f.name}"
        arrays = list(f.program.inputs)
        functions.append(
            {
                "name": act.name + suffix,
                "suffix": suffix,
                "kernel": f"_{f.name}",
                "doc": _ROW_DOCS[suffix],
                **_defines(
                    act.name + suffix,
                    [f"{a}: {backend.signatures.array}" for a in arrays],
                    backend,
                    act.axis,
                ),
                "arrays": _tuple(arrays),
                "array_names": arrays,
                "arguments": ", ".join(arrays),
                "reduces": act.reduces and f.name in ("forward", "jvp"),
                "reduced_input": act.reduces and f.name == "vjp",
            }
        )
    names = [str(f["name"]) for f in functions]
    own = autograd.row_slots(compiled, backend) if backend.name == "torch" else {}
    own |= tabling.slots(compiled, kernels, backend)
    own |= device_tables.slots(compiled, kernels, backend)
    return {
        "functions": functions,
        "kernels": kernels,
        "tangent": tangent,
        "helpers": emit.helpers(ops, backend),
        "shapes": shapes([e for k in kernels for e in k.get("entries", ())]),
        "kernel_names": emit.exports([str(k["name"]) for k in kernels]),
        "exports": emit.exports([*names, *backend.exports]),
        "torch_exports": emit.exports([*names, modules.class_name(act)]),
        "axis": act.axis,
        "reduces": act.reduces,
        "reduces_blocks": True,
        "reduces_rows": True,
        "widens": True,
        "parameter_names": [],
        "sums": [],
        "module": modules.class_name(act),
        "narrowed": _narrowed(kernels),
        "uses_math": _uses(kernels, "math."),
        **own,
    }


def _row_kernels(compiled: Compiled, backend: Backend) -> tuple[list[dict[str, Any]], set[str]]:
    """Each row function as stages of loops."""
    kernels, ops = [], set()
    for name, f, program in _programs(compiled, backend):
        plain = program is f.narrow
        single = ("dy",) if compiled.activation.reduces and f.name == "vjp" else ()
        if plain:
            program = near(program, backend)
        found, used = stages(program, backend, single, keeps=dear if backend.compiles else None)
        ops |= used
        # A row that is read once is short: plain sums are good enough for 16 bits.
        how = plain, program is f.half
        one = compiled.activation.reduces and f.name in ("forward", "jvp")
        kernels.append(
            {
                "name": name,
                "arguments": ", ".join([*program.inputs, "rows, n, inner, out"]),
                "arrays": list(program.inputs),
                "loop_define": emit.define(
                    f"{name}_loop", ["like", "rows", "out", *program.inputs, "n"], ""
                ),
                **(
                    by_threads(name, program, backend, single, one, how)
                    if backend.loops == "threads"
                    else {"lines": loops(backend.loops, found, single, one, plain)}
                ),
                **scratch(found, plain),
            }
        )
    return kernels, ops
