"""What trilevel-sr finds for super-resolution, beside a network made by hand and random architectures.

    python benchmarks/super_resolution.py bicubic
    python benchmarks/super_resolution.py fsrcnn --seeds 3
    python benchmarks/super_resolution.py fsrcnn-residual --seeds 3
    python benchmarks/super_resolution.py random --seeds 3
    python benchmarks/super_resolution.py found --seeds 3
    python benchmarks/super_resolution.py found --multiply-adds 6000

Twice the size, Train400; PSNR of the luma on Set5, border cut. Every network is trained the same way: ``--epochs`` of
the suggested recipe. ``fsrcnn`` is of the kind of FSRCNN (Dong, Loy & Tang, ECCV 2016; d = 56, s = 12, m = 4) with ReLU
for PReLU: 12,464 multiply-adds a pixel of the small picture; ``fsrcnn-residual`` is the same added to the picture,
enlarged bilinearly, as all networks of path-tree-small are. Random architectures of path-tree-small, and those that
the search may end in, have no more; ``--multiply-adds`` gives them another limit, and several limits a front. One line
of JSON for every network.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nascence import configuration
from nascence.costs import Budget
from nascence.costs.counting import flops, params
from nascence.engine.compute import Compute
from nascence.initialisation import initialise
from nascence.methods import Problem
from nascence.methods.trilevel_sr import TrilevelSR
from nascence.seeding import generator
from nascence.spaces import get_space
from nascence.spaces.path_tree import PathTreeSize
from nascence.tasks.restoration import Restoration, load_restoration
from nascence.tasks.restoration.resizing import enlarge_batch
from nascence.training import Training, TrainingConfig, evaluate

SCALE, SPACE, MULTIPLY_ADDS = 2, "path-tree-small", 12_464
LAYOUT = Compute(channels_last=True)  # as train --channels-last, which is quicker for pictures on CPUs


class FSRCNN(nn.Module):
    """Features, shrinking, mapping, expanding, a transposed convolution; ``residual``: plus the enlarged picture."""

    def __init__(self, residual: bool = False, d: int = 56, s: int = 12, m: int = 4) -> None:
        super().__init__()
        self.residual = residual
        layers: list[nn.Module] = [nn.Conv2d(1, d, 5, padding=2), nn.ReLU(), nn.Conv2d(d, s, 1), nn.ReLU()]
        for _ in range(m):
            layers += [nn.Conv2d(s, s, 3, padding=1), nn.ReLU()]
        layers += [nn.Conv2d(s, d, 1), nn.ReLU()]
        layers.append(nn.ConvTranspose2d(d, 1, 9, stride=SCALE, padding=4, output_padding=SCALE - 1))
        self.layers = nn.Sequential(*layers)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        output: Tensor = self.layers(x_BCHW)
        if not self.residual:
            return output
        return output + F.interpolate(x_BCHW, scale_factor=float(SCALE), mode="bilinear", align_corners=False)


class Bicubic(nn.Module):
    def forward(self, x_BCHW: Tensor) -> Tensor:
        return enlarge_batch(x_BCHW, SCALE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("what", choices=["bicubic", "fsrcnn", "fsrcnn-residual", "random", "found"])
    parser.add_argument("--data-dir", default="../shared/data")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--multiply-adds", type=float, default=MULTIPLY_ADDS, help="a pixel of the small picture")
    parser.add_argument("--tanh", action="store_true", help="final networks as published, not added to the picture")
    parser.add_argument("--pictures", type=int, default=None, help="training pictures, all without")
    parser.add_argument("--set", nargs="*", default=[], help="settings of the search, name=value")
    given = parser.parse_args()
    torch.set_num_threads(1)
    root = Path(given.data_dir) / "restoration"
    task = load_restoration(root / "Train400", kind="super-resolve", scale=SCALE, test=[root / "Set5"], colours="grey")
    if given.pictures is not None:
        task = task.narrowed(task.part("train").first(given.pictures))
    if given.what == "bicubic":
        found = evaluate(Bicubic(), task.part("test"), task)
        print(json.dumps({"what": "bicubic", "Set5": round(found.value, 3)}))
        return
    for seed in range(given.first_seed, given.first_seed + given.seeds):
        if given.what.startswith("fsrcnn"):
            made = FSRCNN(residual=given.what == "fsrcnn-residual")
            train(initialise(made, "default", generator(seed, "fsrcnn")), task, given, seed)
        else:
            of_the_space(task, given, seed)


def of_the_space(task: Restoration, given: argparse.Namespace, seed: int) -> None:
    """Trains a random architecture or the found one."""
    space, size = get_space(SPACE), PathTreeSize(channels=given.channels, residual=not given.tanh)
    height, width = task.signature.size
    budget = Budget(max_flops=2.0 * given.multiply_adds * height * width)
    checker = budget.bind(space, size, signature=task.signature, threads=1)
    told: dict[str, Any] = {}
    if given.what == "random":
        draws = generator(seed, "random architectures")
        architecture = next(a for a in iter(lambda: space.sample(draws), None) if checker.allows(a))
    else:
        method = configuration.settings(TrilevelSR, given.set, defaults=dict(TrilevelSR.PRESETS["laptop"]))
        used = time.process_time()
        strategy = method.strategy(Problem(space, task, size, checker, seed))
        while not strategy.done:
            strategy.advance()
        architecture = strategy.derive()
        told = {"search_processor_seconds": round(time.process_time() - used)}
        found = {"seed": seed, "limit": given.multiply_adds, **told}
        print(json.dumps({"search": found, "architecture": space.format(space.canonical(architecture))}), flush=True)
    network = space.build(architecture, network=size, signature=task.signature, seed=seed)
    train(network, task, given, seed, architecture=space.format(space.canonical(architecture)), **told)


def train(network: nn.Module, task: Restoration, given: argparse.Namespace, seed: int, **told: Any) -> None:
    config = TrainingConfig.suggested(task, epochs=given.epochs)
    used = time.process_time()
    training = Training(network, task, config, seed=seed, judged=task.part("test").first(1), compute=LAYOUT)
    while not training.done:
        training.advance()
    seconds = time.process_time() - used
    found = evaluate(network, task.part("test"), task)
    record = {
        "what": given.what,
        "seed": seed,
        **told,
        "params": params(network),
        "multiply_adds_per_small_pixel": round(flops(network, (1, 20, 20)) / 2 / 400),
        "Set5": round(found.value, 3),
        "Set5_ssim": round(found.measures["ssim"], 4),
        "steps": given.epochs * task.part("train").steps(config.batch_size),
        "train_processor_seconds": round(seconds),
    }
    print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main()
