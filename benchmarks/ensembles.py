"""Ensembles that ness finds, beside a single network and a deep ensemble of it, on small networks and few images.

    PYTHONPATH=src NASCENCE_DATA=../shared/data python benchmarks/ensembles.py --seeds 5 --out ensembles.jsonl

A search (preset laptop, shortened) ends in members of different architectures; each is trained on CIFAR-10's first
training images at 16 x 16 pixels, 8 channels and one cell a stage, from a seed of its own. The deep ensemble: as many
networks of the member that is best by itself on the search's validation images, from seeds of their own, with channels
such that they have about as many parameters as the members together. On test images: accuracy, NLL
(nats), ECE (15 bins, percent), disagreement of pairs (percent), accuracy under PGD with ten steps at 2/255 through the
mean of the probabilities. ``table``: NATS-Bench's CIFAR-10 accuracy of 300 draws from the posterior, and of all cells.

One line of JSON for every seed and system, added to ``--out``; what is there already is left out.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rows import Rows, measuring, seeds_of
from small_networks import small_cifar, trained
from torch import nn

from nascence.architecture import Architecture
from nascence.attacks.pgd import PGD
from nascence.attacks.robustness import robustness
from nascence.benchmarks import TABLES, load_table
from nascence.configuration import settings
from nascence.costs import Budget
from nascence.costs.counting import params
from nascence.methods import Problem
from nascence.methods.ness import NESS
from nascence.seeding import derive_seed, generator
from nascence.spaces import get_space
from nascence.spaces.relaxable import relaxable
from nascence.strategies.ensembles import EnsembleSearch
from nascence.strategies.svgd import draw
from nascence.tasks import load_task
from nascence.tasks.image_classification import ImageClassification
from nascence.training.ensemble import Ensemble, judge_ensemble

SPACE = "nas-bench-201"


def main() -> None:
    parser = measuring(__doc__, seeds=5)
    parser.add_argument("--tables", type=Path, default=Path("../shared/data/tables"))
    parser.add_argument("--members", type=int, default=3)
    parser.add_argument("--train-images", type=int, default=6_000)
    parser.add_argument("--test-images", type=int, default=5_000)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--attacked", type=int, default=500)
    parser.add_argument("--set", nargs="*", default=[], help="settings of ness, name=value")
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = Rows(given.out)
    task = small_cifar(given.train_images, given.test_images)
    for seed in seeds_of(given):
        if rows.has(seed=seed, system="deep ensemble"):
            continue
        began = time.process_time()
        strategy = searched(given, seed)
        if not rows.has(seed=seed, system="search"):
            seconds = round(time.process_time() - began)
            rows.add(
                seed=seed, system="search", processor_seconds=seconds, **strategy.findings(), **table(strategy, given)
            )
        members, best = strategy.ensemble(), strategy.derive()
        found = [_trained(member, task, given, seed, at) for at, member in enumerate(members)]
        one = params(found[members.index(best)])
        channels = max(2, round(8 * (sum(map(params, found)) / len(found) / one) ** 0.5))
        deep = [_trained(best, task, given, seed, 10 + at, channels) for at in range(len(members))]
        systems = {"ness": found, "deep ensemble": deep}
        for name, networks in systems.items():
            if not rows.has(seed=seed, system=name):
                rows.add(seed=seed, system=name, **judged(networks, task, given.attacked, seed))


def searched(given: argparse.Namespace, seed: int) -> EnsembleSearch:
    """The finished search."""
    short = {"epochs": 16, "epoch_images": 2560, "valid_images": 2560, "check_images": 0}
    changes = {**NESS.PRESETS["laptop"], **short, "members": given.members}
    space, task = get_space(SPACE), load_task("cifar10")
    budget = Budget().bind(space, space.networks["evaluation"], signature=task.signature)
    problem = Problem(space, task, space.networks["evaluation"], budget, seed)
    strategy = settings(NESS, given.set, defaults=changes).strategy(problem)
    while not strategy.done:
        strategy.advance()
    assert isinstance(strategy, EnsembleSearch)
    return strategy


def table(strategy: EnsembleSearch, given: argparse.Namespace) -> dict[str, Any]:
    """What the table says of draws from the posterior; the search has not seen it."""
    space = relaxable(get_space(SPACE), "ness")
    judge = load_table(given.tables / TABLES[SPACE].file, space=SPACE)
    column = "cifar10_test_acc_200ep"
    random, logits = generator(0, "draws"), strategy.logits()
    best = strategy.descent.budget.best
    drawn = [judge.value(best(space.choice_scores(draw(logits, random))), column) for _ in range(300)]
    own = [judge.value(member, column) for member in strategy.ensemble()]
    everything = judge.column(column)
    told = {"draws_mean": np.mean(drawn), "draws_error": np.std(drawn) / 300**0.5, "members": own}
    return {"table": {**told, "all_mean": everything.mean(), "all_median": np.median(everything)}}


def _trained(
    architecture: Architecture, task: ImageClassification, given: argparse.Namespace, seed: int, at: int, wide: int = 8
) -> nn.Module:
    own = derive_seed(seed, "member", at)
    return trained(architecture, task, seed=own, epochs=given.epochs, channels=wide)


def judged(networks: Sequence[nn.Module], task: ImageClassification, images: int, seed: int) -> dict[str, Any]:
    """What the networks are together, and each by itself."""
    evaluation, together = judge_ensemble(networks, task.part("test"), task)
    whole = Ensemble(networks, task.combine).eval()
    batches = list(task.part("test").first(images).passing(100))
    attacked = robustness(whole, task, batches, [PGD(steps=10)], [2 / 255], seed=seed)[-1]
    return {
        "accuracy": evaluation.value,
        **together,
        "pgd_accuracy": attacked.percent,
        "params": sum(map(params, networks)),
    }


if __name__ == "__main__":
    main()
