"""How the settings of te-nas and nasi were chosen on NAS-Bench-201 without any 200-epoch or test accuracy.

    python benchmarks/method_settings.py kernel [--cells 100] [--draws 2]   # te-nas: the condition number
    python benchmarks/method_settings.py halves [--draws 6]                 # te-nas: agreement of halves of the draws
    python benchmarks/method_settings.py nasi [--steps 25]                  # nasi: agreement of halves of the steps

``kernel``: Kendall's tau of -log kappa, averaged over draws, with the 12-epoch *validation* accuracy on CIFAR-10, over
random cells of even index without the operation ``none``; by depth, image size, images and mode of normalisation.
``halves``: tau between the worths of the first round's removals in two searches of other seeds. ``nasi``: Pearson's
correlation between the averaged gradients of the first and the second half of the steps; by depth, mu and whether
``none`` takes part. All need CIFAR-10 (``NASCENCE_DATA``), the first also the table. One thread.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import astuple, dataclass, replace
from typing import cast

import numpy as np
import torch

from nascence.architecture import Architecture
from nascence.benchmarks.correlation import kendall
from nascence.benchmarks.tables import load_table
from nascence.costs import Budget
from nascence.methods import Method, Problem
from nascence.methods.nasi import NASI
from nascence.methods.te_nas import TENAS
from nascence.scores import Probe
from nascence.scores.batch_norm import BatchNormMode
from nascence.scores.ntk import class_summed_kernel, condition_number
from nascence.seeding import generator
from nascence.spaces import get_space
from nascence.spaces.nas_bench_201 import NASBench201
from nascence.strategies import Strategy
from nascence.strategies.kernel_ascent import KernelAscent
from nascence.strategies.pruning import SupernetPruning
from nascence.tasks import find_data_dir, load_task
from nascence.tasks.augmentation import shrink

COLUMN = "cifar10_valid_acc_12ep"
KERNELS: tuple[tuple[int, int, int, BatchNormMode], ...] = (  # cells a stage, image size, images, normalisation
    (1, 32, 32, "frozen"),
    (1, 32, 16, "train"),
    (3, 32, 32, "frozen"),
    (3, 16, 32, "frozen"),
    (5, 16, 32, "frozen"),
)
NASI_SETTINGS = (  # cells a stage, mu, excluded
    (2, 1.0, "none"),
    (2, 2.0, "none"),
    (5, 1.0, "none"),
    (2, 1.0, ""),
)


def study_cells(count: int, seed: int) -> list[Architecture]:
    """Random cells of even official index without ``none``."""
    space = cast(NASBench201, get_space("nas-bench-201"))
    even = [space.from_index(index) for index in range(0, space.size, 2)]
    free = [cell for cell in even if "none" not in cell.answers]
    order = torch.randperm(len(free), generator=generator(seed, "study", "cells"))
    return [free[at] for at in order[:count].tolist()]


@dataclass(frozen=True)
class Kernel:
    """A setting of the condition number: cells a stage, pixels, images, mode of normalisation."""

    depth: int
    size: int
    images: int
    mode: BatchNormMode

    def log_kappa(self, probe: Probe) -> float:
        network = replace(probe.space.networks["score"], depth=self.depth)
        built = probe.network(network, batch_norm=self.mode)
        x_BCHW = shrink(probe.images(self.images)[0], self.size)
        return math.log(float(condition_number(class_summed_kernel(built, built, x_BCHW))))


def kernel(cells: int, draws: int, seed: int) -> None:
    space, task = get_space("nas-bench-201"), load_task("cifar10", find_data_dir())
    table, chosen = load_table("nas-bench-201", find_data_dir()), study_cells(cells, seed)
    accuracy = np.array([table.value(cell, COLUMN) for cell in chosen])
    print(f"{cells} cells, {draws} draws\n\n| cells a stage | pixels | images | normalisation | tau | s |")
    print("|---|---|---|---|---|---|")
    for setting in (Kernel(*values) for values in KERNELS):
        began = time.perf_counter()
        kappas = [[setting.log_kappa(Probe(space, cell, task, seed, draw)) for draw in range(draws)] for cell in chosen]
        tau, seconds = kendall(-np.mean(kappas, axis=1), accuracy), time.perf_counter() - began
        print(f"| {' | '.join(map(str, astuple(setting)))} | {tau:.3f} | {seconds:.0f} |", flush=True)


def strategy(method: Method, seed: int) -> Strategy:
    space, task = get_space("nas-bench-201"), load_task("cifar10", find_data_dir())
    network = space.networks["evaluation"]
    return method.strategy(Problem(space, task, network, Budget().bind(space, network), seed))


def halves(draws: int, seed: int) -> None:
    worths = []
    began = time.perf_counter()
    for half in (seed, seed + 1):
        search = strategy(TENAS(repeats=draws + 1), half)  # one more, so that the first round does not end
        assert isinstance(search, SupernetPruning)
        for _ in range(draws):
            search.advance()
        worths.append(search.sums)
    print(f"{draws} draws a half, {time.perf_counter() - began:.0f} s\n")
    print("| indicator | tau between the halves |\n|---|---|")
    for name in worths[0]:
        print(f"| {name} | {kendall(*(part[name].numpy() for part in worths)):.3f} |")


def nasi(steps: int, seed: int) -> None:
    print(f"{steps} steps a half\n\n| cells a stage | mu | none takes part | correlation | s |\n|---|---|---|---|---|")
    for depth, mu, excluded in NASI_SETTINGS:
        search = strategy(NASI(steps=2 * steps, depth=depth, mu=mu, exclude=excluded), seed)
        assert isinstance(search, KernelAscent)
        began, parts = time.perf_counter(), [np.zeros(())]
        while not search.done:
            search.advance()
            if search.steps_done % steps == 0:
                parts.append(torch.cat([value.flatten() for value in search.sum.values()]).double().numpy())
        correlation = np.corrcoef(parts[1], parts[2] - parts[1])[0, 1]
        seconds = time.perf_counter() - began
        print(f"| {depth} | {mu:g} | {'no' if excluded else 'yes'} | {correlation:.2f} | {seconds:.0f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=("kernel", "halves", "nasi"))
    parser.add_argument("--cells", type=int, default=100)
    parser.add_argument("--draws", type=int, help="default: 2 for kernel, 6 for halves")
    parser.add_argument("--steps", type=int, default=25, help="of each half")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.study == "kernel":
        kernel(options.cells, options.draws or 2, options.seed)
    elif options.study == "halves":
        halves(options.draws or 6, options.seed)
    else:
        nasi(options.steps, options.seed)


if __name__ == "__main__":
    main()
