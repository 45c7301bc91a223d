"""The registry of operations: shapes, strides, gradients and parameter counts of all of them."""

import pytest
import torch
from torch import nn

from nascence.errors import UnknownNameError
from nascence.operations import OPERATIONS, FactorizedReduce, NormConfig, build_operation
from nascence.seeding import generator

NAMES = [
    "none",
    "skip_connect",
    "nor_conv_1x1",
    "nor_conv_3x3",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
    "avg_pool_3x3",
    "max_pool_3x3",
]
C = 6


def conv_weights(k_depthwise, times):
    return times * (k_depthwise**2 * C + C * C)


WEIGHTS = {  # convolution weights at C -> C, stride 1
    "none": 0,
    "skip_connect": 0,
    "nor_conv_1x1": C * C,
    "nor_conv_3x3": 9 * C * C,
    "sep_conv_3x3": conv_weights(3, 2),
    "sep_conv_5x5": conv_weights(5, 2),
    "dil_conv_3x3": conv_weights(3, 1),
    "dil_conv_5x5": conv_weights(5, 1),
    "avg_pool_3x3": 0,
    "max_pool_3x3": 0,
}
NORMS = {
    "nor_conv_1x1": 1,
    "nor_conv_3x3": 1,
    "sep_conv_3x3": 2,
    "sep_conv_5x5": 2,
    "dil_conv_3x3": 1,
    "dil_conv_5x5": 1,
}


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_names_are_the_fields():
    assert set(NAMES) <= set(OPERATIONS.names())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(8, 8), (7, 9), (1, 1), (2, 5)])
def test_stride_divides_the_resolution_rounding_up(name, stride, size):
    x = torch.randn(3, C, *size, generator=generator(0))
    out = build_operation(name, C, C, stride, NormConfig())(x)
    assert out.shape == (3, C, -(-size[0] // stride), -(-size[1] // stride))


@pytest.mark.parametrize("name", NAMES)
def test_parameters_to_the_unit(name):
    with_affine = build_operation(name, C, C, 1, NormConfig(affine=True))
    without = build_operation(name, C, C, 1, NormConfig(affine=False))
    assert count(without) == WEIGHTS[name]
    assert count(with_affine) == WEIGHTS[name] + 2 * C * NORMS.get(name, 0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("tracked", [True, False])
def test_norm_flags_reach_every_normalisation(name, tracked):
    norms = [
        module
        for stride in (1, 2)
        for module in build_operation(
            name, C, C, stride, NormConfig(affine=False, track_running_stats=tracked)
        ).modules()
        if isinstance(module, nn.BatchNorm2d)
    ]
    assert all(norm.weight is None for norm in norms)
    assert all((norm.running_mean is not None) == tracked for norm in norms)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"none"}))
@pytest.mark.parametrize("stride", [1, 2])
def test_gradients_reach_input_and_parameters(name, stride):
    operation = build_operation(name, C, C, stride, NormConfig())
    x = torch.randn(4, C, 6, 6, generator=generator(1), requires_grad=True)
    operation(x).pow(3).sum().backward()
    assert x.grad.abs().sum() > 0
    assert all(parameter.grad is not None for parameter in operation.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_the_input_is_not_written_to(name):
    for stride in (1, 2):
        x = torch.randn(2, C, 6, 6, generator=generator(1))
        before = x.clone()
        build_operation(name, C, C, stride, NormConfig())(x)
        assert torch.equal(x, before)


def test_skip_connect_is_the_identity_or_a_factorized_reduce():
    assert isinstance(build_operation("skip_connect", C, C, 1, NormConfig()), nn.Identity)
    assert isinstance(build_operation("skip_connect", C, C, 2, NormConfig()), FactorizedReduce)


def test_unknown_operation():
    with pytest.raises(UnknownNameError, match="Did you mean 'sep_conv_3x3'"):
        build_operation("sep_conv_3x4", C, C, 1, NormConfig())
