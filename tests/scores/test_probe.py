"""What a probe hands out: networks, images and noise of one draw."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from nascence.scores import SCORES, Probe
from nascence.scores.snip import SNIP
from nascence.spaces import get_space
from nascence.supernets.cells.fused import BoxAverage, use_box_averages
from nascence.tasks.base import Signature


def test_build_gives_the_networks_weights_in_a_new_module(probe):
    shared = probe.network("ranking", initialisation="kaiming-fan-in")
    assert probe.network("ranking", initialisation="kaiming-fan-in") is shared
    own = probe.build("ranking", initialisation="kaiming-fan-in")
    assert own is not shared
    for one, other in zip(own.parameters(), shared.parameters(), strict=True):
        assert one is not other
        assert torch.equal(one, other)


def test_average_pooling_becomes_box_sums_of_the_same_numbers(probe):
    obvious = probe.space.build(probe.architecture, network="ranking", num_classes=4, seed=3).double().eval()
    quick = use_box_averages(probe.space.build(probe.architecture, network="ranking", num_classes=4, seed=3))
    quick = quick.double().eval()
    x = probe.noise(3)[0].double()
    assert torch.allclose(obvious(x), quick(x), rtol=1e-9)
    replaced = [module for module in quick.modules() if isinstance(module, BoxAverage)]
    assert len(replaced) == 3
    kept = [module for module in quick.modules() if isinstance(module, torch.nn.AvgPool2d)]
    assert len(kept) == 2, "the 2 x 2 pooling of the reductions is another operation"


@pytest.mark.parametrize(("side", "halvings"), [(8, 1), (64, 4)])
def test_networks_are_built_for_the_size_of_the_data(probe, side, halvings):
    """A network of fbnetv2 halves larger images more often."""
    space = get_space("fbnetv2")
    task = SimpleNamespace(signature=Signature.images((1, side, side), 4))
    architecture = space.sample(torch.Generator().manual_seed(0))
    network = Probe(space, architecture, task).build("score", in_channels=2)
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert [module.stride for module in convolutions].count((2, 2)) == halvings
    assert convolutions[0].in_channels == 2


def test_draws_do_not_depend_on_the_architecture(probe):
    other = Probe(probe.space, probe.space.from_index(7), probe.task, probe.seed)
    for kind in ("images", "noise"):
        for mine, theirs in zip(getattr(probe, kind)(5), getattr(other, kind)(5), strict=True):
            assert torch.equal(mine, theirs)
        assert not torch.equal(getattr(probe, kind)(5)[0], getattr(probe, kind)(5, batch=1)[0])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_the_worst(value):
    assert SNIP().finite(value) == -math.inf
    assert SNIP().finite(torch.tensor(2.0)) == 2


@pytest.mark.parametrize("name", SCORES.names())
def test_a_score_is_known_by_its_own_name(name):
    kind = SCORES.get(name)
    assert kind.name == name
    assert kind() == kind()
    assert kind.worst <= 1 if kind.larger_is_better else kind.worst == math.inf
    assert kind.description
    assert kind.source
