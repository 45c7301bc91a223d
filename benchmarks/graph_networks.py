"""Searched, random and hand-made graph networks with the same tuning budget, over splits: one line of JSON for each.

    python benchmarks/graph_networks.py --data planetoid/cora --splits 5 --seeds 2 --trials 10 --out cora.jsonl
    python benchmarks/graph_networks.py --out cora.jsonl --table

Every network is tuned by the same number of trials (TPE on the validation nodes); what is told is the metric on the
test nodes, with the weights that were best on the validation nodes in the best trial. Lines that are there already are
not computed again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import warnings
from dataclasses import replace
from pathlib import Path

import torch
from rows import Rows, measuring, seeds_of

from nascence.costs import Budget
from nascence.methods import METHODS
from nascence.methods.base import Problem
from nascence.seeding import derive_seed, generator
from nascence.spaces import get_space
from nascence.spaces.ranges import Values
from nascence.tasks import load_task
from nascence.tasks.graphs import NodeClassification
from nascence.training import TrainingConfig
from nascence.tuning import Tuning


def main() -> None:
    options = _options()
    torch.set_num_threads(1)
    if options.table:
        return _table(options.out)
    rows = Rows(options.out)
    for seed in seeds_of(options):
        for split in range(options.splits):
            for arm in options.arms:
                if not rows.has(split=split, seed=seed, arm=arm):
                    rows.add(**_measure(options, split, seed, arm))
    return None


def _options() -> argparse.Namespace:
    parser = measuring(__doc__, seeds=2)
    parser.add_argument("--data")
    parser.add_argument("--data-dir", default=None)
    parser.add_argument("--given", action="store_true", help="the splits that the data come with, by number")
    parser.add_argument("--space", default="sane")
    parser.add_argument("--arms", nargs="+", default=["sane", "random", "gcn-jk", "gat-jk", "sage-jk", "gin-jk"])
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--patience", type=int, default=50)
    parser.add_argument("--searches", type=int, default=5, help="of sane, from different seeds")
    parser.add_argument("--search-size", default="search", choices=["search", "search-small"])
    parser.add_argument("--size", nargs="*", default=[], metavar="NAME=VALUE", help="of the network: norm=true ...")
    parser.add_argument("--widths", nargs="+", type=int, help="that tuning may choose from, instead of the space's")
    parser.add_argument("--sparse", action="store_true", help="features as a sparse matrix: bags of words are quicker")
    parser.add_argument("--table", action="store_true")
    return parser.parse_args()


def _measure(options: argparse.Namespace, split: int, seed: int, arm: str) -> dict:
    given = {"split_number": split} if options.given else {"split": "random", "split_seed": split}
    task, space = load_task(options.data, options.data_dir, settings=given), get_space(options.space)
    if options.sparse:  # to the first layer a sparse matrix is as good, and the same up to rounding
        assert isinstance(task, NodeClassification)
        task.__dict__["whole"] = (task.graph.features.to_sparse_csr(), task.graph.edges)
    sizes = dict(text.split("=") for text in options.size)
    sizes = {name: json.loads(value) for name, value in sizes.items()}
    network = replace(space.networks["evaluation"], **sizes)
    own = derive_seed(seed, "graphs", split)
    line = {"data": options.data, "split": split, "seed": seed, "arm": arm, "trials": options.trials}
    began, cpu = time.perf_counter(), time.process_time()
    if arm != "random" and arm in METHODS.names():
        budget = Budget().bind(space, network, signature=task.signature, threads=1)
        method = METHODS.get(arm)
        more = {"searches": options.searches, "candidate_epochs": options.epochs} if arm == "sane" else {}
        preset = dict(method.preset("laptop", "sane")[1])
        recipe = method(**{**preset, "check_images": 0, "size": options.search_size, **more})
        strategy = recipe.strategy(Problem(space, task, network, budget, own))
        while not strategy.done:
            event = strategy.advance()
        architecture, search = strategy.derive(), getattr(strategy, "search", strategy)
        mixed = search.relaxation.mean()
        measured = search.game.measure(mixed, search.valid, search._plan[-1].epoch.moment)
        largest = [max(row) for row in mixed["aggregator"].tolist()]
        line |= {"supernet": measured, "entropy": event.get("entropy"), "largest": largest}
    elif arm == "random":
        architecture = space.sample(generator(own, "random"))
    else:
        architecture = space.parse(arm)
    line |= {"architecture": str(architecture), "search_seconds": round(time.perf_counter() - began, 1)}
    line |= {"search_cpu_seconds": round(time.process_time() - cpu, 1)}
    config = TrainingConfig.suggested(task, epochs=options.epochs, patience=options.patience)
    ranges = {"channels": Values(tuple(options.widths))} if options.widths else {}
    tuning = Tuning(space, architecture, task, network, config, trials=options.trials, seed=own, ranges=ranges)
    while not tuning.done:
        tuning.advance()
    best = tuning.best
    line |= {"metric": task.metric.name, "validation": best.value, "test": best.test, "values": dict(best.values)}
    line |= {"untuned": {"validation": tuning.trials[0].value, "test": tuning.trials[0].test}}
    return line | {"cpu_seconds": round(time.process_time() - cpu, 1)}


def _table(path: Path) -> None:
    lines = Rows(path).rows
    arms = list(dict.fromkeys(line["arm"] for line in lines))
    of = {arm: {(one["split"], one["seed"]): one["test"] for one in lines if one["arm"] == arm} for arm in arms}
    print(f"| {lines[0]['data']} | n | test mean | std | sane minus it: mean | standard error |")
    print("|---|---|---|---|---|---|")
    for arm, values in of.items():
        scores = list(values.values())
        spread = statistics.stdev(scores) if len(scores) > 1 else float("nan")
        both = [of["sane"][key] - values[key] for key in values if key in of.get("sane", {})]
        error = statistics.stdev(both) / len(both) ** 0.5 if len(both) > 1 else float("nan")
        mean = statistics.fmean(both) if both else float("nan")
        print(f"| {arm} | {len(scores)} | {statistics.fmean(scores):.2f} | {spread:.2f} | {mean:+.2f} | {error:.2f} |")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
