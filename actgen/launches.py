"""How CUDA kernels take their arguments: slots of the launches of a generated file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

#: How many numbers of each size 16 bytes hold.
LANES = (2, 4, 8)
WIDTH = 88
#: How elements share a parameter's values, among how many blocks, and where their sums go.
_SUMMED = ("inner", "count", "size", "parts", "sums")
#: What lies between rows and within them, an array each; how many, how long, where vectors begin.
_STRIDED = ("between", "within", "rows", "width", "head")


def slots(
    functions: list[dict[str, Any]], inputs: list[str], parameters: list[str]
) -> dict[str, Any]:
    """How CUDA kernels take their arguments: kernels for each number of arrays.

    Parameters are numbers (p0, …), or places of values with how many elements lie between two of
    them and how many values there are (p0, n0, s0, …).
    """
    count = len(parameters)
    numbers = [f"p{k}" for k in range(count)]
    placed = [part for k in range(count) for part in (f"p{k}", f"n{k}", f"s{k}")]
    given = [f"p{k}_i" for k in range(count)]
    values = [f"p{k}_i = at(p{k}, n{k}, s{k}, i)" for k in range(count)]

    def single(arrays: Sequence[str], values: Sequence[str]) -> str:
        return ", ".join([*(f"load({a}, i)" for a in arrays), *values])

    def vector(arrays: Sequence[str], lanes: int) -> list[str]:
        read = [f"{a}_v = read({a}, {a}_at)" for a in arrays]
        each = [
            f"f({', '.join([*(f'{a}_v[{k}]' for a in arrays), *numbers])})" for k in range(lanes)
        ]
        line = f"values = ({', '.join(each)})"
        broken = ["values = (", *(f"    {e}," for e in each), ")"]
        return [*read, *([line] if len(line) <= WIDTH else broken), "write(out, out_at, values)"]

    arities = []
    for arity in sorted({f["count"] for f in functions}):
        arrays = inputs if arity == len(inputs) else [f"a{i}" for i in range(arity)]
        places = [*arrays, "out"]
        arities.append(
            {
                "count": arity,
                "arrays": arrays,
                "places": places,
                "group_arguments": ", ".join([*(f"{a}, {a}_at" for a in places), *numbers]),
                "groups": [{"lanes": n, "lines": vector(arrays, n)} for n in LANES],
                "arguments": ", ".join([*arrays, *numbers, "n", "head", "out"]),
                "group": ", ".join([*(f"{a}, i" for a in places), *numbers]),
                "single": single(arrays, numbers),
                "strided_arguments": ", ".join([*places, *numbers, *_STRIDED]),
                "strided_group": ", ".join([*(f"{a}, {a}_at + i" for a in places), *numbers]),
                "strided_single": ", ".join([*(f"{a}_i" for a in arrays), *numbers]),
                "each_arguments": ", ".join([*arrays, *placed, "n", "out"]),
                "each_lines": [*values, f"store(out, i, f({single(arrays, given)}))"],
            }
        )
    arrays = [*inputs, "dy"]
    return {
        "arities": arities,
        "sum_arguments": ", ".join([*arrays, *placed, *_SUMMED]),
        "sum_lines": [*values, f"term = f({single(arrays, given)})"],
    }
