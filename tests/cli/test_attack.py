from __future__ import annotations

from typing import Any

import pytest

CELL = "|nor_conv_1x1~0|+|skip_connect~0|none~1|+|skip_connect~0|none~1|nor_conv_1x1~2|"


@pytest.fixture
def run(nascence_command: Any) -> str:
    options = ("--space", "nas-bench-201", "--data", "digits", "--channels", 2, "--epochs", 1, "--out", "t")
    assert nascence_command("train", CELL, *options).code == 0
    return "t"


def test_attack_a_run(nascence_command: Any, run: str) -> None:
    done = nascence_command(
        "attack", run, "--attacks", "fgsm,pgd", "--eps", "4/255", "--images", 40, "--steps", 2, "--json"
    )
    assert done.code == 0
    assert [row["attack"] for row in done.json["attacks"]] == ["none", "fgsm", "pgd", "all"]
    assert "worst of all" in done.err
    assert "4/255" in done.err
    shown = nascence_command("attack", run, "--attacks", "fgsm", "--images", 20)
    assert shown.code == 0
    assert "standard error" in shown.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--eps", "8"], "is 8/255 meant?"),
        (["--attacks", "pdg"], "Did you mean 'pgd'"),
        (["--images", "-1"], "at least 1"),
    ],
)
def test_mistakes(nascence_command: Any, run: str, arguments: list[str], message: str) -> None:
    done = nascence_command("attack", run, *arguments)
    assert done.code == 2
    assert message in done.err
    assert done.err.count("\n") == 1


def test_a_search_that_is_not_trained(nascence_command: Any) -> None:
    assert nascence_command("search", "--method", "toy", "--channels", 2, "--depth", 1, "--out", "a").code == 0
    done = nascence_command("attack", "a")
    assert done.code == 2
    assert "no trained model yet" in done.err


def test_train_adversarial(nascence_command: Any) -> None:
    assert nascence_command("search", "--method", "toy", "--channels", 2, "--depth", 1, "--out", "a").code == 0
    done = nascence_command(
        "train", "a", "--epochs", 1, "--adversarial", "pgd", "--set", "adversarial_steps=1", "--json"
    )
    assert done.code == 0
    assert done.json["training"]["settings"]["adversarial"] == "pgd"
    wrong = nascence_command("train", "a", "--epochs", 1, "--adversarial", "strong", "--overwrite")
    assert wrong.code == 2
    assert "pgd" in wrong.err
