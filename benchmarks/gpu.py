"""What a GPU gives: searches and a training on it and on the CPU, in one table, within eight minutes.

    python benchmarks/gpu.py [--device cuda] [--data cifar10] [--minutes 8] [--json FILE]
    python benchmarks/gpu.py --quick --device cpu

Rows: whole searches by TE-NAS and NASI (nas-bench-201), DrNAS's paper preset (nas-bench-201, batch 64, 32 x 32) as far
as its share of the time allows, and ten epochs of training a network of the published size (nas-bench-201, C=16, N=5,
batch 256): plain, with bf16, with channels last in memory, with torch.compile, and all together. Every row has images a
second, or seconds of a whole search, on the device and beside it on the CPU, which is timed for 15 seconds at most. A
row whose time is up is marked and counts as far as it came. ``--quick``: tiny sizes, to see that everything runs; it
says nothing about speed. Where CIFAR-10 is not there, digits stand in, at 32 x 32.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from nascence.api.inputs import data_source, load_source
from nascence.costs import Budget
from nascence.engine.compute import ON_CPU, Compute, computes_in_bf16
from nascence.errors import DataError, NascenceError
from nascence.methods import METHODS, Problem
from nascence.spaces import NetworkConfig, get_space
from nascence.tasks import Task
from nascence.training import Training, TrainingConfig

STRONG = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"  # near the best
)


@dataclass
class Row:
    """``amount`` of ``unit`` in ``seconds``; ``whole``: whether all of what was meant came to its end."""

    name: str
    amount: float
    unit: str
    seconds: float
    whole: bool

    @property
    def rate(self) -> float:
        return self.amount / self.seconds

    @property
    def said(self) -> str:
        return f"{self.rate:,.1f} images/s" if self.unit == "images" else f"{1 / self.rate:,.1f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    try:
        compute = Compute.choose(options.device)
    except NascenceError as error:
        print(f"{error} Without one: --quick --device cpu shows that everything runs.", file=sys.stderr)
        sys.exit(2)
    task = images(options.data, options.data_dir, options.quick)
    ends = time.monotonic() + 60 * options.minutes
    on_device = rows(task, compute, options.quick, lambda share: share * 60 * options.minutes)
    beside_it = f"beside it {torch.get_num_threads()} threads of a CPU"
    print(f"{compute.name}, PyTorch {torch.__version__}; data: {task.name}; {beside_it}")
    print(f"{'':44s} {'on the device':>22s} {'on the CPU':>18s} {'ratio':>7s}")
    told: list[dict[str, Any]] = []
    for name, measure, short in on_device:
        row = measure()
        beside = None
        left = ends - time.monotonic()
        if not compute.on_cpu and short is not None and left > 0:
            beside = short(min(15.0, left))
        told.append({**vars(row), "rate": row.rate, "cpu": None if beside is None else beside.rate})
        cut = "" if row.whole else " (cut)"
        ratio = "" if beside is None else f"{row.rate / beside.rate:.1f}"
        print(f"{name:44s} {row.said + cut:>22s} {'' if beside is None else beside.said:>18s} {ratio:>7s}", flush=True)
    if compute.device.type == "cuda":
        print(f"largest memory: {torch.cuda.max_memory_allocated(compute.device) / 2**30:.2f} GiB")
    if options.json is not None:
        about = {"device": compute.name, "torch": torch.__version__, "data": task.name, "rows": told}
        options.json.write_text(json.dumps(about, indent=1) + "\n")


def images(name: str, folder: Path | None, quick: bool) -> Task:
    """The data; digits brought to CIFAR-10's shape where they are not there."""
    if not quick:
        try:
            return load_source(data_source(name, folder, None))
        except DataError as error:
            print(f"{error} Digits stand in.", file=sys.stderr)
    return load_source(data_source("digits", folder, 8 if quick else 32))


Measure = Callable[[], Row]


def rows(
    task: Task, compute: Compute, quick: bool, seconds: Callable[[float], float]
) -> list[tuple[str, Measure, Callable[[float], Row] | None]]:
    """(name, on the device, on the CPU for so many seconds) of every row; ``seconds`` of a share of all the time."""
    found: list[tuple[str, Measure, Callable[[float], Row] | None]] = []

    def add(name: str, share: float, work: Callable[[Compute], tuple[Any, float, str]], own: Compute = compute) -> None:
        def beside(limit: float) -> Row:
            plain = replace(ON_CPU, threads=torch.get_num_threads())
            return timed(name, *work(plain), plain, limit)

        found.append((name, lambda: timed(name, *work(own), own, seconds(share)), beside))

    te_nas = {"repeats": 1, "images": 4, "region_patches": 20, "region_networks": 1} if quick else {"repeats": 3}
    nasi = {"steps": 2, "images": 4, "channels": 2, "depth": 1} if quick else {}
    drnas: dict[str, Any] = dict(METHODS.get("drnas").PRESETS.get("paper", {}))
    if quick:
        drnas = {"epochs": 1, "batch_size": 8, "channels": 4, "depth": 1, "train_images": 16, "valid_images": 16}
        drnas |= {"check_images": 0}
    add("TE-NAS, a whole search", 0.2, lambda c: (searching("te-nas", te_nas, task, c), 1, "search"))
    add("NASI, a whole search", 0.1, lambda c: (searching("nasi", nasi, task, c), 1, "search"))
    add("DrNAS, paper preset", 0.2, lambda c: pairs("drnas", drnas, task, c))
    epochs = 1 if quick else 10
    ways = {
        "plain": compute,
        "bf16": replace(compute, precision="bf16"),
        "channels last": replace(compute, channels_last=True),
        "compile": replace(compute, compile=True),
        "bf16, channels last, compile": replace(compute, precision="bf16", channels_last=True, compile=True),
    }

    def train(own: Compute, given: Compute) -> tuple[Any, float, str]:
        return training(task, own if given.device == own.device else given, epochs, quick), 0, "images"

    for way, own in ways.items():
        if own.precision == "bf16" and not computes_in_bf16(own.device):
            continue
        if quick and own.compile:  # a compiler takes minutes on a CPU
            continue
        add(
            f"training, {epochs} epochs, {way}",
            0.08,
            partial(train, own),
            own,
        )
    return found


def timed(name: str, work: Any, amount: float, unit: str, compute: Compute, limit: float) -> Row:
    """``work`` from its beginning to its end, or until the time is up; images are counted where ``amount`` is 0."""
    compute.synchronise()
    began = time.monotonic()
    images, done = 0, 0
    while not work.done and (done == 0 or time.monotonic() - began < limit):
        event = work.advance()
        done += 1
        images += event.get("images", 0)
    compute.synchronise()
    taken = time.monotonic() - began
    if unit == "search" and not work.done:  # what the whole would take, steps being alike
        amount = done / work.total_steps
    return Row(name, amount or images, unit, taken, bool(work.done))


def searching(method: str, settings: dict[str, Any], task: Task, compute: Compute) -> Any:
    space, size = get_space("nas-bench-201"), NetworkConfig(channels=16, depth=5)
    checker = Budget().bind(space, size, signature=task.signature, threads=1)
    task = task if compute.on_cpu else task.on(compute.device)
    made = METHODS.get(method)(**settings)
    return made.strategy(Problem(space, task, size, checker, 0, None, compute))


class Counted:
    """A work whose events say how many images they are about."""

    def __init__(self, work: Any, images: Callable[[dict[str, Any]], int]) -> None:
        self._work, self._images = work, images

    @property
    def done(self) -> bool:
        return bool(self._work.done)

    @property
    def total_steps(self) -> int:
        return int(self._work.total_steps)

    def advance(self) -> dict[str, Any]:
        event = self._work.advance()
        return {**event, "images": self._images(event)}


def pairs(method: str, settings: dict[str, Any], task: Task, compute: Compute) -> tuple[Any, float, str]:
    """A search whose steps see a batch for the weights and, after warm-up, another for the architecture."""
    work = searching(method, settings, task, compute)
    size, before = work.descent.data.batch_size, [0]

    def images(event: dict[str, Any]) -> int:
        steps = event["step"] - before[0]
        before[0] = 0 if "weights" in event else event["step"]
        return int(steps * size * (2 if "validation_loss" in event else 1))

    return Counted(work, images), 0, "images"


def training(task: Task, compute: Compute, epochs: int, quick: bool) -> Any:
    space = get_space("nas-bench-201")
    size = NetworkConfig(channels=4, depth=1) if quick else NetworkConfig(channels=16, depth=5)
    model = space.build(space.parse(STRONG), network=size, signature=task.signature, seed=0)
    batch = min(256, len(task.part("train")) // 4)
    config = TrainingConfig(epochs=epochs, batch_size=batch, learning_rate=0.1)
    work = Training(model, task, config, seed=0, compute=compute)
    return Counted(work, lambda event: len(work.part))


if __name__ == "__main__":
    main()
