"""Costs of layers of searched sizes, against modules that are counted."""

import pytest
import torch
from torch import nn

from nascence.costs import flops, params
from nascence.supernets.extents import Extent
from nascence.supernets.tally import Tally

INPUTS, OUTPUTS = [3.0, 6.0], [4.0, 8.0]


def total(tally, name, one=0, two=0):
    weights = {"in": torch.eye(2)[[one]], "out": torch.eye(2)[[two]]}
    return sum(float(part.mean(weights)) for part in tally.costs[name])


@pytest.mark.parametrize(("kernel", "bias", "norm"), [(3, False, True), (1, True, False), (5, True, True)])
def test_convolution_and_what_stands_behind_it(kernel, bias, norm):
    tally = Tally()
    tally.convolution(Extent.of(("in", 0), INPUTS), Extent.of(("out", 0), OUTPUTS), kernel, 25, bias=bias, norm=norm)
    for one, two in ((0, 0), (1, 0), (1, 1)):
        module = nn.Sequential(
            nn.Conv2d(int(INPUTS[one]), int(OUTPUTS[two]), kernel, padding=kernel // 2, bias=bias),
            nn.BatchNorm2d(int(OUTPUTS[two])) if norm else nn.Identity(),
        )
        assert total(tally, "params", one, two) == params(module)
        assert total(tally, "flops", one, two) == flops(module, (int(INPUTS[one]), 5, 5))


def test_depthwise_convolution_grows_with_its_width_once():
    tally, width = Tally(), Extent.of(("out", 0), OUTPUTS)
    tally.convolution(width, width, 3, 25, depthwise=True)
    module = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False), nn.BatchNorm2d(8))
    assert total(tally, "params", 0, 1) == params(module)
    assert total(tally, "flops", 0, 1) == flops(module, (8, 5, 5))


def test_linear_layer_and_layers_that_only_some_architectures_have():
    tally = Tally()
    tally.linear(Extent.of(("in", 0), INPUTS), 10, where=Extent.chosen(("out", 0), 2, 1))
    assert total(tally, "params", 1, 1) == params(nn.Linear(6, 10))
    assert total(tally, "flops", 1, 1) == flops(nn.Linear(6, 10), (6,))
    assert total(tally, "params", 1, 0) == total(tally, "flops", 1, 0) == 0
