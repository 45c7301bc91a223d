import pytest
import torch

from nascence.scores import Probe
from nascence.scores.synflow import SynFlow
from nascence.testing.toy import toy_space


class Bypass(torch.nn.Module):
    def forward(self, x):
        return x


def linear_network(network):
    for name, module in list(network.named_modules()):
        if isinstance(module, torch.nn.BatchNorm2d):
            parent, _, child = name.rpartition(".")
            setattr(network.get_submodule(parent), child, Bypass())
    for parameter in network.parameters():
        parameter.data.abs_()
    return network


@pytest.mark.parametrize("initialisation", ["kaiming-fan-in", "default"])
def test_is_the_change_of_the_output_as_each_weight_is_scaled(probe, reference, initialisation):
    """w dR/dw summed over a layer is dR/d(scale of the layer): R is linear in it, so a difference is exact."""
    network = linear_network(reference(probe, initialisation=initialisation))
    ones = torch.ones(1, 3, 16, 16, dtype=torch.float64)
    base, expected = network(ones).sum().item(), 0.0
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            layer.weight.data.mul_(2)
            expected += network(ones).sum().item() - base
            layer.weight.data.div_(2)
    assert SynFlow(initialisation=initialisation)(probe) == pytest.approx(expected, rel=1e-9)


def test_in_a_chain_every_layer_contributes_the_output(task):
    """Stem, convolutions in a row, classifier without bias: depth times R."""
    space = toy_space()
    chain = space.architecture(["nor_conv_3x3", "none", "nor_conv_1x1"])
    probe = Probe(space, chain, task)
    network = linear_network(probe.build("ranking", initialisation="kaiming-fan-in").double())
    output = network(torch.ones(1, 3, 16, 16, dtype=torch.float64)).sum().item()
    assert SynFlow()(probe) == pytest.approx((1 + 2 * 2 + 1) * output, rel=1e-9)


def test_changes_no_shared_network(probe):
    before = [p.detach().clone() for p in probe.network("ranking", initialisation="kaiming-fan-in").parameters()]
    SynFlow()(probe)
    after = probe.network("ranking", initialisation="kaiming-fan-in").parameters()
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert any((p < 0).any() for p in before)
