"""The method `rank`: what it measures, what it ranks by, and which way it walks."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from nascence.benchmarks.selections import Selection
from nascence.benchmarks.streaming import ScoreStream
from nascence.costs import Budget
from nascence.engine.pool import Inline
from nascence.errors import SettingError, UnknownNameError
from nascence.methods import METHODS, Problem
from nascence.methods.rank import Rank
from nascence.scores import AGGREGATES, SCORES, evaluate
from nascence.spaces import NetworkConfig, get_space
from nascence.spaces.own import OwnSpace
from nascence.spaces.own.tracing import trace
from nascence.strategies.ranking import Everything, EvolvedProposals
from nascence.tasks import load_task
from nascence.testing.toy import toy_space
from nascence.testing.toy_denoising import ToyDenoising, toy_denoiser_space
from nascence.testing.toy_graph import toy_graph_space, toy_graph_task

TOY = toy_space()
SIZE = NetworkConfig(channels=4)


@pytest.fixture(scope="module")
def digits():
    return load_task("digits")


def problem(space, task, seed=0, **limits):
    shape = (task.in_channels, *task.image_size)
    checker = Budget(**limits).bind(space, SIZE, input_shape=shape, num_classes=task.num_classes, threads=1)
    return Problem(space, task, SIZE, checker, seed)


def finish(strategy):
    while not strategy.done:
        strategy.advance()
    return strategy


@pytest.mark.parametrize("aggregate", ["nascence", "az-nas"])
def test_the_first_look_is_what_a_file_of_scores_holds(aggregate, digits):
    """And without a second look the result is the best of that file."""
    names = [part.score for part in AGGREGATES.get(aggregate).parts]
    scores = [SCORES.get(name)() for name in names]
    selection = Selection.given(list(TOY.enumerate())[::4])
    stream = ScoreStream(space=TOY, selection=selection, scores=scores, load=partial(load_task, "digits"), seed=3)
    file = stream.run(Inline(), task=digits)
    strategy = Rank(aggregate=aggregate, draws=1).strategy(problem(TOY, digits, seed=3))
    strategy.proposals.architectures = list(selection.architectures)
    strategy.proposals.total = len(selection.architectures)
    for _ in range(-(-len(selection.architectures) // strategy.batch)):
        strategy.advance()
    assert [TOY.format(one) for one in strategy.architectures] == file.architectures
    for at, name in enumerate(names):
        assert strategy.values[:, 0, at].tolist() == file.columns[name].tolist(), name
    best = int(np.argmax(AGGREGATES.get(aggregate).over_all()(file.columns)))
    assert TOY.format(strategy.derive()) == file.architectures[best]


def test_later_draws_are_those_of_the_scores(digits):
    names = [part.score for part in AGGREGATES.get("az-nas").parts]
    strategy = Rank(aggregate="az-nas", finalists=2, draws=2).strategy(problem(TOY, digits))
    strategy.proposals.architectures = list(TOY.enumerate())[40:44]
    strategy._first_steps, strategy.total_steps = 1, 2
    finish(strategy)
    for at in strategy.final:
        values = evaluate([SCORES.get(name)() for name in names], TOY, strategy.architectures[at], digits, draws=2)
        for place, name in enumerate(names):
            expected = values[name] if len(values[name]) == 2 else values[name] * 2  # without randomness: one number
            assert strategy.values[at, :, place].tolist() == expected


def test_small_spaces_are_ranked_whole_and_large_ones_by_evolution(digits):
    for space, kind, total in ((TOY, Everything, 64), (get_space("darts"), EvolvedProposals, 1000)):
        strategy = Rank().strategy(problem(space, digits))
        assert isinstance(strategy.proposals, kind)
        assert strategy.proposals.total == total
    assert isinstance(Rank(exhaustive=63).strategy(problem(TOY, digits)).proposals, EvolvedProposals)


def test_the_ranking_is_nascence_unless_another_is_named(digits):
    strategy = Rank().strategy(problem(TOY, digits))
    assert strategy.parts == tuple(part.score for part in AGGREGATES.get("nascence").parts)
    rows = np.random.default_rng(0).normal(size=(len(strategy.parts), 2, 9))
    measured = np.arange(18).reshape(2, 9) % 3 > 0
    measured[0] = True
    expected = AGGREGATES.get("nascence").over_all()(dict(zip(strategy.parts, rows, strict=True)), measured)
    assert strategy.aggregate(rows, measured).tolist() == expected.tolist()
    deciding = AGGREGATES.get("nascence").among_the_best()(dict(zip(strategy.parts, rows, strict=True)), measured)
    assert strategy.decide(rows, measured).tolist() == deciding.tolist() != expected.tolist()
    with pytest.raises(UnknownNameError, match="nascence"):
        Rank(aggregate="nascent").strategy(problem(TOY, digits))


@pytest.mark.parametrize("name", ["evaluations", "population", "parents", "finalists", "draws", "batch"])
def test_numbers_are_positive(name):
    with pytest.raises(SettingError, match=f"{name} must be at least 1"):
        Rank(**{name: 0})


def test_it_is_known_by_its_name():
    assert METHODS.get("rank") is Rank


@pytest.mark.parametrize("kind", ["graphs", "pictures"])
def test_other_data_are_ranked_by_what_they_have(kind, capsys):
    task = toy_graph_task() if kind == "graphs" else ToyDenoising.make()
    space = toy_graph_space() if kind == "graphs" else toy_denoiser_space()
    size = space.networks["evaluation"]
    checker = Budget().bind(space, size, signature=task.signature, threads=1)
    search = Rank(finalists=2, draws=2).strategy(Problem(space, task, size, checker, 0))
    assert search.parts == ("nascence-layers", "flops")
    assert "ranks by nascence-layers, flops alone, untried" in capsys.readouterr().err
    finish(search)
    best = search.derive()
    first = [evaluate([SCORES.get(part)()], space, best, task)[part][0] for part in search.parts]
    at = search.architectures.index(best)
    assert search.values[at, 0].tolist() == first
    with pytest.raises(SettingError, match="az-expressivity works on images with a class each"):
        Rank(aggregate="az-nas").strategy(Problem(space, task, size, checker, 0))
    with pytest.raises(SettingError, match=r"no network size 'deep'.* --set network=ranking for --method rank"):
        Rank(network="deep").strategy(Problem(space, task, size, checker, 0))


class Plain(nn.Module):
    """No named blocks, and a ReLU that is a function or a module."""

    def __init__(self, relu):
        super().__init__()
        self.first, self.second, self.relu = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3), relu
        self.last = nn.Linear(4, 10)

    def forward(self, x):
        return self.last(self.relu(self.second(self.relu(self.first(x)))).mean(dim=(2, 3)))


@pytest.mark.parametrize("seen", [True, False])
def test_networks_without_blocks_are_ranked_by_what_they_have(seen, digits, capsys):
    signature = digits.signature
    space = OwnSpace(trace(Plain(nn.ReLU() if seen else torch.relu), signature).network, signature)
    size = space.networks["evaluation"]
    checker = Budget(max_params=150).bind(space, size, signature=signature, threads=1)
    rank = Rank(finalists=2, draws=2, evaluations=6, population=4, parents=2, exhaustive=0)
    search = rank.strategy(Problem(space, digits, size, checker, 0))
    relus = ("nascence-activations", "nascence-patterns") if seen else ()
    assert search.parts == (*relus, "nascence-layers", "flops")
    told = capsys.readouterr().err
    assert f"Networks of {space.name} have not what nascence-expressivity, " in told
    assert f"ranks by {', '.join(search.parts)} alone, untried" in told
    best = finish(search).derive()
    assert checker.model.params(best) <= 150
    with pytest.raises(SettingError, match="az-expressivity reads features after every block; the networks of own-"):
        Rank(aggregate="az-nas").strategy(Problem(space, digits, size, checker, 0))
