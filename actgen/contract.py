"""The contract as data: how far from the truth a result may be, by backend and dtype."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .accuracy import Measurement
from .errors import ContractError


@dataclass(frozen=True)
class Limit:
    """The greatest error allowed: in which measure, how much, and next to a zero of the function.

    `rounded`: every result is the truth rounded. `ulp`, `mixed`: see accuracy. Next to a zero are
    the zero and the two floats on each side of it.
    """

    measure: str
    most: float
    next_to_zero: float | None = None

    def text(self) -> str:
        """As a breach states it."""
        if self.measure == "rounded":
            return "correctly rounded"
        near = f" ({self.next_to_zero:g} next to a zero)" if self.next_to_zero else ""
        return f"{self.most:g} {'mixed ulp' if self.measure == 'mixed' else 'ulp'}{near}"


ROUNDED, NEARLY = Limit("rounded", 0.5), Limit("ulp", 0.51, 1.0)
MIXED, SINGLE = Limit("mixed", 4.0), Limit("ulp", 1.0)

KINDS: dict[str, str] = {
    "numpy": "wide",
    "numba": "wide",
    "torch": "native",
    "cuda": "native",
    "jax": "native",
}

LIMITS: dict[tuple[str, str], Limit] = {
    ("wide", "float16"): ROUNDED,
    ("wide", "bfloat16"): ROUNDED,
    ("wide", "float32"): SINGLE,
    ("wide", "float64"): MIXED,
    ("native", "float16"): NEARLY,
    ("native", "bfloat16"): NEARLY,
    ("native", "float32"): MIXED,
    ("native", "float64"): MIXED,
}

#: Rows are no table of 65,536 inputs, and sums over them cancel: always the mixed measure.
ROW_LIMITS: dict[tuple[str, str], Limit] = {
    key: Limit("mixed", 0.51 if "16" in key[1] else limit.most) for key, limit in LIMITS.items()
}


def limit(backend: str, dtype: str, row: bool = False) -> Limit:
    """What a backend promises in a dtype."""
    return (ROW_LIMITS if row else LIMITS)[KINDS[backend], dtype]


def promise(backend: str, row: bool = False) -> str:
    """The contract of a backend in words, for the header of its files."""
    parts: dict[str, list[str]] = {}
    for dtype in ("float16", "bfloat16", "float32", "float64"):
        parts.setdefault(limit(backend, dtype, row).text(), []).append(dtype)
    return "; ".join(f"{', '.join(dtypes)}: {text}" for text, dtypes in parts.items())


def got(m: Measurement) -> str:
    """The error found, in the contract's measure."""
    bound = limit(m.backend, m.dtype, m.row)
    if m.non_finite or m.far:
        return f"{m.non_finite + m.far} results NaN or infinite where the truth is not, or not"
    if bound.measure == "rounded":
        return f"{m.misrounded} misrounded, {m.max_ulp:.4g} ulp"
    if bound.measure == "mixed":
        return f"{m.max_mixed_ulp:.4g} mixed ulp"
    away = f", {m.away_ulp:.4g} away from zeros" if bound.next_to_zero else ""
    return f"{m.max_ulp:.4g} ulp{away}"


def holds(m: Measurement) -> bool:
    """Whether a measurement is within the contract."""
    bound = limit(m.backend, m.dtype, m.row)
    if m.non_finite or m.far:
        return False
    if bound.measure == "rounded":
        return not m.misrounded
    if bound.measure == "mixed":
        return m.max_mixed_ulp <= bound.most
    if bound.next_to_zero is None:
        return m.max_ulp <= bound.most
    return m.away_ulp <= bound.most and m.max_ulp <= bound.next_to_zero


def breaches(measurements: Iterable[Measurement]) -> list[str]:
    """A line for each measurement over the contract: where, how much, and what is allowed."""
    lines = []
    for m in measurements:
        if not holds(m):
            at = ", ".join(f"{name}={value!r}" for name, value in m.at)
            allowed = limit(m.backend, m.dtype, m.row).text()
            lines.append(
                f"{m.activation} {m.function} on {m.backend} in {m.dtype}: {got(m)}, "
                f"worst at {at}; the contract is {allowed}"
            )
    return lines


def enforce(measurements: Iterable[Measurement]) -> None:
    """Raise ContractError with the breaches, if there are any."""
    found = breaches(measurements)
    if found:
        raise ContractError("\n".join(found))
