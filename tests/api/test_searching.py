from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nascence
from nascence.api.inputs import reload_task
from nascence.api.searching import PreparedSearch, default_out
from nascence.errors import BudgetError, DataError, NascenceError, RunError, SettingError, UnknownNameError
from nascence.reading import read_json
from nascence.runs import RunDirectory
from nascence.spaces import get_space


def test_the_package_offers_the_api_lazily() -> None:
    for name in nascence.__all__:
        assert getattr(nascence, name) is not None
        assert name in dir(nascence)
    with pytest.raises(AttributeError, match="nothing"):
        _ = nascence.nothing


def test_a_search_leaves_a_complete_run(search_toy: Any, tmp_path: Path) -> None:
    result = search_toy(seed=3, settings=["steps=4"])
    record = read_json(tmp_path / "run" / "architecture.json")
    assert record == result.record
    assert nascence.Architecture.load(tmp_path / "run" / "architecture.json") == result.architecture
    wanted = {"space", "architecture", "choices", "method", "seed", "data", "search_seconds", "params", "flops"}
    assert wanted <= record.keys()
    assert (record["method"], record["space"], record["data"], record["seed"]) == ("toy", "nas-bench-201", "digits", 3)
    assert record["index"] == get_space("nas-bench-201").index(result.architecture)
    assert record["settings"] == {"steps": 4, "pause": 0.0, "rule": "mix", "members": 1}
    assert record["network"]["channels"] == 2
    module = result.architecture.build(network=get_space("nas-bench-201").networks["score"], in_channels=1)
    assert sum(parameter.numel() for parameter in module.parameters()) > 0
    assert len(RunDirectory.open(tmp_path / "run").events()) == 4


def test_params_are_those_of_the_network_that_is_trained(search_toy: Any) -> None:
    from nascence.configuration import from_json
    from nascence.spaces import NetworkConfig

    result = search_toy()
    network = from_json(NetworkConfig, result.record["network"])
    module = result.architecture.build(network=network, in_channels=1, num_classes=10)
    assert result.record["params"] == sum(parameter.numel() for parameter in module.parameters())


def test_the_same_seed_finds_the_same(search_toy: Any) -> None:
    first, second, other = search_toy("a"), search_toy("b"), search_toy("c", seed=1)
    assert first.architecture == second.architecture
    assert first.run.events() == second.run.events()
    assert first.run.events() != other.run.events()


def test_settings_come_as_texts_mapping_or_keywords(search_toy: Any) -> None:
    for name, options in {
        "a": {"settings": ["rule=mutate"]},
        "b": {"settings": {"rule": "mutate"}},
        "c": {"rule": "mutate"},
    }.items():
        assert search_toy(name, **options).record["settings"]["rule"] == "mutate"
    with pytest.raises(SettingError, match="not one text"):
        search_toy("d", settings="rule=mutate")


def test_a_budget_is_kept_and_an_impossible_one_refused_before_anything_is_written(
    search_toy: Any, tmp_path: Path
) -> None:
    smallest = search_toy("a", max_params=1_500, settings=["steps=20"])
    assert smallest.record["params"] <= 1_500
    assert smallest.record["budget"]["max_params"] == 1_500
    with pytest.raises(BudgetError, match="reachable"):
        search_toy("b", max_params=10)
    with pytest.raises(SettingError, match="max_flops"):
        search_toy("c", max_flops=-1)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"method": "toyy"}, UnknownNameError, "Did you mean 'toy'"),
        ({"space": "dart"}, UnknownNameError, "Did you mean 'darts'"),
        ({"data": "digit"}, UnknownNameError, "Did you mean 'digits'"),
        ({"data": "/no/such/place"}, NascenceError, "nothing at /no/such/place"),
        ({"settings": ["step=1"]}, UnknownNameError, "Did you mean 'steps'"),
        ({"settings": ["steps=x"]}, SettingError, "integer"),
        ({"stepps": 1}, UnknownNameError, "stepps"),
        ({"channels": 0}, SettingError, "channels"),
        ({"threads": 0}, SettingError, "threads"),
        ({"image_size": 0}, NascenceError, "image size"),
    ],
)
def test_mistakes_are_told_before_anything_is_written(
    tmp_path: Path, options: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message) as caught:
        nascence.search(**{"method": "toy", "out": tmp_path / "run", "progress": False, **options})
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_run_is_refused_at_once_and_replaced_when_asked(search_toy: Any, tmp_path: Path) -> None:
    first = search_toy()
    with pytest.raises(RunError, match="--overwrite"):
        search_toy(data="/no/such/place")  # refused before the data are looked at
    with pytest.raises(NascenceError, match="nothing at"):
        search_toy(data="/no/such/place", overwrite=True)
    assert RunDirectory.open(tmp_path / "run").config == first.run.config
    assert search_toy(seed=5, overwrite=True).record["seed"] == 5


def test_own_data_from_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), np.uint8)
    np.savez("mine.npz", x_train=pixels, y_train=np.arange(40) % 4 + 10)
    result = nascence.search("toy", data="mine.npz", progress=False)
    assert result.run.path == Path("runs/toy-nas-bench-201-mine-s0") == default_out("toy", "nas-bench-201", "mine", 0)
    assert result.record["data"] == str(tmp_path / "mine.npz")
    assert result.record["class_names"] == ["10", "11", "12", "13"]


def test_a_search_that_cannot_begin_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="choose a smaller batch"):
        nascence.search("te-nas", out=tmp_path / "a", images=5_000, progress=False)
    assert not (tmp_path / "a").exists()


def test_a_latency_within_the_budget_is_measured_and_kept(search_toy: Any) -> None:
    result = search_toy(max_latency_ms=1e4)
    assert 0 < result.record["latency_ms"] <= 1e4
    assert result.record["latency"]["runtime"] == result.run.config["runtime"] == "onnx"
    assert "ONNX Runtime" in result.record["latency"]["device"]
    assert result.run.config["latency_table"]["runtime"] == "onnx", "a search that goes on predicts from the same"
    assert "latency_ms" not in search_toy("b", max_params=1e9).record
    other = search_toy("c", max_latency_ms=1e4, runtime="torch")
    assert other.record["latency"]["runtime"] == other.run.config["latency_table"]["runtime"] == "torch"


def test_a_run_from_before_there_was_a_choice_is_of_pytorch(search_toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = search_toy(max_params=1e9).run
    config = {name: value for name, value in run.config.items() if name != "runtime"}
    assert PreparedSearch(config, reload_task(run)).checker.model.networks.runtime.name == "torch"
    assert PreparedSearch(run.config, reload_task(run)).checker.model.networks.runtime.name == "onnx"


def test_an_unknown_runtime(search_toy: Any) -> None:
    with pytest.raises(UnknownNameError, match="Known: onnx, torch"):
        search_toy(runtime="tensorrt")
