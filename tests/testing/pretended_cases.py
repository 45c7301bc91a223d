"""Searches, scores and trainings on a pretended device; run by test_pretended.py in a process of its own, since a
process that has had the device keeps it. Prints a JSON object: what went wrong by case, empty where nothing did."""

from __future__ import annotations

import json
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from functools import partial
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
from nascence.methods import METHODS, Problem
from nascence.scores import SCORES, Probe
from nascence.spaces import NetworkConfig, get_space
from nascence.strategies.descent.game import Turn
from nascence.tasks import load_task
from nascence.testing import toy_space, toy_widths
from nascence.testing.pretended import misplaced, pretended_device, waits
from nascence.testing.toy_denoising import ToyDenoising, toy_denoiser_space
from nascence.testing.toy_graph import toy_graph_space, toy_graph_task
from nascence.training import Training, TrainingConfig

FEW: dict = {"epochs": 1, "warmup_epochs": 0, "check_images": 0}
IMAGES: dict = {**FEW, "batch_size": 128}
DEEP = {"channels": 2, "depth": 3, "kl_anchor": 0.1, "beta_decay": 0.1}
WAITS: dict[str, tuple[int, str, Callable, Callable, dict]] = {
    "darts": (1, "darts", toy_space, partial(load_task, "digits"), IMAGES),
    "gdas": (1, "gdas", toy_space, partial(load_task, "digits"), IMAGES),
    "msg-das": (2, "msg-das", toy_space, partial(load_task, "digits"), {**IMAGES, "sub_graphs": 2}),
    "drnas on darts": (2, "drnas", lambda: get_space("darts"), partial(load_task, "digits"), {**IMAGES, **DEEP}),
    "dmasking": (
        2,
        "dmasking",
        toy_widths,
        partial(load_task, "digits"),
        {**IMAGES, "draws": "hard", "alternate": "step"},
    ),
    "graph": (1, "darts", toy_graph_space, toy_graph_task, FEW),
    "pictures": (1, "gdas", toy_denoiser_space, ToyDenoising.make, {**FEW, "batch_size": 4}),
}
"""(how often, method, space, task, settings): steps of weights and architecture, one after the other."""
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


def waited(name: str, device: torch.device) -> list[str]:
    """What makes a step of a search wait, when all is prepared that is prepared once."""
    _, kind, space_of, task_of, settings = WAITS[name]
    space, task, method = space_of(), task_of(), METHODS.get(kind)(**settings)
    size = space.networks["search-small" if "search-small" in space.networks else "evaluation"]
    checker = Budget().bind(space, size, signature=task.signature, threads=1)
    strategy = method.strategy(Problem(space, task.on(device), size, checker, 1, compute=Compute(device=device)))
    turns = [Turn(chunk.epoch, 0, chunk.steps) for chunk in strategy._plan if not chunk.epoch.moment.frozen]
    strategy.supernet.train()
    for _ in range(2):
        with waits() as found:
            strategy._step(turns[0])
    return found


def steps_of_search(name: str, device: torch.device) -> None:
    """A step of weights and one of the architecture wait for the gradients of mixing weights, which the relaxation
    needs on the CPU, and for no more; terms of the loss that are computed on the CPU have a gradient of their own."""
    found = waited(name, device)
    assert found == ["to the CPU"] * WAITS[name][0], found


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


def steps_of_training(device: torch.device) -> None:
    """An epoch of twice as many batches waits no oftener."""
    space, task = toy_space(), load_source(data_source("digits", None, None), remarks=False)
    counts = []
    for batch_size in (480, 240):
        architecture = space.parse("nor_conv_3x3,skip_connect,nor_conv_1x1")
        model = space.build(architecture, network=NetworkConfig(channels=2, depth=1), signature=task.signature, seed=0)
        config = TrainingConfig(epochs=2, batch_size=batch_size, learning_rate=0.1, cutout=3, label_smoothing=0.1)
        training = Training(model, task, config, seed=0, compute=Compute(device=device))
        training._train_epoch()
        with waits() as found:
            training._train_epoch()
        counts.append(found)
    assert len(counts[0]) == len(counts[1]) <= 4, counts


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
    y, mask = x + 1, x[0] > 0
    waiting: list[Callable[[], object]] = [
        lambda: float(y.sum()),
        lambda: bool(y.any()),
        lambda: y.tolist(),
        lambda: y.cpu().numpy(),
        lambda: y[0][mask],
        lambda: y[[0]],
        lambda: torch.ones(3).to(device),
        lambda: mask.nonzero(),
        lambda: torch.bincount(torch.ones(3, dtype=torch.int64, device=device)),
    ]
    for number, call in enumerate(waiting):
        with waits() as found_waits:
            call()
        assert found_waits, f"wait number {number} was not noticed"
    with waits() as found_waits:
        (y * 2).to(device)[0].sum() + torch.ones(3, device=device).to(device, non_blocking=True)
        torch.ones(3).to(device, non_blocking=True)
    assert found_waits == []
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
        cases["steps of a training"] = lambda: steps_of_training(device)
        cases |= {f"steps of {name}": lambda name=name: steps_of_search(name, device) for name in WAITS}  # type: ignore[misc]
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
