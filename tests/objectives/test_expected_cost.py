"""The expected cost beside the loss: of one draw, of the network trained in the end, exact at one-hot weights."""

import math

import pytest
import torch

from nascence.costs import Budget, CostModel
from nascence.errors import SettingError
from nascence.objectives import Evaluated, ExpectedCost
from nascence.relaxations import SoftGumbel
from nascence.schedules import Constant, Moment
from nascence.seeding import generator
from nascence.spaces import NetworkConfig, get_space
from nascence.tasks.base import Signature
from nascence.testing import toy_space, toy_widths

SIGNATURE = Signature.images((3, 8, 8), 10)
SPACE = toy_widths()
MODEL = CostModel(SPACE, SPACE.networks["evaluation"], SIGNATURE)


def objective(space=SPACE, model=MODEL, cost="flops", **settings):
    return ExpectedCost(model, space, cost, Constant(1.0), **settings)


def evaluated(weights, space=SPACE):
    return Evaluated(None, None, SoftGumbel(space), weights, None, torch.zeros(()), Moment(0, 1))


@pytest.mark.parametrize("cost", ["flops", "params"])
def test_at_one_hot_weights_it_is_the_cost_itself(cost):
    term = objective(cost=cost, target=1000.0)
    for architecture in list(SPACE.enumerate())[::7]:
        weights = SPACE.one_hot(architecture)
        exact = MODEL.cost(cost, architecture)
        assert float(term.expected(weights)) == exact
        assert float(term.term(evaluated(weights))) == pytest.approx(math.log(exact / 1000))
        assert term.observed(architecture) == {f"derived_{cost}": exact}
        assert term.findings(architecture)["expected_cost"] == {"cost": cost, "target": 1000.0, "found": exact}


def test_the_mean_over_all_networks_is_the_target_where_none_is_given():
    costs = [MODEL.flops(architecture) for architecture in SPACE.enumerate()]
    assert objective().target == pytest.approx(sum(costs) / len(costs))


def test_distance_pulls_from_both_sides():
    log, distance = objective(target=1e5), objective(target=1e5, form="distance")
    small, large = (SPACE.one_hot(SPACE.architecture([c.options[at] for c in SPACE.choices])) for at in (0, -1))
    for weights in (small, large):
        assert float(distance.term(evaluated(weights))) == abs(float(log.term(evaluated(weights))))
    assert float(log.term(evaluated(small))) < 0 < float(log.term(evaluated(large)))


def test_gradient_reaches_every_group_through_one_draw():
    relaxation = SoftGumbel(SPACE)
    weights = relaxation.sample(generator(0))
    gradients = torch.autograd.grad(
        objective().term(evaluated(weights)), list(relaxation.parameters.values()), allow_unused=True
    )
    assert all(gradient is not None and gradient.abs().max() > 0 for gradient in gradients)
    assert float(objective().term(evaluated(weights)).detach()) != float(
        objective().term(evaluated(relaxation.sample(generator(1)))).detach()
    ), "the noise of the draw is in it"


def test_descent_on_it_alone_ends_in_the_cheapest_network():
    relaxation = SoftGumbel(SPACE)
    descent = torch.optim.Adam(relaxation.parameters.values(), 0.2)
    for step in range(60):
        descent.zero_grad()
        objective().term(evaluated(relaxation.sample(generator(step)))).backward()
        descent.step()
    cheapest = min(SPACE.enumerate(), key=MODEL.flops)
    checker = Budget().bind(SPACE, SPACE.networks["evaluation"], signature=SIGNATURE)
    assert relaxation.derive(checker) == cheapest


def test_works_on_cells_and_on_costs_that_are_no_sums():
    cells = toy_space()
    model = CostModel(cells, NetworkConfig(channels=4), SIGNATURE)
    architecture = cells.sample(generator(0))
    term = objective(cells, model, target=1.0)
    assert float(term.expected(cells.one_hot(architecture))) == pytest.approx(model.flops(architecture))
    space = get_space("fbnetv2")
    size = space.networks["score"]
    many = objective(space, CostModel(space, size, SIGNATURE), target=1.0)
    architecture = space.sample(generator(0))
    assert float(many.expected(space.one_hot(architecture))) == CostModel(space, size, SIGNATURE).flops(architecture)


def test_a_cost_without_a_mean_is_refused_before_the_search():
    with pytest.raises(SettingError, match="memory_mib"):
        objective(cost="memory_mib")


def test_its_name_in_events_and_in_settings():
    term = objective(target=2e5, form="distance")
    assert term.title(None) == "expected_flops"
    assert str(term) == "ExpectedCost(Constant(value=1.0), flops, target=200000, distance)"
