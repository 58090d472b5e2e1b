"""Compiles the loops of Numba files for a CPU and says which are not packed arithmetic.

    python packed.py CPU LOOPS DTYPES NAME|FILE …

CPU: haswell (AVX2), skylake-avx512, neon. LOOPS: a pattern of their names. DTYPES: with commas.

Run by test_numba.py in a process of its own: Numba reads the CPU's name when it starts. For NEON
the vectors that LLVM made for AVX2 are compiled for AArch64, two numbers at a time.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
from pathlib import Path

CPU, LOOPS, DTYPES, *NAMES = sys.argv[1:]
PACKED = {
    "haswell": r"\bv(?!mov|zero)\w+\s[^\n]*%ymm",
    "skylake-avx512": r"\bv(?!mov|zero)\w+\s[^\n]*%[yz]mm",
    "neon": r"\bf?(?!mov)\w+\s+v\d+\.(?:2d|4s|16b)",
}[CPU]
os.environ["NUMBA_CPU_NAME"] = "haswell" if CPU == "neon" else CPU
os.environ["NUMBA_CPU_FEATURES"] = "+avx512f,+f16c" if CPU == "skylake-avx512" else ""
os.environ["NUMBA_CACHE_DIR"] = os.devnull + "/none"

import llvmlite.binding as llvm  # noqa: E402
from numba import types  # noqa: E402

from actgen.compiler import source  # noqa: E402
from actgen.kernel import load_source  # noqa: E402
from actgen.registry import load  # noqa: E402

llvm.initialize_all_targets()
llvm.initialize_all_asmprinters()
LIBM = r"call[^@\n]*@(?:llvm\.)?(exp|expm1|log|log1p|a?sinh?|a?cosh?|a?tanh?|pow|erfc?)\b"
ARM = "aarch64-unknown-linux-gnu"


def assembly(loop, signature) -> str:
    """What a loop becomes on the CPU."""
    if CPU != "neon":
        return loop.inspect_asm(signature)
    machine = llvm.Target.from_triple(ARM).create_target_machine(cpu="cortex-a72")
    text = loop.inspect_llvm(signature)
    for word, value in (("triple", ARM), ("datalayout", machine.target_data)):
        text = re.sub(f'target {word} = "[^"]*"', f'target {word} = "{value}"', text)
    # Numba's counting of references is for x86; only its name is needed.
    text = re.sub(
        r"define \w+ (\w+ @NRT_\w+\((?:[^()]|\([^()]*\))*\))[^{]*\{.*?\n\}",
        r"declare \1",
        text,
        flags=re.S,
    )
    text = re.sub(r'"(?:target-cpu|target-features|tune-cpu)"="[^"]*"', "", text)
    return machine.emit_assembly(llvm.parse_assembly(text))


count = 0
for name in NAMES:
    is_file = name.endswith(".py")
    text = Path(name).read_text() if is_file else source(name, "numba")
    module = load_source(f"packed_{Path(name).stem}", text)
    numbers = set() if is_file else {p.name for p in load(name).parameters}
    for dtype in DTYPES.split(","):
        ends = {"float32": "loop|tabled", "float64": "loop", "uint16": "b?float16"}[dtype]
        for key in [k for k in vars(module) if re.fullmatch(f"_({LOOPS})_({ends})", k)]:
            loop, tabled, like = (
                getattr(module, key),
                key.endswith("_tabled"),
                getattr(types, dtype),
            )
            kinds = {"like": like} | dict.fromkeys(numbers, types.float64)
            names = inspect.signature(loop.py_func).parameters
            signature = tuple(kinds.get(n, types.int64) for n in names)
            loop.compile(signature)
            found = assembly(loop, loop.signatures[-1])
            libm = set(re.findall(LIBM, loop.inspect_llvm(loop.signatures[-1])))
            count += 1
            cells = tabled and getattr(module, f"{module._TABLED[key[:-7]]}_table").cell
            if (
                cells
                and CPU == "skylake-avx512"
                and not re.search(r"\bvperm[it]2ps\b.*%zmm", found)
            ):
                print(f"{name} {key} permutes no numbers on {CPU}")
            if not re.search(PACKED, found) or libm:
                print(
                    f"{name} {key} of {like} is not packed on {CPU}; it calls {libm or 'nothing'}"
                )
print(f"{count} loops", file=sys.stderr)
