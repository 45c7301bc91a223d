"""Search by a ranking: everything against brute force, evolution against known optima, second looks by hand."""

import os
from dataclasses import dataclass
from typing import final

import numpy as np
import pytest
import torch

from nascence.architecture import Architecture
from nascence.costs import Budget
from nascence.engine.forked import ParallelFunction
from nascence.seeding import generator
from nascence.spaces import Choice, NetworkConfig, Space, get_space
from nascence.strategies.ranking import Everything, EvolvedProposals, Proposals, Ranking
from nascence.testing.toy import AdditiveObjective, toy_space

TOY, DARTS, NB201 = toy_space(), get_space("darts"), get_space("nas-bench-201")
SIZES = {"toy": NetworkConfig(channels=4), "nas-bench-201": NetworkConfig(channels=4)}
SIZES["darts"] = NetworkConfig(channels=2, depth=2)


def bound(space, **limits):
    return Budget(**limits).bind(space, SIZES[space.name], threads=1)


def first(values, measured):
    """The aggregate that is the mean of the first part over draws."""
    return np.where(measured, values[0], 0).sum(0) / measured.sum(0)


def search(space, proposals, measure, aggregate=first, decide=None, parts=("value",), batch=7, finalists=1, draws=1):
    decide = decide or aggregate
    return Ranking(space, proposals, measure, aggregate, decide, parts, batch=batch, finalists=finalists, draws=draws)


def finish(strategy):
    events = []
    while not strategy.done:
        events.append(strategy.advance())
    assert strategy.steps_done == strategy.total_steps == len(events)
    return events


def by_text(rows, space):
    return lambda item: rows[space.format(item[0])]


def additive(space, seed=0):
    objective = AdditiveObjective.random(space, seed)
    return objective, lambda item: [objective(item[0])]


@pytest.mark.parametrize("seed", [0, 1])
def test_everything_finds_what_brute_force_finds(seed):
    objective, measure = additive(TOY, seed)
    strategy = search(TOY, Everything(TOY, bound(TOY)), measure)
    events = finish(strategy)
    assert [event["measured"] for event in events] == [7] * 9 + [1]
    assert strategy.architectures == list(TOY.enumerate())
    assert strategy.derive() == max(TOY.enumerate(), key=objective) == objective.best
    assert events[-1]["best"] == str(objective.best)
    assert events[-1]["value"] == 1


def test_every_class_of_equal_cells_is_measured_once():
    proposals = Everything(NB201, bound(NB201))
    assert proposals.total == 6466
    assert {NB201.canonical(one) for one in proposals.architectures} == set(proposals.architectures)


def test_within_a_budget_a_class_is_represented_by_a_member_that_fits():
    checker = bound(NB201)
    low, high = checker.model.range("params")
    limited = bound(NB201, max_params=low + 0.3 * (high - low))
    fitting = [one for one in NB201.enumerate() if limited.allows(one)]
    proposals = Everything(NB201, limited)
    assert 0 < proposals.total < 6466
    assert all(limited.allows(one) for one in proposals.architectures)
    assert {NB201.canonical(one) for one in proposals.architectures} == {NB201.canonical(one) for one in fitting}


@pytest.mark.parametrize("seed", [0, 1])
def test_the_best_within_a_budget_is_brute_forces(seed):
    objective, measure = additive(TOY, seed)
    low, high = bound(TOY).model.range("params")
    checker = bound(TOY, max_params=low + 0.4 * (high - low))
    strategy = search(TOY, Everything(TOY, checker), measure)
    finish(strategy)
    expected = max((one for one in TOY.enumerate() if checker.allows(one)), key=objective)
    assert strategy.derive() == expected
    assert not bound(TOY, max_params=low).allows(objective.best)


def test_ranks_are_taken_among_everything_measured():
    """Two parts whose ranks add up: not the winner of either, and not what the last batch alone would say."""
    rows = {"00": [9, 0], "01": [7, 7], "10": [0, 9], "11": [8, 1]}
    space = _Bits()

    def by_ranks(values, measured):
        return np.argsort(np.argsort(values[:, 0]), axis=-1).sum(0)

    strategy = search(
        space, _Given(space), lambda item: rows[space.format(item[0])], by_ranks, parts=("a", "b"), batch=3
    )
    finish(strategy)
    assert by_ranks(np.array(list(rows.values())).T[:, None], None).tolist() == [3, 3, 3, 3]
    assert space.format(strategy.derive()) == "00", "equals: the first that was measured"
    rows["01"] = [8.5, 7]
    strategy = search(
        space, _Given(space), lambda item: rows[space.format(item[0])], by_ranks, parts=("a", "b"), batch=3
    )
    finish(strategy)
    assert space.format(strategy.derive()) == "01"


def test_finalists_are_looked_at_again_and_judged_by_all_draws():
    space = _Bits()
    draws = {"00": [10, 4, 1], "01": [9, 9, 9], "10": [8, 11, 7.5], "11": [7, 99, 99]}
    seen = []

    def measure(item):
        seen.append((space.format(item[0]), item[1]))
        return [draws[space.format(item[0])][item[1]]]

    strategy = search(space, _Given(space), measure, batch=4, finalists=3, draws=3)
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # so that measurements happen here
    try:
        events = finish(strategy)
    finally:
        torch.set_num_threads(before)
    assert [event["measured"] for event in events] == [4, 4, 2]
    assert seen[4:] == [("00", 1), ("01", 1), ("10", 1), ("00", 2), ("01", 2), ("10", 2)]
    assert strategy.draws_done.tolist() == [3, 3, 3, 1]
    assert strategy.values[:3, :, 0].tolist() == list(draws.values())[:3]
    assert space.format(strategy.derive()) == "01"
    assert strategy.best() == 1, "11 was no finalist, whatever another draw would have said"


def test_another_ranking_may_decide_between_the_finalists():
    """Who the finalists are is said by the first part; who wins, by the second, at all draws; until then the first."""
    rows = {"00": [9, 1], "01": [8, 3], "10": [7, 2], "11": [1, 99]}
    space = _Bits()

    def second(values, measured):
        return np.where(measured, values[1], 0).sum(0)

    def measure(item):
        return [value * (1 + item[1]) for value in rows[space.format(item[0])]]

    strategy = search(space, _Given(space), measure, decide=second, parts=("a", "b"), batch=2, finalists=3, draws=2)
    events = finish(strategy)
    assert [event["best"] for event in events] == ["00", "01", "01", "01"]
    assert space.format(strategy.derive()) == "01"
    assert strategy.order()[0] == 0


def test_processes_stay_from_step_to_step_and_change_nothing():
    _, measure = additive(TOY)
    before = torch.get_num_threads()
    found, processes = [], []

    def noted(item):
        return [*measure(item), float(os.getpid())]

    try:
        for threads in (2, 1):
            torch.set_num_threads(threads)
            strategy = search(TOY, Everything(TOY, bound(TOY)), noted, parts=("value", "process"), batch=2)
            finish(strategy)
            found.append(strategy)
            processes.append(set(strategy.values[..., -1].flatten().tolist()) - {0.0})
    finally:
        torch.set_num_threads(before)
    assert len(processes[0]) <= 2
    assert os.getpid() not in processes[0]
    assert processes[1] == {os.getpid()}
    assert torch.equal(found[0].values[..., :-1], found[1].values[..., :-1])
    assert found[0].architectures == found[1].architectures


def test_a_value_that_is_not_finite_once_stays_so():
    space = _Bits()
    draws = {"00": [10.0, -np.inf], "01": [9.0, 9.0], "10": [8.0, 8.0], "11": [1.0, 1.0]}
    strategy = search(space, _Given(space), lambda item: [draws[space.format(item[0])][item[1]]], finalists=2, draws=2)
    finish(strategy)
    assert strategy.values[0, :, 0].tolist() == [10, -np.inf]
    assert space.format(strategy.derive()) == "01"


@pytest.mark.parametrize("space", [NB201, DARTS], ids=lambda space: space.name)
def test_evolution_climbs_within_the_budget_and_repeats_nothing(space):
    objective, measure = additive(space)
    low, high = bound(space).model.range("params")
    checker = bound(space, max_params=low + 0.6 * (high - low))
    strategy = search(space, EvolvedProposals(space, checker, 3, 260, 60, 10), measure, batch=20)
    events = finish(strategy)
    assert len({space.canonical(one) for one in strategy.architectures}) == len(strategy.architectures) == 260
    assert all(checker.allows(one) for one in strategy.architectures)
    values = [objective(one) for one in strategy.architectures]
    assert max(values[60:]) > max(values[:60])
    assert np.mean(values[-60:]) > np.mean(values[:60]) + 0.1
    assert events[-1]["value"] == objective(strategy.derive()) == max(values)


def test_evolution_ends_when_little_is_within_the_budget():
    low, _ = bound(TOY).model.range("params")
    checker = bound(TOY, max_params=low)
    _, measure = additive(TOY)
    strategy = search(TOY, EvolvedProposals(TOY, checker, 0, 40, 10, 3), measure, batch=10)
    finish(strategy)
    fitting = {one for one in TOY.enumerate() if checker.allows(one)}
    assert 0 < len(fitting) < 40
    assert set(strategy.architectures) <= fitting
    assert strategy.derive() in fitting


@pytest.mark.parametrize("evolve", [False, True])
def test_any_number_of_processes_and_any_interruption_give_the_same(evolve):
    _, measure = additive(TOY, 5)

    def fresh():
        proposals = EvolvedProposals(TOY, bound(TOY), 1, 30, 10, 4) if evolve else Everything(TOY, bound(TOY))
        return search(TOY, proposals, lambda item: [measure(item)[0] + item[1]], finalists=5, draws=3)

    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = fresh()
        events = finish(alone)
        torch.set_num_threads(3)
        together, interrupted = fresh(), fresh()
        assert finish(together) == events
        for event in events:
            state = interrupted.state_dict()
            interrupted = fresh()
            interrupted.load_state_dict(state)
            assert interrupted.advance() == event
    finally:
        torch.set_num_threads(threads)
    for other in (together, interrupted):
        assert other.derive() == alone.derive()
        assert torch.equal(other.values, alone.values)


def test_a_state_is_a_copy():
    _, measure = additive(TOY)
    strategy = search(TOY, Everything(TOY, bound(TOY)), measure, finalists=9, draws=2)
    while strategy.steps_done < 10:
        strategy.advance()
    state = strategy.state_dict()
    before = state["values"].clone()
    strategy.measure = ParallelFunction(lambda item: [100.0])
    finish_rest = [strategy.advance() for _ in range(strategy.total_steps - strategy.steps_done)]
    assert finish_rest
    assert torch.equal(state["values"], before)
    assert state["final"] == strategy.final


@final
class _Bits(Space):
    """Two choices of two options."""

    name = "bits"
    choices = (Choice("a", ("0", "1")), Choice("b", ("0", "1")))
    networks: dict = {}

    def format(self, architecture):
        return "".join(architecture.answers)

    def parse(self, text):
        return self.architecture(list(text))

    def assemble(self, architecture, network, signature):
        raise NotImplementedError


@final
@dataclass
class _Given(Proposals):
    """The four of them in order."""

    space: Space
    total: int = 4

    def propose(self, count, seen, best):
        return list(self.space.enumerate())[len(seen) : len(seen) + count]


def test_the_same_seed_gives_the_same_offspring():
    checker = bound(NB201)
    seen = [NB201.sample(generator(at, "seen")) for at in range(20)]
    best = list(range(20))
    new = [EvolvedProposals(NB201, checker, seed, 100, 10, 5).propose(6, seen, best) for seed in (0, 0, 1)]
    assert new[0] == new[1] != new[2]
    assert all(isinstance(one, Architecture) for one in new[0])
    parents = seen[:5]
    options = [{parent.answers[at] for parent in parents} for at in range(6)]
    for child in new[0]:  # one mutation away from something made of the parents' answers
        assert sum(answer not in allowed for answer, allowed in zip(child.answers, options, strict=True)) <= 1
