"""Searches judged by NAS-Bench-Graph: the found network's accuracy is looked up, beside that of random choices.

    python benchmarks/judged_graphs.py --dataset cora --data planetoid/cora --method sane --seeds 10

The search sees the graph on the public split and no figure of the benchmark. Random search of n evaluations looks up n
networks and takes the one with the best validation accuracy; n = 1 is what a search that trains no candidate compares
with.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
import warnings
from dataclasses import replace

import torch

from nascence.benchmarks.nas_bench_graph import look_up
from nascence.costs import Budget
from nascence.methods import METHODS
from nascence.methods.base import Problem
from nascence.seeding import generator
from nascence.spaces import get_space
from nascence.tasks import load_task


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="cora")
    parser.add_argument("--data", default="planetoid/cora")
    parser.add_argument("--data-dir", default=None)
    parser.add_argument("--method", default="sane")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--norm", action="store_true", help="layer normalisation of every option in the supernet")
    options = parser.parse_args()
    torch.set_num_threads(1)
    space = copy.copy(get_space("nas-bench-graph-chains"))
    if options.norm:
        space.networks = {name: replace(size, norm=name.startswith("search")) for name, size in space.networks.items()}
    known = {one: look_up(one, options.dataset) for one in space.enumerate()}
    tests = [one.test for one in known.values()]
    print(f"{options.dataset}: {len(known)} networks, test mean {statistics.fmean(tests):.2f}, best {max(tests):.2f}")
    for evaluations in (1, 5, 10):
        print(f"random search, {evaluations} evaluations: {_random(space, known, evaluations)}")
    task = load_task(options.data, options.data_dir, settings={"split": "public"})
    method = METHODS.get(options.method)
    preset = dict(method.preset("laptop", "sane")[1])
    recipe = method(**{**preset, "check_images": 0, **({"searches": 1} if options.method == "sane" else {})})
    network, found = space.networks["evaluation"], []
    for seed in range(options.seeds):
        budget = Budget().bind(space, network, signature=task.signature, threads=1)
        strategy = recipe.strategy(Problem(space, task, network, budget, seed))
        began = time.process_time()
        while not strategy.done:
            strategy.advance()
        looked = known[strategy.derive()]
        found.append(looked.test)
        seconds = time.process_time() - began
        print(f"seed {seed}: {strategy.derive()} test {looked.test:.2f} ({seconds:.0f} CPU s)", flush=True)
    print(f"{options.method}: {_told(found)}; subset mean {statistics.fmean(tests):.2f}")


def _random(space, known, evaluations: int, repeats: int = 1000) -> str:
    draws = generator(0, "random", evaluations)
    best = [
        max((known[space.sample(draws)] for _ in range(evaluations)), key=lambda one: one.validation).test
        for _ in range(repeats)
    ]
    return f"test mean {statistics.fmean(best):.2f}, std {statistics.stdev(best):.2f} ({repeats} repetitions)"


def _told(values: list[float]) -> str:
    if len(values) < 2:
        return f"test {values[0]:.2f}"
    spread = statistics.stdev(values)
    return (
        f"test mean {statistics.fmean(values):.2f}, std {spread:.2f}, standard error {spread / len(values) ** 0.5:.2f}"
    )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
