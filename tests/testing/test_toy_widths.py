"""The toy chain conforms; its supernet knows what each of its networks costs."""

import pytest
import torch

from nascence.costs import Budget, flops, params
from nascence.errors import SettingError
from nascence.spaces import SPACES, NetworkConfig, get_space
from nascence.tasks.base import Signature
from nascence.testing import RelaxableSpaceConformance, SpaceConformance, toy_widths

SIGNATURE = Signature("images", 3, 10, (8, 8))


class TestToyWidths(SpaceConformance, RelaxableSpaceConformance):
    space = toy_widths()

    def test_is_registered_once(self):
        assert toy_widths() is toy_widths() is get_space("toy-widths")
        assert SPACES.names().count("toy-widths") == 1

    def test_has_72_architectures_with_different_costs_and_one_groups_row_per_choice(self):
        assert self.space.size == 2 * 3 * 3 * 2 * 2
        rows = [row for group in self.space.groups for row in group.rows]
        assert rows == [choice.name for choice in self.space.choices]


def test_expected_costs_of_all_networks():
    space = toy_widths()
    supernet = space.supernet(space.networks["search"], SIGNATURE)
    for architecture in space.enumerate():
        network, weights = space.build(architecture, network="search"), space.one_hot(architecture)
        assert float(supernet.expected("params", weights)) == params(network)
        assert float(supernet.expected("flops", weights)) == flops(network, (3, 8, 8))


def test_expected_costs_are_the_mean_over_all_networks():
    """Any mixing weights: brute force over the product of all rows."""
    space = toy_widths()
    supernet = space.supernet(space.networks["search"], SIGNATURE)
    weights = {g.name: torch.rand(g.shape, generator=torch.Generator().manual_seed(1)) for g in space.groups}
    weights = {name: value.double() / value.double().sum(-1, keepdim=True) for name, value in weights.items()}
    mean = 0.0
    for architecture in space.enumerate():
        one_hot = space.one_hot(architecture)
        chance = torch.stack([(weights[name] * one_hot[name]).sum(-1).prod() for name in weights]).prod()
        mean += float(chance * supernet.expected("flops", one_hot))
    assert float(supernet.expected("flops", weights)) == pytest.approx(mean, rel=1e-12)


def test_costs_do_not_add_up_over_choices_alone():
    """So that what must work where they do not is tried on it."""
    space = toy_widths()
    checker = Budget(max_params=1e6).bind(space, space.networks["search"], input_shape=(3, 8, 8))
    assert len(checker.model.groups) == 1 or not checker.adds_up


def test_width_must_be_a_multiple_of_four_and_nothing_else_can_be_set():
    space = toy_widths()
    architecture = next(space.enumerate())
    with pytest.raises(SettingError, match="6 is no multiple of 4"):
        space.build(architecture, network=NetworkConfig(channels=6))
    with pytest.raises(SettingError, match="depth"):
        space.build(architecture, network=NetworkConfig(channels=8, depth=2))
