"""Layers as values."""

import json

import pytest
import torch
from torch import nn

from nascence.errors import SettingError
from nascence.spaces.own.layers import describe, make, resized
from nascence.spaces.own.loose import LooseConstant, LooseParameter

LAYERS = [
    nn.Conv2d(4, 8, (3, 1), stride=2, padding="valid", bias=False),
    nn.Conv2d(8, 8, 3, groups=4, padding_mode="circular"),
    nn.ConvTranspose2d(4, 6, 2, 2),
    nn.Linear(3, 2, bias=False),
    nn.BatchNorm2d(5, eps=1e-3, affine=False),
    nn.LayerNorm(7),
    nn.GroupNorm(2, 6),
    nn.MultiheadAttention(8, 2, batch_first=True, bias=False),
    nn.AdaptiveAvgPool2d((1, None)),
    nn.PReLU(3),
    nn.Flatten(1),
    nn.GELU("tanh"),
    LooseParameter((1, 2, 3), 0.5, 2.0),
    LooseConstant((2, 2), "int64"),
]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_a_layer_is_made_again(layer):
    again = make(json.loads(json.dumps(describe(layer))))
    assert repr(again) == repr(layer)
    shapes = {name: value.shape for name, value in layer.state_dict().items()}
    assert {name: value.shape for name, value in again.state_dict().items()} == shapes


class Own(nn.Linear):
    pass


def test_what_is_not_pytorch_s_is_refused():
    with pytest.raises(SettingError, match="Own is no layer of PyTorch"):
        describe(Own(2, 2))
    for described in (
        {"class": "Own", "args": {}},
        {"class": "init", "args": {}},
        {"class": "Linear", "args": {"x": 1}},
    ):
        with pytest.raises(SettingError):
            make(described)


@pytest.mark.parametrize(
    ("layer", "lengths", "expected"),
    [
        (nn.Conv2d(4, 8, 3), {"weight": (5, 2, 3, 3)}, {"in_channels": 2, "out_channels": 5}),
        (nn.Conv2d(8, 12, 3, groups=4), {"weight": (6, 2, 3, 3)}, {"in_channels": 4, "out_channels": 6, "groups": 2}),
        (nn.ConvTranspose2d(4, 6, 2), {"weight": (3, 5, 2, 2)}, {"in_channels": 3, "out_channels": 5}),
        (nn.Linear(6, 4), {"weight": (3, 2)}, {"in_features": 2, "out_features": 3}),
        (nn.BatchNorm2d(6), {"weight": (4,), "running_mean": (4,)}, {"num_features": 4}),
        (nn.BatchNorm2d(6, affine=False), {"running_mean": (4,)}, {"num_features": 4}),
        (nn.LayerNorm(6), {"weight": (4,)}, {"normalized_shape": [4]}),
        (nn.GroupNorm(3, 6), {"weight": (4,)}, {"num_groups": 2, "num_channels": 4}),
        (nn.PReLU(6), {"weight": (4,)}, {"num_parameters": 4}),
        (LooseParameter((1, 6)), {"value": (1, 4)}, {"shape": [1, 4]}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_other_lengths_are_other_arguments(layer, lengths, expected):
    described = resized(layer, lengths)
    assert expected.items() <= described["args"].items()
    made = make(json.loads(json.dumps(described))).state_dict()
    assert all(tuple(made[name].shape) == tuple(length) for name, length in lengths.items())


def test_a_loose_parameter_begins_as_the_one_that_was_there():
    layer = LooseParameter((2000,), 0.5, 2.0)
    torch.manual_seed(0)
    layer.reset_parameters()
    assert abs(float(layer.value.detach().mean()) - 0.5) < 0.2
    assert abs(float(layer.value.detach().std()) - 2.0) < 0.2
    assert layer() is layer.value
