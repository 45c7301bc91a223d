"""Blocks of FBNetV2: order of the parts, rounding, squeeze-and-excitation, masks behind the normalisation."""

import pytest
import torch
from torch import nn

from nascence.operations import NormConfig
from nascence.operations.mobile_blocks import ConvNormAct, MobileBlock, PooledHead, SqueezeExcite, make_divisible
from nascence.seeding import generator


def randn(*shape):
    return torch.randn(*shape, generator=generator(0))


def leaves(module):
    return [type(part).__name__ for part in module.modules() if not list(part.children())]


class Halve(nn.Module):
    def forward(self, x):
        return x * (torch.arange(x.shape[1]) < x.shape[1] // 2).float().view(1, -1, 1, 1)


@pytest.mark.parametrize(
    ("channels", "rounded"),
    [(16 * 5.4566, 88), (24 * 1.7912, 48), (8, 8), (3, 8), (11.9, 16), (12, 16), (43.2, 48), (42, 40), (44, 48)],
)
def test_rounds_to_multiples_of_eight_and_never_far_down(channels, rounded):
    assert make_divisible(channels) == rounded


def test_rounding_never_loses_more_than_five_percent():
    for channels in range(8, 400):
        assert make_divisible(channels) >= 0.95 * channels
        assert make_divisible(channels) % 8 == 0


def test_mask_stands_last():
    assert leaves(ConvNormAct(3, 4, 3, 1, NormConfig(), "hswish", mask=Halve())) == [
        "Conv2d",
        "BatchNorm2d",
        "Hardswish",
        "Halve",
    ]
    assert leaves(ConvNormAct(3, 4, 3, 1, NormConfig(), "none")) == ["Conv2d", "BatchNorm2d"]


def test_squeeze_excite_scales_whole_channels_by_what_all_pixels_say():
    module, x = SqueezeExcite(4, 2), randn(3, 4, 5, 5)
    with torch.no_grad():
        hidden = (x.mean((2, 3)) @ module.squeeze.weight.flatten(1).T + module.squeeze.bias).relu()
        gates = nn.functional.hardsigmoid(hidden @ module.excite.weight.flatten(1).T + module.excite.bias)
        torch.testing.assert_close(module(x), x * gates[..., None, None])


def test_squeeze_excite_hides_what_is_masked_within():
    """The hidden bias of a channel that is not there must not reach the gates."""
    module = SqueezeExcite(4, 2, Halve())
    narrow = SqueezeExcite(4, 1)
    narrow.load_state_dict(
        {
            "squeeze.weight": module.squeeze.weight[:1],
            "squeeze.bias": module.squeeze.bias[:1],
            "excite.weight": module.excite.weight[:, :1],
            "excite.bias": module.excite.bias,
        }
    )
    x = randn(3, 4, 5, 5)
    torch.testing.assert_close(module(x), narrow(x))


@pytest.mark.parametrize(("residual", "expand", "squeezed"), [(True, True, None), (False, True, 2), (True, False, 2)])
def test_block(residual, expand, squeezed):
    hidden = 12 if expand else 4
    block = MobileBlock(
        4, hidden, 4, 5, 1, NormConfig(), "relu", expand=expand, squeezed=squeezed, residual=residual
    ).eval()
    x = randn(2, 4, 6, 6)
    with torch.no_grad():
        expected = block.project(block.excite(block.depthwise(block.expand(x))))
        torch.testing.assert_close(block(x), expected + x if residual else expected)
    assert block.depthwise[0].groups == hidden
    assert isinstance(block.expand, nn.Identity) != expand
    assert isinstance(block.excite, nn.Identity) == (squeezed is None)
    assert "ReLU" not in leaves(block.project)


def test_stride_and_masks_of_a_block():
    block = MobileBlock(
        4, 8, 6, 3, 2, NormConfig(), "hswish", squeezed=2, hidden_mask=Halve(), squeeze_mask=Halve(), out_mask=Halve()
    )
    seen = {}
    for name in ("expand", "depthwise", "excite", "project"):
        getattr(block, name).register_forward_hook(lambda m, args, out, name=name: seen.update({name: out}))
    block(randn(2, 4, 7, 7))
    assert seen["project"].shape == (2, 6, 4, 4)
    for name, out in seen.items():
        half = out.shape[1] // 2
        assert out[:, half:].abs().max() == 0, name
        assert out[:, :half].abs().max() > 0, name


def test_pooled_head():
    head, x = PooledHead(4, 6, 5, NormConfig()).eval(), randn(2, 4, 3, 3)
    with torch.no_grad():
        pooled = head.expand(x).mean((2, 3))
        expected = nn.functional.hardswish(pooled @ head.features.weight.flatten(1).T + head.features.bias)
        torch.testing.assert_close(head(x), expected)
