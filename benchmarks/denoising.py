"""What mod-nas finds for denoising, beside a plain residual network and random architectures of the same budget.

    python benchmarks/denoising.py plain --seeds 3
    python benchmarks/denoising.py random --seeds 3
    python benchmarks/denoising.py found --seeds 3
    python benchmarks/denoising.py cost --weights 1e-5,1e-4,1e-3,1e-2
    python benchmarks/denoising.py guided --seeds 3

Noise of level 25 on Train400; PSNR on Set12 and BSD68, not clipped. Every network is trained the same way: ``--epochs``
of 500 batches of 16 patches of 40 x 40 pixels, Adam from 4e-3 to 0 along a cosine, mean squared error. The plain
network is five 3 x 3 convolutions of 16 channels (7,265 parameters, 7,200 multiply-adds a pixel); random architectures
and those that the search may end in have no more of either. ``guided``: the plain network in no data step, and at 9
channels in T = 3 of them, which needs about as many multiply-adds. One line of JSON for every network.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nascence import configuration
from nascence.costs import Budget
from nascence.costs.counting import flops, params
from nascence.engine.compute import Compute
from nascence.initialisation import initialise
from nascence.methods import Problem
from nascence.methods.mod_nas import MoDNAS
from nascence.operations.unfolding import Unfolded
from nascence.seeding import generator
from nascence.spaces import get_space
from nascence.spaces.unfold_dense import UnfoldSize
from nascence.strategies.filling import FilledStrategy
from nascence.tasks.restoration import Restoration, load_restoration
from nascence.training import Training, TrainingConfig, evaluate

PIXELS = 40 * 40
LAYOUT = Compute(channels_last=True)  # as train --channels-last, which is quicker for pictures on CPUs
BUDGET = {"max_params": 7265, "max_flops": 2 * 7200 * PIXELS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("what", choices=["plain", "random", "found", "cost", "guided"])
    parser.add_argument("--data-dir", default="../shared/data")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--channels", type=int, default=24)
    parser.add_argument("--weights", default="1e-5,1e-4,1e-3,1e-2")
    parser.add_argument("--architecture", default="", help="of found: one that a search found before, in its place")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--set", nargs="*", default=[], help="settings of the search, name=value")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    root = Path(options.data_dir) / "restoration"
    task = load_restoration(root / "Train400", kind="denoise", sigma=25, test=[root / "Set12"])
    other = load_restoration(root / "Train400", kind="denoise", sigma=25, test=[root / "BSD68"])
    if options.what == "cost":
        for weight in options.weights.split(","):
            _search(
                task,
                options,
                options.first_seed,
                ["cost_form=log", *options.set, f"cost_weight={weight}"],
                {},
                weight=float(weight),
            )
        return
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        if options.what == "plain":
            _train(plain(16, seed), task, other, options, seed)
        elif options.what == "guided":
            for channels, steps in ((16, 0), (9, 3)):
                _train(plain(channels, seed, steps), task, other, options, seed, channels=channels, data_steps=steps)
        else:
            _of_the_space(task, other, options, seed)


def plain(channels: int, seed: int, steps: int = 0) -> nn.Module:
    """The picture plus five 3 x 3 convolutions with ReLUs in between, or that in data steps."""
    layers: list[nn.Module] = [nn.Conv2d(1, channels, 3, padding=1), nn.ReLU()]
    for _ in range(3):
        layers += [nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU()]
    layers.append(nn.Conv2d(channels, 1, 3, padding=1))
    return initialise(Unfolded(nn.Sequential(*layers), steps), "default", generator(seed, "plain"))


def _of_the_space(task: Restoration, other: Restoration, options: argparse.Namespace, seed: int) -> None:
    """Trains a random architecture or the found one."""
    space, size = get_space("unfold-dense"), UnfoldSize(channels=options.channels)
    budget = Budget(**BUDGET).bind(space, size, signature=task.signature, threads=1)
    if options.what == "random":
        draws = generator(seed, "random architectures")
        architecture = next(a for a in iter(lambda: space.sample(draws), None) if budget.allows(a))
        told: dict[str, Any] = {}
    elif options.architecture:
        architecture, told = space.parse(options.architecture), {}
    else:
        architecture, told = _search(task, options, seed, options.set, BUDGET)
    network = space.build(architecture, network=size, signature=task.signature, seed=seed)
    _train(network, task, other, options, seed, architecture=space.format(space.canonical(architecture)), **told)


def _search(
    task: Restoration,
    options: argparse.Namespace,
    seed: int,
    settings: list[str],
    limits: Mapping[str, float],
    **told: Any,
) -> tuple[Any, dict[str, Any]]:
    space, size = get_space("unfold-dense"), UnfoldSize(channels=options.channels)
    method = configuration.settings(MoDNAS, settings, defaults=dict(MoDNAS.PRESETS["laptop"]))
    budget = Budget(**limits).bind(space, size, signature=task.signature, threads=1)
    began, used = time.perf_counter(), time.process_time()
    strategy = method.strategy(Problem(space, task, size, budget, seed))
    event: dict[str, Any] = {}
    while not strategy.done:
        event = strategy.advance()
    architecture = strategy.derive()
    descent: Any = strategy.inner if isinstance(strategy, FilledStrategy) else strategy
    expected = float(descent.supernet.expected("flops", descent.relaxation.mean()))
    record = {
        "seed": seed,
        **told,
        "search_seconds": round(time.perf_counter() - began),
        "search_processor_seconds": round(time.process_time() - used),
        "expected_multiply_adds_per_pixel": round(expected / 2 / PIXELS),
        "validation_psnr": round(event.get("validation_psnr", float("nan")), 3),
    }
    print(json.dumps({"search": record, "architecture": space.format(space.canonical(architecture))}), flush=True)
    return architecture, {}


def _train(
    network: nn.Module, task: Restoration, other: Restoration, options: argparse.Namespace, seed: int, **told: Any
) -> None:
    config = TrainingConfig.suggested(task, epochs=options.epochs)
    began, used = time.perf_counter(), time.process_time()
    training = Training(network, task, config, seed=seed, judged=task.part("test").first(1), compute=LAYOUT)
    while not training.done:
        training.advance()
    seconds, processor = time.perf_counter() - began, time.process_time() - used
    found = {name: evaluate(network, t.part("test"), t) for name, t in (("Set12", task), ("BSD68", other))}
    record = {
        "what": options.what,
        "seed": seed,
        **told,
        "params": params(network),
        "multiply_adds_per_pixel": flops(network, (1, 40, 40)) / 2 / PIXELS,
        **{name: round(result.value, 3) for name, result in found.items()},
        **{f"{name}_ssim": round(result.measures["ssim"], 4) for name, result in found.items()},
        "steps": options.epochs * task.part("train").steps(config.batch_size),
        "train_seconds": round(seconds),
        "train_processor_seconds": round(processor),
    }
    print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
