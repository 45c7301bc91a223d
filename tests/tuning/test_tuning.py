"""Trials of a small graph network: the usual values first, resumed exactly, the test part without a say."""

from dataclasses import replace

import pytest

from nascence.errors import RunError, SettingError
from nascence.spaces import get_space
from nascence.tasks.graphs import NodeClassification
from nascence.testing import toy_space
from nascence.testing.toy_graph import toy_graph_task
from nascence.training import TrainingConfig
from nascence.tuning import Tuning

SPACE = get_space("sane-1")
TASK = toy_graph_task()


def tuning(task=TASK, trials=3, seed=0, **changes):
    config = TrainingConfig.suggested(task, **{"epochs": 4, "patience": 0, **changes})
    network = replace(SPACE.networks["evaluation"], channels=16)
    return Tuning(SPACE, SPACE.parse("gat_cos||l_max"), task, network, config, trials=trials, seed=seed, startup=1)


def finish(one):
    events = []
    while not one.done:
        events.append(one.advance())
    return events


def without_clock(event):
    return {name: value for name, value in event.items() if name != "seconds"}


def test_the_first_trial_has_the_usual_values():
    one = tuning(trials=1)
    (event,) = finish(one)
    assert event["learning_rate"] == 0.01
    assert event["channels"] == 16
    assert event["best_accuracy"] == event["validation_accuracy"]
    assert "test_accuracy" not in event


def test_the_best_trial_is_taken():
    one = tuning()
    finish(one)
    values = [trial.value for trial in one.trials]
    assert one.best.value == max(values)
    network, config = one.settled()
    assert network.channels == one.best.values["channels"]
    assert config.learning_rate == one.best.values["learning_rate"]
    assert config.epochs == 4


def test_it_resumes_exactly():
    whole = tuning()
    events = [without_clock(event) for event in finish(whole)]
    half = tuning()
    half.advance()
    again = tuning()
    again.load_state_dict(half.state_dict())
    assert [without_clock(event) for event in finish(again)] == events[1:]
    assert again.state_dict() == whole.state_dict()
    with pytest.raises(RunError, match="other hyperparameters"):
        again.load_state_dict({**half.state_dict(), "ranges": "{}"})


def test_the_test_nodes_have_no_say():
    split = TASK.split
    swapped = NodeClassification(
        "toy-graph", TASK.graph, replace(split, test=split.test & (TASK.graph.labels != 0), name="fewer")
    )
    one, other = tuning(), tuning(swapped)
    finish(one)
    finish(other)
    assert [trial.value for trial in one.trials] == [trial.value for trial in other.trials]
    assert [trial.values for trial in one.trials] == [trial.values for trial in other.trials]


def test_a_training_that_comes_to_nothing_is_a_trial(monkeypatch):
    one = tuning(trials=2)
    from nascence.errors import NascenceError
    from nascence.training import Training

    def diverge(self):
        raise NascenceError("The training loss became nan.")

    monkeypatch.setattr(Training, "advance", diverge)
    assert finish(one)[0]["validation_accuracy"] is None
    assert one.best is one.trials[0]


def test_what_cannot_be_tuned_is_refused(monkeypatch):
    with pytest.raises(SettingError, match="1 trial or more"):
        tuning(trials=0)
    images = toy_space()
    from nascence.tasks import load_task

    digits = load_task("digits")
    config = TrainingConfig.suggested(digits, epochs=1)
    architecture = next(images.enumerate())
    with pytest.raises(SettingError, match="validation part"):
        Tuning(images, architecture, digits, images.networks["score"], config, trials=1)
