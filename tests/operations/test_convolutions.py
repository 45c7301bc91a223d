"""Convolutions: order of the parts, equality with a computation by hand, odd resolutions."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nascence.initialisation import initialise
from nascence.operations import (
    DilatedConv,
    FactorizedReduce,
    LightSeparableConv,
    NormConfig,
    ReLUConvBN,
    SeparableConv,
)
from nascence.seeding import generator


def kinds(module):
    return [type(part).__name__ for part in module.modules() if not list(part.children())]


def normalised(x):
    mean = x.mean(dim=(0, 2, 3), keepdim=True)
    return (x - mean) / torch.sqrt(x.var(dim=(0, 2, 3), unbiased=False, keepdim=True) + 1e-5)


def image(*shape):
    return torch.randn(*shape, generator=generator(0), dtype=torch.float64)


def test_relu_conv_bn_by_hand():
    block = initialise(ReLUConvBN(3, 5, 3, 2, NormConfig()), "default", generator(0)).double()
    assert kinds(block) == ["ReLU", "Conv2d", "BatchNorm2d"]
    assert block[1].bias is None
    x = image(4, 3, 7, 7)
    torch.testing.assert_close(block(x), normalised(F.conv2d(x.clamp(min=0), block[1].weight, stride=2, padding=1)))


def test_separable_is_twice_relu_depthwise_pointwise_norm():
    block = SeparableConv(4, 6, 5, 2, NormConfig())
    assert kinds(block) == ["ReLU", "Conv2d", "Conv2d", "BatchNorm2d"] * 2
    convolutions = [part for part in block if isinstance(part, nn.Conv2d)]
    assert [conv.groups for conv in convolutions] == [4, 1, 4, 1]
    assert [conv.kernel_size[0] for conv in convolutions] == [5, 1, 5, 1]
    assert [conv.stride[0] for conv in convolutions] == [2, 1, 1, 1], "the stride is in the first half"
    assert [conv.out_channels for conv in convolutions] == [4, 4, 4, 6], "the first half keeps the channels"
    assert [conv.dilation[0] for conv in convolutions] == [1, 1, 1, 1]


@pytest.mark.parametrize(("kernel", "padding"), [(3, 2), (5, 4)])
def test_dilated_has_dilation_two(kernel, padding):
    block = DilatedConv(4, 6, kernel, 1, NormConfig())
    assert kinds(block) == ["ReLU", "Conv2d", "Conv2d", "BatchNorm2d"]
    depthwise = block[1]
    assert (depthwise.dilation[0], depthwise.padding[0], depthwise.groups) == (2, padding, 4)
    assert block(torch.zeros(2, 4, 5, 5)).shape == (2, 6, 5, 5)


@pytest.mark.parametrize("size", [(8, 8), (7, 7), (7, 4), (1, 1)])
def test_factorized_reduce_by_hand(size):
    """The second half of the channels sees the pixels of odd row and column; beyond the border there is zero."""
    block = initialise(FactorizedReduce(3, 4, NormConfig()), "default", generator(0)).double()
    height, width = -(-size[0] // 2), -(-size[1] // 2)
    x = image(5, 3, *size)
    padded = torch.zeros(5, 3, 2 * height, 2 * width, dtype=torch.float64)
    padded[:, :, : size[0], : size[1]] = x.clamp(min=0)
    weights_even, weights_odd = (conv.weight[:, :, 0, 0] for conv in (block.even, block.odd))
    even = torch.einsum("oi,bihw->bohw", weights_even, padded[:, :, ::2, ::2])
    odd = torch.einsum("oi,bihw->bohw", weights_odd, padded[:, :, 1::2, 1::2])
    out = block(x)
    assert out.shape == (5, 4, height, width)
    torch.testing.assert_close(out, normalised(torch.cat([even, odd], dim=1)))


def test_factorized_reduce_splits_an_odd_number_of_channels():
    block = FactorizedReduce(4, 5, NormConfig())
    assert block(torch.zeros(2, 4, 6, 6)).shape == (2, 5, 3, 3)
    assert sum(parameter.numel() for parameter in block.parameters()) == 4 * 5 + 2 * 5


def test_norm_config_defaults_to_learned_and_tracked():
    norm = NormConfig().build(7)
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.weight.shape == (7,)
    assert norm.running_mean.shape == (7,)
    plain = NormConfig(affine=False, track_running_stats=False).build(7)
    assert plain.weight is None
    assert plain.running_var is None


@pytest.mark.parametrize("kernel", [3, 5])
def test_light_separable_is_the_second_half_of_separable(kernel):
    """Parameters C k^2 + C C' + 2 C', and the same numbers with the same weights."""
    light, full = LightSeparableConv(4, 6, kernel, 1, NormConfig()), SeparableConv(4, 6, kernel, 1, NormConfig())
    assert sum(p.numel() for p in light.parameters()) == 4 * kernel**2 + 4 * 6 + 2 * 6
    half = nn.Sequential(*list(full)[4:])
    light.load_state_dict(half.state_dict())
    x = torch.randn(2, 4, 7, 7, generator=torch.Generator().manual_seed(0))
    assert torch.equal(light.eval()(x), half.eval()(x))
    assert LightSeparableConv(4, 6, kernel, 2, NormConfig())(x).shape == (2, 6, 4, 4)
