"""Tensors compared: near, rounded once, and what a call raises."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

#: The relative and absolute differences that torch.testing takes for equal.
NEAR = {torch.float32: (1.3e-6, 1e-5), torch.float64: (1e-7, 1e-7)}
#: What the accuracy contract allows 16-bit results, in ulp; and for cancellation in float32,
#: relative to the largest result.
ROUNDED, CANCELLED = 0.51, 1e-6


def expect(condition: bool, what: str) -> None:
    """AssertionError, saying so, where a condition does not hold."""
    if not condition:
        raise AssertionError(what)


def weights(y: Tensor) -> Tensor:
    """A cotangent or a tangent for y: distinct weights, exact in every dtype, none of them 0."""
    steps = torch.arange(y.numel(), dtype=torch.float32, device="cpu").remainder(13)
    return (steps / 8 - 0.6875).to(y.dtype).reshape(y.shape)


def gradients(f: Callable[..., Tensor], *inputs: Tensor) -> tuple[Tensor, ...]:
    """The gradients of f by autograd, its results weighted."""
    leaves = [i.detach().clone().requires_grad_() for i in inputs]
    y = f(*leaves)
    return tuple(torch.autograd.grad(y, leaves, weights(y)))


def double(tensors: Iterable[Tensor]) -> list[Tensor]:
    """The same numbers in float64."""
    return [t.detach().double() for t in tensors]


def near(actual: Tensor, expected: Tensor, what: str, scale: float = 1.0) -> None:
    """Equal as torch.testing understands it in the dtype of `actual`."""
    relative, absolute = NEAR[actual.dtype]
    _compare(actual, expected, scale * (absolute + relative * expected.double().abs()), what)


def near_each(actual: Any, expected: Any, what: str) -> None:
    """`near` for tuples of tensors."""
    for i, (a, e) in enumerate(zip(actual, expected, strict=True)):
        near(a, e, what if len(expected) == 1 else f"{what} {i}")


def near_where_finite(actual: Any, expected: Any, what: str) -> None:
    """`near` wherever the truth is finite in the dtype of the result."""
    for a, e in zip(actual, expected, strict=True):
        same_shape(a, e, what)
        finite = torch.isfinite(e.to(a.dtype))
        near(a[finite], e[finite], what)


def rounded(actual: Tensor, expected: Tensor, what: str) -> None:
    """A 16-bit result that was computed in float32 and rounded once; `expected` is float64."""
    info = torch.finfo(actual.dtype)
    size = expected.abs().clamp(min=info.tiny)
    ulp = torch.exp2(torch.floor(torch.log2(size))) * info.eps
    floor = CANCELLED * float(expected.abs().max()) if expected.numel() else 0.0
    _compare(actual, expected, ROUNDED * ulp + floor, what)


def same(actual: Tensor, expected: Tensor, what: str) -> None:
    """The same bits, dtype and shape."""
    same_shape(actual, expected, what)
    expect(actual.dtype == expected.dtype, f"{what}: {actual.dtype}, not {expected.dtype}")
    expect(torch.equal(actual, expected), f"{what}: other values")


def same_shape(actual: Any, expected: Tensor, what: str) -> None:
    """A tensor of the same shape."""
    expect(isinstance(actual, Tensor), f"{what}: {type(actual).__name__}, not a tensor")
    shapes = tuple(actual.shape), tuple(expected.shape)
    expect(shapes[0] == shapes[1], f"{what}: shape {shapes[0]}, not {shapes[1]}")


def _compare(actual: Tensor, expected: Tensor, bound: Tensor, what: str) -> None:
    same_shape(actual, expected, what)
    a, e = actual.detach().double(), expected.detach().double()
    fine = (a == e) | (torch.isnan(a) & torch.isnan(e)) | ((a - e).abs() <= bound)
    if bool(fine.all()):
        return
    wrong = (~fine).reshape(-1).nonzero()
    first = int(wrong[0])
    got, wanted = float(a.reshape(-1)[first]), float(e.reshape(-1)[first])
    raise AssertionError(
        f"{what}: {got!r}, not {wanted!r}, at entry {first} ({len(wrong)} of {a.numel()} wrong)"
    )


def refused(call: Callable[[], Any], kinds: type | tuple[type, ...], *words: str) -> None:
    """The call raises one of these errors, with each of these words in its message."""
    names = " or ".join(k.__name__ for k in (kinds if isinstance(kinds, tuple) else (kinds,)))
    try:
        found = call()
    except Exception as error:
        said = str(error)
        first = f"{type(error).__name__}: {(said.splitlines() or [''])[0][:160]}"
        expect(isinstance(error, kinds), f"{names} expected, got {first}")
        for word in words:
            expect(word.lower() in said.lower(), f"no {word!r} in the message of {first}")
        return
    shown = f"a {found.dtype} tensor" if isinstance(found, Tensor) else type(found).__name__
    raise AssertionError(f"{names} expected, got {shown}")


def third_difference(points: Callable[[float], Tensor], step: float = math.ldexp(1, -8)) -> Tensor:
    """The third derivative at 0 of a smooth function of one number, by central differences."""
    h = step
    terms = points(2 * h) - 2 * points(h) + 2 * points(-h) - points(-2 * h)
    return terms / (2 * h**3)
