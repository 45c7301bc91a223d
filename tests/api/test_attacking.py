from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import nascence
from nascence.errors import RunError, SettingError, UnknownNameError
from nascence.runs import RunDirectory
from nascence.training import TrainingConfig

QUICK = {"images": 60, "steps": 3, "progress": False}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training of three epochs on digits."""
    path = tmp_path_factory.mktemp("attacks") / "run"
    cell = "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|nor_conv_1x1~2|"
    nascence.train(
        cell, space="nas-bench-201", data="digits", out=path, channels=4, depth=1, epochs=3, progress=False, threads=1
    )
    return path


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> RunDirectory:
    shutil.copytree(trained, tmp_path / "run")
    return RunDirectory.open(tmp_path / "run")


def test_an_attack_is_kept_in_the_run_and_its_report(run: RunDirectory) -> None:
    from nascence.reporting import write_report

    write_report(run.path, cloud_size=0)
    assert "Under attack" not in (run.path / "report.html").read_text()
    found = nascence.attack(run.path, "fgsm,pgd,apgd", "8/255, 24/255", restarts=2, **QUICK)
    rows = found["attacks"]
    assert [row["attack"] for row in rows] == ["none", *["fgsm", "pgd", "apgd", "all"] * 2]
    assert {row["images"] for row in rows} == {60}
    assert rows[0]["accuracy"] > 50
    assert all(rows[0]["accuracy"] >= row["accuracy"] for row in rows)
    assert rows[4]["accuracy"] >= rows[8]["accuracy"]
    assert found["settings"]["pgd"]["steps"] == 3
    assert found["masking"]["images"] > 0
    assert run.read_json("attacks.json") == found
    page = (run.path / "report.html").read_text()
    assert "Under attack" in page, "a report that is there is written anew"
    assert "24/255" in page
    assert nascence.attack(run.path, "fgsm,pgd,apgd", "8/255, 24/255", restarts=2, **QUICK)["attacks"] == rows


def test_another_training_forgets_the_attacks_on_the_one_before(run: RunDirectory) -> None:
    nascence.attack(run.path, "fgsm", 0.1, **{**QUICK, "steps": None})
    assert run.has("attacks.json")
    nascence.train(run.path, epochs=1, overwrite=True, progress=False)
    assert not RunDirectory.open(run.path).has("attacks.json")


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"eps": "8"}, SettingError, "8/255 meant"),
        ({"eps": "-1"}, SettingError, "8/255"),
        ({"attacks": "fgsm,deepfool"}, UnknownNameError, "apgd"),
        ({"attacks": ""}, SettingError, "fgsm, pgd, apgd"),
        ({"attacks": "fgsm", "steps": 3}, SettingError, "--steps"),
        ({"steps": 0}, SettingError, "at least 1 step"),
        ({"images": 0}, SettingError, "at least 1"),
        ({"restarts": 0}, SettingError, "at least 1"),
        ({"batch_size": 2**64}, SettingError, "batch size is at most 1,000,000"),
    ],
)
def test_what_is_refused(run: RunDirectory, options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        nascence.attack(run.path, **{**QUICK, **options})
    assert not run.has("attacks.json")


def test_a_run_that_is_not_trained(search_toy: Any) -> None:
    found = search_toy()
    with pytest.raises(RunError, match="nascence train"):
        nascence.attack(found.run.path)
    assert not found.run.has("attacks.json")


def test_training_under_attack_makes_networks_robust(search_toy: Any) -> None:
    """On digits, whose strokes bear a radius of 40/255 well; the same network, epochs and seed."""
    accuracies = []
    for name, adversarial in (("plain", None), ("hard", "pgd")):
        run = search_toy(name, channels=4, depth=1, seed=1).run
        more = ["adversarial_eps=0.157", "adversarial_steps=2"] if adversarial else []
        nascence.train(run.path, epochs=3, adversarial=adversarial, settings=more, progress=False)
        found = nascence.attack(run.path, "pgd", "40/255", **{**QUICK, "images": 200, "steps": 5})
        accuracies.append([row["accuracy"] for row in found["attacks"]])
    assert accuracies[1][1] > accuracies[0][1] + 5


def test_robust_training_follows_from_its_seed(search_toy: Any) -> None:
    runs = [search_toy(name).run.path for name in ("a", "b")]
    hard: dict[str, Any] = {"adversarial": "fgsm", "epochs": 1, "progress": False}
    losses = [nascence.train(run, **hard).metrics["loss"] for run in runs]
    assert losses[0] == losses[1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"adversarial_eps": 0.1}, "adversarial_eps is of no use without adversarial"),
        ({"adversarial": "fgsm", "adversarial_steps": 3}, "adversarial_steps is of no use"),
        ({"adversarial": "pgd", "adversarial_eps": 8.0}, "8/255"),
        ({"adversarial": "pgd", "adversarial_steps": 0}, "at least 1"),
    ],
)
def test_settings_of_robust_training(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        TrainingConfig.preset("nas-bench-201", **changes)
