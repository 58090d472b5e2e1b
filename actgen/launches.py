"""How CUDA kernels take their arguments: slots of the launches of a generated file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def slots(
    functions: list[dict[str, Any]], inputs: list[str], parameters: list[str]
) -> dict[str, Any]:
    """How CUDA kernels take their arguments: a kernel for each number of arrays."""
    placed = [part for i, _ in enumerate(parameters) for part in (f"p{i}", f"n{i}")]
    given = [f"at(p{k}, n{k}, i)" for k, _ in enumerate(parameters)]

    def call(arrays: Sequence[str]) -> str:
        return ", ".join([*(f"load({a}, i)" for a in arrays), *given])

    arities = []
    for count in sorted({f["count"] for f in functions}):
        arrays = inputs if count == len(inputs) else [f"a{i}" for i in range(count)]
        arities.append(
            {
                "count": count,
                "arguments": ", ".join([*arrays, *placed, "out"]),
                "call": call(arrays),
            }
        )
    arrays = [*inputs, "dy"]
    table = ", ".join(f"{a['count']}: kernel_{a['count']}" for a in arities)
    return {
        "arities": arities,
        "kernel_table": f"{{{table}}}",
        "sum_arguments": ", ".join([*arrays, *placed, "inner", "count", "size", "out"]),
        "sum_call": call(arrays),
    }
