"""The inverted bottleneck: order of the parts, where the input is added, parameter counts."""

import pytest
import torch
from torch import nn

from nascence.operations import ConvBN, InvertedResidual, NormConfig
from nascence.seeding import generator


def leaves(module):
    return [part for part in module.modules() if not list(part.children())]


def test_conv_bn_order():
    assert [type(part).__name__ for part in ConvBN(3, 4, 3, 1, NormConfig())] == ["Conv2d", "BatchNorm2d", "ReLU"]
    assert [type(p).__name__ for p in ConvBN(3, 4, 3, 1, NormConfig(), relu=False)] == ["Conv2d", "BatchNorm2d"]
    assert ConvBN(3, 4, 3, 1, NormConfig())[0].bias is None


def test_expands_filters_and_projects_without_a_last_relu():
    block = InvertedResidual(4, 12, 6, 5, 2, NormConfig())
    kinds = [type(part).__name__ for part in leaves(block)]
    assert kinds == ["Conv2d", "BatchNorm2d", "ReLU", "Conv2d", "BatchNorm2d", "ReLU", "Conv2d", "BatchNorm2d"]
    expand, depthwise, project = [part for part in leaves(block) if isinstance(part, nn.Conv2d)]
    assert (expand.kernel_size, expand.stride) == ((1, 1), (1, 1))
    assert (depthwise.kernel_size, depthwise.stride, depthwise.groups) == ((5, 5), (2, 2), 12)
    assert (project.kernel_size, project.stride, project.out_channels) == ((1, 1), (1, 1), 6)


@pytest.mark.parametrize(("channels", "stride", "added"), [(4, 1, True), (4, 2, False), (6, 1, False)])
def test_input_is_added_where_the_shape_allows(channels, stride, added):
    block = InvertedResidual(4, 8, channels, 3, stride, NormConfig()).eval()
    x = torch.randn(2, 4, 6, 6, generator=generator(0))
    assert block.residual == added
    torch.testing.assert_close(block(x), block.block(x) + x if added else block.block(x))


@pytest.mark.parametrize("size", [(8, 8), (7, 5), (1, 1)])
def test_stride_rounds_up(size):
    block = InvertedResidual(4, 8, 6, 5, 2, NormConfig())
    out = block(torch.randn(2, 4, *size, generator=generator(0)))
    assert out.shape == (2, 6, -(-size[0] // 2), -(-size[1] // 2))


def test_parameters_and_flags():
    block = InvertedResidual(4, 12, 6, 5, 1, NormConfig())
    assert sum(p.numel() for p in block.parameters()) == 4 * 12 + 25 * 12 + 12 * 6 + 2 * (12 + 12 + 6)
    plain = InvertedResidual(4, 12, 6, 5, 1, NormConfig(affine=False, track_running_stats=False))
    assert sum(p.numel() for p in plain.parameters()) == 4 * 12 + 25 * 12 + 12 * 6
    assert not [name for name, _ in plain.named_buffers()]


def test_masks_stand_behind_normalisation_and_activation():
    masks = {"hidden_mask": nn.Hardtanh(), "out_mask": nn.Tanh()}
    kinds = [type(part).__name__ for part in leaves(InvertedResidual(4, 8, 4, 3, 1, NormConfig(), **masks))]
    assert kinds[:4] == ["Conv2d", "BatchNorm2d", "ReLU", "Hardtanh"]
    assert kinds[-3:] == ["Conv2d", "BatchNorm2d", "Tanh"]
    assert [type(part).__name__ for part in ConvBN(3, 4, 3, 1, NormConfig(), mask=nn.Tanh())][-1] == "Tanh"
