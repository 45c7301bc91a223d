"""Tuning as a stage of a training: recorded, resumed, within the budget, and undone by another training."""

import numpy as np
import pytest

import nascence
import nascence.api.tuning as stage
from nascence.errors import MissingExtraError, SettingError
from nascence.reading import read_json
from nascence.runs import TRAINING, TUNING, Interrupted, RunDirectory, summary, unfinished_stages
from nascence.spaces.ranges import Values
from nascence.testing.toy_graph import toy_graph_task
from nascence.training import TrainingConfig, evaluate
from nascence.tuning import Tuning

ARCHITECTURE = "gat_cos||l_max"


@pytest.fixture
def graph(tmp_path):
    task = toy_graph_task()
    arrays = {"features": task.graph.features.numpy(), "labels": task.graph.labels.numpy()}
    np.savez(tmp_path / "graph.npz", edges=task.graph.edges.numpy().T, directed=True, **arrays)
    return tmp_path / "graph.npz"


def train(graph, name="t", **options):
    given = {"epochs": 2, "patience": 0, "progress": False, "space": "sane-1", "data": str(graph), **options}
    return nascence.train(ARCHITECTURE, out=graph.parent / name, **given)


def test_the_best_trial_makes_the_network(graph):
    result = train(graph, tune=3, channels=8)
    run = RunDirectory.open(result.run.path)
    events = run.events(TUNING)
    values = [event["validation_accuracy"] for event in events]
    assert len(events) == 3
    assert not any(name.startswith("test") for event in events for name in event)
    told = result.metrics["tuning"]
    assert told["trials"] == 3
    assert told["best_trial"] == 1 + values.index(max(values))
    assert told["validation"] == max(values)
    best = events[told["best_trial"] - 1]
    assert told["values"] == {name: best[name] for name in told["values"]}
    assert run.config["network"]["channels"] == best["channels"]
    assert run.config["training"]["settings"]["learning_rate"] == 0.01  # as it was asked for
    record = run.read_json("architecture.json")
    assert record["network"] == run.config["network"]
    model = result.load_model()
    assert sum(weight.numel() for weight in model.parameters()) == record["params"] == result.metrics["params"]
    from nascence.tasks import load_task

    task = load_task(str(graph))
    assert evaluate(model, task.part("test"), task).value == result.metrics["accuracy"]
    assert train_again(run, tune=3).metrics == result.metrics  # is kept


def train_again(run, **options):
    return nascence.train(run.path, **{"epochs": 2, "patience": 0, "progress": False, **options})


def test_a_stopped_tuning_goes_on_as_if_nothing_had_been(graph, monkeypatch):
    whole = train(graph, "whole", tune=3)
    real = Tuning.advance

    def advance(self):
        if self.steps_done == 1:
            raise KeyboardInterrupt
        return real(self)

    with monkeypatch.context() as patch:
        patch.setattr(Tuning, "advance", advance)
        patch.setattr("nascence.runs.execution.CHECKPOINT_SECONDS", 0.0)
        with pytest.raises((KeyboardInterrupt, Interrupted)):
            train(graph, "half", tune=3)
    run = RunDirectory.open(graph.parent / "half")
    assert unfinished_stages(run) == ["training"]
    assert summary(run)["stage"] in ("tuning", "training")
    from nascence.api.resuming import resume

    assert resume(run.path, progress=False) == ["training"]
    metrics = read_json(run.path / "metrics.json")
    for name in ("accuracy", "tuning", "params", "loss"):
        assert metrics[name] == whole.metrics[name]


def test_another_training_begins_from_the_size_before(graph):
    run = train(graph, tune=3, channels=8).run
    tuned = RunDirectory.open(run.path).config["network"]
    again = train_again(run, overwrite=True, epochs=3)
    plain = RunDirectory.open(run.path)
    assert plain.config["network"]["channels"] == 8
    assert plain.read_json("architecture.json")["network"] == plain.config["network"]
    assert "tuning" not in again.metrics
    assert "tuned" not in plain.config["training"]
    assert not plain.has(TUNING.events)
    assert not plain.has(TUNING.checkpoint)
    assert len(plain.events(TRAINING)) == 3
    third = train_again(plain, overwrite=True, tune=3)
    assert RunDirectory.open(run.path).config["network"] == tuned
    assert third.metrics["tuning"]["trials"] == 3


def test_sizes_beyond_the_budget_are_not_tried(graph):
    found = nascence.search(
        "random", "sane-1", str(graph), out=graph.parent / "a", max_params=3_000, channels=16, progress=False
    )
    config = TrainingConfig.suggested(toy_graph_task(), epochs=1, patience=0)
    entry = {"settings": vars(config), "seed": 0, "tuning": {"trials": 2}}
    tuning = stage.tuning_of({**found.run.config, "training": entry}, found.architecture, toy_graph_task())
    channels = tuning.ranges["channels"]
    assert isinstance(channels, Values)
    assert 0 < len(channels.values) < 5
    assert max(channels.values) < 128
    limited = {**found.run.config, "budget": {"max_latency_ms": 5.0}, "training": entry}
    assert stage.tuning_of(limited, found.architecture, toy_graph_task()).ranges["channels"] == Values((16,))


def test_what_cannot_be_tuned_is_said_before_anything_is_written(graph, monkeypatch):
    cell = "|nor_conv_1x1~0|+|none~0|none~1|+|none~0|none~1|nor_conv_1x1~2|"
    with pytest.raises(SettingError, match="--validation"):
        nascence.train(cell, space="nas-bench-201", data="digits", out=graph.parent / "d", tune=2, progress=False)
    with pytest.raises(SettingError, match="1 trial or more"):
        train(graph, "d", tune=0)
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"optuna.*\[tuning\]"):
        train(graph, "d", tune=2)
    assert not (graph.parent / "d").exists()
