"""Which part of the ranking `nascence` tells good finalists from better ones, on cells that are in no table.

    python benchmarks/finalists.py train --out runs/finalists [--cells 36] [--pool 600] [--epochs 12]
    python benchmarks/finalists.py table runs/finalists [--draws 8]

Cells of five nodes with the operations of nas-bench-201, drawn with many convolutions, are ranked by ``nascence`` as in
a search; the best of the pool are trained (16 x 16 pixels, 8 channels, five cells a stage, 4,000 images, 4,000 others
to measure the accuracy on). ``table``: Kendall's tau between their accuracy and every part, which are measured as in
the second look of a search. Needs CIFAR-10 (``NASCENCE_DATA``). As many processes as cores; resumable, cell by cell.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import nn

from nascence.architecture import Architecture
from nascence.benchmarks.correlation import kendall
from nascence.engine.forked import parallel_map
from nascence.errors import ArchitectureError
from nascence.scores import AGGREGATES, SCORES, evaluate
from nascence.scores.aggregation import RankingPart, RankSum
from nascence.seeding import derive_seed, generator
from nascence.spaces import NetworkConfig
from nascence.spaces.base import Choice
from nascence.spaces.cells import Cell, CellShape, CellSpace, Fill
from nascence.spaces.nas_bench_201 import NASBench201
from nascence.tasks import ImageClassification, find_data_dir, load_task
from nascence.tasks.image_classification import image_classes
from nascence.training import Training, TrainingConfig

CHANCES = {"none": 0.05, "skip_connect": 0.2, "nor_conv_1x1": 0.2, "nor_conv_3x3": 0.45, "avg_pool_3x3": 0.1}
NETWORK = NetworkConfig(channels=8, depth=5)
IMAGE_SIZE = 16
FINALISTS = 36
_SHAPE = CellShape(inputs=1, nodes=4, output="last")


@final
class FiveNodes(CellSpace):
    """Cells of five nodes, with the operations and the stack of nas-bench-201; its text: operations by edge."""

    name = "five-nodes"
    shape = _SHAPE
    kinds = ("cell",)
    operations = tuple(CHANCES)
    choices = tuple(Choice(f"{target}<-{source}", tuple(CHANCES)) for source, target in _SHAPE.edges)
    networks = NASBench201.networks

    def format(self, architecture: Architecture) -> str:
        return "|".join(architecture.answers)

    def parse(self, text: str) -> Architecture:
        return self.architecture(text.split("|"))

    def canonical(self, architecture: Architecture) -> Architecture:
        return architecture

    def edge_operations(self, architecture: Architecture) -> dict[str, dict[int, str]]:
        return {"cell": dict(enumerate(architecture.answers))}

    def from_edge_operations(self, chosen: Mapping[str, Mapping[int, str]]) -> Architecture:
        if sorted(chosen["cell"]) != list(range(len(self.choices))):
            raise ArchitectureError(f"{self.name} needs an operation on every edge.")
        return self.architecture([chosen["cell"][at] for at in range(len(self.choices))])

    def stack(
        self,
        fill: Fill,
        network: NetworkConfig,
        in_channels: int,
        num_classes: int,
        cell: Callable[..., nn.Module] = Cell,
    ) -> nn.Module:
        def own(shape: CellShape, *arguments: Any) -> nn.Module:
            return cell(self.shape, *arguments)

        return NASBench201().stack(fill, network, in_channels, num_classes, own)

    def draw(self, random: torch.Generator) -> Architecture:
        chances = torch.tensor(list(CHANCES.values()), dtype=torch.float64)
        drawn = torch.multinomial(chances, len(self.choices), replacement=True, generator=random).tolist()
        return self.architecture([self.operations[at] for at in drawn])


SPACE = FiveNodes()
RANKING = AGGREGATES.get("nascence")
FIRST_LOOK, DECISION = RANKING.over_all(), RANKING.among_the_best()
PARTS = [part.score for part in RANKING.parts]


def measure(task: ImageClassification, item: tuple[Architecture, int]) -> list[float]:
    """Every part of the ranking at one draw."""
    architecture, draw = item
    torch.set_num_threads(1)
    values = evaluate([SCORES.get(name)() for name in PARTS], SPACE, architecture, task, seed=7, first_draw=draw)
    return [values[name][0] for name in PARTS]


def accuracy(task: ImageClassification, epochs: int, architecture: Architecture) -> float:
    """In percent, on the task's test images, after a training of its own."""
    model = SPACE.build(
        architecture, network=NETWORK, in_channels=3, num_classes=10, seed=derive_seed(7, "finalists", "weights")
    )
    config = TrainingConfig.suggested(task, epochs=epochs, batch_size=64, learning_rate=0.05)
    training = Training(model, task, config, seed=7)
    while not training.done:
        training.advance()
    assert training.evaluation is not None
    return training.evaluation.value


def tasks() -> tuple[ImageClassification, ImageClassification]:
    """What parts are measured on, and what cells are trained on, both of training images alone."""
    whole, small = (
        image_classes(load_task("cifar10", find_data_dir(None), image_size=size), "This study")
        for size in (None, IMAGE_SIZE)
    )
    part, _ = small.split_train(8000 / len(small.train), 7)
    train, held_out = replace(small, train=part).split_train(0.5, 7)
    return whole, replace(small, train=train, test=held_out)


def train(out: Path, cells: int, pool: int, epochs: int) -> None:
    full, own = tasks()
    drawn = dict.fromkeys(SPACE.draw(generator(7, "finalists", at)) for at in range(pool))
    candidates = list(drawn)
    torch.set_num_threads(os.cpu_count() or 1)
    began = time.monotonic()
    first = np.array(parallel_map(partial(measure, full), [(one, 0) for one in candidates]))
    print(f"{len(candidates)} cells ranked in {time.monotonic() - began:.0f} s", flush=True)
    values = dict(zip(PARTS, first.T, strict=True))
    order = np.argsort(-FIRST_LOOK(values), kind="stable")[:cells]
    out.mkdir(parents=True, exist_ok=True)
    rows = [[SPACE.format(one), row.tolist()] for one, row in zip(candidates, first, strict=True)]
    (out / "pool.json").write_text(json.dumps(rows))
    # in an order of chance, so that those trained so far are a sample, too
    chosen = [candidates[at] for at in np.random.default_rng(7).permutation(order)]

    def keep(architecture: Architecture) -> None:
        file = out / f"{SPACE.format(architecture).replace('|', '+')}.json"
        if not file.exists():
            began = time.monotonic()
            found = accuracy(own, epochs, architecture)
            file.write_text(json.dumps({"cell": SPACE.format(architecture), "accuracy": found, "epochs": epochs}))
            print(f"{found:.2f}  {SPACE.format(architecture)}  {time.monotonic() - began:.0f} s", flush=True)

    parallel_map(keep, chosen)


def with_votes(votes: float) -> RankSum:
    """The decision with another number of votes for how many layers learn."""
    changed = (replace(part, weight=votes) if part.score == "nascence-layers" else part for part in DECISION.parts)
    return replace(DECISION, parts=tuple(changed))


def table(run: Path, draws: int) -> None:
    full, _ = tasks()
    pool = json.loads((run / "pool.json").read_text())
    texts = [text for text, _ in pool]
    accuracies = {one["cell"]: one["accuracy"] for one in map(json.loads, map(Path.read_text, run.glob("*+*.json")))}
    trained = [at for at, text in enumerate(texts) if text in accuracies]
    first = np.array([row for _, row in pool])
    order = np.argsort(-FIRST_LOOK(dict(zip(PARTS, first.T, strict=True))), kind="stable")
    final = order[: max(FINALISTS, len(trained))]
    torch.set_num_threads(os.cpu_count() or 1)
    items = [(SPACE.parse(texts[at]), draw) for draw in range(1, draws) for at in final]
    again = np.array(parallel_map(partial(measure, full), items)).reshape(draws - 1, len(final), len(PARTS))
    values = np.zeros((len(PARTS), draws, len(pool)))
    values[:, 0] = first.T
    values[:, 1:, final] = again.transpose(2, 0, 1)
    measured = np.zeros((draws, len(pool)), dtype=bool)
    measured[0], measured[:, final] = True, True
    columns = dict(zip(PARTS, values, strict=True))
    truth = np.array([accuracies[texts[at]] for at in trained])
    rankings = {name: RankSum(name, (RankingPart(name),), np.log, "", "") for name in PARTS}
    rankings |= {"the first look": FIRST_LOOK, "the decision": DECISION}
    rankings |= {f"{votes} votes for layers": with_votes(votes) for votes in (3, 4, 8)}
    print(f"{len(trained)} trained cells, {truth.min():.1f} to {truth.max():.1f} %; Kendall's tau with the accuracy")
    for name, ranking in rankings.items():
        found = ranking(columns, measured)[trained]
        print(f"{name:24} {kendall(found, truth):+.2f}   its first choice: {truth[np.argmax(found)]:.1f} %")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("train")
    one.add_argument("--out", type=Path, required=True)
    one.add_argument("--cells", type=int, default=FINALISTS)
    one.add_argument("--pool", type=int, default=600)
    one.add_argument("--epochs", type=int, default=12)
    two = commands.add_parser("table")
    two.add_argument("run", type=Path)
    two.add_argument("--draws", type=int, default=8)
    given = parser.parse_args()
    if given.command == "train":
        train(given.out, given.cells, given.pool, given.epochs)
    else:
        table(given.run, given.draws)


if __name__ == "__main__":
    main()
