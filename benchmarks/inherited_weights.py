"""Do weights that are inherited from a supernet rank cells? Against 12 epochs of training of each (a table).

    python benchmarks/inherited_weights.py --data-dir ../shared/data [--cells 200] [--seeds 3]

What ``nascence search --method evolution --set value=supernet`` values candidates by: a one-shot supernet of
nas-bench-201 with the method's defaults, then the error of random cells on held-out images, ranked against their
12-epoch validation accuracy (Kendall's tau-b), beside the number of parameters. The test columns are not looked at.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from scipy.stats import kendalltau

from nascence.benchmarks.tables import load_table
from nascence.costs import Budget
from nascence.methods import Problem
from nascence.methods.evolution import Evolution
from nascence.methods.parts import ShortTraining
from nascence.seeding import generator
from nascence.spaces import get_space
from nascence.strategies.one_shot import OneShotThenEvolution
from nascence.tasks import load_task

COLUMN = "cifar10_valid_acc_12ep"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data-dir", default="../shared/data")
    parser.add_argument("--cells", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, help="of the supernet; default: the method's")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--image-size", type=int, default=16)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    space = get_space("nas-bench-201")
    table = load_table("nas-bench-201", options.data_dir)
    task = load_task("cifar10", options.data_dir, image_size=options.image_size)
    network = space.networks["evaluation"]
    checker = Budget().bind(space, network, signature=task.signature, threads=1)
    draws = generator(0, "cells")
    cells = [space.sample(draws) for _ in range(options.cells)]
    known = [table.value(cell, COLUMN) for cell in cells]
    sizes = [checker.model.params(cell) for cell in cells]
    taus = []
    for seed in range(options.seeds):
        began = time.process_time()
        strategy = Evolution(value="supernet", training=ShortTraining(epochs=options.epochs)).strategy(
            Problem(space, task, network, checker, seed, None)
        )
        assert isinstance(strategy, OneShotThenEvolution)
        trained: dict[str, float] = {}
        while strategy.steps_done < strategy.training_steps:
            trained = strategy.advance()
        seconds = time.process_time() - began
        errors = [error for error, _ in strategy.evolution.evaluate(cells)]
        taus.append(-kendalltau(errors, known).statistic)
        print(
            f"seed {seed}: {strategy.one_shot.total:,} steps, {seconds:.0f} s of processor time, accuracy "
            f"{trained['train_accuracy']:.1f} % at the end; tau {taus[-1]:.3f}",
            flush=True,
        )
    spread = statistics.stdev(taus) if len(taus) > 1 else float("nan")
    print(f"inherited weights: tau {statistics.mean(taus):.3f} +- {spread:.3f} over {len(taus)} seeds")
    print(f"parameters:        tau {kendalltau(sizes, known).statistic:.3f}")


if __name__ == "__main__":
    main()
