"""Masks in front of what reads, and gates behind branches."""

import numpy as np
import torch
from torch import nn

from nascence.spaces.own.masking import Gate, MaskedChannels, MaskedLayerNorm

STEPS_A = torch.tensor([[1.0, 0.0], [1.0, 1.0]])  # the first unit, both
STEPS_B = torch.tensor([[0.0, 1.0, 0.0], [1.0, 1.0, 1.0]])


def mask():
    """Positions: one that stays, two units of the first row, three of the second, the first of them twice."""
    steps = [(("width", 0), STEPS_A), (("width", 1), STEPS_B)]
    return MaskedChannels(1, steps, np.array([0, 1, 2, 3, 4, 5, 3]))


def test_the_mask_is_a_sum_of_masks():
    part = mask()
    part.row_weights = [torch.tensor([0.25, 0.75]), torch.tensor([0.5, 0.5])]
    assert part.mask().tolist() == [1.0, 1.0, 0.75, 0.5, 1.0, 0.5, 0.5]
    assert part(torch.ones(2, 7, 3))[0, :, 0].tolist() == [1.0, 1.0, 0.75, 0.5, 1.0, 0.5, 0.5]


def test_one_hot_masks_are_zeros_and_ones():
    part = mask()
    part.row_weights = [torch.tensor([1.0, 0.0]), torch.tensor([1.0, 0.0])]
    assert part.mask().tolist() == [1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0]


def test_layer_normalisation_looks_at_what_is_left():
    layer = nn.LayerNorm(3)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([1.0, 2.0, 3.0]))
        layer.bias.copy_(torch.tensor([0.5, -0.5, 1.0]))
    steps = [(("width", 0), torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]]))]
    part = MaskedChannels(1, steps, np.array([1, 2, 3]))
    masked = MaskedLayerNorm(layer, part)
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    part.row_weights = [torch.tensor([1.0, 0.0])]
    expected = nn.functional.layer_norm(x[:, :2], (2,), layer.weight[:2], layer.bias[:2])
    assert torch.allclose(masked(x)[:, :2], expected, atol=1e-6)
    part.row_weights = [torch.tensor([0.0, 1.0])]
    assert torch.allclose(masked(x), layer(x), atol=1e-6)


def test_a_gate_weighs_its_branch():
    gate = Gate("branch", 0)
    gate.row_weights = [torch.tensor([0.25, 0.75])]
    assert gate(torch.ones(2), torch.full((2,), 4.0)).tolist() == [2.0, 2.0]


def test_masks_stand_where_channels_are_read(networks):
    own = networks.kept("resnet")
    supernet = own.supernet(None, own.signature)
    names = {name for name, _ in supernet.network.named_modules() if name.startswith(("mask_", "gate_"))}
    assert "mask_stages_0_conv1" in names
    assert "mask_classifier" in names
    assert "mask_stem" not in names, "the picture's own channels"
    assert sum(name.startswith("gate_") for name in names) == len(own.analysis.branches)
    assert all(not part.row_weights for part in supernet.parts())
