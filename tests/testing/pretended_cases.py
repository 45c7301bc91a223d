"""Searches, scores and trainings on a pretended device; run by test_pretended.py in a process of its own, since a
process that has had the device keeps it. Prints a JSON object: what went wrong by case, empty where nothing did."""

from __future__ import annotations

import json
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy
import torch
from PIL import Image
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1] / "goldens"))

from golden_cases import CASES
from golden_records import _options

import nascence
from nascence.api import attacking, predicting
from nascence.api.inputs import data_source, load_source, network_size
from nascence.api.searching import method_of
from nascence.benchmarks.selections import Selection
from nascence.benchmarks.streaming import ScoreStream
from nascence.costs import Budget
from nascence.engine.compute import Compute
from nascence.methods import Problem
from nascence.scores import SCORES, Probe
from nascence.spaces import NetworkConfig, get_space
from nascence.testing import toy_space
from nascence.testing.pretended import misplaced, pretended_device
from nascence.training import Training, TrainingConfig

SEARCHES = [n for n in sys.argv[1].split(",") if n]
STEPS = 2


def searched(name: str, device: torch.device) -> None:
    case = CASES[name]
    with tempfile.TemporaryDirectory() as folder:
        options = _options(case, Path(folder))
        _, method = method_of(case.method, options.pop("settings"), {}, None, options.pop("preset"), case.space)
        own = {"task": options.pop("task", None), "task_settings": options.pop("task_settings", ())}
        task = load_source(data_source(str(options.pop("data", "digits")), folder, None, **own), remarks=False)
        space = get_space(case.space)
        size = network_size(space, task, options.pop("channels", None), options.pop("depth", None))
        checker = Budget(**options).bind(space, size, signature=task.signature, threads=1)
        compute = Compute(device=device)
        strategy = method.strategy(Problem(space, task.on(device), size, checker, 0, folder, compute))
        for _ in range(min(STEPS, strategy.total_steps)):
            strategy.advance()
        strategy.load_state_dict(strategy.state_dict())


def scored(name: str, device: torch.device) -> None:
    task = load_source(data_source("digits", None, None), remarks=False)
    space = get_space("nas-bench-201" if name == "linear-regions" else "toy")  # which has no such network
    cell = {"nas-bench-201": "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|skip_connect~2|"}
    architecture = space.parse(cell.get(space.name, "nor_conv_3x3,skip_connect,nor_conv_1x1"))
    size = NetworkConfig(channels=4, depth=1)
    values = [
        SCORES.get(name)()(Probe(space, architecture, data, 0, 0, size, compute))
        for data, compute in ((task.on(device), Compute(device=device)), (task, Compute()))
    ]
    if name == "gradsign":  # of gradients that are zero but for rounding
        values[1] = values[0]
    assert abs(values[0] - values[1]) <= 1e-4 * (1 + abs(values[1])), f"{values[0]} is not {values[1]} of the CPU"


def trained(device: torch.device) -> None:
    space, task = toy_space(), load_source(data_source("digits", None, None), remarks=False)
    architecture = space.parse("nor_conv_3x3,skip_connect,nor_conv_1x1")
    events = []
    for compute in (Compute(device=device), Compute()):
        model = space.build(architecture, network=NetworkConfig(channels=2, depth=1), signature=task.signature, seed=0)
        config = TrainingConfig(epochs=1, batch_size=480, learning_rate=0.1, cutout=3)
        training = Training(model, task, config, seed=0, compute=compute)
        events.append(training.advance())
        training.load_state_dict(training.state_dict())
        x_BCHW = task.test.images[:3].float()
        assert model.eval()(x_BCHW.to(compute.device)).device.type == compute.device.type
    for key in ("train_loss", "test_loss", "test_accuracy"):
        assert abs(events[0][key] - events[1][key]) < 1e-4, f"{key}: {events[0][key]} is not {events[1][key]}"


def used(device: torch.device) -> None:
    """What a trained network is asked and attacked for, and scores of many, are those of the CPU."""
    cell = "nor_conv_3x3,skip_connect,nor_conv_1x1"
    space = toy_space()
    found: list[list[object]] = []
    with tempfile.TemporaryDirectory() as folder:
        size: dict = {"data": "digits", "channels": 2, "depth": 1, "epochs": 1, "out": f"{folder}/t", "progress": False}
        run = nascence.train(cell, space=space.name, **size).run
        picture = Path(folder) / "a.png"
        Image.fromarray(numpy.arange(64, dtype=numpy.uint8).reshape(8, 8)).save(picture)
        task = load_source(data_source("digits", None, None), remarks=False)
        for compute in (Compute(device=device), Compute()):
            for module in (attacking, predicting):
                module.chosen = lambda device, compute=compute: compute  # type: ignore[attr-defined]
            attacked = nascence.attack(run, "pgd,apgd", images=30, steps=2, progress=False)
            told = nascence.predict(run, [picture]).columns
            stream = ScoreStream(
                space=space,
                selection=Selection.given([space.parse(cell)]),
                scores=[SCORES.get("synflow")()],
                load=lambda: task,
                evaluation=NetworkConfig(channels=2, depth=1),
                compute=lambda compute=compute: compute,
            )
            scores = stream.run().columns["synflow"].tolist()
            found.append([attacked["attacks"], attacked["masking"], told, scores])
    assert found[0] == found[1]


def planted(device: torch.device) -> None:
    """Mistakes are found: a tensor, a buffer and a generator of the CPU, and values that NumPy cannot read."""
    x = torch.ones(2, 3, device=device)
    wrong: list[Callable[[], object]] = [
        lambda: x + torch.ones(3),
        lambda: nn.Linear(3, 4)(x),
        lambda: nn.Linear(3, 4).to(device)(torch.ones(2, 3)),
        lambda: torch.cat([x, torch.zeros(2, 3)]),
        lambda: x[torch.tensor([0])],
        lambda: torch.rand(3, generator=torch.Generator(), device=device),
        lambda: x.numpy(),
    ]
    found = [misplaced(call) for call in wrong]
    assert all(found), f"not found: {[number for number, told in enumerate(found) if not told]}"
    right: list[Callable[[], object]] = [lambda: x + 1, lambda: x * torch.tensor(2.0), lambda: x.cpu().numpy()]
    assert not any(misplaced(call) for call in right)
    layer = nn.Linear(3, 4).to(device)
    layer(x).sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.device == device == layer.weight.device
    assert layer.weight.grad.tolist() == [[2.0] * 3] * 4


def main() -> None:
    torch.set_num_threads(1)
    toy_space()
    told: dict[str, str] = {}
    with pretended_device() as device:
        cases: dict[str, Callable[[], None]] = {"planted": lambda: planted(device), "training": lambda: trained(device)}
        cases["use"] = lambda: used(device)
        cases |= {f"search {name}": lambda name=name: searched(name, device) for name in SEARCHES}  # type: ignore[misc]
        cases |= {f"score {name}": lambda name=name: scored(name, device) for name in SCORES.names()}  # type: ignore[misc]
        for name, case in cases.items():
            began = time.process_time()
            try:
                case()
                told[name] = ""
            except Exception:  # noqa: BLE001 - told by the test
                told[name] = traceback.format_exc()
            print(f"{time.process_time() - began:5.2f} s {name}", file=sys.stderr)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
