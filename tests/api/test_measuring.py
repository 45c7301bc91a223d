from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import nascence
from nascence.costs import CostModel, LatencyTable
from nascence.errors import ArchitectureError, RunError
from nascence.reading import read_json
from nascence.spaces import NetworkConfig, get_space
from nascence.tasks.base import Signature

CELL = "|nor_conv_1x1~0|+|skip_connect~0|none~1|+|skip_connect~0|none~1|nor_conv_1x1~2|"
SIZE: dict[str, Any] = {"channels": 2, "depth": 1}


def test_every_cost_of_a_network() -> None:
    found = nascence.measure(CELL, repeats=4, warm_up=1, **SIZE)
    assert found["architecture"] == CELL
    assert found["input_shape"] == [1, 8, 8]
    costs = {cost["name"]: cost for cost in found["costs"]}
    assert list(costs) == ["params", "flops", "memory-mib", "latency-ms, PyTorch", "latency-ms, ONNX Runtime"]
    assert all(cost["value"] > 0 and cost["unit"] and cost["batch"] == 1 and cost["device"] for cost in costs.values())
    space = get_space("nas-bench-201")
    model = CostModel(space, NetworkConfig(**SIZE), Signature.images((1, 8, 8)))
    for name in ("params", "flops"):
        assert costs[name]["value"] == model.networks.count(name, space.parse(CELL))
    for runtime in ("PyTorch", "ONNX Runtime"):
        latency = costs[f"latency-ms, {runtime}"]
        assert (latency["repeats"], latency["warm_up"], latency["threads"]) == (4, 1, 1)
        assert latency["iqr_ms"] >= 0
        assert runtime in latency["device"]


def test_a_run_is_measured_too(search_toy: Any) -> None:
    run = search_toy("a").run
    found = nascence.measure(run.path, onnx=False, repeats=2, **SIZE)
    assert found["architecture"] == run.read_json("architecture.json")["architecture"]
    assert len(found["costs"]) == 4
    with pytest.raises(ArchitectureError):
        nascence.measure("no architecture")


def test_a_run_says_what_is_measured(colours: Any, search_toy: Any, capsys: pytest.CaptureFixture[str]) -> None:
    path = colours(12)
    run = search_toy("a", data=str(path), channels=3).run
    path.unlink()  # the shape is known without the data
    capsys.readouterr()
    record = run.read_json("architecture.json")
    alone = run.path.parent / "alone.json"
    alone.write_text(json.dumps(record))
    for target in (run.path, run, run.path / "architecture.json", alone):
        found = nascence.measure(target, onnx=False, repeats=1, warm_up=0)
        costs = {cost["name"]: cost["value"] for cost in found["costs"]}
        assert (costs["params"], costs["flops"]) == (record["params"], record["flops"])
        assert (found["input_shape"], found["classes"]) == ([3, 12, 12], 3)
        assert found["network"] == run.config["network"]
        assert found["data"] == str(path)
    assert capsys.readouterr().err == ""
    wider = nascence.measure(run.path, channels=6, onnx=False, repeats=1, warm_up=0)
    assert wider["network"] == {**run.config["network"], "channels": 6}
    assert nascence.measure(run.path, data="digits", onnx=False, repeats=1, warm_up=0)["input_shape"] == [1, 8, 8]
    nascence.measure(nascence.Architecture.load(alone), onnx=False, repeats=1, warm_up=0)
    assert "digits is assumed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("task", {}),
        ("task", {"input_shape": [3, 12], "class_names": ["a", "b"]}),
        ("task", {"input_shape": [3, 12, 10**9], "class_names": ["a", "b"]}),
        ("task", {"input_shape": [3, 12, True], "class_names": ["a", "b"]}),
        ("task", [1]),
        ("network", {"channels": "many"}),
        ("network", [1]),
    ],
)
def test_a_damaged_record_is_named(search_toy: Any, entry: str, value: Any) -> None:
    run = search_toy("a").run
    run.update_config(**{entry: value})
    with pytest.raises(RunError, match=r"config\.json is damaged"):
        nascence.measure(run.path, onnx=False)


def test_a_table_serves_searches_and_plans(tmp_path: Path, search_toy: Any) -> None:
    path = tmp_path / "tables" / "latency.json"
    table = nascence.measure_table(path, checks=2, **SIZE)
    assert LatencyTable.load(path) == table
    with pytest.raises(RunError, match="--overwrite"):
        nascence.measure_table(path, checks=2, **SIZE)
    assert nascence.measure_table(path, checks=1, overwrite=True, **SIZE).checked == 1
    found = search_toy("a", latency_table=path, threads=1)
    assert found.run.config["latency_table"] == read_json(path)
    path.unlink()
    assert nascence.resume(found.run.path) == []


def test_a_plan_looks_latencies_up(tmp_path: Path) -> None:
    nascence.measure_table(tmp_path / "t.json", checks=1, **SIZE)
    found = nascence.plan(latency_table=tmp_path / "t.json", measure=False, threads=1, max_latency_ms=1e4, **SIZE)
    latency = next(cost for cost in found["costs"] if cost["name"] == "latency-ms")
    assert "looked up" in latency["how"]
    assert found["budget"]["share"] == 1
