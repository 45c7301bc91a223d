"""Beside a graph network, one that sees every node alone: it cannot know what only neighbours say."""

from dataclasses import replace

import pytest

from nascence.api.unconnected import train_unconnected
from nascence.configuration import to_json
from nascence.errors import NascenceError
from nascence.spaces import get_space
from nascence.tasks import load_task
from nascence.testing.toy_graph import toy_graph_task
from nascence.training import Training, TrainingConfig

SIZE = replace(get_space("sane-2").networks["evaluation"], channels=16)


def config(space="sane-2", size=SIZE):
    return {"space": space, "network": to_json(size), "training": {"seed": 0}}


def test_where_only_neighbours_tell_it_guesses():
    task = toy_graph_task()
    settings = TrainingConfig.suggested(task, epochs=30, patience=0)
    found = train_unconnected(config(), task, settings, progress=False)["without_edges"]
    assert found["value"] < 70
    assert found["params"] == 4 * 16 + 16 + 2 * (16 * 16 + 16) + 16 * 3 + 3
    assert found == train_unconnected(config(), task, settings, progress=False)["without_edges"]
    network = get_space("sane-2").build(
        get_space("sane-2").parse("sage_sum,sage_sum|skip|l_concat"), network=SIZE, signature=task.signature
    )
    whole = Training(network, task, settings)
    while not whole.done:
        whole.advance()
    assert whole.evaluation.value > found["value"]


def test_images_have_none():
    digits = load_task("digits")
    size = get_space("nas-bench-201").networks["score"]
    settings = TrainingConfig.suggested(digits, epochs=1)
    assert train_unconnected(config("nas-bench-201", size), digits, settings, progress=False) == {}


def test_a_training_that_comes_to_nothing_is_told_and_left_out(monkeypatch, capsys):
    def diverge(self):
        raise NascenceError("The training loss became nan.")

    monkeypatch.setattr(Training, "advance", diverge)
    task = toy_graph_task()
    settings = TrainingConfig.suggested(task, epochs=1, patience=0)
    assert train_unconnected(config(), task, settings, progress="title") == {}
    assert "How much the edges help is not told" in capsys.readouterr().err


@pytest.mark.parametrize("epochs", [1])
def test_it_shows_how_far_it_is(epochs, capsys):
    task = toy_graph_task()
    train_unconnected(config(), task, TrainingConfig.suggested(task, epochs=epochs, patience=0), progress=True)
    assert "without edges" in capsys.readouterr().err
