"""A network that looks at every node by itself: as wide, by hand, and deaf."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from nascence.spaces import get_space, node_networks
from nascence.spaces.node_networks import node_network
from nascence.spaces.sane import GraphSize
from nascence.tasks.base import Signature

SIGNATURE = Signature("graph", 5, 3, (8, 10))
X = torch.randn(8, 5, generator=torch.Generator().manual_seed(0))
EDGES = torch.tensor([[0, 1, 2], [1, 2, 3]])


def test_by_hand():
    size = GraphSize(channels=16, activation="relu")
    network = node_network(SIGNATURE, size, 2, seed=0).eval()
    hidden = network.stem(X)
    for block in network.blocks:
        hidden = (hidden @ block[0].weight.T + block[0].bias).relu()
    torch.testing.assert_close(network(X, EDGES), network.classifier(hidden))


@pytest.mark.parametrize("changes", [{}, {"norm": True}, {"residual": True}])
def test_it_hears_no_neighbour_and_has_dropouts_and_shape(changes):
    network = node_network(SIGNATURE, replace(GraphSize(channels=16), **changes), 3, seed=0)
    assert network(X, EDGES).shape == (8, 3)
    assert not torch.equal(network(X, EDGES), network(X, EDGES))
    network.eval()
    assert torch.equal(network(X, EDGES), network(X, EDGES[:, :1]))
    moved = X.clone()
    moved[0] += 1
    changed = (network(moved, EDGES) != network(X, EDGES)).any(1)
    assert changed.tolist() == [True, *([False] * 7)]


def test_weights_follow_from_the_seed_alone():
    before = torch.get_rng_state()
    one, other, third = (node_network(SIGNATURE, GraphSize(), 1, seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not torch.equal(one["stem.weight"], third["stem.weight"])


def test_parameters_of_a_module_s_own_follow_from_the_seed_too(monkeypatch):
    class Raw(nn.Module):
        def __init__(self, *size):
            super().__init__()
            self.scale = nn.Parameter(torch.randn(4))

    monkeypatch.setattr(node_networks, "NodeNetwork", Raw)
    one, third = (node_network(SIGNATURE, GraphSize(), 1, seed).scale for seed in (0, 1))
    torch.randn(3)  # wherever the global generator is
    assert torch.equal(one, node_network(SIGNATURE, GraphSize(), 1, 0).scale)
    assert not torch.equal(one, third)


@pytest.mark.parametrize("name", ["sane", "sane-2", "nas-bench-graph-chains"])
def test_spaces_of_graph_networks_have_one(name):
    space = get_space(name)
    network = space.unconnected(space.networks["evaluation"], SIGNATURE, seed=0)
    assert network(X, EDGES).shape == (8, 3)
    assert get_space("darts").unconnected(None, SIGNATURE) is None
