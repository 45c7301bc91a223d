"""Fabricated runs, with the files and formats of real ones."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nascence.spaces import get_space

sys.path.insert(0, str(Path(__file__).parent))  # for trees.py

NAMES = ["cat", "<script>alert(1)</script>", "quote\" & tick'", "ü"]
Fabricate = Callable[..., Path]


def write_lines(path: Path, events: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(event) + "\n" for event in events))


def te_nas_events() -> list[dict[str, Any]]:
    left = {"1<-0": ["skip_connect", "nor_conv_3x3"], "2<-1": ["nor_conv_1x1"]}
    first = {"round": 0, "draw": 0, "candidates": 30, "ntk-condition": 210.5, "linear-regions": 900.0}
    second = {"round": 0, "draw": 1, "candidates": 30, "ntk-condition": None, "linear-regions": 950.0}
    removed = ["cell 1<-0 none", "cell 2<-1 none", "cell 2<-1 avg_pool_3x3", "cell 2<-1 skip_connect"]
    return [first, {**second, "removed": removed, "remaining": {"cell": left}}]


@pytest.fixture
def fabricate(tmp_path: Path) -> Fabricate:
    """``fabricate(training=True)``: a run directory with the parts asked for."""

    def build(
        space: str = "nas-bench-201",
        *,
        events: list[dict[str, Any]] | None = None,
        training: bool = False,
        exports: bool = False,
        table: bool = False,
        cloud: bool = False,
        names: list[str] | None = None,
        data: str = "digits",
    ) -> Path:
        path = tmp_path / "a <run>"
        path.mkdir(exist_ok=True)
        names = NAMES if names is None else names
        found = get_space(space)
        architecture = found.sample(torch.Generator().manual_seed(1))
        network = {"channels": 4, "depth": 3 if space == "darts" else 1}
        task = {"class_names": names, "input_shape": [1, 8, 8], "train_images": 1000, "test_images": 200}
        config = {
            "format": 1,
            "nascence": "0.1.0",
            "python": "3.11.7",
            "torch": "2.13.0",
            "kind": "search",
            "method": "te-nas",
            "settings": {"repeats": 3, "prune": None},
            "space": space,
            "data": data,
            "data_dir": str(tmp_path / "nothing"),
            "image_size": None,
            "seed": 7,
            "budget": {"max_params": 1000000.0, "max_flops": None},
            "network": network,
            "threads": 1,
            "task": task,
        }
        record = {
            **architecture.to_dict(),
            **{name: config[name] for name in ("method", "seed", "data", "network")},
            "params": 12345,
            "flops": 2900000,
            "input_shape": task["input_shape"],
            "class_names": names,
            "search_seconds": 84.2,
        }
        if table:
            values = {"cifar10_test_acc_200ep": 92.77}
            record["table"] = {"source": "a table", "note": "for evaluation only", "values": values}
        write_lines(path / "events.jsonl", te_nas_events() if events is None else events)
        if training:
            config["training"] = {"preset": None, "seed": 7, "settings": {"epochs": 3, "augment": True}}
            curve = [math.exp(-epoch) for epoch in range(3)]
            both = [
                {"epoch": at + 1, "train_loss": y, "test_loss": y + 0.1, "test_accuracy": 90 - 50 * y, "seconds": 1.0}
                for at, y in enumerate(curve)
            ]
            write_lines(path / "training.jsonl", both)
            confusion = [[50 if i == j else 0 for j in range(len(names))] for i in range(len(names))]
            confusion[0][1], confusion[0][0] = 9, 41
            confusion[2][0], confusion[2][2] = 3, 47
            metrics = {"accuracy": 94.0, "loss": 0.2, "confusion": confusion, "class_names": names}
            metrics |= {"test_images": 200, "epochs": 3, "seconds": 3.2}
            (path / "metrics.json").write_text(json.dumps(metrics))
        if exports:
            latency = {"runtime": "ONNX Runtime", "batch_size": 1, "threads": 1, "milliseconds": 0.1449}
            entry = {"format": "onnx", "path": "model.onnx", "batch_sizes": [1, 2], "max_difference": 2.9e-6}
            entry |= {"output_scale": 7.5, "latencies": [latency, {**latency, "runtime": "PyTorch", "threads": 0}]}
            (path / "exports.json").write_text(json.dumps({"onnx": entry}))
        if cloud:
            point = {"architecture": "|x~0|", "params": 5000, "flops": 100000, "scores": {"ntk-condition": 9.0}}
            points = [{**point, "params": 5000 + 100 * at} for at in range(10)]
            shown = {"seed": 7, "draws": 2, "found": {**point, "params": 5550, "flops": 120000}, "points": points}
            (path / "random_cloud.json").write_text(json.dumps(shown))
        (path / "config.json").write_text(json.dumps(config))
        (path / "architecture.json").write_text(json.dumps(record))
        return path

    return build
