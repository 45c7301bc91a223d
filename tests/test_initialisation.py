"""Initial weights: the variance of each scheme, determinism, batch normalisation reset."""

import copy
import math

import pytest
import torch
from torch import nn

from nascence.errors import UnknownNameError
from nascence.initialisation import INITIALISATIONS, initialise
from nascence.seeding import generator

FAN_IN, FAN_OUT = 64 * 9, 96 * 9
VARIANCE = {
    "default": 1 / (3 * FAN_IN),
    "kaiming-fan-in": 2 / FAN_IN,
    "kaiming-fan-out": 2 / FAN_OUT,
    "xavier": 2 / (FAN_IN + FAN_OUT),
    "standard-normal": 1.0,
}


def network():
    return nn.Sequential(nn.Conv2d(64, 96, 3), nn.BatchNorm2d(96), nn.ReLU(), nn.Linear(96, 10))


def test_every_scheme_is_tested():
    assert set(VARIANCE) == set(INITIALISATIONS)


@pytest.mark.parametrize("scheme", VARIANCE)
def test_variance_of_convolution_weights(scheme):
    weight = initialise(network(), scheme, generator(0))[0].weight.detach().double()
    standard_error = VARIANCE[scheme] * math.sqrt(2 / weight.numel())
    assert abs(weight.var().item() - VARIANCE[scheme]) < 5 * standard_error
    assert abs(weight.mean().item()) < 5 * math.sqrt(VARIANCE[scheme] / weight.numel())


def test_default_is_uniform_and_the_others_are_normal():
    bound = 1 / math.sqrt(FAN_IN)
    uniform = initialise(network(), "default", generator(0))[0].weight.detach()
    assert 0.999 * bound < uniform.abs().max() <= bound
    for scheme in set(INITIALISATIONS) - {"default"}:
        weight = initialise(network(), scheme, generator(0))[0].weight.detach().double()
        kurtosis = ((weight - weight.mean()) ** 4).mean() / weight.var() ** 2
        assert abs(kurtosis - 3) < 0.15, scheme


@pytest.mark.parametrize("scheme", INITIALISATIONS)
def test_grouped_convolutions_use_the_fan_of_one_filter(scheme):
    weight = initialise(nn.Conv2d(512, 512, 5, groups=512), scheme, generator(1)).weight.detach().double()
    fan_out = 512 * 25  # PyTorch's definition counts all output channels
    expected = {
        "default": 1 / (3 * 25),
        "kaiming-fan-in": 2 / 25,
        "kaiming-fan-out": 2 / fan_out,
        "xavier": 2 / (25 + fan_out),
        "standard-normal": 1.0,
    }[scheme]
    assert weight.var().item() == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("scheme", INITIALISATIONS)
def test_biases(scheme):
    bias = initialise(nn.Linear(400, 5000), scheme, generator(0)).bias.detach()
    if scheme == "default":
        assert 0.99 / 20 < bias.abs().max() <= 1 / 20
        assert bias.var().item() == pytest.approx(1 / 1200, rel=0.1)
    else:
        assert bias.eq(0).all()


@pytest.mark.parametrize("scheme", INITIALISATIONS)
def test_same_generator_same_weights_and_nothing_else_is_drawn_from(scheme):
    one, other, third = network(), network(), network()
    before = torch.get_rng_state()
    assert initialise(one, scheme, generator(3)) is one
    initialise(other, scheme, generator(3))
    initialise(third, scheme, generator(4))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert not torch.equal(one[0].weight, third[0].weight)
    assert not torch.equal(one[3].weight, third[3].weight)


@pytest.mark.parametrize("flags", [{}, {"affine": False}, {"track_running_stats": False}])
def test_batch_normalisation_starts_afresh(flags):
    norm = nn.BatchNorm2d(8, **flags)
    fresh = copy.deepcopy(norm.state_dict())
    if norm.affine:
        nn.init.constant_(norm.weight, 3.0)
        nn.init.constant_(norm.bias, 2.0)
    norm(torch.randn(16, 8, 4, 4, generator=generator(0)) * 7 + 5)
    initialise(norm, "xavier", generator(0))
    assert norm.state_dict().keys() == fresh.keys()
    assert all(torch.equal(value, fresh[key]) for key, value in norm.state_dict().items())


def test_parameters_stay_trainable_leaves():
    weight = initialise(network(), "xavier", generator(0))[0].weight
    assert weight.requires_grad
    assert weight.is_leaf
    assert weight.grad_fn is None


def test_unknown_scheme():
    with pytest.raises(UnknownNameError, match="Unknown initialisation 'kaiming'"):
        initialise(network(), "kaiming", generator(0))


@pytest.mark.parametrize("make", [lambda: nn.LSTM(3, 4), lambda: nn.ConvTranspose2d(3, 4, 2), lambda: nn.LayerNorm(4)])
def test_every_module_with_parameters_follows_from_the_generator(make):
    before = torch.get_rng_state()
    one, other = (initialise(make(), "default", generator(4)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    initialise(one, "default", generator(5))
    assert isinstance(one, nn.LayerNorm) or not torch.equal(next(one.parameters()), next(other.parameters()))
    torch.set_rng_state(before)
    module = make()
    state = torch.get_rng_state()
    initialise(module, "default", generator(4))
    assert torch.equal(torch.get_rng_state(), state), "nothing else is drawn from"
