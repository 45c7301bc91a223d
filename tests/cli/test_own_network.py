"""One's own network from the command line, as a newcomer types it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

NETWORK = """
from torch import nn

def build(classes, channels):
    layers = nn.Conv2d(channels, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(8, classes))
"""


@pytest.fixture
def mynet(tmp_path: Path) -> Path:
    path = tmp_path / "mynet.py"
    path.write_text(NETWORK)
    return path


def test_every_command_works_on_such_a_run(nascence_command: Callable[..., Any], mynet: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    limits = ("--model", f"{mynet}:build", "--data", "digits", "--max-params", "150")
    planned = nascence_command("plan", *limits, "--no-measure")
    assert planned.code == 0
    assert "can be met" in planned.out
    found = nascence_command("search", *limits, "--method", "random", "--out", run)
    assert found.code == 0
    assert "What is left of mynet.py:build" in found.out
    assert "left whole" in found.out
    mynet.unlink()
    assert nascence_command("train", run, "--epochs", "1").code == 0
    measured = nascence_command("measure", run, "--repeats", "1", "--json")
    assert measured.code == 0
    assert measured.json["costs"][0]["value"] <= 150
    assert nascence_command("measure", run, "--repeats", "1").code == 0
    assert nascence_command("export", run).code == 0
    assert nascence_command("report", run).code == 0
    assert "What is left of your network" in (run / "report.html").read_text()
    assert nascence_command("runs", "list", tmp_path).code == 0
    assert nascence_command("runs", "resume", run).code == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--model", "absent.py:build"), "Cannot read absent.py"),
        (("--model", "MYNET:other"), "has no 'other'"),
        (("--model", "MYNET", "--weights", "absent.pt"), "Cannot read absent.pt"),
        (("--model", "MYNET", "--max-params", "5"), "reachable"),
        (("--model", "MYNET", "--space", "darts"), "leave --space darts out"),
        (("--model", "MYNET", "--channels", "8"), "they have one size"),
        (("--weights", "absent.pt"), "--model"),
    ],
)
def test_a_mistake_is_a_sentence_and_exit_code_2(
    arguments: tuple[str, ...], told: str, nascence_command: Callable[..., Any], mynet: Path, tmp_path: Path
) -> None:
    typed = [text.replace("MYNET", str(mynet)) for text in arguments]
    outcome = nascence_command("search", *typed, "--data", "digits", "--out", tmp_path / "run")
    assert outcome.code == 2
    assert told in outcome.err
    assert "Traceback" not in outcome.err
    assert not (tmp_path / "run").exists()


def test_from_scratch_and_teachers_are_about_own_networks(nascence_command: Callable[..., Any], tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert nascence_command("search", "--method", "random", "--data", "digits", "--out", run).code == 0
    for flag in ("--from-scratch", "--teacher"):
        outcome = nascence_command("train", run, flag, "--epochs", "1")
        assert outcome.code == 2
        assert flag in outcome.err
