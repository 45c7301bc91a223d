"""Within :class:`Shapes` a pass sees the operators and sizes that it sees without."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from nascence.costs import flops, memory_mib
from nascence.costs.shapes import Shapes
from nascence.spaces import get_space


@pytest.mark.parametrize("space", ["nas-bench-201", "darts", "eg", "nas-bench-macro"])
def test_costs_of_networks_are_those_without_rules(space: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = get_space(space)
    architecture = found.sample(torch.Generator().manual_seed(3))
    network = found.build(architecture, in_channels=3, num_classes=10).eval()
    counted, peak = flops(network, (3, 32, 32)), memory_mib(network, (3, 32, 32))
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.rand(1, 3, 32, 32))
    assert counted == counter.get_total_flops() > 0
    with torch.inference_mode():
        assert (flops(network, (3, 32, 32)), memory_mib(network, (3, 32, 32))) == (counted, peak)
    monkeypatch.setattr("nascence.costs.shapes._RULES", {})
    assert peak == memory_mib(network, (3, 32, 32)) > 0


STATISTICS = (torch.zeros(4, device="meta"), torch.ones(4, device="meta"))


@pytest.mark.parametrize(
    "operation",
    [
        F.relu,
        F.relu_,
        lambda x: F.batch_norm(x, *STATISTICS),
        lambda x: F.batch_norm(x, None, None, training=True),
        lambda x: x + x,
        lambda x: x + 1,
        lambda x: x + x[:1],
        lambda x: torch.add(x, x, alpha=2),
        lambda x: x + x.contiguous(memory_format=torch.channels_last),
        lambda x: x + x.int(),
        lambda x: x.mean((2, 3)),
        lambda x: x.mean(1, keepdim=True),
        lambda x: x.mean(1, dtype=torch.float64),
        lambda x: torch.cat([x, x, x[:, :2]], 1),
        lambda x: torch.cat([x, x], -1),
        lambda x: torch.cat([x, x.double()], 1),
        lambda x: F.linear(x.flatten(1), x.new_empty(7, 120), x.new_empty(7)),
    ],
)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_every_rule_gives_what_pytorch_gives(
    operation: Callable[[Tensor], Tensor], layout: torch.memory_format
) -> None:
    x_BCHW = torch.empty(2, 4, 5, 6, device="meta").contiguous(memory_format=layout)
    expected = operation(x_BCHW)
    with Shapes():
        found = operation(x_BCHW)
    assert (found.shape, found.stride(), found.dtype) == (expected.shape, expected.stride(), expected.dtype)
    assert (found is x_BCHW) == (expected is x_BCHW)


@pytest.mark.parametrize(
    "operation", [torch.add, lambda a, b: torch.cat([a, b], 0), lambda a, b: F.linear(a, b, b[:, 0])]
)
def test_what_does_not_fit_together_is_refused_all_the_same(operation: Callable[[Tensor, Tensor], Tensor]) -> None:
    one, two = torch.empty(2, 3, device="meta"), torch.empty(2, 4, device="meta")
    with pytest.raises(RuntimeError), Shapes():
        operation(one, two)
