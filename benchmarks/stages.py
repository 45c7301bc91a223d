"""H-DAS in small: does the depth term end deeper, and is what is searched better than a chain of equal cells?

    PYTHONPATH=src NASCENCE_DATA=../shared/data python benchmarks/stages.py --out stages.jsonl

Searches on CIFAR-10 at 16 x 16 pixels, preset laptop, shortened to 48 steps of 64 images, 12 of them of the
architecture (``--long``: 112 and 32), and for h-das-stages two channels: ``h-das-stages`` with its depth term and
without, ``h-das-cells``. What they find is trained on CIFAR-10's first 1,500 training images at 16 x 16 pixels, 8
epochs of batches of 64, by the suggested recipe, with 4 channels (h-das-cells: 12), beside

- ``chain``: as many given cells in every stage, each reading the two before it, the number nearest in parameters,
- ``rewired`` (``--parts more``): the found number of cells per stage, wired like that,
- ``equal``: beside ``h-das-cells``, the cells of DARTS (second order, from its paper) in all stages, the number of
  channels nearest in parameters,
- ``tied`` (``--parts more``): the same search with cells shared by all stages.

One line of JSON for every search and training, added to ``--out``; what is there already is left out.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Mapping
from typing import Any

import torch
from rows import Rows, measuring, seeds_of
from small_networks import small_cifar

from nascence.architecture import Architecture
from nascence.configuration import settings
from nascence.costs import Budget, flops, params
from nascence.methods import METHODS, Problem
from nascence.spaces import get_space
from nascence.spaces.h_das_cells import HDASCells
from nascence.spaces.h_das_stages import DARTS_V2, FEWEST, MOST, STAGES, HDASStages
from nascence.tasks import load_task
from nascence.tasks.image_classification import ImageClassification
from nascence.training import Training, TrainingConfig, evaluate

STAGED, CELLS = HDASStages(), HDASCells()
SHORT = {"epochs": 6, "warmup_epochs": 4, "epoch_images": 384, "check_images": 0}
LONG = {**SHORT, "epochs": 10, "warmup_epochs": 6, "epoch_images": 512}
SEARCHES: dict[str, tuple[str, dict[str, Any]]] = {
    "deep": ("h-das-stages", {"channels": 2}),
    "plain": ("h-das-stages", {"channels": 2, "depth_weight": 0.0}),
    "cells": ("h-das-cells", {}),
    "tied": ("h-das-cells", {"tied": True}),
}
STAGE_CHANNELS, CELL_CHANNELS, CELL_DEPTH = 4, 12, 5
PARTS = ("depth", "cells", "stages", "more")


def main() -> None:
    parser = measuring(__doc__, seeds=3)
    parser.add_argument("--train-images", type=int, default=1_500)
    parser.add_argument("--test-images", type=int, default=3_000)
    parser.add_argument("--epochs", type=int, default=8, help="of a training")
    parser.add_argument("--long", action="store_true", help="longer searches")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS[:3], help="what to do, in this order")
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows, short = Rows(given.out), LONG if given.long else SHORT
    task = small_cifar(given.train_images, given.test_images)

    def search(name: str, seed: int) -> Architecture:
        return searched(name, seed, short, rows)

    for part, seed in itertools.product(given.parts, seeds_of(given)):
        pairs: list[tuple[str, Architecture, int]] = []
        if part == "depth":
            search("deep", seed)
            search("plain", seed)
        elif part == "cells":
            cells = search("cells", seed)
            pairs = [("cells", cells, CELL_CHANNELS), ("equal", *nearest_equal(cells, task))]
        elif part == "stages":
            deep = search("deep", seed)
            pairs = [("deep", deep, STAGE_CHANNELS), ("chain", nearest_chain(deep, task), STAGE_CHANNELS)]
        else:
            rewired = chain([len(stage) for stage in STAGED.wiring(search("deep", seed))])
            pairs = [("rewired", rewired, STAGE_CHANNELS), ("plain", search("plain", seed), STAGE_CHANNELS)]
            pairs += [("tied", *nearest_equal(search("cells", seed), task, search("tied", seed)))]
        for name, architecture, channels in pairs:
            if not rows.has(row="training", network=name, seed=seed):
                train(name, architecture, channels, task, given.epochs, seed, rows)
    tell(rows)


def searched(name: str, seed: int, short: Mapping[str, Any], rows: Rows) -> Architecture:
    """What the search found, from ``rows`` or from a search whose row is added."""
    method, own = SEARCHES[name]
    space = get_space(method)
    for row in rows.rows:
        if (row["row"], row.get("search"), row["seed"]) == ("search", name, seed):
            return space.parse(row["text"])
    began = time.process_time()
    kind, task = METHODS.get(method), load_task("cifar10")
    budget = Budget().bind(space, space.networks["evaluation"], signature=task.signature)
    chosen = settings(kind, [], defaults={**kind.PRESETS["laptop"], **short, **own})
    strategy = chosen.strategy(Problem(space, task, space.networks["evaluation"], budget, seed))
    last: dict[str, Any] = {}
    while not strategy.done:
        last = strategy.advance()
    found = strategy.derive()
    told = {name: round(last[name], 3) for name in ("train_loss", "validation_accuracy") if name in last}
    shape = wired(found) if method == "h-das-stages" else {}
    rows.add(row="search", search=name, seed=seed, text=str(found), **shape, **told, seconds=seconds_since(began))
    return found


def wired(architecture: Architecture) -> dict[str, Any]:
    """Per stage its cells, the longest path to its output, and the expected depth of all its paths."""
    return {
        "cells": [len(stage) for stage in STAGED.wiring(architecture)],
        "longest": STAGED.depths(architecture),
        "mean_depth": [round(depth, 3) for depth in mean_depths(architecture)],
    }


def mean_depths(architecture: Architecture) -> list[float]:
    """Per stage the mean over its two last cells of the depth that the method's term expects: of a cell one more than
    the mean of what it reads."""
    found = []
    for cells in STAGED.wiring(architecture):
        depths = [0.0, 0.0]
        for pairs in cells:
            depths.append(1 + statistics.mean(depths[at] for _, at in pairs))
        found.append(statistics.mean(depths[-2:]))
    return found


def chain(counts: list[int]) -> Architecture:
    """Every cell reads the two before it, the first two the stage's input."""
    skip = "skip_connect"
    return STAGED.wired([[[(skip, at), (skip, at + 1)] for at in range(count)] for count in counts])


def network(architecture: Architecture, channels: int, task: ImageClassification, seed: int = 0) -> torch.nn.Module:
    space = get_space(architecture.space)
    depth = CELL_DEPTH if isinstance(space, HDASCells) else None
    size = space.resized(space.networks["evaluation"], channels=channels, depth=depth)
    return space.build(architecture, network=size, signature=task.signature, seed=seed)


def nearest_chain(found: Architecture, task: ImageClassification) -> Architecture:
    """The chain with as many cells in all stages whose parameters are nearest."""
    wanted = params(network(found, STAGE_CHANNELS, task))
    chains = [chain([count] * len(STAGES)) for count in range(FEWEST, MOST + 1)]
    return min(chains, key=lambda one: abs(params(network(one, STAGE_CHANNELS, task)) - wanted))


def nearest_equal(
    found: Architecture, task: ImageClassification, equal: Architecture | None = None
) -> tuple[Architecture, int]:
    """Equal cells, those of DARTS unless others are given, and the channels with which parameters are nearest."""
    wanted = params(network(found, CELL_CHANNELS, task))
    one = CELLS.equal(get_space("darts").parse(DARTS_V2)) if equal is None else equal
    channels = range(CELL_CHANNELS // 2, 2 * CELL_CHANNELS)
    return one, min(channels, key=lambda count: abs(params(network(one, count, task)) - wanted))


def train(
    name: str, architecture: Architecture, channels: int, task: ImageClassification, epochs: int, seed: int, rows: Rows
) -> None:
    began = time.process_time()
    model = network(architecture, channels, task, seed)
    config = TrainingConfig.suggested(task, epochs=epochs, batch_size=64)
    training = Training(model, task, config, seed=seed, judged=task.part("test").first(1))
    while not training.done:
        training.advance()
    found = evaluate(model.eval(), task.part("test"), task)
    about = {"params": params(model), "flops": flops(model, task.signature), "channels": channels}
    values = {"accuracy": round(found.value, 2), "nll": round(found.loss, 4)}
    text = str(architecture)
    rows.add(row="training", network=name, seed=seed, text=text, **about, **values, seconds=seconds_since(began))


def seconds_since(began: float) -> int:
    return round(time.process_time() - began)


def tell(rows: Rows) -> None:
    """The means, and what wirings drawn at random have for comparison."""
    draws = torch.Generator().manual_seed(0)
    texts = [wired(STAGED.sample(draws)) for _ in range(1000)]
    print("| search | cells | longest paths | mean depths |\n|---|---|---|---|")
    for name in ("deep", "plain"):
        own = [row for row in rows.rows if row.get("search") == name]
        print(f"| {name} | {spread(own, 'cells')} | {spread(own, 'longest')} | {spread(own, 'mean_depth')} |")
    print(f"| random | {spread(texts, 'cells')} | {spread(texts, 'longest')} | {spread(texts, 'mean_depth')} |")
    print("\n| network | accuracy, % | each seed | parameters |\n|---|---|---|---|")
    trained = [row for row in rows.rows if row["row"] == "training"]
    for name in dict.fromkeys(row["network"] for row in trained):
        own = [row for row in trained if row["network"] == name]
        values = [row["accuracy"] for row in own]
        each, sizes = ", ".join(map(str, values)), ", ".join(f"{row['params']:,}" for row in own)
        std = statistics.stdev(values) if len(values) > 1 else float("nan")
        print(f"| {name} | {statistics.mean(values):.2f} ± {std:.2f} | {each} | {sizes} |")


def spread(rows: list[dict[str, Any]], name: str) -> str:
    """Mean and standard deviation of the sum over stages, and the sums where they are few."""
    sums = [sum(row[name]) for row in rows]
    if not sums:
        return "-"
    each = f" ({', '.join(f'{value:g}' for value in sums)})" if len(sums) < 10 else ""
    std = statistics.stdev(sums) if len(sums) > 1 else float("nan")
    return f"{statistics.mean(sums):.2f} ± {std:.2f}{each}"


if __name__ == "__main__":
    main()
