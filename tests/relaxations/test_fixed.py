"""A given architecture: its one-hot weights, and itself within a budget."""

import pytest
import torch

from nascence.costs import Budget
from nascence.errors import BudgetError
from nascence.relaxations import FixedArchitecture
from nascence.seeding import generator
from nascence.spaces import NetworkConfig
from nascence.tasks import load_task
from nascence.testing import toy_space


def test_it_is_one_hot_and_derives_itself_within_the_budget():
    space = toy_space()
    architecture = space.architecture(["nor_conv_3x3"] * 3)
    fixed = FixedArchitecture(space, architecture)
    weights, scores = fixed.sample(generator(1)), fixed.scores()
    for name, value in space.one_hot(architecture).items():
        assert torch.equal(weights[name], value)
        assert torch.equal(scores[name].exp(), value)
    assert fixed.parameters == {}
    size, signature = NetworkConfig(channels=4, depth=1), load_task("digits").signature
    allowed = Budget().bind(space, size, signature=signature)
    assert fixed.derive(allowed) == architecture
    less = Budget(max_params=allowed.model.cost("params", architecture) - 1).bind(space, size, signature=signature)
    with pytest.raises(BudgetError, match="not within the budget"):
        fixed.derive(less)
