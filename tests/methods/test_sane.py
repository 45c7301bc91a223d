"""SANE: a search of graph networks that resumes exactly, with candidates compared; other methods on its space."""

import pytest

from nascence.costs import Budget
from nascence.errors import NascenceError, SettingError
from nascence.methods import METHODS, Problem
from nascence.methods.sane import SANE
from nascence.spaces import get_space
from nascence.strategies.candidates import Candidates
from nascence.testing.toy_graph import toy_graph_space, toy_graph_task

SPACE, TASK = toy_graph_space(), toy_graph_task()


def problem(space=SPACE, task=TASK, seed=0, **budget):
    network = space.networks["evaluation"]
    return Problem(
        space, task, network, Budget(**budget).bind(space, network, signature=task.signature, threads=1), seed
    )


def finish(strategy):
    events = []
    while not strategy.done:
        events.append(strategy.advance())
    return events


def sane(**changes):
    return SANE(**{"epochs": 6, "warmup_epochs": 3, "searches": 2, "candidate_epochs": 3, **changes})


def test_searches_differ_and_candidates_are_compared():
    strategy = sane().strategy(problem())
    assert isinstance(strategy, Candidates)
    events = finish(strategy)
    assert {event["search"] for event in events if "search" in event} == {1, 2}
    starts = [event["train_loss"] for event in events if event.get("epoch") == 1]
    assert len(set(starts)) == 2, "another seed, other weights"
    assert strategy.derive() in strategy.found


def test_a_search_resumes_exactly():
    whole = sane().strategy(problem())
    events, states = [], []
    while not whole.done:
        states.append(whole.state_dict())
        events.append(whole.advance())
    for at in (1, len(states) // 2, len(states) - 1):
        again = sane().strategy(problem())
        again.load_state_dict(states[at])
        event = again.advance()
        assert {k: v for k, v in event.items() if k != "seconds"} == {
            k: v for k, v in events[at].items() if k != "seconds"
        }


def test_weights_learn_from_training_nodes_and_the_architecture_from_validation_nodes():
    strategy = sane(searches=1).strategy(problem())
    assert strategy.search.train.nodes.tolist() == TASK.part("train").nodes.tolist()
    assert strategy.search.valid.nodes.tolist() == TASK.part("validation").nodes.tolist()


def test_it_finds_that_neighbours_matter():
    strategy = sane(epochs=60, warmup_epochs=30, searches=1, learning_rate=0.02).strategy(problem())
    finish(strategy)
    assert set(strategy.derive().answers[:2]) != {"own"}


def test_a_budget_is_kept():
    checker = problem().budget
    low, high = checker.model.range("params")
    limited = problem(max_params=low + 0.3 * (high - low))
    strategy = sane(searches=1).strategy(limited)
    finish(strategy)
    assert limited.budget.allows(strategy.derive())


def test_settings_out_of_range_are_refused():
    with pytest.raises(SettingError, match="searches"):
        sane(searches=0)
    with pytest.raises(SettingError, match="order=1"):
        sane(order=2)


@pytest.mark.parametrize("name", ["random", "darts", "gdas", "drnas", "beta-darts"])
def test_other_methods_search_the_same_space(name):
    settings = {} if name == "random" else {"epochs": 2, "architecture_data": "validation", "check_images": 0}
    strategy = METHODS.get(name)(**settings).strategy(problem(get_space("sane-1")))
    finish(strategy)
    assert strategy.derive() in set(get_space("sane-1").enumerate())


@pytest.mark.parametrize("name", ["te-nas"])
def test_methods_of_images_say_so(name):
    with pytest.raises(NascenceError, match="cells"):
        finish(METHODS.get(name)().strategy(problem(get_space("sane-1"))))
