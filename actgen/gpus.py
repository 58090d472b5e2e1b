"""GPUs as data: what bounds a kernel that is elementwise."""

from __future__ import annotations

from dataclasses import dataclass

#: Instructions of one lane that a multiprocessor issues in a cycle, and those of its unit for
#: exp2, log2, reciprocals and square roots (CUDA C++ programming guide, arithmetic throughput).
ISSUED, SPECIAL = 128, 16
#: Rows of 16 bytes that it reads from shared memory in a cycle, for lanes that want any of them:
#: eight lanes at a time meet in 2.6 cycles, on average, in the eight places rows are spread over.
ROWS = 8 / 2.6


@dataclass(frozen=True)
class Gpu:
    """Its compute capability, multiprocessors, clock in Hz, bytes a second that a copy moves."""

    name: str
    capability: tuple[int, int]
    processors: int
    clock: float
    bandwidth: float

    def fraction(
        self, instructions: float, special: float, moved: float, rows: float = 0.0
    ) -> float:
        """The predicted share of a copy's speed: of so many of each, and bytes, an element."""
        cycles = max(instructions / ISSUED, special / SPECIAL, rows / ROWS)
        compute = cycles / (self.processors * self.clock)
        memory = moved / self.bandwidth
        return min(1.0, memory / compute) if compute else 1.0


#: H200: 4.3 TB/s was measured. The others: nine tenths of the vendor's number.
GPUS = {
    gpu.name: gpu
    for gpu in (
        Gpu("A100", (8, 0), 108, 1.41e9, 0.9 * 2.04e12),
        Gpu("H100", (9, 0), 132, 1.98e9, 0.9 * 3.35e12),
        Gpu("H200", (9, 0), 132, 1.98e9, 4.3e12),
        Gpu("B200", (10, 0), 148, 1.96e9, 0.9 * 8e12),
    )
}
