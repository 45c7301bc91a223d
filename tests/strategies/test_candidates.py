"""Several searches in a row, and the best of what they found."""

import pytest

from nascence.costs import Budget
from nascence.strategies.candidates import Candidates
from nascence.strategies.sampling import RandomSampling
from nascence.testing.toy_graph import toy_graph_space, toy_graph_task

SPACE = toy_graph_space()
BUDGET = Budget().bind(SPACE, SPACE.networks["evaluation"], signature=toy_graph_task().signature, threads=1)


def value(architecture):
    return float(architecture.answers.count("mean"))


def candidates(seeds=(0, 1, 2, 3)):
    searches = [lambda seed=seed: RandomSampling(SPACE, BUDGET, seed) for seed in seeds]
    return Candidates(searches, value, SPACE.parse)


def finish(strategy):
    events = []
    while not strategy.done:
        events.append(strategy.advance())
    return events


def test_every_search_has_its_turn_and_the_best_is_taken():
    strategy = candidates()
    events = finish(strategy)
    assert [event["search"] for event in events[:4]] == [1, 2, 3, 4]
    assert len(events) == strategy.total_steps == 4 + len(strategy.distinct)
    assert value(strategy.derive()) == max(value(one) for one in strategy.found)
    assert strategy.findings()["candidates"] == {str(one): value(one) for one in strategy.distinct}


def test_what_is_found_twice_is_valued_once():
    strategy = candidates((5, 5, 5))
    events = finish(strategy)
    assert len(strategy.distinct) == 1
    assert len(events) == 4


def test_a_single_search_is_not_valued():
    strategy = candidates((7,))
    assert len(finish(strategy)) == 1
    assert strategy.values == {}
    assert "candidates" not in strategy.findings()


@pytest.mark.parametrize("steps", range(7))
def test_it_resumes_exactly(steps):
    whole = candidates()
    finish(whole)
    half = candidates()
    for _ in range(min(steps, whole.total_steps)):
        half.advance()
    again = candidates()
    again.load_state_dict(half.state_dict())
    finish(again)
    assert again.derive() == whole.derive()
    assert again.values == whole.values
    assert again.steps_done == whole.steps_done
