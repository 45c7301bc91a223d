"""dmasking on the widths of Channel-Bench-Macro, judged by its table, in less time than whole searches take.

What is reduced: all searches begin with the weights of one warm-up (of seed 0), which is the longest part, instead of
one each; the rest is the method's own descent. Prints how the masked supernet ranks 200 random networks, and for every
budget and seed the found network beside random ones within the budget and the widest uniform network that fits.

    python benchmarks/masked_width_search.py --data-dir ../shared/data --warm-epochs 20 --epochs 6 --out widths.json
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

from nascence.benchmarks.tables import load_table
from nascence.costs import Budget
from nascence.methods.base import Problem
from nascence.methods.dmasking import DMasking
from nascence.seeding import generator
from nascence.spaces import get_space
from nascence.strategies.descent.bilevel import BilevelDescent
from nascence.tasks import load_task

BUDGETS = (25e6, 50e6, 100e6)
"""Multiply-adds of the network of full size."""


def descent(space, task, settings: dict[str, Any], budget: Budget, seed: int) -> BilevelDescent:
    size = space.networks["evaluation"]
    problem = Problem(space, task, size, budget.bind(space, size, signature=task.signature), seed)
    strategy = DMasking(**{**DMasking.PRESETS["laptop"], **settings}).strategy(problem)
    assert isinstance(strategy, BilevelDescent)
    return strategy


def ranking(strategy: BilevelDescent, accuracies: dict[str, float], count: int, images: int) -> dict[str, float]:
    """Spearman's correlation of the supernet's loss and accuracy under one-hot weights with the table."""
    space, draws = strategy.space, generator(1, "ranked")
    names = {str(space.sample(draws)) for _ in range(2 * count)}
    chosen = sorted(names)[:: max(1, len(names) // count)][:count]
    batches = list(strategy.valid.first(images).passing(256, image_size=strategy.descent.data.image_size))
    losses, rights = [], []
    strategy.supernet.train()
    for name in chosen:
        weights = space.one_hot(space.parse(name))
        with torch.no_grad():
            outputs = [strategy.supernet(*batch.inputs, weights=weights) for batch in batches]
        losses.append(np.mean([float(strategy.task.loss(o, b)) for o, b in zip(outputs, batches, strict=True)]))
        rights.append(sum(int((o.argmax(1) == b.target).sum()) for o, b in zip(outputs, batches, strict=True)))
    truth = [accuracies[name] for name in chosen]
    return {
        "networks": len(chosen),
        "loss": float(spearmanr(-np.array(losses), truth).statistic),
        "accuracy": float(spearmanr(rights, truth).statistic),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", default=None)
    parser.add_argument("--warm-epochs", type=int, default=24)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--images", type=int, default=12800, help="of an epoch of the warm-up")
    parser.add_argument("--search-images", type=int, default=12800, help="of an epoch of the search")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--ranked", type=int, default=200)
    parser.add_argument("--ranked-images", type=int, default=1024)
    parser.add_argument("--out", type=Path, required=True, help="a JSON file; the warm weights lie beside it")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    space, task = get_space("channel-bench-macro-mobilenet"), load_task("cifar10", arguments.data_dir)
    table = load_table(space.name, arguments.data_dir)
    accuracies = dict(zip(map(str, table.architectures()), table.column("test_acc"), strict=True))
    record: dict[str, Any] = {"searches": []}
    warm_file = arguments.out.with_suffix(".pt")
    began = time.perf_counter()
    warm = {"epochs": arguments.warm_epochs, "warmup_epochs": arguments.warm_epochs, "check_images": 0}
    strategy = descent(space, task, {**warm, "epoch_images": arguments.images}, Budget(), 0)
    if warm_file.exists():
        strategy.supernet.load_state_dict(torch.load(warm_file))
    else:
        while not strategy.done:
            event = strategy.advance()
        record["warm_up"] = {"train_loss": event["train_loss"], "seconds": time.perf_counter() - began}
        torch.save(strategy.supernet.state_dict(), warm_file)
    print("warm-up", record.get("warm_up"), flush=True)
    weights = strategy.supernet.state_dict()
    costs = {name: strategy.budget.model.flops(space.parse(name)) / 2 for name in accuracies}
    for seed in range(arguments.seeds):
        for budget in BUDGETS:
            settings = {"epochs": arguments.epochs, "warmup_epochs": 0, "learning_rate": 0.02, "check_images": 0}
            limit = Budget(max_flops=2 * budget)
            search = descent(space, task, {**settings, "epoch_images": arguments.search_images}, limit, seed)
            search.supernet.load_state_dict(weights)
            while not search.done:
                search.advance()
            found = str(search.derive())
            inside = np.array([accuracies[name] for name, cost in costs.items() if cost <= budget])
            uniform = max((str(q) * 7 for q in range(1, 5) if costs[str(q) * 7] <= budget), key=costs.__getitem__)
            record["searches"].append(
                {
                    "budget": budget,
                    "seed": seed,
                    "found": found,
                    "accuracy": accuracies[found],
                    "multiply_adds": costs[found],
                    "better_within_budget_percent": 100 * float((inside > accuracies[found]).mean()),
                    "random_mean": float(inside.mean()),
                    "random_std": float(inside.std()),
                    "best": float(inside.max()),
                    "uniform": uniform,
                    "uniform_accuracy": accuracies[uniform],
                }
            )
            print(json.dumps(record["searches"][-1]), flush=True)
            arguments.out.write_text(json.dumps(record, indent=1))
    if arguments.ranked:
        record["ranking"] = ranking(strategy, accuracies, arguments.ranked, arguments.ranked_images)
        print("ranking", record["ranking"], flush=True)
        arguments.out.write_text(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
