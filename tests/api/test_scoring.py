from __future__ import annotations

from typing import Any

import pytest
from torch import nn

import nascence
from nascence.engine import pool
from nascence.errors import ArchitectureError, NascenceError, SettingError, UnknownNameError
from nascence.spaces import get_space

CELL = "|nor_conv_1x1~0|+|skip_connect~0|none~1|+|skip_connect~0|none~1|nor_conv_1x1~2|"


def test_texts_runs_and_random_ones(search_toy: Any) -> None:
    run = search_toy().run
    scored = nascence.score([CELL, run.path, str(run.path / "architecture.json")], ["params"], random=2)
    texts = [entry["architecture"] for entry in scored]
    assert texts[0] == CELL
    assert texts[1] == texts[2] == run.read_json("architecture.json")["architecture"]
    assert len(scored) == 5
    assert scored[1]["scores"] == scored[2]["scores"]
    space = get_space("nas-bench-201")
    assert all(space.parse(text) for text in texts)
    assert nascence.score((), ["params"], random=2, data="digits") != scored[3:]  # the space's own network size


def test_a_run_says_what_is_scored(colours: Any, search_toy: Any, capsys: pytest.CaptureFixture[str]) -> None:
    found = search_toy(data=str(colours(8)))
    capsys.readouterr()
    sizes = ["params", "flops", "trainable-layers"]
    alone = nascence.score([found.run.path], [*sizes, "ntk-trace"])
    (entry,) = alone
    assert entry["data"] == found.run.config["data"]
    assert [entry["scores"][name] for name in ("params", "flops")] == [found.record["params"], found.record["flops"]]
    assert capsys.readouterr().err == ""
    for same in (found, found.run, found.run.path / "architecture.json"):
        assert nascence.score([same], [*sizes, "ntk-trace"]) == alone
    table = nascence.score_many([*sizes, "ntk-trace"], architectures=[found.run.path])
    assert {name: values[0] for name, values in table.columns.items()} == entry["scores"]
    assert table.settings["network"] == found.run.config["network"]
    (assumed,) = nascence.score([found.architecture], sizes)
    assert "Note: no data were named, so digits is assumed" in capsys.readouterr().err
    assert assumed["data"] == "digits"
    assert assumed["scores"] != {name: entry["scores"][name] for name in sizes}
    (other,) = nascence.score(
        [found.run.path], sizes, data="digits"
    )  # the user's word goes first; the size is the run's
    assert other["data"] == "digits"
    assert other["scores"]["trainable-layers"] == entry["scores"]["trainable-layers"]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """What workers would compute is computed in this process."""
    monkeypatch.setattr(pool, "LocalProcesses", lambda workers, gpus: pool.Inline())


def test_many_know_the_space_of_their_runs(search_toy: Any, tmp_path: Any, here: None) -> None:
    run = search_toy(space="nas-bench-macro", channels=None, depth=None).run.path
    out = tmp_path / "scores.parquet"
    table = nascence.score_many(["params"], architectures=[run], out=out)
    assert table.settings["space"] == "nas-bench-macro"
    (entry,) = nascence.score([run], ["params"])
    assert table.columns["params"][0] == entry["scores"]["params"]
    with pytest.raises(ArchitectureError, match="of one space are scored together"):
        nascence.score_many(["params"], architectures=[run, get_space("nas-bench-201").from_index(3)], data="digits")


def test_many_of_one_s_own_network(tmp_path: Any, here: None) -> None:
    layers = nn.Conv2d(1, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10)
    found = nascence.search("random", model=nn.Sequential(*layers), out=tmp_path / "run", progress=False)
    table = nascence.score_many(["params", "grad-norm"], architectures=[found.run.path], out=tmp_path / "s.parquet")
    assert table.columns["params"][0] == found.record["params"]
    (entry,) = nascence.score([found.run.path], ["grad-norm"])
    assert table.columns["grad-norm"][0] == entry["scores"]["grad-norm"]


def test_runs_on_different_data_are_not_compared(colours: Any, search_toy: Any) -> None:
    one, other = search_toy("a", data=str(colours(8))), search_toy("b")
    with pytest.raises(SettingError, match="come from runs on other data"):
        nascence.score([one, other], ["params"])
    assert len(nascence.score([one, other], ["params"], data="digits")) == 2


def test_the_mean_over_draws() -> None:
    (entry,) = nascence.score([CELL], ["ntk-trace", "params"], draws=3, seed=1)
    draws = entry["draws"]["ntk-trace"]
    assert len(draws) == 3
    assert len(set(draws)) > 1
    assert entry["scores"]["ntk-trace"] == pytest.approx(sum(draws) / 3)
    assert entry == nascence.score([CELL], ["ntk-trace", "params"], draws=3, seed=1)[0]


@pytest.mark.parametrize(
    ("arguments", "options", "kind", "message"),
    [
        ([], {}, SettingError, "--random"),
        (["x"], {}, ArchitectureError, "'x'"),
        (["missing.json"], {}, ArchitectureError, "Cannot read"),
        ([CELL], {"scores": ["ntk"]}, UnknownNameError, "Unknown score"),
        ([CELL], {"scores": []}, SettingError, "at least one score"),
        ([CELL], {"draws": 0}, SettingError, "at least 1"),
        ([CELL], {"random": -1}, SettingError, "at least 0"),
        ([CELL], {"data": "digitz"}, UnknownNameError, "digits"),
    ],
)
def test_mistakes(arguments: list[str], options: dict[str, Any], kind: type[NascenceError], message: str) -> None:
    with pytest.raises(kind, match=message):
        nascence.score(arguments, **options)
