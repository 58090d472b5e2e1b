"""PyTorch models built of generated activations: names, drop-ins, gains, swaps, training."""

from __future__ import annotations

import copy
import inspect
import math
import pickle
import random

import pytest
import torch
from actgen.generated.torch import functional as F
from actgen.generated.torch import nn as own_nn
from torch import nn

import actgen
from actgen import models

#: torch.nn.functional's non-linear functions, with what they need beside the input.
FUNCTIONS = {
    "threshold": (0.1, 20.0),
    "threshold_": (0.1, 20.0),
    "prelu": (torch.tensor([0.1, 0.2, 0.3, 0.4]),),
    **dict.fromkeys(("softmax", "log_softmax", "softmin"), (1,)),
    **dict.fromkeys(
        "relu relu_ hardtanh hardtanh_ hardswish relu6 elu elu_ selu selu_ celu celu_ leaky_relu "
        "leaky_relu_ rrelu rrelu_ glu gelu logsigmoid hardshrink tanhshrink softsign softplus "
        "softshrink gumbel_softmax tanh sigmoid hardsigmoid silu mish".split(),
        (),
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_drop_in_functions(name: str) -> None:
    own, theirs, more = getattr(F, name), getattr(nn.functional, name), FUNCTIONS[name]
    x = torch.randn(2, 4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    more = [v.double() if isinstance(v, torch.Tensor) else v for v in more]
    torch.manual_seed(0)
    mine = own(x.clone(), *more)
    torch.manual_seed(0)
    assert torch.allclose(mine, theirs(x.clone(), *more), rtol=1e-9, atol=1e-12)
    try:
        signature = list(inspect.signature(theirs).parameters)
    except ValueError:  # written in C++
        return
    assert list(inspect.signature(own).parameters)[: len(signature)] == signature


def test_functions_work_in_place() -> None:
    x = torch.randn(5)
    y = x.clone()
    assert F.elu_(y) is y and torch.equal(y, F.elu(x))
    assert F.relu(y, inplace=True) is y


def test_softmax_chooses_the_axis_as_torch_does() -> None:
    for shape in ((3,), (3, 4), (2, 3, 4), (2, 3, 4, 5)):
        x = torch.randn(shape)
        with pytest.warns(UserWarning, match="Implicit dimension"):
            expected = nn.functional.softmax(x)
        assert torch.allclose(F.softmax(x), expected)
    assert F.softmax(torch.zeros(3), 0, dtype=torch.float64).dtype == torch.float64


def test_gelu_names_its_approximations() -> None:
    x = torch.linspace(-3, 3, 9)
    assert torch.allclose(F.gelu(x, approximate="tanh"), nn.functional.gelu(x, approximate="tanh"))
    with pytest.raises(RuntimeError, match="'none' or 'tanh'"):
        F.gelu(x, approximate="erf")


@pytest.mark.parametrize("name", actgen.names())
def test_by_name(name: str) -> None:
    module = actgen.get_activation(name)
    assert isinstance(module, nn.Module)
    copied = pickle.loads(pickle.dumps(copy.deepcopy(module)))
    assert type(copied) is type(module) and repr(copied) == repr(module)


def test_by_name_with_options() -> None:
    assert actgen.get_activation("leaky_relu", negative_slope=0.2).negative_slope == 0.2
    assert actgen.get_activation("quick_gelu")(torch.zeros(1)).item() == 0
    with pytest.raises(TypeError, match="takes negative_slope, inplace"):
        actgen.get_activation("leaky_relu", alpha=1)
    with pytest.raises(actgen.FormulaError, match="did you mean"):
        actgen.get_activation("leaky_rellu")


# Gains.


def test_gains_are_torch_s_where_torch_s_follow_from_the_formula() -> None:
    assert actgen.calculate_gain("relu") == pytest.approx(math.sqrt(2), rel=1e-12)
    for slope in (0.01, 0.5):
        theirs = nn.init.calculate_gain("leaky_relu", slope)
        assert actgen.calculate_gain("leaky_relu", negative_slope=slope) == pytest.approx(theirs)


@pytest.mark.parametrize("name", actgen.names())
def test_gain_keeps_the_size_of_signals(name: str) -> None:
    act = actgen.load(name)
    if act.is_row:
        with pytest.raises(actgen.FormulaError, match="length of the row"):
            actgen.calculate_gain(name)
        return
    module = actgen.get_activation(name).double().eval()
    x = torch.randn(2, 400_000, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    y = module(x.reshape(-1)) if act.is_gated else module(x)
    assert (y**2).mean().item() ** -0.5 == pytest.approx(actgen.calculate_gain(name), rel=0.01)


# Swapping.


def transformer() -> nn.Module:
    torch.manual_seed(1)
    layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, activation="gelu", batch_first=True)
    encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    return nn.Sequential(nn.Embedding(11, 16), encoder, nn.SiLU(), nn.Linear(16, 11))


def convnet() -> nn.Module:
    torch.manual_seed(2)
    return nn.Sequential(
        *(nn.Conv2d(1, 8, 3, 2, 1), nn.ReLU(inplace=True), nn.Conv2d(8, 8, 3, 2, 1), nn.PReLU(8)),
        *(nn.Conv2d(8, 8, 3, 1, 1), nn.Hardswish(), nn.Conv2d(8, 8, 3, 1, 1), nn.ELU(0.7)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4), nn.LogSoftmax(1)),
    )


def curve(model: nn.Module, batches, loss, steps: int) -> list[float]:
    """The losses of a training run."""
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    losses = []
    for step in range(steps):
        x, target = batches(step)
        found = loss(model(x), target)
        optimiser.zero_grad()
        found.backward()
        optimiser.step()
        losses.append(found.item())
    return losses


def sequences(step: int):
    """Arithmetic sequences modulo 11: the next number is to be told."""
    draw = random.Random(step)
    starts = [(draw.randrange(11), draw.randrange(1, 11)) for _ in range(16)]
    rows = torch.tensor([[(a + k * d) % 11 for k in range(9)] for a, d in starts])
    return rows[:, :-1], rows[:, -1]


def stripes(step: int):
    """Stripes in one of four directions, with noise."""
    generator = torch.Generator().manual_seed(step)
    target = torch.randint(4, (16,), generator=generator)
    grid = torch.arange(8.0)
    rows, columns = torch.meshgrid(grid, grid, indexing="ij")
    kinds = torch.stack([rows, columns, rows + columns, rows - columns])
    images = torch.sin(kinds[target] * 2.1).unsqueeze(1)
    return images + 0.3 * torch.randn(images.shape, generator=generator), target


RUNS = {
    "transformer": (
        transformer,
        sequences,
        lambda y, t: nn.functional.cross_entropy(y[:, -1], t),
        {"1.layers.0.activation", "1.layers.1.activation", "2"},
    ),
    "convnet": (convnet, stripes, nn.functional.nll_loss, {"1", "3", "5", "7", "11"}),
}


@pytest.mark.parametrize("name", RUNS)
def test_training_is_as_with_the_built_ins(name: str) -> None:
    """The same start, the same data: the loss curves coincide while rounding lets them."""
    make, batches, loss, places = RUNS[name]
    theirs = make()
    swapped = copy.deepcopy(theirs)
    found = actgen.swap_activations(swapped)
    assert {line.partition(":")[0] for line in found} == places
    assert all("-> actgen.generated.torch" in line for line in found)
    first, second = (curve(m, batches, loss, 200) for m in (theirs, swapped))
    assert max(abs(a - b) for a, b in zip(first[:50], second[:50], strict=True)) < 1e-4
    late = [sum(losses[-50:]) / 50 for losses in (first, second)]
    assert late[0] < 0.7 * first[0] and late[1] == pytest.approx(late[0], rel=0.05, abs=0.02)


def test_swap_by_name_keeps_what_is_common() -> None:
    model = nn.Sequential(nn.LeakyReLU(0.3), nn.Tanh(), nn.PReLU(3, 0.7).double()).eval()
    found = actgen.swap_activations(
        model, {"LeakyReLU": "keras_relu", "tanh": "mish", "PReLU": "prelu"}
    )
    assert len(found) == 3
    assert model[0].negative_slope == 0.3 and type(model[1]).__name__ == "Mish"
    assert type(model[2]) is own_nn.PReLU and not model[2].training
    assert torch.equal(model[2].weight, nn.PReLU(3, 0.7).double().weight)
    with pytest.raises(actgen.FormulaError, match="no activation is called"):
        actgen.swap_activations(model, {"ReLLU": "mish"})


def test_learned_parameters_one_a_channel() -> None:
    module = models.module_class("swish")(beta=2.0, num_parameters=3)
    x = torch.randn(2, 3, 4)
    assert torch.allclose(module(x), x * torch.sigmoid(2 * x), atol=1e-6)
    with pytest.raises(RuntimeError, match="expected 1 or 4 parameters"):
        module(torch.randn(2, 4))


def test_random_slopes_from_a_generator() -> None:
    x = -torch.ones(64)
    made = [
        actgen.get_activation("rrelu", generator=torch.Generator().manual_seed(7))(x)
        for _ in range(2)
    ]
    assert torch.equal(*made) and made[0].unique().numel() > 32
