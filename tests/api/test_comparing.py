from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import nascence
from nascence.benchmarks import compare as comparisons
from nascence.engine.pool import Inline, WorkerPool
from nascence.errors import BudgetError, NascenceError, RunError, SettingError, UnknownNameError
from nascence.runs import RunDirectory
from nascence.spaces.own import known

SIZE = {"channels": 2, "depth": 1}


def rows(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in result["rows"]}


def test_a_comparison_searches_and_continues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = nascence.compare(["toy"], seeds=2, out=tmp_path / "c", **SIZE)
    found = rows(result)
    assert list(found) == ["toy", "random-architectures", "largest"]
    assert len(found["toy"]["architectures"]) == 2
    assert (tmp_path / "c" / "comparison.json").is_file()
    run = RunDirectory.open(tmp_path / "c" / "toy" / "seed-1")
    assert run.config["seed"] == 1
    assert found["toy"]["architectures"][1] == run.read_json("architecture.json")["architecture"]
    alone = nascence.search("toy", seed=1, out=tmp_path / "alone", progress=False, **SIZE)
    assert str(alone.architecture) == found["toy"]["architectures"][1]
    again = nascence.compare(["toy"], seeds=2, out=tmp_path / "c", **SIZE)
    assert again == result


def test_progress_names_the_method_and_the_seed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nascence.compare(["toy"], seeds=[0, 4], out=tmp_path / "c", epochs=1, **SIZE)
    lines = capsys.readouterr().err.splitlines()
    names = {line.partition(": ")[0] for line in lines}
    searches = {f"toy, seed {seed}" for seed in (0, 4)}
    trained = ("toy", "random-architectures", "largest", "plain-resnet")
    assert names == searches | {f"{name}, seed {seed}, training" for name in trained for seed in (0, 4)}


def test_a_comparison_that_trains(tmp_path: Path) -> None:
    found = rows(nascence.compare(["toy"], seeds=[3], out=tmp_path / "c", epochs=1, **SIZE))
    assert list(found)[-1] == "plain-resnet"
    for name, row in found.items():
        (accuracy,) = row["values"]["test_accuracy"]
        assert 0 <= accuracy <= 100, name
    trained = RunDirectory.open(tmp_path / "c" / "toy" / "seed-3")
    assert trained.read_json("metrics.json")["accuracy"] == found["toy"]["values"]["test_accuracy"][0]


def test_a_stopped_entry_is_resumed(tmp_path: Path) -> None:
    whole = nascence.compare(["toy"], seeds=1, out=tmp_path / "c", epochs=1, **SIZE)
    for name in ("toy", "random-architectures", "plain-resnet"):
        folder = tmp_path / "c" / name / "seed-0"
        (folder / "entry.json").unlink()
        for result in ("metrics.json", "architecture.json"):
            (folder / result).unlink(missing_ok=True)
    again = nascence.compare(["toy"], seeds=1, out=tmp_path / "c", epochs=1, **SIZE)
    for name, row in rows(again).items():
        assert row["architectures"] == rows(whole)[name]["architectures"]
        assert row["values"]["test_accuracy"] == rows(whole)[name]["values"]["test_accuracy"]


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"methods": ["toyy"]}, UnknownNameError, "toy"),
        ({"methods": []}, SettingError, "at least one method"),
        ({"seeds": 0}, SettingError, "one seed"),
        ({"columns": ["a"]}, SettingError, "no table"),
        ({"epochs": -1}, SettingError, "at least 0"),
        ({"max_params": -1}, SettingError, "positive"),
        ({"max_params": 1}, BudgetError, "reachable"),
        ({"device": "cuda:99"}, SettingError, "There is no GPU"),
        ({"device": "gpu"}, UnknownNameError, "cuda:N"),
        ({"precision": "fp16"}, UnknownNameError, "bf16"),
        ({"methods": ["te-nas"], "space": "nas-bench-201", "precision": "bf16"}, SettingError, "fp32 alone"),
        ({"space": "dartz"}, UnknownNameError, "darts"),
    ],
)
def test_mistakes(tmp_path: Path, options: dict[str, Any], kind: type[NascenceError], message: str) -> None:
    with pytest.raises(kind, match=message):
        nascence.compare(**{"methods": ["toy"], "seeds": 1, "out": tmp_path / "c", **SIZE, **options})
    assert not (tmp_path / "c").exists()


def test_another_comparison_in_the_same_place(tmp_path: Path) -> None:
    nascence.compare(["toy"], seeds=1, out=tmp_path / "c", **SIZE)
    with pytest.raises(RunError, match="other settings"):
        nascence.compare(["toy"], seeds=1, out=tmp_path / "c", max_params=1e6, **SIZE)


def test_precision_reaches_the_trainings_and_belongs_to_the_comparison(tmp_path: Path) -> None:
    options: dict[str, Any] = {"seeds": 1, "out": tmp_path / "c", "epochs": 1, **SIZE}
    nascence.compare(["toy"], precision="bf16", **options)
    for name in ("toy", "random-architectures"):
        config = RunDirectory.open(tmp_path / "c" / name / "seed-0").config
        assert config["training"]["compute"]["precision"] == "bf16"
    assert "compute" not in RunDirectory.open(tmp_path / "c" / "toy" / "seed-0").config, "it has nothing to compute"
    assert RunDirectory.open(tmp_path / "c" / "plain-resnet" / "seed-0").config["compute"]["precision"] == "bf16"
    (tmp_path / "c" / "toy" / "seed-0" / "entry.json").unlink()
    nascence.compare(["toy"], precision="bf16", **options)
    with pytest.raises(RunError, match="other settings"):
        nascence.compare(["toy"], **options)


def test_what_is_usual_is_not_kept_as_before_there_was_a_choice(tmp_path: Path) -> None:
    nascence.compare(["toy"], seeds=1, out=tmp_path / "c", **SIZE)
    assert "compute" not in (tmp_path / "c" / "plan.json").read_text()
    nascence.compare(["toy"], seeds=1, out=tmp_path / "c", device="cpu", precision="fp32", **SIZE)


def test_workers_take_the_gpus_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On GPUs that are not there; what is searched computes nothing on them."""
    asked: list[tuple[int, int]] = []

    def processes(workers: int, gpus: int = 0) -> WorkerPool:
        asked.append((workers, gpus))
        return Inline()

    monkeypatch.setattr(comparisons, "LocalProcesses", processes)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for at, device in enumerate(("cuda", "cuda:1", "cpu")):
        nascence.compare(["toy"], seeds=2, out=tmp_path / str(at), workers=2, device=device, **SIZE)
    assert asked == [(2, 2), (2, 0), (2, 0)]


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


def test_one_s_own_network(tmp_path: Path, mynet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {"model": f"{mynet}:build", "seeds": 2, "out": tmp_path / "c", "max_params": 120}
    result = nascence.compare(["random"], **options)
    found = rows(result)
    assert list(found) == ["random", "random-architectures", "largest", "same-width"]
    assert all(value <= 120 for row in found.values() for value in row["values"]["params"])
    (same,) = found["same-width"]["values"]["params"]
    assert same == (9 + 1 + 2) * 5 + 6 * 10, "five of eight channels"
    assert result["settings"]["model"] == "mynet.py:build"
    monkeypatch.setattr(known, "_known", {})
    run = RunDirectory.open(tmp_path / "c" / "random" / "seed-1")
    assert run.config["model"] == "mynet.py:build"
    alone = nascence.search("random", model=mynet, seed=1, max_params=120, out=tmp_path / "alone", progress=False)
    assert str(alone.architecture) == found["random"]["architectures"][1]
    (tmp_path / "c" / "random" / "seed-1" / "entry.json").unlink()
    assert rows(nascence.compare(["random"], **options)).keys() == found.keys()


def test_another_network_is_another_comparison(tmp_path: Path, mynet: Path) -> None:
    nascence.compare(["random"], model=mynet, seeds=1, out=tmp_path / "c")
    kept = (tmp_path / "c" / known.GRAPH).read_bytes()
    mynet.write_text(NETWORK.replace("8", "9"))
    with pytest.raises(RunError, match="other settings"):
        nascence.compare(["random"], model=mynet, seeds=1, out=tmp_path / "c")
    assert (tmp_path / "c" / known.GRAPH).read_bytes() == kept


def test_without_a_budget_no_width_stands_beside_the_whole_network(tmp_path: Path, mynet: Path) -> None:
    found = rows(nascence.compare(["random"], model=mynet, seeds=1, out=tmp_path / "c"))
    assert list(found) == ["random", "random-architectures", "largest"]
    (whole,) = found["largest"]["architectures"]
    assert whole == "1"


def test_trainings_go_on_from_the_network_s_weights(tmp_path: Path, mynet: Path) -> None:
    found = rows(nascence.compare(["random"], model=mynet, seeds=1, epochs=1, max_params=120, out=tmp_path / "c"))
    for name in ("random", "random-architectures", "same-width", "plain-resnet"):
        assert len(found[name]["values"]["test_accuracy"]) == 1
    trained = RunDirectory.open(tmp_path / "c" / "same-width" / "seed-0")
    assert (trained.path / known.SOURCE).read_text() == NETWORK
    assert trained.config["space"] == RunDirectory.open(tmp_path / "c" / "random" / "seed-0").config["space"]


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"space": "darts"}, SettingError, "leave --space darts out"),
        ({"max_params": 5}, BudgetError, "reachable"),
        ({"methods": ["te-nas"]}, SettingError, "te-nas|cells"),
        ({"model": None, "weights": "absent.pt"}, SettingError, "--model"),
        ({"channels": 8}, SettingError, "one size"),
        ({"model": "absent.py"}, SettingError, "Cannot read absent.py"),
    ],
)
def test_mistakes_with_one_s_own_network(
    tmp_path: Path, mynet: Path, options: dict[str, Any], kind: type[NascenceError], message: str
) -> None:
    with pytest.raises(kind, match=message):
        nascence.compare(**{"methods": ["random"], "seeds": 1, "out": tmp_path / "c", "model": mynet, **options})
    assert not (tmp_path / "c").exists()


class Branching(torch.nn.Module):
    """Cannot be traced, as it asks for a shape."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if x.shape[0] >= 0 else -x


def test_a_module_that_only_its_file_can_make_stays_in_this_process(tmp_path: Path) -> None:
    head = torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(8, 10)
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 8, 3), torch.nn.Conv2d(8, 8, 3), Branching(), *head)
    with pytest.raises(SettingError, match=r"2 could not be traced.*leave --workers out"):
        nascence.compare(["random"], model=network, seeds=2, workers=2, out=tmp_path / "c")
    assert not (tmp_path / "c").exists()
    found = rows(nascence.compare(["random"], model=network, seeds=2, out=tmp_path / "c"))
    assert len(found["random"]["architectures"]) == 2
