from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nascence
from nascence.api import planning
from nascence.costs import CostModel
from nascence.errors import SettingError
from nascence.seeding import generator
from nascence.spaces import NetworkConfig, get_space
from nascence.tasks.base import Signature

SIZE = {"channels": 2, "depth": 1, "measure": False}


def costs(plan: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {cost["name"]: cost for cost in plan["costs"]}


def test_the_range_of_nas_bench_201_is_that_of_enumeration() -> None:
    found = nascence.plan("nas-bench-201", max_params=3000, **SIZE)
    space = get_space("nas-bench-201")
    model = CostModel(space, NetworkConfig(channels=2, depth=1), Signature.images((1, 8, 8)))
    for name in ("params", "flops"):
        every = [model.networks.count(name, one) for one in (space.sample(generator(at)) for at in range(20))]
        values = [model.cost(name, one) for one in space.enumerate()]
        assert set(every) <= set(values)
        told = costs(found)[name]
        assert (told["smallest"], told["median"], told["largest"]) == (min(values), np.median(values), max(values))
        assert told["how"] == "exact"
        assert (told["batch"], told["device"]) == (1, "any device")
    share = np.mean([model.params(one) <= 3000 for one in space.enumerate()])
    assert found["budget"]["possible"]
    assert found["budget"]["share"] == pytest.approx(share)
    assert found["search"] is None
    assert found["size"] == 15625


def test_the_bounds_of_darts_hold_on_a_thousand_architectures() -> None:
    space = get_space("darts")
    plan = nascence.plan("darts", **{**SIZE, "depth": 3})
    found, network = costs(plan), plan["network"]
    assert network["depth"] == 3
    model = CostModel(space, NetworkConfig(**network), Signature.images((1, 8, 8)))
    for name in ("params", "flops"):
        values = [model.cost(name, space.sample(generator(at, "bounds"))) for at in range(1000)]
        assert found[name]["smallest"] <= min(values)
        assert max(values) <= found[name]["largest"]
        assert found[name]["median"] == pytest.approx(np.median(values), rel=0.05)
        assert "100,000 random" in found[name]["how"]


def test_memory_is_traced_on_a_few() -> None:
    memory = costs(nascence.plan("nas-bench-macro", channels=2, measure=False))["memory-mib"]
    assert 0 < memory["smallest"] <= memory["median"] <= memory["largest"]
    assert memory["unit"] == "MiB"
    assert "random" in memory["how"]


def test_a_budget_that_cannot_be_met() -> None:
    told = nascence.plan("nas-bench-201", max_params=100, **SIZE)["budget"]
    assert not told["possible"]
    assert told["share"] == 0
    assert "reachable: parameters from" in told["why"]


def test_a_share_too_small_to_be_drawn() -> None:
    size = {**SIZE, "depth": 3}
    plain = costs(nascence.plan("darts", **size))
    told = nascence.plan("darts", max_params=plain["params"]["smallest"], **size)["budget"]
    assert told["possible"]
    assert told["share_below"]
    assert told["share"] == pytest.approx(3 / 100_000)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, the first step of the search ends in time."""
    monkeypatch.setattr(planning, "SEARCH_SECONDS", 250.0)


def test_how_long_a_search_takes(patient: None) -> None:
    found = nascence.plan(method="random", channels=2, depth=1, threads=1)
    assert found["search"]["method"] == "random"
    assert (found["search"]["steps"], found["search"]["timed"]) == (1, 1)
    assert found["search"]["seconds"] > 0
    assert found["threads"] == 1
    latency = costs(found)["latency-ms"]
    assert 0 < latency["smallest"] <= latency["median"] <= latency["largest"]


def test_without_measuring_a_limit_of_latency_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nascence.costs.networks.take_turns", lambda *_, **__: pytest.fail("measured"))
    told = nascence.plan(max_latency_ms=5, **SIZE)
    assert told["budget"]["possible"] is None
    assert told["budget"]["share"] is None
    assert "--no-measure" in told["budget"]["why"]
    assert told["budget"]["limits"] == {"latency_ms": 5}
    assert told["latency"] is told["search"] is None
    assert "latency-ms" not in costs(told)
    both = nascence.plan(max_latency_ms=5, max_params=3, **SIZE)["budget"]
    assert both["possible"] is False, "the parameters are enough to say so"


def test_the_search_sees_the_latencies_that_the_plan_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def steps(config: dict[str, Any], seconds: float) -> tuple[int, None, list[float]]:
        seen.append(config)
        return 3, None, [1.0]

    monkeypatch.setattr(planning, "time_steps", steps)
    for runtime, title in (("torch", "PyTorch"), (None, "ONNX Runtime")):
        found = nascence.plan(max_latency_ms=1e4, channels=2, depth=1, threads=1, runtime=runtime)
        assert found["budget"]["possible"]
        latency = costs(found)["latency-ms"]
        assert latency["how"] == f"predicted from parts that were measured in {title}"
        assert (seen[-1]["runtime"], found["latency"]["runtime"]) == (runtime or "onnx",) * 2
        assert seen[-1]["latency_table"]["runtime"] == (runtime or "onnx")


def test_what_is_said_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "time_steps", lambda config, seconds: (40, None, [1.0, 3.0]))
    assert planning._search({"method": "x"})["seconds"] == 80
    monkeypatch.setattr(planning, "time_steps", lambda config, seconds: (40, 7.0, []))
    assert planning._search({"method": "x"})["seconds"] == 7
    monkeypatch.setattr(planning, "time_steps", lambda config, seconds: (40, None, []))
    assert "the first of its 40 steps takes longer than 20 s" in planning._search({"method": "x"})["why"]
    monkeypatch.setattr(planning, "time_steps", lambda config, seconds: (0, None, []))
    assert "longer than the 20 s that plan waits" in planning._search({"method": "x"})["why"]


def test_a_method_that_cannot_work_there_is_no_mistake(patient: None) -> None:
    found = nascence.plan("nas-bench-macro", method="nasi", channels=2, threads=1)
    assert found["search"]["seconds"] is None
    assert found["search"]["fails"]
    assert found["search"]["why"].startswith("nasi "), "the sentence of the search, without a class name"
    assert "cells" in found["search"]["why"]


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="two objectives"):
        nascence.plan(method="evolution", objectives="error", measure=False)
    with pytest.raises(SettingError, match="Cannot read"):
        nascence.plan(latency_table=tmp_path / "none.json", measure=False)
