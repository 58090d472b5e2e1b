"""The same function elsewhere: the libraries that specs name, and how their functions are called.

A spec says `peers={"torch": "torch.nn.functional.gelu(x, approximate='tanh')"}`: a dotted name,
called with x, or a call of one. That text is parsed and looked up, never evaluated: the name must
lie in one of the library's own modules, an argument is x, packed (the inputs of a gated function
in one array), a parameter of the activation, or a literal. Adding a library is adding a row to
LIBRARIES.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib
import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import model
from .accuracy import FORMATS, Floats, Format
from .errors import FormulaError
from .spec import Activation

#: What a function gives and its derivative by the library's own autograd, as float64; None where
#: the library refuses (torch.heaviside has no derivative).
Pair = tuple[Floats | None, Floats | None]


@dataclass(frozen=True)
class Library:
    """A library whose functions are compared with ours.

    `modules` are where a peer's name may lie. `array` makes an array of the library's from float64
    values, `numbers` the way back; `slope` differentiates the sum of a function at an array.
    `arrays_only` names the functions whose parameters must be arrays: all others get numbers.
    `context` is entered around every call.
    """

    name: str
    modules: tuple[str, ...]
    array: Callable[[Floats, Format], Any]
    numbers: Callable[[Any], Floats]
    slope: Callable[[Callable[[Any], Any], Any], Any]
    arrays_only: frozenset[str] = frozenset()
    context: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext

    @property
    def missing(self) -> str:
        """Why it cannot be called here; empty where it can."""
        if importlib.util.find_spec(self.name) is not None:
            return ""
        return f"{self.name} is not installed (pip install 'actgen[{self.name}]')"

    def resolve(self, text: str) -> tuple[Callable[..., Any], list[Any], dict[str, Any]]:
        """The function that a peer's text names, its arguments and keywords (names as ast.Name).

        Raises FormulaError for a text of another form, or a name that the library does not have.
        """
        wrong = f"peer {text!r} of {self.name}"
        try:
            tree = ast.parse(text, mode="eval").body
        except SyntaxError:
            raise FormulaError(f"{wrong} is no Python expression") from None
        call = tree if isinstance(tree, ast.Call) else ast.Call(tree, [ast.Name("x")], [])
        path = ast.unparse(call.func)
        module, _, name = path.rpartition(".")
        if module not in self.modules or not name.isidentifier() or name.startswith("_"):
            raise FormulaError(
                f"{wrong} is none of its functions", cure=f"they are in {', '.join(self.modules)}"
            )
        function = getattr(importlib.import_module(module), name, None)
        if not callable(function):
            raise FormulaError(f"{wrong}: there is no function {path}")
        try:
            arguments = [_argument(a) for a in call.args]
            keywords = {str(k.arg): _argument(k.value) for k in call.keywords if k.arg}
        except ValueError:
            raise FormulaError(f"{wrong}: an argument is neither a name nor a literal") from None
        return function, arguments, keywords

    def function(self, act: Activation, fmt: Format) -> Callable[[Any], Any]:
        """The activation's peer as a function of x (or of the packed inputs) in the format."""
        function, arguments, keywords = self.resolve(act.peers[self.name])
        values: dict[str, Any] = {p.name: model.constant(p.value) for p in act.parameters}
        if getattr(function, "__name__", "") in self.arrays_only:
            values = {n: self.array(np.array([v]), fmt) for n, v in values.items()}

        def bound(argument: Any, x: Any) -> Any:
            if not isinstance(argument, ast.Name):
                return argument
            if argument.id in ("x", "packed"):
                return x
            if argument.id not in values:
                raise FormulaError(f"{act.name} has no parameter {argument.id!r}")
            return values[argument.id]

        return lambda x: function(
            *(bound(a, x) for a in arguments), **{k: bound(a, x) for k, a in keywords.items()}
        )

    def values(self, act: Activation, x: Floats, fmt: Format) -> Floats:
        """f at float64 values that the format holds, computed in the format."""
        with self.context():
            result: Floats = self.numbers(self.function(act, fmt)(self.array(x, fmt)))
        return result

    def pair(self, act: Activation, x: Floats, fmt: Format) -> Pair:
        """f and f′ at float64 values that the format holds, computed in the format."""
        with self.context():
            f, at = self.function(act, fmt), self.array(x, fmt)
            return self._try(lambda: f(at)), self._try(lambda: self.slope(f, at))

    def _try(self, run: Callable[[], Any]) -> Floats | None:
        """What a call gives; None where the library has no such derivative or dtype."""
        try:
            return self.numbers(run())
        except (RuntimeError, NotImplementedError):
            return None

    def flushes(self, fmt: Format) -> bool:
        """Whether subnormal inputs or results become zeros in the format."""
        with self.context():
            x = self.array(np.array([4 * fmt.tiny]), fmt)
            return bool(self.numbers(x / 2)[0] == 0)


def _argument(node: ast.expr) -> Any:
    return node if isinstance(node, ast.Name) else ast.literal_eval(node)


# PyTorch.


def _torch_array(values: Floats, fmt: Format) -> Any:
    import torch

    return torch.tensor(np.asarray(values, np.float64)).to(getattr(torch, fmt.name))


def _torch_numbers(tensor: Any) -> Floats:
    import torch

    result: Floats = tensor.detach().to(torch.float64).numpy()
    return result


def _torch_slope(f: Callable[[Any], Any], x: Any) -> Any:
    import torch

    x = x.clone().requires_grad_()
    y = f(x)
    y.backward(torch.ones_like(y))
    return x.grad


# JAX.


@contextlib.contextmanager
def _jax_context() -> Iterator[None]:
    """On the CPU, with float64: for the time of one call, whatever the user's settings are."""
    import jax

    home: Any = jax if hasattr(jax, "enable_x64") else importlib.import_module("jax.experimental")
    with home.enable_x64(True), jax.default_device(jax.devices("cpu")[0]):
        yield


def _jax_array(values: Floats, fmt: Format) -> Any:
    import jax.numpy as jnp

    with np.errstate(over="ignore"):
        return jnp.asarray(np.asarray(values, np.float64).astype(fmt.dtype))


def _jax_numbers(array: Any) -> Floats:
    return np.asarray(array).astype(np.float64)


def _jax_slope(f: Callable[[Any], Any], x: Any) -> Any:
    import jax

    y, back = jax.vjp(f, x)
    return back(jax.numpy.ones_like(y))[0]


LIBRARIES: dict[str, Library] = {
    row.name: row
    for row in (
        Library(
            "torch",
            ("torch", "torch.nn.functional"),
            _torch_array,
            _torch_numbers,
            _torch_slope,
            frozenset({"prelu", "heaviside"}),
        ),
        Library("jax", ("jax.nn",), _jax_array, _jax_numbers, _jax_slope, context=_jax_context),
    )
}


@functools.cache
def flushes(name: str, dtype: str) -> bool:
    """Whether a library makes subnormals zeros in a format here."""
    library = LIBRARIES[name]
    return not library.missing and library.flushes(FORMATS[dtype])


def missing(names: Sequence[str] = tuple(LIBRARIES)) -> Mapping[str, str]:
    """Library → why it cannot be called here."""
    return {name: why for name in names if (why := LIBRARIES[name].missing)}
