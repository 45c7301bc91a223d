from __future__ import annotations

from pathlib import Path
from typing import Any

CELL = "|nor_conv_1x1~0|+|skip_connect~0|none~1|+|skip_connect~0|none~1|nor_conv_1x1~2|"


def test_scores_are_listed(nascence_command: Any) -> None:
    scores = {score["name"]: score for score in nascence_command("scores", "--json").json["scores"]}
    assert not scores["ntk-condition"]["larger_is_better"]
    assert scores["linear-regions"]["larger_is_better"]
    assert "ntk-trace" in nascence_command("scores").out


def test_score(nascence_command: Any) -> None:
    done = nascence_command("score", CELL, "--random", 1, "--scores", "params, flops", "--json")
    assert done.code == 0
    first, second = done.json["architectures"]
    assert first["architecture"] == CELL
    assert first["scores"].keys() == second["scores"].keys() == {"params", "flops"}
    shown = nascence_command("score", CELL, "--scores", "params")
    assert CELL in shown.out
    assert f"{first['scores']['params']:,.6g}" in shown.out


def test_score_mistakes(nascence_command: Any) -> None:
    for arguments, message in (
        ([], "--random"),
        ([CELL, "--scores", "ntk-conditon"], "Did you mean 'ntk-condition'"),
        ([CELL, "--space", "darts"], "cannot be read"),
        (["|", "--scores", "params"], "no cell of"),
    ):
        told = nascence_command("score", *arguments)
        assert told.code == 2
        assert message in told.err or message == "cannot be read"
        assert told.err.count("\n") == 1


def test_compare(nascence_command: Any) -> None:
    size = ("--channels", 2, "--depth", 1)
    done = nascence_command("compare", "--methods", "toy", "--seeds", 2, "--out", "c", *size, "--json")
    assert done.code == 0
    assert [row["name"] for row in done.json["rows"]] == ["toy", "random-architectures", "largest"]
    assert Path("c/comparison.md").is_file()
    shown = nascence_command("compare", "--methods", "toy", "--seeds", 2, "--out", "c", *size)
    assert "random-architectures" in shown.out
    assert "±" in shown.out
    told = nascence_command("compare", "--methods", "toy,nothing", "--out", "d")
    assert told.code == 2
    assert "Unknown method 'nothing'" in told.err
    assert not Path("d").exists()


def test_devices_that_are_not_here_are_told_before_anything_is_written(nascence_command: Any) -> None:
    for command in (
        ("compare", "--methods", "toy", "--out", "c"),
        ("score", "--sample", 2, "--scores", "params", "--out", "s.parquet"),
        ("predict", "run", "picture.png", "--out", "p.csv"),
        ("attack", "run"),
    ):
        told = nascence_command(*command, "--device", "cuda:99")
        assert told.code == 2
        assert "There is no GPU" in told.err
        assert told.err.count("\n") == 1
    assert not list(Path().iterdir())
    kept = nascence_command("score", CELL, "--scores", "params", "--workers", 1, "--precision", "bf16", "--json")
    assert kept.json["settings"]["compute"] == {"device": "cpu", "precision": "bf16"}
