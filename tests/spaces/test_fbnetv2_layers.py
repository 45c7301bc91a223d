"""The grid of FBNetV2's space, sizes, and layers under them."""

import pytest
import torch
from torch import nn

from nascence.errors import SettingError
from nascence.operations import NormConfig
from nascence.operations.mobile_blocks import ConvNormAct
from nascence.spaces.fbnetv2_layers import BLOCKS, STAGES, FBNetV2Size, block_of, layers_of, skip_of, width_of
from nascence.tasks.base import Signature

FULL = Signature("images", 3, 1000, (224, 224))


def test_the_grid_of_the_papers_table():
    widths = [(stage.widths[0], stage.widths[-1], stage.widths[1] - stage.widths[0]) for stage in STAGES]
    assert widths == [(12, 16, 4), (16, 24, 4), (16, 40, 8), (48, 80, 8), (72, 112, 8), (112, 184, 8)]
    assert [stage.stride for stage in STAGES] == [1, 2, 2, 2, 1, 2]
    assert [stage.layers for stage in STAGES] == [1, 3, 3, 3, 4, 4]
    assert [(stage.expansions[0], stage.expansions[-1], len(stage.expansions)) for stage in STAGES[1:]] == [
        (0.75, 3.25, 6),
        (0.75, 3.25, 6),
        (0.75, 3.75, 7),
        (0.75, 4.5, 6),
        (0.75, 4.5, 6),
    ]
    assert not STAGES[0].expands
    assert set(BLOCKS) == {
        *("k3-relu", "k3-hswish", "k3-se-relu", "k3-se-hswish"),
        *("k5-relu", "k5-hswish", "k5-se-relu", "k5-se-hswish"),
    }


def test_widths_scale_with_the_stem():
    size = FBNetV2Size(channels=8)
    assert [size.width(stage.widths[0]) for stage in STAGES] == [6, 8, 8, 24, 36, 56]
    assert size.hidden(8, 2.75) == 24, "a multiple of 4 then"
    assert size.squeezed(24) == 8
    assert width_of(STAGES[3], size).values.tolist() == [24, 28, 32, 36, 40]


def test_layers_know_what_comes_in_and_what_is_hidden():
    size = FBNetV2Size()
    layers = layers_of(size, FULL)
    assert len(layers) == 18
    assert [layer.stride for layer in layers if layer.first] == [1, 2, 2, 2, 1, 2]
    before, width, hidden, squeezed = layers[0].extents(size)
    assert before.rows == hidden.rows == squeezed.rows == ()
    assert width.values.tolist() == [12, 16]
    before, width, hidden, squeezed = layers[1].extents(size)
    assert before.rows == (("stage1/width", 0),)
    assert hidden.rows == squeezed.rows == (("stage1/width", 0), ("stage2/expansion", 0))
    assert hidden.values[1].tolist() == [16, 24, 32, 40, 48, 56], "16 times 0.75 to 3.25, rounded"
    before, width, hidden, _ = layers[2].extents(size)
    assert before.rows == width.rows == (("stage2/width", 0),)
    assert hidden.rows == (("stage2/width", 0), ("stage2/expansion", 1))


def test_modules_of_a_layer():
    size = FBNetV2Size()
    first, second = layers_of(size, FULL)[1:3]
    block = block_of(BLOCKS["k5-se-hswish"], 16, 48, 16, 24, first, NormConfig())
    assert (block.depthwise[0].kernel_size, block.depthwise[0].stride, block.residual) == ((5, 5), (2, 2), False)
    assert block.excite.squeeze.out_channels == 16
    assert block_of(BLOCKS["k3-relu"], 24, 72, 16, 24, second, NormConfig()).residual
    assert isinstance(skip_of(16, 24, first, NormConfig()), ConvNormAct)
    assert isinstance(skip_of(24, 24, second, NormConfig()), nn.Identity)
    with torch.no_grad():
        assert block(torch.zeros(1, 16, 8, 8)).shape == (1, 24, 4, 4)


def test_sizes_that_cannot_be():
    with pytest.raises(SettingError, match="6 is no multiple of 4"):
        FBNetV2Size(channels=6)
    with pytest.raises(SettingError, match="0 to 5 times, not 6"):
        FBNetV2Size(halvings=6)
