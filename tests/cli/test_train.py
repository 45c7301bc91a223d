from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from nascence.reading import read_json
from nascence.runs import TRAINING, RunDirectory

CELL = "|nor_conv_1x1~0|+|skip_connect~0|none~1|+|skip_connect~0|none~1|nor_conv_1x1~2|"


@pytest.fixture
def run(nascence_command: Any) -> RunDirectory:
    assert nascence_command("search", "--method", "toy", "--channels", 2, "--depth", 1, "--out", "a").code == 0
    return RunDirectory.open("a")


def test_train_a_run_then_export(nascence_command: Any, run: RunDirectory) -> None:
    done = nascence_command("train", "a", "--epochs", 2, "--json")
    assert done.code == 0
    assert done.json == {"run": "a", **run.read_json("metrics.json")}
    assert "test accuracy" in done.err
    assert "nascence export a --format onnx" in done.err
    assert "nascence export a --format python" in done.err
    exported = nascence_command("export", "a", "--format", "python", "--json")
    assert exported.code == 0
    assert exported.json["path"] == "a/model.py"
    assert exported.json["max_difference"] <= 1e-4
    shown = nascence_command("train", "a", "--epochs", 2)
    assert f"{run.read_json('metrics.json')['accuracy']:.2f} %" in shown.out
    listed = nascence_command("runs", "list", ".").out
    assert "finished" in listed
    assert "training 2/2" in listed


def test_train_an_architecture(nascence_command: Any) -> None:
    options = ("--space", "nas-bench-201", "--data", "digits", "--channels", 2, "--epochs", 1)
    done = nascence_command("train", CELL, *options, "--out", "t", "--json")
    assert done.code == 0
    assert read_json(Path("t/architecture.json"))["architecture"] == CELL
    assert nascence_command("runs", "show", "t", "--json").json["kind"] == "training"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "neither a run directory nor a file"),
        (["missing.json", "--data", "digits", "--out", "t"], "Cannot read missing.json"),
        (["corrupt.json", "--data", "digits", "--out", "t"], "not valid JSON"),
        (["foreign.json", "--data", "digits", "--out", "t"], "not an architecture"),
        (["|a~0|", "--space", "nas-bench-201", "--data", "digits", "--out", "t"], "no cell of nas-bench-201"),
        ([CELL, "--space", "nas-bench-201", "--out", "t"], "--data"),
        ([CELL, "--space", "nas-bench-201", "--data", "digits"], "--out"),
        (["newer"], "newer Nascence"),
        (["a", "--batch-size", "5000"], "smaller batch"),
        (["a", "--set", "epoch=3"], "Did you mean 'epochs'"),
        (["a", "--preset", "imagenet"], "Unknown training preset"),
        (["a", "--patience", "3"], "patience needs a validation part to watch: add --validation 0.1"),
        (["a", "--validation", "1.5"], "validation must be at least 0 and below 1, not 1.5"),
        (["a", "--class-weights", "eleven.csv"], "weight for the class 'eleven', but 'digits' has: 0, 1, 2"),
        (["a", "--class-weights", "none.csv"], "Cannot read the class weights in none.csv"),
        (["a", "--class-weights", "corrupt.json"], "holds no class weights"),
        (["a", "--task", "classify"], "--task does not go with a run directory"),
    ],
)
def test_mistakes(nascence_command: Any, run: RunDirectory, arguments: list[str], message: str) -> None:
    Path("corrupt.json").write_text("{")
    Path("foreign.json").write_text('{"lr": 1}')
    Path("eleven.csv").write_text("eleven,2")
    Path("newer").mkdir()
    Path("newer/config.json").write_text('{"format": 7, "nascence": "3.0", "kind": "search"}')
    told = nascence_command("train", *arguments)
    assert told.code == 2
    assert message in told.err
    assert told.err.count("\n") == 1
    assert not Path("t").exists()
    assert not run.has("metrics.json")
    assert "training" not in RunDirectory.open("a").config


def test_a_validation_part_patience_and_weights(nascence_command: Any, run: RunDirectory) -> None:
    Path("weights.csv").write_text("3,2.5")
    options = ("--epochs", 3, "--validation", 0.2, "--patience", 2, "--class-weights", "weights.csv")
    done = nascence_command("train", "a", *options, "--json")
    assert done.code == 0
    assert done.json["training"]["settings"]["class_weights"] == [1.0] * 3 + [2.5] + [1.0] * 6
    watched = done.json["validation"]
    assert (watched["metric"], watched["of_epochs"]) == ("balanced_accuracy", 3)
    assert done.json["balanced_accuracy"] == pytest.approx(sum(done.json["per_class"].values()) / 10)
    events = run.events(TRAINING)
    assert ["test_accuracy" in event for event in events] == [False] * (len(events) - 1) + [True]
    assert "balanced accuracy" in done.err
    assert f"{watched['best_epoch']} of 3" in done.err
    again = nascence_command("train", "a", *options)
    assert again.code == 0, "the same training, which is finished"
    other = nascence_command("train", "a", *options[:-1], "balanced")
    assert other.code == 2
    assert "The network in a was trained with other settings (class_weights); replace it with --overwrite" in other.err


def test_export_before_training(nascence_command: Any, run: RunDirectory) -> None:
    told = nascence_command("export", "a")
    assert told.code == 2
    assert "nascence train a" in told.err


def test_a_killed_training_is_resumed(nascence_command: Any, start_nascence: Any, run: RunDirectory) -> None:
    process = start_nascence("train", "a", "--epochs", 1_000_000)
    while len(run.events(TRAINING)) < 2:
        assert process.alive()
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    told = nascence_command("train", "a", "--epochs", 2)
    assert told.code == 2
    assert "nascence runs resume a" in told.err
    entry = nascence_command("runs", "show", "a", "--json").json
    assert entry["state"] == "stopped"
    assert entry["stage"] == "training"
    assert nascence_command("train", "a", "--epochs", 2, "--overwrite").code == 0
    assert len(run.events(TRAINING)) == 2


def test_a_policy_given_told_and_drawn(nascence_command: Any, run: RunDirectory) -> None:
    pytest.importorskip("kornia")
    trained = nascence_command("train", "a", "--epochs", 1, "--policy", "autoaugment")
    assert trained.code == 0, trained.err
    assert "a policy of 25 sub-policies" in trained.out
    assert nascence_command("report", "a").code == 0
    page = Path("a/report.html").read_text()
    assert "not found by this run" in page
    assert page.count("data:image/png;base64,") > 30
    options = ("--space", "nas-bench-201", "--data", "digits", "--channels", 2, "--epochs", 1)
    other = nascence_command("train", CELL, *options, "--out", "b", "--policy", "a")
    assert other.code == 0, other.err
    mine, theirs = (RunDirectory.open(name).config["training"]["policy"] for name in "ab")
    assert mine == theirs


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ({"version": 9}, "version 9"),
        ({"sub_policies": [{"weight": 1, "steps": [["Melt", 1, 1]]}]}, "has the operation 'Melt'; known are"),
    ],
)
def test_policies_that_are_none(nascence_command: Any, run: RunDirectory, policy: dict[str, Any], message: str) -> None:
    good = {"kind": "augmentation policy", "version": 1, "sub_policies": [{"weight": 1, "steps": []}]}
    Path("p.json").write_text(json.dumps({**good, **policy}))
    for where in ("p.json", "a"):
        told = nascence_command("train", "a", "--epochs", 1, "--policy", where)
        assert (told.code, told.err.count("\n")) == (2, 1)
        assert (message if where == "p.json" else "a has no policy") in told.err
    asked = nascence_command("train", "a", "--adversarial", "pgd", "--set", "adversarial_eps=8")
    assert asked.code == 2
    assert "is 8/255 meant? Type: --set adversarial_eps=8/255" in asked.err
    assert not run.has("model.pt")
    assert "training" not in RunDirectory.open("a").config
