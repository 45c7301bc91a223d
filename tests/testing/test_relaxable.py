"""The checks of relaxable spaces catch what they are for."""

import pytest
import torch
from torch import nn

from nascence.supernets import MaskedWidth, MixedSupernet
from nascence.testing import RelaxableSpaceConformance, toy_widths

SPACE = toy_widths()


class Altered:
    """The toy chain with another supernet, or other one-hot weights."""

    def __init__(self, alter=lambda supernet: supernet, one_hot=SPACE.one_hot):
        self.alter, self.one_hot = alter, one_hot

    def supernet(self, network, signature, *, seed=0):
        return self.alter(SPACE.supernet(network, signature, seed=seed))

    def __getattr__(self, name):
        return getattr(SPACE, name)


def checks(**altered):
    class Checks(RelaxableSpaceConformance):
        space = Altered(**altered)
        relaxed = 3

    return Checks()


def without_masks(supernet):
    for module in list(supernet.network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, MaskedWidth):
                setattr(module, name, nn.Identity())
    return supernet


def dearer(supernet):
    costs = {name: [*parts, parts[0] * 0 + 1] for name, parts in supernet.costs.items()}
    return MixedSupernet(supernet.groups, supernet.network, costs)


def test_the_toy_itself_passes():
    names = [name for name in dir(RelaxableSpaceConformance) if name.startswith("test_")]
    assert len(names) >= 6
    for name in names:
        getattr(checks(), name)()


def test_a_supernet_that_forgets_its_masks():
    with pytest.raises(AssertionError):
        checks(alter=without_masks).test_one_hot_weights_equal_the_derived_network()
    with pytest.raises(AssertionError, match="width"):
        checks(alter=without_masks).test_every_row_gets_a_gradient()


def test_costs_that_are_off_by_one():
    with pytest.raises(AssertionError):
        checks(alter=dearer).test_expected_costs_are_exact_at_one_hot_weights()


def test_one_hot_weights_that_are_all_the_same():
    def always_first(architecture):
        return {g.name: torch.eye(g.shape[1])[[0] * g.shape[0]] for g in SPACE.groups}

    with pytest.raises(AssertionError):
        checks(one_hot=always_first).test_one_hot_weights_tell_architectures_apart()


def test_weights_that_do_not_follow_the_seed():
    def random(supernet):
        with torch.no_grad():
            next(iter(supernet.parameters())).add_(torch.rand(()))
        return supernet

    with torch.random.fork_rng(devices=[]), pytest.raises(AssertionError):
        checks(alter=random).test_supernet_depends_on_the_seed_alone()
