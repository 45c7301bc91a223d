"""Descent on graphs: weights by Adam, dropout and all, resume to the bit; the neighbours are found to matter."""

import copy

import torch

from nascence.costs import Budget
from nascence.relaxations import Softmax
from nascence.seeding import generator
from nascence.spaces import get_space
from nascence.strategies.descent.bilevel import BilevelDescent
from nascence.strategies.descent.settings import Descent
from nascence.strategies.descent.stages import Stage
from nascence.testing.toy_graph import toy_graph_space, toy_graph_task


def search(space, task, epochs=4, **settings):
    size = space.networks["search"]
    settings = {"weights_optimizer": "adam", "learning_rate": 0.02, "architecture_data": "validation", **settings}
    return BilevelDescent(
        space,
        task,
        Softmax(space, seed=0),
        lambda partial, seed: space.supernet(size, task.signature, seed=seed),
        stages=[Stage(epochs=epochs, warmup=epochs // 2)],
        descent=Descent(**settings),
        budget=Budget().bind(space, space.networks["evaluation"], signature=task.signature, threads=1),
        seed=0,
    )


def equal(one, two):
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(equal(one[key], two[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(two) and all(equal(a, b) for a, b in zip(one, two, strict=True))
    return torch.equal(one, two) if isinstance(one, torch.Tensor) else one == two


def test_with_dropout_and_adam_it_resumes_to_the_bit():
    space, task = get_space("sane-2"), toy_graph_task()
    whole = search(space, task)
    whole.advance()
    kept = copy.deepcopy(whole.state_dict())
    assert set(kept["moments"][0]) == {"step", "exp_avg", "exp_avg_sq"}
    torch.rand(3)
    event = whole.advance()
    again = search(space, task)
    again.load_state_dict(kept)
    torch.rand(5)
    assert again.advance() == event
    assert equal(again.state_dict(), whole.state_dict())


def test_sampled_neighbourhoods_are_searched_too():
    space, task = toy_graph_space(), toy_graph_task(sampled=True)
    strategy = search(space, task, epochs=2, batch_size=16)
    while not strategy.done:
        strategy.advance()
    assert strategy.derive() in set(space.enumerate())


def test_the_neighbours_are_found_to_matter():
    space, task = toy_graph_space(), toy_graph_task()
    strategy = search(space, task, epochs=60, architecture_learning_rate=0.05)
    while not strategy.done:
        event = strategy.advance()
    assert set(strategy.derive().answers[:2]) != {"own"}
    assert event["validation_accuracy"] > 80
    picked = space.sample(generator(0))
    assert space.one_hot(picked)["aggregator"].sum() == 2
