"""One's own network from the command line, as a newcomer types it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import nn

from nascence.errors import NascenceError
from nascence.methods.dmasking import DMasking
from nascence.reading import read_json
from nascence.spaces.own import known

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
    scored = nascence_command("score", run, "--json")
    assert scored.json["architectures"][0]["scores"].keys() == {"ntk-condition"}
    assert "Left out: linear-regions needs a one-channel network without stem; own-" in scored.err
    refused = nascence_command("score", run, "--scores", "params,linear-regions")
    assert refused.code == 2
    assert nascence_command("train", run, "--epochs", "1").code == 0
    measured = nascence_command("measure", run, "--repeats", "1", "--json")
    assert measured.code == 0
    assert measured.json["costs"][0]["value"] <= 150
    assert nascence_command("measure", run, "--repeats", "1").code == 0
    for number in range(2):
        Image.new("L", (8, 8), 100 * number).save(tmp_path / f"{number}.png")
    predicted = nascence_command("predict", run, tmp_path / "0.png", tmp_path / "1.png")
    assert predicted.code == 0
    assert "1.png" in predicted.out
    assert nascence_command("attack", run, "--images", "4", "--attacks", "fgsm").code == 0
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
        (("--model", "MYNET", "--weights", "MYNET"), "holds no weights that are safe to read"),
        (("--model", "MYNET", "--weights", "other.pt"), "do not fit Sequential"),
        (("--model", "asks.py"), "asks.py cannot be imported ("),
        (("--model", "folder.py"), "folder.py"),
        (("--model", "MYNET", "--max-params", "5"), "reachable"),
        (("--model", "MYNET", "--space", "darts"), "leave --space darts out"),
        (("--model", "MYNET", "--channels", "8"), "they have one size"),
        (("--weights", "absent.pt"), "--model"),
    ],
)
def test_a_mistake_is_a_sentence_and_exit_code_2(
    arguments: tuple[str, ...], told: str, nascence_command: Callable[..., Any], mynet: Path, tmp_path: Path
) -> None:
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "other.pt")
    (tmp_path / "asks.py").write_text("input()")
    (tmp_path / "folder.py").mkdir()
    typed = [text.replace("MYNET", str(mynet)) for text in arguments]
    outcome = nascence_command("search", *typed, "--data", "digits", "--out", tmp_path / "run")
    assert outcome.code == 2
    assert told in outcome.err
    assert outcome.err.count("\n") == 1, "one sentence, and no note before it"
    assert not (tmp_path / "run").exists()


def test_methods_are_compared_on_it(nascence_command: Callable[..., Any], mynet: Path, tmp_path: Path) -> None:
    typed = ("compare", "--model", mynet, "--methods", "random", "--seeds", "2", "--max-params", "120")
    outcome = nascence_command(*typed, "--out", tmp_path / "c", "--json")
    assert outcome.code == 0
    assert [row["name"] for row in outcome.json["rows"]] == ["random", "random-architectures", "largest", "same-width"]
    assert "own-" in outcome.json["space"]
    refused = nascence_command(*typed[:-1], "5", "--out", tmp_path / "d")
    assert refused.code == 2
    assert "reachable" in refused.err
    assert not (tmp_path / "d").exists()


def test_from_scratch_and_teachers_are_about_own_networks(nascence_command: Callable[..., Any], tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert nascence_command("search", "--method", "random", "--data", "digits", "--out", run).code == 0
    for flag in ("--from-scratch", "--teacher"):
        outcome = nascence_command("train", run, flag, "--epochs", "1")
        assert outcome.code == 2
        assert flag in outcome.err


QUICK = ("--set", "epochs=3", "--set", "warmup_epochs=1", "--set", "epoch_images=64", "--set", "batch_size=16")


def test_a_stopped_search_goes_on_without_the_file_and_finds_the_same(
    nascence_command: Callable[..., Any], mynet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = ("search", "--model", mynet, "--data", "digits", "--max-params", "150", *QUICK)
    assert nascence_command(*typed, "--out", tmp_path / "whole").code == 0
    strategy = DMasking.strategy

    def stopping(method: Any, problem: Any) -> Any:
        made = strategy(method, problem)
        advance = made.advance

        def failing() -> Any:
            if made.steps_done == 2:
                raise NascenceError("stopped here")
            return advance()

        made.advance = failing
        return made

    with monkeypatch.context() as patch:
        patch.setattr(DMasking, "strategy", stopping)
        outcome = nascence_command(*typed, "--out", tmp_path / "stopped")
    assert "stopped here" in outcome.err
    assert not (tmp_path / "stopped" / "architecture.json").exists()
    mynet.unlink()
    known._known.clear()  # as in another process
    assert nascence_command("runs", "resume", tmp_path / "stopped").code == 0
    found = [read_json(tmp_path / name / "architecture.json") for name in ("whole", "stopped")]
    assert {**found[1], "search_seconds": 0} == {**found[0], "search_seconds": 0}


def test_rank_takes_the_parts_that_need_no_blocks(
    nascence_command: Callable[..., Any], mynet: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    search = ("search", "--model", mynet, "--data", "digits", "--method", "rank", "--out", run)
    outcome = nascence_command(*search, "--set", "aggregate=az-nas")
    assert outcome.code == 2
    assert len(outcome.err.strip().splitlines()) == 1
    assert not run.exists()
    small = ("evaluations=4", "population=3", "parents=2", "finalists=2", "draws=1", "exhaustive=0")
    outcome = nascence_command(*search, *(part for one in small for part in ("--set", one)))
    assert outcome.code == 0, outcome.err
    assert "nascence-layers" in outcome.err
    assert (run / "architecture.json").exists()
