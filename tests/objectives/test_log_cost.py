"""The logarithm of the expected cost, and its gradient."""

import math

import pytest
import torch

from nascence.objectives import Evaluated
from nascence.objectives.log_cost import LogCost
from nascence.relaxations import Softmax
from nascence.schedules import Constant, Moment
from nascence.spaces import get_space
from nascence.spaces.unfold_dense import UnfoldSize
from nascence.tasks.base import Signature

SPACE = get_space("unfold-dense")
SUPERNET = SPACE.supernet(UnfoldSize(channels=8), Signature("images", 1, 1, (8, 8), dense=True))


def evaluated(weights):
    nothing = torch.zeros(1, requires_grad=True)
    return Evaluated(None, SUPERNET, Softmax(SPACE), weights, None, nothing, Moment(0, 1))


@pytest.mark.parametrize("cost", ["params", "flops"])
def test_it_is_the_logarithm(cost):
    weights = Softmax(SPACE).mean()
    term = LogCost(Constant(1.0), cost).term(evaluated(weights))
    assert float(term) == pytest.approx(math.log(float(SUPERNET.expected(cost, weights))))


def test_its_gradient_is_a_share():
    """Descending on it long enough makes everything as cheap as it can be."""
    relaxation = Softmax(SPACE, seed=0)
    adam = torch.optim.Adam(relaxation.parameters.values(), 0.3)
    objective, values = LogCost(Constant(1.0)), []
    for _ in range(40):
        adam.zero_grad()
        weights = {name: value.softmax(-1) for name, value in relaxation.parameters.items()}
        term = objective.term(evaluated(weights))
        term.backward()
        adam.step()
        values.append(float(term.detach()))
    assert values == sorted(values, reverse=True)
    assert values[-1] < math.log(2 * 64 * 18 * 2) + 0.2, "little more than head and tail at the smallest width"
