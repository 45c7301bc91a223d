"""Evolutions between valuations, and the second look at what they found."""

import torch

from nascence.costs import Budget
from nascence.methods.evolving import evolve, look_again
from nascence.methods.parts import Generations
from nascence.methods.valuing import Valuation, by_cost
from nascence.spaces import NetworkConfig, get_space
from nascence.strategies import Criterion

SPACE = get_space("nas-bench-201")
SMALL = NetworkConfig(channels=2, depth=1)
CHECKER = Budget().bind(SPACE, SMALL, input_shape=(1, 8, 8), threads=1)
PARAMS = by_cost("params", CHECKER.model)
FEW = Generations(population=4, generations=1, crossover=1.0)


def nones(asked):
    """An error that grows with the number of edges that carry nothing."""
    return [10.0 * sum(name == "none" for name in one.answers) for one in asked]


ERROR = Valuation(Criterion("error", "%", "for tests"), nones, dear=True)


def finished(strategy):
    while not strategy.done:
        strategy.advance()
    return strategy


def test_the_settings_are_those_of_the_evolution():
    evolution = evolve(SPACE, [ERROR, PARAMS], CHECKER, FEW, seed=5, mutation=0.3)
    assert (evolution.population, evolution.generations, evolution.crossover) == (4, 1, 1.0)
    assert (evolution.mutation, evolution.seed) == (0.3, 5)
    assert [each.name for each in evolution.objectives] == ["error", "params"]
    finished(evolution)
    for one in evolution.archive:
        assert one.values == (nones([one.architecture])[0], CHECKER.model.params(one.architecture))


def test_what_takes_long_is_valued_a_thread_at_a_time():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        steps = [evolve(SPACE, values, CHECKER, FEW, seed=0).at_once for values in ([ERROR, PARAMS], [PARAMS, PARAMS])]
    finally:
        torch.set_num_threads(before)
    assert steps == [3, 4]
    assert evolve(SPACE, [ERROR, PARAMS], CHECKER, FEW, seed=0, at_once=2).at_once == 2


def test_the_second_look_is_at_the_best_by_the_error_wherever_it_stands():
    evolution = evolve(SPACE, [PARAMS, ERROR], CHECKER, FEW, seed=0)
    half = Valuation(ERROR.objective, lambda asked: [value / 2 for value in nones(asked)])
    strategy = look_again(evolution, [PARAMS, half], size=CHECKER.model.params, count=2, at_once=1)
    assert (strategy.by, strategy.count) == (1, 2)
    front = finished(strategy).front()
    assert 1 <= len(front) <= 2
    for architecture, (_, error) in zip(front.architectures, front.values, strict=True):
        assert error == nones([architecture])[0] / 2
