"""Formulas from the literature, not in specs/, written naively: python bench/literature.py [NAME …]

Each is compiled with no help and measured on NumPy, PyTorch and CUDA, in every dtype, against the
contract; prints a line each, then what is over the contract. Exit code 1 if anything is.
"""

from __future__ import annotations

import sys
import warnings

import actgen
from actgen import contract
from actgen.accuracy import FORMATS

#: XLA compiles each function anew for each of them, so JAX is left to `actgen new`.
MEASURED = ("numpy", "torch", "cuda")

FORMULAS: dict[str, tuple[str, dict[str, float], str]] = {
    "squareplus": ("(x + sqrt(x**2 + b))/2", {"b": 4.0}, "arXiv:2112.11687"),
    "snake": ("x + sin(a*x)**2/a", {"a": 1.0}, "arXiv:2006.08195"),
    "lisht": ("x*tanh(x)", {}, "arXiv:1901.05894"),
    "logish": ("x*log(1 + 1/(1 + exp(-x)))", {}, "Zhu et al., Neurocomputing 2021"),
    "smish": ("x*tanh(log(1 + 1/(1 + exp(-x))))", {}, "Wang et al., Electronics 2022"),
    "serf": ("x*erf(log(1 + exp(x)))", {}, "arXiv:2108.09598"),
    "tanhexp": ("x*tanh(exp(x))", {}, "arXiv:2003.09855"),
    "phish": ("x*tanh(x*(1 + erf(x/sqrt(2)))/2)", {}, "Naveen, 2022"),
    "bent_identity": ("(sqrt(x**2 + 1) - 1)/2 + x", {}, "folklore"),
    "isru": ("x/sqrt(1 + a*x**2)", {"a": 1.0}, "arXiv:1710.09967"),
    "pflu": ("x*(1 + x/sqrt(1 + x**2))/2", {}, "Zhu et al., 2021"),
    "atanexp": ("2*x*atan(exp(x))/pi", {}, "gish family"),
    "aria2": ("x*(1 + exp(-b*x))**(-a)", {"a": 1.5, "b": 2.0}, "arXiv:1805.08878"),
    "telu": ("x*tanh(exp(x))", {}, "arXiv:2412.20269"),
    "elish": ("where(x >= 0, x/(1 + exp(-x)), (exp(x) - 1)/(1 + exp(-x)))", {}, "arXiv:1808.00783"),
    "hard_elish": (
        "where(x >= 0, x, exp(x) - 1)*max(0, min(1, (x + 1)/2))",
        {},
        "arXiv:1808.00783",
    ),
    "gompertz": ("exp(-exp(-x))", {}, "Gompertz, 1825"),
    "cloglog": ("1 - exp(-exp(x))", {}, "Gomes and Ludermir, 2008"),
    "cauchy_sigmoid": ("atan(x)/pi + 1/2", {}, "folklore"),
    "erf_relu": ("max(x, 0)*erf(x)", {}, "folklore"),
    "rational_tanh": ("2*x/(1 + abs(2*x))", {}, "folklore"),
    "symlog": ("sign(x)*log(1 + abs(x))", {}, "arXiv:2301.04104"),
    "gaussian": ("x*exp(-x**2)", {}, "folklore"),
    "lncosh": ("log((exp(x) + exp(-x))/2)", {}, "folklore"),
    "swishplus": ("x/(1 + exp(-x)) + log(1 + exp(x))", {}, "made up"),
    "hexpo": (
        "where(x >= 0, -a*(exp(-x) - 1), c*(exp(x) - 1))",
        {"a": 1.0, "c": 1.0},
        "IJCNN 2017",
    ),
}


def main(names: list[str]) -> int:
    """Compile and measure; the number of formulas over the contract."""
    warnings.simplefilter("ignore")
    over = 0
    for name in names or FORMULAS:
        formula, parameters, source = FORMULAS[name]
        act = actgen.parse(formula, name=name, parameters=parameters)
        found = [
            m
            for backend in MEASURED
            for dtype in FORMATS
            for m in actgen.verify(act, backend, dtype)
        ]
        lines = contract.breaches(found)
        over += bool(lines)
        print(f"{name:16} {'within' if not lines else 'OVER  '} {source}", flush=True)
        for line in lines:
            print(f"    {line}", flush=True)
    print(f"{len(names or FORMULAS) - over} of {len(names or FORMULAS)} within the contract")
    return over


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1:]) else 0)
