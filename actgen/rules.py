"""The lifting table: naive forms and the atoms that mean the same. Rows only; see rewrite.py.

A test checks every row: both sides agree by ball arithmetic and the cost falls.
"""

from __future__ import annotations

from sympy import Abs, cosh, erf, exp, log, sign, sinh, sqrt, tanh

from .atoms import (
    erfc,
    expasinh,
    expm1,
    gauss,
    hypot1,
    log1p,
    logcosh,
    sech,
    sech2,
    sigmoid,
    softplus,
)
from .rewrite import C, H, K, M, N, P, Rule, U, V

RULES: tuple[Rule, ...] = (
    # exponentials and the logistic function
    Rule("(1 + exp u)^-p", (1 + exp(U)) ** P, sigmoid(-U) ** (-P)),
    Rule("exp u · σ(−u)", exp(U) * sigmoid(-U), sigmoid(U)),
    Rule("c − c·σ(u)", C - C * sigmoid(U), C * sigmoid(-U)),
    Rule("c·σ(u) − c·σ(−u)", C * sigmoid(U) - C * sigmoid(-U), C * tanh(U / 2)),
    Rule("c·exp u − c", C * exp(U) - C, C * expm1(U)),
    Rule("c·exp u + c·exp −u", C * exp(U) + C * exp(-U), 2 * C * cosh(U)),
    Rule("c·exp u − c·exp −u", C * exp(U) - C * exp(-U), 2 * C * sinh(U)),
    Rule("expm1 u · σ(−u)", expm1(U) * sigmoid(-U), tanh(U / 2)),
    Rule("exp(−k·u²)", exp(M * U**2), gauss(sqrt(-M) * U)),
    # logarithms
    Rule("log(1 + exp u)", log(1 + exp(U)), softplus(U)),
    Rule("(1 + exp u)^v", (1 + exp(U)) ** V, exp(V * softplus(U))),
    Rule("log σ(u)", log(sigmoid(U)), -softplus(-U)),
    Rule("log cosh u", log(cosh(U)), logcosh(U)),
    Rule("log(k·cosh u)", log(K * cosh(U)), log(K) + logcosh(U)),
    Rule("log(exp u · v)", log(exp(U) * V), U + log(V)),
    Rule("log 1/u", log(U**-1), -log(U)),
    Rule("log(1 + u)", log(1 + U), log1p(U)),
    # hyperbolic functions
    Rule("sinh/cosh", sinh(U) / cosh(U), tanh(U)),
    Rule("1/cosh", cosh(U) ** N, sech(U) ** (-N)),
    Rule("sech·sech", sech(U) ** 2, sech2(U)),
    Rule("sinh·sech", sinh(U) * sech(U), tanh(U)),
    Rule("c + c·tanh u", C + C * tanh(U), 2 * C * sigmoid(2 * U)),
    Rule("c − c·tanh u", C - C * tanh(U), 2 * C * sigmoid(-2 * U)),
    Rule("c − c·tanh² u", C - C * tanh(U) ** 2, C * sech2(U)),
    # the error function
    Rule("c + c·erf u", C + C * erf(U), C * erfc(-U)),
    Rule("c − c·erf u", C - C * erf(U), C * erfc(U)),
    # algebra that overflows or cancels
    Rule("u·sign u", U * sign(U), Abs(U)),
    Rule("(1 + u²)^(n/2)", (1 + U**2) ** H, hypot1(U) ** (2 * H)),
    Rule("(k + u²)^(n/2)", (K + U**2) ** H, (K**H) * hypot1(U / sqrt(K)) ** (2 * H)),
    Rule("c·u + c·sqrt(1 + u²)", C * U + C * hypot1(U), C * expasinh(U)),
    Rule("−c·u + c·sqrt(1 + u²)", -C * U + C * hypot1(U), C * expasinh(-U)),
)

# Left out on purpose:
#   log(u·v) = log u + log v      wrong where both are negative
#   sqrt(u²) = u                  wrong for u < 0 (SymPy already gives |u| for real u)
#   tanh u = 2σ(2u) − 1           true, but cancels near 0
#   sign(u)·sign(u) = 1           wrong at 0
