"""Within :class:`Shapes` a pass sees the operators and sizes that it sees without."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from nascence.costs import flops, memory, memory_mib
from nascence.costs.shapes import Shapes
from nascence.spaces import get_space


@pytest.mark.parametrize("space", ["nas-bench-201", "darts", "eg", "nas-bench-macro"])
def test_costs_of_networks_are_those_without_it(space: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = get_space(space)
    architecture = found.sample(torch.Generator().manual_seed(3))
    network = found.build(architecture, in_channels=3, num_classes=10).eval()
    counted, peak = flops(network, (3, 32, 32)), memory_mib(network, (3, 32, 32))
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.rand(1, 3, 32, 32))
    assert counted == counter.get_total_flops() > 0
    monkeypatch.setattr(memory, "Shapes", nullcontext)
    assert peak == memory_mib(network, (3, 32, 32)) > 0


@pytest.mark.parametrize("module", [nn.ReLU(), nn.ReLU(inplace=True), nn.BatchNorm2d(4), nn.BatchNorm2d(4, False)])
def test_shapes_and_storages_are_those_of_pytorch(module: nn.Module) -> None:
    with torch.device("meta"):
        x_BCHW = torch.empty(2, 4, 5, 6).contiguous(memory_format=torch.channels_last)
        module = module.to("meta").eval()
    expected = module(x_BCHW)
    with Shapes():
        found = module(x_BCHW)
    assert (found.shape, found.stride(), found.dtype) == (expected.shape, expected.stride(), expected.dtype)
    assert (found is x_BCHW) == (expected is x_BCHW)
