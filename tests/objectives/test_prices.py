"""Prices: of one draw, of the network trained in the end, of the supernet; exact at one-hot weights."""

import math

import pytest
import torch

from nascence.costs import Budget, CostModel
from nascence.errors import SettingError
from nascence.objectives import Evaluated, ExpectedCost, ExpectedParameters, LogCost
from nascence.objectives.prices import equal_weights, expected_parameters
from nascence.relaxations import SoftGumbel, Softmax
from nascence.schedules import Constant, Moment
from nascence.seeding import generator
from nascence.spaces import NetworkConfig, get_space
from nascence.spaces.unfold_dense import UnfoldSize
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
def test_at_one_hot_weights_the_expected_cost_is_the_cost_itself(cost):
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


def test_above_the_target_alone_has_a_price():
    log, above = objective(target=1e5), objective(target=1e5, form="above")
    small, large = (SPACE.one_hot(SPACE.architecture([c.options[at] for c in SPACE.choices])) for at in (0, -1))
    assert float(above.term(evaluated(small))) == 0
    assert float(above.term(evaluated(large))) == float(log.term(evaluated(large))) > 0


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


def test_the_name_of_the_expected_cost_in_events_and_in_settings():
    term = objective(target=2e5, form="distance")
    assert term.title(None) == "expected_flops"
    assert str(term) == "ExpectedCost(Constant(value=1.0), flops, target=200000, distance)"


# Of the supernet --------------------------------------------------------------------------------------------------

UNFOLD = get_space("unfold-dense")
UNFOLDED = UNFOLD.supernet(UnfoldSize(channels=8), Signature("images", 1, 1, (8, 8), dense=True))


def in_unfolded(weights):
    nothing = torch.zeros(1, requires_grad=True)
    return Evaluated(None, UNFOLDED, Softmax(UNFOLD), weights, None, nothing, Moment(0, 1))


@pytest.mark.parametrize("cost", ["params", "flops"])
def test_the_log_cost_is_the_logarithm_of_what_the_supernet_expects(cost):
    weights = Softmax(UNFOLD).mean()
    term = LogCost(Constant(1.0), cost).term(in_unfolded(weights))
    assert float(term) == pytest.approx(math.log(float(UNFOLDED.expected(cost, weights))))


def test_the_gradient_of_the_log_cost_is_a_share():
    """Descending on it long enough makes everything as cheap as it can be."""
    relaxation = Softmax(UNFOLD, seed=0)
    adam = torch.optim.Adam(relaxation.parameters.values(), 0.3)
    objective, values = LogCost(Constant(1.0)), []
    for _ in range(40):
        adam.zero_grad()
        weights = {name: value.softmax(-1) for name, value in relaxation.parameters.items()}
        term = objective.term(in_unfolded(weights))
        term.backward()
        adam.step()
        values.append(float(term.detach()))
    assert values == sorted(values, reverse=True)
    assert values[-1] < math.log(2 * 64 * 18 * 2) + 0.2, "little more than head and tail at the smallest width"


# Of what is chosen of the supernet --------------------------------------------------------------------------------

CIFAR = Signature("images", 3, 10, (32, 32))


def uniform(space):
    return {group.name: torch.full(group.shape, 1 / group.shape[1]) for group in space.groups}


def test_the_papers_network_under_uniform_weights():
    """16 channels, 8 cells: sum over cells and edges of 2 / indeg(j) times the mean of
    [0, 0, 0, 0 or C^2, 2(C^2 + 9C), 2(C^2 + 25C), C^2 + 9C, C^2 + 25C] / 8."""
    space = get_space("darts")
    number = float(expected_parameters(space.supernet(space.networks["search"], CIFAR), space, uniform(space)))
    assert round(number) == 131_157
    by_hand = 0.0
    for at, channels in enumerate((16, 16, 32, 32, 32, 64, 64, 64)):
        for node in range(4):
            for source in range(node + 2):
                c = channels
                skip = c * c if at in (2, 5) and source < 2 else 0
                costs = [skip, 2 * (c * c + 9 * c), 2 * (c * c + 25 * c), c * c + 9 * c, c * c + 25 * c]
                by_hand += 2 / (node + 2) * sum(costs) / 8
    assert number == pytest.approx(by_hand, rel=1e-6)


@pytest.mark.parametrize("name", ["darts", "nas-bench-201"])
def test_one_hot_weights_and_the_true_mask_give_the_parameters_of_the_edges(name):
    space = get_space(name)
    size = space.networks["search-small"]
    supernet = space.supernet(size, CIFAR)
    for seed in range(3):
        architecture = space.sample(generator(seed, "sample"))
        network = space.build(architecture, network="search-small", in_channels=3, num_classes=10)
        everything = sum(p.numel() for p in network.parameters())
        weights = space.one_hot(architecture)  # rows of edges that are not kept are zero: the mask
        assert float(supernet.expected("params", weights)) == everything
        empty = {kind: torch.zeros_like(value) for kind, value in weights.items()}
        edges = sum(
            p.numel()
            for module in network.modules()
            if type(module).__name__ == "Cell"
            for p in module.operations.parameters()
        )
        assert float(supernet.expected("params", weights) - supernet.expected("params", empty)) == edges


def test_chances_of_being_kept():
    shares = get_space("darts").kept_shares()["normal"]
    assert shares.tolist() == pytest.approx([1.0] * 2 + [2 / 3] * 3 + [0.5] * 4 + [0.4] * 5)
    assert get_space("nas-bench-201").kept_shares()["cell"].tolist() == [1.0] * 6


def in_supernet(space, logits=None):
    supernet = space.supernet(space.networks["search"], CIFAR)
    relaxation = Softmax(space, space.operations)
    if logits is not None:
        with torch.no_grad():
            relaxation.parameters["cell"].copy_(logits)
    weights = relaxation.sample(torch.Generator())
    return Evaluated(None, supernet, relaxation, weights, None, torch.zeros(()), Moment(0, 1)), relaxation


def test_at_the_bound_nothing_is_won_by_being_smaller():
    space = toy_space()
    least = ExpectedParameters(Constant(1.0), least=0.5)
    large, relaxation = in_supernet(space, torch.zeros(3, 4))
    term = least.term(large)
    assert term.item() == pytest.approx(1)
    (gradient,) = torch.autograd.grad(term, [relaxation.parameters["cell"]])
    assert bool((gradient[:, 3] > 0).all()), "the 3 x 3 convolution falls"
    assert bool((gradient[:, 0] < 0).all()), "what has no parameters rises"
    logits = torch.tensor([5.0, 5, 0, 0]).expand(3, 4)
    small, relaxation = in_supernet(space, logits)
    term = least.term(small)
    assert term.item() == 0.5
    (gradient,) = torch.autograd.grad(term, [relaxation.parameters["cell"]])
    assert not gradient.any()
    assert 0 < least.observed(None)["expected_params"] < 100
    small, relaxation = in_supernet(space, logits)
    free = ExpectedParameters(Constant(1.0)).term(small)
    (gradient,) = torch.autograd.grad(free, [relaxation.parameters["cell"]])
    assert gradient.any()


def test_the_settings_of_expected_parameters_are_in_their_text():
    assert "least=0.5" in str(ExpectedParameters(Constant(1.0), 0.5))
    assert ExpectedParameters(Constant(1.0)).observed(None) == {}


# What they share ---------------------------------------------------------------------------------------------------


def test_equal_weights_are_of_what_can_be_had_or_of_all_there_is():
    space = get_space("darts")
    for everything, count in ((False, 7), (True, 8)):
        for group in space.groups:
            weights_RO = equal_weights(space, everything)[group.name]
            assert weights_RO.shape == group.shape
            assert {round(1 / value) for value in weights_RO[weights_RO > 0].tolist()} == {count}
            assert int((weights_RO > 0).sum(-1)[0]) == count


def test_texts_are_those_of_searches_that_were_begun_before():
    """A search goes on only where its objectives read as they did."""
    assert str(LogCost(Constant(1e-3), "params")) == "LogCost(schedule=Constant(value=0.001), cost='params')"
    assert str(ExpectedParameters(Constant(1.0), 0.5)) == "ExpectedParameters(Constant(value=1.0), least=0.5)"


def test_the_log_cost_has_a_target_and_says_so():
    weights = Softmax(UNFOLD).mean()
    whole = float(UNFOLDED.expected("flops", weights))
    for target, expected in ((whole / 2, math.log(2)), (2 * whole, 0.0)):
        term = LogCost(Constant(1.0), "flops", target, "above")
        assert float(term.term(in_unfolded(weights))) == pytest.approx(expected)
    assert str(LogCost(Constant(1.0))) == "LogCost(schedule=Constant(value=1.0), cost='flops')", "as before"
    assert "target=100" in str(LogCost(Constant(1.0), "params", 100.0, "distance"))
