"""Stable primitives as data: functions that SymPy has not, or would fold back into unstable forms.

Each row has its definition (plain SymPy), its derivative (in atoms), an expansion into operations
that every backend has and that overflows nowhere, and what it tends to at -oo and +oo up to
exponentially small terms (None: it grows exponentially there). A test samples every row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import sympy
from sympy import Abs, Eq, Expr, Integer, Max, Piecewise, Rational, exp, log, oo, pi, sqrt, tanh

# Infinite values too: a real symbol of SymPy is finite, and Eq(u, oo) would be false.
u = sympy.Symbol("u", extended_real=True)


_EVEN = frozenset(("gauss", "sech", "sech2", "logcosh", "hypot1"))


class AtomFunction(sympy.Function):  # type: ignore[misc]
    """A SymPy function that SymPy leaves alone; what it means is in its row of ATOMS."""

    nargs = 1
    is_real = True
    atom: Atom

    @classmethod
    def eval(cls, *args: Expr) -> Expr | None:
        """Only the value at 0, which limits give rise to, and the sign of an even one."""
        if args[0].is_zero and hasattr(cls, "atom"):
            return cls.atom.definition.subs(u, 0)
        if cls.__name__ in _EVEN and args[0].could_extract_minus_sign():
            return cls(-args[0])
        return None

    def fdiff(self, argindex: int = 1) -> Expr:
        """The derivative that the row states."""
        return self.atom.derivative.subs(u, self.args[0])

    @property
    def expansion(self) -> Expr | None:
        """The row's expansion in `u`; None for what every backend has."""
        atom = getattr(type(self), "atom", None)
        return None if atom is None else atom.expansion

    def _eval_evalf(self, prec: int) -> Any:
        if not hasattr(self, "atom"):
            return None
        return self.atom.definition.subs(u, self.args[0])._eval_evalf(prec)


def _function(name: str, arity: int = 1, positive: bool | None = None) -> type[AtomFunction]:
    return type(name, (AtomFunction,), {"nargs": arity, "is_positive": positive})


(
    sigmoid,
    softplus,
    erfc,
    erfcx,
    gauss,
    sech,
    sech2,
    hypot1,
    expasinh,
    acot,
    decay,
    square,
    halves,
) = (
    _function(name, positive=True)
    for name in (
        *("sigmoid", "softplus", "erfc", "erfcx", "gauss", "sech", "sech2", "hypot1", "expasinh"),
        *("acot", "decay", "square", "halves"),
    )
)
expm1, log1p, logcosh = map(_function, ("expm1", "log1p", "logcosh"))
finite, below_oo, above_oo = map(_function, ("finite", "below_oo", "above_oo"))
# Min and Max that SymPy leaves alone; only guards make them, once calculus is done.
minimum, maximum = _function("minimum", 2), _function("maximum", 2)
# u − v, and 0 where they are equal, infinities too: the distance from the top of a row.
shifted = _function("shifted", 2)
# sqrt(u² + v²), of which neither square overflows or underflows.
hypot = _function("hypot", 2, positive=True)
# u·v less what it is rounded to.
product_error = _function("product_error", 2)


class polynomial(AtomFunction):
    """polynomial(w, m, s, a, c_n, …, c_0) = a·w^m·(c_n·w^(s·n) + … + c_0) by Horner's rule."""

    nargs = None  # type: ignore[assignment]

    @classmethod
    def eval(cls, *args: Expr) -> Expr | None:
        """Left alone."""
        return None

    def _eval_evalf(self, prec: int) -> Any:
        w, order, step, factor, *coefficients = self.args
        terms = (factor * c * w ** (order + step * i) for i, c in enumerate(reversed(coefficients)))
        return sum(terms, Integer(0))._eval_evalf(prec)


class offset(AtomFunction):
    """u − r for a number r that u comes near to: no digit of either is lost."""

    nargs = 2

    @classmethod
    def eval(cls, *args: Expr) -> Expr | None:
        """The difference of two numbers."""
        return args[0] - args[1] if args[0].is_number else None


@dataclass(frozen=True)
class Atom:
    """One stable primitive of one argument `u`; `expansion` is None where backends have it.

    The expansion holds from u = `least` on, and is used only there.
    """

    function: type[AtomFunction]
    definition: Expr
    derivative: Expr
    expansion: Expr | None
    tails: tuple[Expr | None, Expr | None]
    cost: int
    least: float = -math.inf

    @property
    def name(self) -> str:
        """The name, which is also that of the operation."""
        return str(self.function.__name__)


_e, _e2, _zero, _one = exp(-Abs(u)), exp(-2 * Abs(u)), Integer(0), Integer(1)
_half = u / 2

#: erfcx(u)·(1 + u) as a polynomial in (u − 3)/(u + 3): bench/erfcx_coefficients.py.
_ERFCX = (
    3.4630370129216585e-10,
    5.647911432100505e-10,
    -3.351099210942262e-09,
    -7.109872266199085e-09,
    1.588979642624752e-08,
    5.1084522747162506e-08,
    -4.64769731037038e-08,
    -2.9357097574620674e-07,
    6.024321679611102e-08,
    1.588852762000617e-06,
    2.610372842964935e-07,
    -8.990103540492358e-06,
    -1.5145562284176214e-06,
    5.6119377734402204e-05,
    -2.055155668669467e-05,
    -0.0003672884779960789,
    0.0006458141936875262,
    0.0016185691265650187,
    -0.009750689291695548,
    0.021957764012706233,
    -0.023803913108728765,
    -0.010235388899009622,
    0.09902075367944134,
    -0.2309273330838092,
    0.7160046047255598,
)

ATOMS: tuple[Atom, ...] = (
    Atom(
        sigmoid,
        1 / (1 + exp(-u)),
        sigmoid(u) * sigmoid(-u),
        Piecewise((_one, u >= 0), (_e, True)) / (1 + _e),
        (_zero, _one),
        12,
    ),
    Atom(softplus, log(1 + exp(u)), sigmoid(u), Max(u, 0) + log1p(_e), (_zero, u), 16),
    Atom(expm1, exp(u) - 1, exp(u), None, (-_one, None), 16),
    Atom(log1p, log(1 + u), 1 / (1 + u), None, (None, None), 18),
    Atom(erfc, 1 - sympy.erf(u), -2 / sqrt(pi) * gauss(u), None, (Integer(2), _zero), 20),
    # |u| is cut at 40, where exp(-u²) is 0 in every format, so that u² overflows nowhere.
    # exp(u²)·erfc(u)
    Atom(
        erfcx,
        exp(u**2) * (1 - sympy.erf(u)),
        2 * u * erfcx(u) - 2 / sqrt(pi),
        polynomial((u - 3) / (u + 3), 0, 1, 1, *map(Rational, _ERFCX)) / (1 + u),
        (None, None),
        14,
        least=0.0,
    ),
    # exp(u) as a factor of what becomes subnormal: see lower.py.
    Atom(decay, exp(u), decay(u), exp(u), (_zero, None), 16),
    # The square of exp(u/2), and the factor of a product that is multiplied in as two of these.
    Atom(square, exp(u), square(u), exp(u), (_zero, None), 16),
    Atom(halves, exp(u), halves(u), exp(u), (_zero, None), 16),
    Atom(
        gauss,
        exp(-(u**2)),
        -2 * u * gauss(u),
        exp(-(minimum(Abs(u), Integer(40)) ** 2)),
        (_zero, _zero),
        12,
    ),
    Atom(sech, 1 / sympy.cosh(u), -sech(u) * tanh(u), 2 * _e / (1 + _e2), (_zero, _zero), 12),
    Atom(
        sech2,
        1 / sympy.cosh(u) ** 2,
        -2 * tanh(u) * sech2(u),
        4 * _e2 / (1 + _e2) ** 2,
        (_zero, _zero),
        12,
    ),
    Atom(
        logcosh,
        log(sympy.cosh(u)),
        tanh(u),
        Piecewise(
            (log1p(expm1(Abs(u)) ** 2 * exp(-Abs(u)) / 2), Abs(u) < 1),
            (Abs(u) + (log1p(_e2) - log(2)), True),
        ),
        (-u - log(2), u - log(2)),
        30,
    ),
    # sqrt(1 + u²) through the smaller of |u| and 1/|u|, so that u² overflows nowhere.
    Atom(
        hypot1,
        sqrt(1 + u**2),
        u / hypot1(u),
        maximum(Abs(u), _one) * sqrt(1 + (minimum(Abs(u), _one) / maximum(Abs(u), _one)) ** 2),
        (None, None),
        14,
    ),
    # u + sqrt(1 + u²), which cancels for u < 0 unless its conjugate is divided by.
    Atom(
        expasinh,
        u + sqrt(1 + u**2),
        expasinh(u) / hypot1(u),
        Piecewise((u + hypot1(u), u >= 0), (1 / (hypot1(u) - u), True)),
        (None, None),
        14,
    ),
    # π/2 − atan(u), continuous at 0, which cancels for u > 0.
    Atom(
        acot,
        sympy.pi / 2 - sympy.atan(u),
        -1 / (1 + u**2),
        Piecewise((sympy.atan(1 / maximum(u, _one)), u > 1), (sympy.pi / 2 - sympy.atan(u), True)),
        (None, None),
        17,
    ),
    # The argument itself, and 1 where it is infinite (on one side): for programs that give the
    # limit there otherwise.
    Atom(finite, u, _one, Piecewise((_one, Eq(Abs(u), oo)), (u, True)), (None, None), 3),
    Atom(below_oo, u, _one, Piecewise((_one, Eq(u, oo)), (u, True)), (None, None), 2),
    Atom(above_oo, u, _one, Piecewise((_one, Eq(u, -oo)), (u, True)), (None, None), 2),
)

for _atom in ATOMS:
    _atom.function.atom = _atom

BY_NAME: dict[str, Atom] = {atom.name: atom for atom in ATOMS}

#: What one evaluation costs, in additions. Forms that overflow or cancel (a bare exp, log, power)
#: are dearer than their time alone, since this is the cost that every lifting rule must lower.
COSTS: dict[str, int] = {
    **{atom.name: atom.cost for atom in ATOMS},
    "mul_low": 6,
    "add_low": 5,
    "exp": 16,
    "log": 20,
    "sqrt": 20,
    "erf": 22,
    "tanh": 16,
    "sinh": 18,
    "cosh": 18,
    "sin": 12,
    "cos": 12,
    "tan": 16,
    "asin": 14,
    "acos": 14,
    "atan": 12,
    "asinh": 16,
    "acosh": 16,
    "atanh": 16,
    "pow": 24,
    "div": 3,
}
