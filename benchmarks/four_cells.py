"""What daas finds, taken apart: {architecture that daas found, that darts found} x {policy that daas found, no policy}.

    PYTHONPATH=src NASCENCE_DATA=../shared/data python benchmarks/four_cells.py --seeds 4 --out cells.jsonl

Both searches on nas-bench-201 with as many epochs and images (preset laptop, shortened, without ``none``). Each of the
four, and with ``--baseline`` the found architecture under the random policy, is trained on CIFAR-10's first training
images at 16 x 16 pixels, 8 channels and one cell a stage, the usual shifts and mirrorings always included, and judged
on test images.

One line of JSON for every seed and system, added to ``--out``; what is there already is left out.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import replace
from typing import Any

import torch
from rows import Rows, measuring, seeds_of
from small_networks import small_cifar, trained

from nascence.architecture import Architecture
from nascence.configuration import settings
from nascence.costs import Budget
from nascence.methods import METHODS, Problem
from nascence.spaces import get_space
from nascence.tasks import load_task
from nascence.tasks.policy import Policy, uniform_policy
from nascence.training import evaluate

CELLS = (("daas", "found"), ("daas", "none"), ("darts", "found"), ("darts", "none"))
BASELINE = ("daas", "random")


def main() -> None:
    parser = measuring(__doc__, seeds=4)
    parser.add_argument("--train-images", type=int, default=4_000)
    parser.add_argument("--test-images", type=int, default=5_000)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--baseline", action="store_true", help="the random policy too")
    parser.add_argument("--set", nargs="*", default=[], help="settings of daas, name=value")
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = Rows(given.out)
    cells = (*CELLS, BASELINE) if given.baseline else CELLS
    task = small_cifar(given.train_images, given.test_images)
    for seed in seeds_of(given):
        if all(rows.has(seed=seed, architecture=one, policy=two) for one, two in cells):
            continue
        joint, told = searched("daas", given.set, seed)
        plain, _ = searched("darts", [], seed)
        networks = {"daas": joint, "darts": plain}
        policies = {"found": Policy.from_json(told["policy"]), "none": None, "random": uniform_policy()}
        for one, two in cells:
            if rows.has(seed=seed, architecture=one, policy=two):
                continue
            began = time.process_time()
            changed = replace(task, policy=policies[two])
            model = trained(networks[one], changed, seed=seed, epochs=given.epochs)
            found = evaluate(model, task.part("test"), task)
            rows.add(
                seed=seed,
                architecture=one,
                policy=two,
                accuracy=found.value,
                nll=found.loss,
                text=str(networks[one]),
                processor_seconds=round(time.process_time() - began),
            )
    for one, two in cells:
        values = [row["accuracy"] for row in rows.rows if (row["architecture"], row["policy"]) == (one, two)]
        spread = statistics.stdev(values) if len(values) > 1 else float("nan")
        mean = statistics.mean(values)
        print(f"architecture of {one:5}, policy {two:6}: {mean:.2f} +- {spread:.2f}, {len(values)} seeds")


def searched(name: str, texts: list[str], seed: int) -> tuple[Architecture, dict[str, Any]]:
    """What a method found, and what else it tells."""
    kind = METHODS.get(name)
    short = {"epochs": 16, "warmup_epochs": 6, "epoch_images": 2560, "exclude": "none", "check_images": 0}
    space, task = get_space("nas-bench-201"), load_task("cifar10")
    budget = Budget().bind(space, space.networks["evaluation"], signature=task.signature)
    method = settings(kind, texts, defaults={**kind.PRESETS["laptop"], **short})
    strategy = method.strategy(Problem(space, task, space.networks["evaluation"], budget, seed))
    while not strategy.done:
        strategy.advance()
    return strategy.derive(), strategy.findings()


if __name__ == "__main__":
    main()
