"""On a toy space whose second values are known, so that what is chosen and what the front is can be checked."""

import math

import numpy as np
import pytest

from nascence.costs import Budget
from nascence.errors import BudgetError
from nascence.spaces import NetworkConfig
from nascence.strategies import Criterion
from nascence.strategies.nsga2 import NSGA2
from nascence.strategies.pareto import non_dominated
from nascence.strategies.reevaluation import Reevaluated
from nascence.testing import AdditiveObjective, toy_space

SPACE = toy_space()
FIRST = (Criterion("gain", "", "after little", True), Criterion("params", "parameters", "counted"))
SECOND = (Criterion("gain", "", "after more", True), Criterion("params", "parameters", "counted"))


def reevaluated(count=5, second=None, record=None, max_params=None, **settings):
    """Second gains are three times the first ones, unless ``second`` says otherwise."""
    budget = Budget(max_params=max_params)
    checker = budget.bind(SPACE, NetworkConfig(channels=4, depth=1), input_shape=(3, 8, 8))
    gain, params = AdditiveObjective.random(SPACE), checker.model.params

    def first(found):
        return [(gain(one), params(one)) for one in found]

    def better(found):
        if record is not None:
            record.append(list(found))
        return [((second or (lambda one: 3 * gain(one)))(one), params(one)) for one in found]

    options = {"population": 8, "generations": 2, "at_once": 3, **settings}
    evolution = NSGA2(SPACE, first, FIRST, budget=checker, spread=params, **options)
    return Reevaluated(evolution, better, SECOND, size=params, count=count, at_once=3)


def run(strategy, steps=None):
    events = []
    while not strategy.done and (steps is None or len(events) < steps):
        events.append(strategy.advance())
    return events


def test_the_best_of_every_size_are_valued_again():
    calls = []
    strategy = reevaluated(record=calls)
    assert strategy.total_steps == 3 * 3 + 2
    events = run(strategy)
    archive = strategy.evolution.archive
    by_size = sorted(archive, key=lambda one: one.values[1])
    assert len(by_size) == 24
    groups = [by_size[:5], by_size[5:10], by_size[10:15], by_size[15:20], by_size[20:]]
    expected = [max(group, key=lambda one: one.values[0]).architecture for group in groups]
    assert [one for call in calls for one in call] == expected
    assert max(map(len, calls)) <= 3, "never more at once"
    told = [one["architecture"] for event in events for one in event.get("reevaluated", ())]
    assert told == [SPACE.format(one) for one in expected]
    assert events[-1]["front"] == len(strategy.front())
    assert events[-1]["best_gain"] == max(gain for gain, _ in strategy.front().values)


def test_the_front_is_of_the_second_values():
    strategy = reevaluated()
    run(strategy, steps=9)
    assert strategy.front().objectives == FIRST, "until then it is the evolution's"
    events = run(strategy)
    values = [(one["gain"], one["params"]) for event in events for one in event["reevaluated"]]
    front = strategy.front()
    assert front.objectives == SECOND
    assert set(front.values) == {values[at] for at in non_dominated(np.array(values) * [-1, 1])}
    assert strategy.derive() == front.architectures[front.knee]


@pytest.mark.parametrize("steps", [4, 9, 10, 11])
def test_it_resumes_exactly(steps):
    whole = reevaluated()
    run(whole)
    begun, rest = reevaluated(), reevaluated()
    run(begun, steps)
    rest.load_state_dict(begun.state_dict())
    run(rest)
    assert rest.front() == whole.front()
    assert rest.state_dict() == whole.state_dict()


def test_none_again_is_the_evolution_alone():
    strategy = reevaluated(count=0)
    run(strategy)
    assert strategy.steps_done == strategy.evolution.total_steps
    assert strategy.front() == strategy.evolution.front()


def test_values_that_are_not_finite_are_no_part_of_the_front():
    strategy = reevaluated(second=lambda one: math.nan)
    events = run(strategy)
    assert strategy.front() == strategy.evolution.front()
    assert events[-1]["front"] == len(strategy.front())


def test_nothing_within_the_budget():
    strategy = reevaluated(max_params=1)
    with pytest.raises(BudgetError):
        run(strategy)
