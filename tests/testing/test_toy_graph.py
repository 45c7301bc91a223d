"""The toy graph space: its supernet at one-hot weights is the network; neighbours are what its task is about."""

import pytest
import torch

from nascence.spaces import SPACES, get_space
from nascence.supernets.mixed import MixedPart
from nascence.testing.toy_graph import Aggregator, toy_graph_space, toy_graph_task

SPACE = toy_graph_space()


def test_is_registered_once():
    assert toy_graph_space() is toy_graph_space() is get_space("toy-graph")
    assert SPACES.names().count("toy-graph") == 1


def test_rows_are_choices():
    rows = [row for group in SPACE.groups for row in group.rows]
    assert rows == [choice.name for choice in SPACE.choices]
    assert SPACE.size == 32


def test_texts_round_trip():
    for architecture in SPACE.enumerate():
        assert SPACE.parse(SPACE.format(architecture)) == architecture


@pytest.mark.parametrize("at", range(0, 32, 5))
def test_supernet_at_one_hot_weights_is_the_network(at):
    task = toy_graph_task()
    architecture = list(SPACE.enumerate())[at]
    supernet = SPACE.supernet(SPACE.networks["search"], task.signature, seed=3)
    network = SPACE.build(
        architecture,
        network="search",
        in_channels=task.signature.features,
        num_classes=task.signature.outputs,
        seed=1,
    )
    chosen = {}
    for name, value in supernet.network.state_dict().items():
        parts = name.split(".")
        if "candidates" in parts:
            layer, option = int(parts[1]), int(parts[3])
            if SPACE.groups[0].options[option] != architecture.answers[layer]:
                continue
            parts = [*parts[:2], *parts[4:]]
        chosen[".".join(parts)] = value
    network.load_state_dict(chosen)
    batch = task.part("test").whole()
    torch.testing.assert_close(
        network(*batch.inputs), supernet(*batch.inputs, weights=SPACE.one_hot(architecture)), rtol=0, atol=0
    )


def test_every_mixing_weight_gets_a_gradient():
    task = toy_graph_task()
    supernet = SPACE.supernet(SPACE.networks["search"], task.signature)
    weights = {group.name: torch.full(group.shape, 1 / group.shape[1]).requires_grad_() for group in supernet.groups}
    batch = task.part("train").whole()
    task.loss(supernet(*batch.inputs, weights=weights), batch).backward()
    for weight in weights.values():
        assert bool((weight.grad != 0).all())
    assert len([part for part in supernet.modules() if isinstance(part, MixedPart)]) == 3


def test_same_seed_same_supernet():
    task = toy_graph_task()
    one, same, other = (SPACE.supernet(SPACE.networks["search"], task.signature, seed=seed) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_aggregators_by_hand():
    x = torch.tensor([[1.0, 0.0], [3.0, -2.0], [5.0, 4.0]])
    edges = torch.tensor([[0, 1], [2, 2]])  # nodes 0 and 1 point at node 2
    expected = {"mean": [2.0, -1.0], "sum": [4.0, -2.0], "max": [3.0, 0.0]}
    for name, value in expected.items():
        layer = Aggregator(name, 2)
        with torch.no_grad():
            layer.own.weight.zero_()
            layer.own.bias.zero_()
            layer.neighbours.weight.copy_(torch.eye(2))
        assert layer(x, edges).tolist() == [[0, 0], [0, 0], value]


def test_only_the_neighbours_tell_the_class():
    task = toy_graph_task()
    signature = task.signature
    assert (signature.domain, signature.features, signature.outputs) == ("graph", 4, 3)
    measured = {}
    for text in ("own,own,last", "own,mean,last"):
        network = SPACE.parse(text).build(network="evaluation", in_channels=4, num_classes=3, seed=0)
        optimizer = torch.optim.Adam(network.parameters(), 0.02)
        batch, judge = task.part("train").whole(), task.part("test").whole()
        for _ in range(60):
            optimizer.zero_grad()
            task.loss(network(*batch.inputs), batch).backward()
            optimizer.step()
        measured[text] = task.measures(task.sums(network(*judge.inputs), judge))["accuracy"]
    assert measured["own,mean,last"] > 90
    assert measured["own,own,last"] < 60
