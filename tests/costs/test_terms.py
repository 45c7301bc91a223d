"""Tables over choices: single architectures, many at once, and means."""

import numpy as np
import pytest
import torch

from nascence.costs import Budget, CostModel
from nascence.costs.terms import Terms, architecture_at, positions_of
from nascence.errors import BudgetError, UnknownNameError
from nascence.seeding import generator
from nascence.spaces import get_space
from nascence.spaces.fbnetv2_layers import FBNetV2Size
from nascence.supernets.extents import Extent
from nascence.tasks.base import Signature
from nascence.testing import toy_widths

SMALL = Signature.images((3, 32, 32), 10)


def terms():
    """cost = 3 w1 w2 + w1 + 7."""
    first, second = (Extent.of((name, 0), [1.0, 2.0, 4.0]) for name in ("width1", "width2"))
    return Terms(toy_widths(), {"params": [3 * first * second, first, 2 * second * first, Extent.fixed(7)]})


def fbnet():
    space = get_space("fbnetv2")
    return space, CostModel(space, FBNetV2Size(channels=4), SMALL)


def test_positions_and_architectures_are_one_to_one():
    space = toy_widths()
    for architecture in space.enumerate():
        assert architecture_at(space, positions_of(space, architecture)) == architecture


def test_costs_of_one_and_of_many():
    space, known = toy_widths(), terms()
    everything = list(space.enumerate())
    positions = np.array([positions_of(space, architecture) for architecture in everything])
    costs = known.at("params", positions)
    for architecture, cost in zip(everything, costs.tolist(), strict=True):
        one, two = ({"0.25": 1, "0.5": 2, "1.0": 4}[answer] for answer in architecture.answers[1:3])
        assert known.cost("params", architecture) == cost == 5 * one * two + one + 7
    assert "params" in known
    assert "flops" not in known


def test_mean_under_weights_per_choice():
    space, known = toy_widths(), terms()
    weights = {c.name: torch.full((len(c.options),), 1 / len(c.options), dtype=torch.float64) for c in space.choices}
    costs = [known.cost("params", architecture) for architecture in space.enumerate()]
    assert float(known.expected("params", weights)) == pytest.approx(np.mean(costs))


class TestFBNetV2:
    """1.2e35 networks whose costs are no sums over choices, and are never built to be counted."""

    def test_selects_within_a_budget_near_the_best_scores(self):
        space, model = fbnet()
        draws = generator(0)
        scores = {c.name: torch.randn(len(c.options), generator=draws) for c in space.choices}
        wanted = space.architecture([c.options[int(scores[c.name].argmax())] for c in space.choices])
        assert model.select(limits={}, scores=scores).architecture == wanted
        limit = 0.7 * model.flops(wanted)
        found = model.select(limits={"flops": limit}, scores=scores)
        assert model.flops(found.architecture) <= limit
        assert found.score < sum(float(scores[c.name].max()) for c in space.choices)
        several = [space.sample(draws) for _ in range(300)]
        inside = [a for a in several if model.flops(a) <= limit]
        assert inside
        for architecture in inside:
            positions = positions_of(space, architecture)
            value = sum(float(scores[c.name][at]) for c, at in zip(space.choices, positions, strict=True))
            assert value < found.score

    def test_two_limits_together_and_options(self):
        _, model = fbnet()
        limits = {"flops": 2 * model.range("flops")[0], "params": 2 * model.range("params")[0]}
        found = model.select(limits=limits, options={0: {"5/7"}}).architecture
        assert found.answers[0] == "5/7"
        assert model.flops(found) <= limits["flops"]
        assert model.params(found) <= limits["params"]

    def test_a_budget_out_of_reach_is_refused_with_the_range(self):
        space, model = fbnet()
        low = model.range("params")[0]
        checker = Budget(max_params=low - 1).bind(space, FBNetV2Size(channels=4), signature=SMALL)
        with pytest.raises(BudgetError, match=f"reachable: parameters from {low:,.0f}"):
            checker.check()
        Budget(max_params=low).bind(space, FBNetV2Size(channels=4), signature=SMALL).check()

    def test_repair_changes_few_answers(self):
        space, model = fbnet()
        architecture = space.sample(generator(3))
        checker = Budget(max_flops=0.95 * model.flops(architecture)).bind(
            space, FBNetV2Size(channels=4), signature=SMALL
        )
        repair = checker.repair(architecture)
        assert checker.allows(repair.architecture)
        assert 1 <= len(repair.changes) <= 2
        assert not checker.repair(repair.architecture).changes

    def test_best_of_a_checker_and_wrong_names(self):
        space, model = fbnet()
        checker = Budget(max_flops=3 * model.range("flops")[0]).bind(space, FBNetV2Size(channels=4), signature=SMALL)
        scores = {"resolution": torch.tensor([0.0, 1.0, 2.0, 3.0])}
        found = checker.best(scores)
        assert checker.allows(found)
        with pytest.raises(UnknownNameError, match="choice 'resolutoin'"):
            checker.best({"resolutoin": torch.zeros(4)})

    def test_expected_cost_is_that_of_its_supernet(self):
        space, model = fbnet()
        weights = {g.name: torch.rand(g.shape, generator=generator(1)).softmax(-1) for g in space.groups}
        supernet = space.supernet(FBNetV2Size(channels=4), SMALL)
        mean = model.expected("flops", space.choice_scores(weights))
        assert float(mean) == pytest.approx(float(supernet.expected("flops", weights)), rel=1e-9)
