"""What TE-NAS's indicators say of a supernet's operations on NAS-Bench-201, and how surely: no accuracy is looked at.

    python benchmarks/te_nas_indicators.py [--operations skip_connect,nor_conv_1x1,nor_conv_3x3] [--draws 60]
        [--channels C --depth N] [--set patch_size=3 ...] [--data cifar10] [--data-dir DIR]

The supernet has ``--operations`` on every edge. Of each operation on each edge the worth is how much its removal hurts:
log kappa after minus before, and log R before minus after. Printed are the mean over edges and draws, its standard
error over draws, and the same for the worth of the last operation minus that of the one before it. An indicator that
cannot tell two operations apart leaves the choice between them to chance.
"""

from __future__ import annotations

import argparse
import time

import torch
from torch import Tensor

from nascence.configuration import settings
from nascence.costs import Budget
from nascence.methods import Problem
from nascence.methods.te_nas import TENAS
from nascence.spaces import CellSpace, NetworkConfig, get_space
from nascence.strategies.pruning import Candidate, SupernetPruning, log_change
from nascence.tasks import load_task


def main() -> None:
    parser = argparse.ArgumentParser(description="Worth of operations by TE-NAS's indicators, with standard errors.")
    parser.add_argument("--operations", default="skip_connect,nor_conv_1x1,nor_conv_3x3")
    parser.add_argument("--draws", type=int, default=60)
    parser.add_argument("--channels", type=int, help="of the supernet whose kernel is taken; default: the space's")
    parser.add_argument("--depth", type=int, help="its cells a stage")
    parser.add_argument("--set", action="append", default=[], dest="settings", help="a setting of te-nas")
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--data-dir")
    options = parser.parse_args()
    torch.set_num_threads(1)
    task, space = load_task(options.data, options.data_dir), get_space("nas-bench-201")
    assert isinstance(space, CellSpace)
    size = space.networks["pruning"]
    size = NetworkConfig(channels=options.channels or size.channels, depth=options.depth or size.depth)
    space.networks = {**space.networks, "pruning": size}
    network = space.networks["evaluation"]
    method = settings(TENAS, options.settings)
    strategy = method.strategy(Problem(space, task, network, Budget().bind(space, network), seed=0))
    assert isinstance(strategy, SupernetPruning)

    names = options.operations.split(",")
    weights = without_each(space, names)
    for indicator in strategy.indicators:
        began = time.perf_counter()
        draws = [indicator.measure(weights, 0, draw).double() for draw in range(options.draws)]
        seconds = (time.perf_counter() - began) / options.draws
        worth = torch.stack([log_change(values[0], values[1:]) for values in draws])
        worth_DOE = (worth if indicator.larger_is_better else -worth).unflatten(1, (len(names), -1))
        print(f"{indicator.name}  ({seconds:.2f} s a draw, {options.draws} draws)")
        for at, name in enumerate(names):
            print(f"  {name:16s} {summary(worth_DOE[:, at])}")
        print(f"  last - one before {summary(worth_DOE[:, -1] - worth_DOE[:, -2])}", flush=True)


def without_each(space: CellSpace, names: list[str]) -> dict[str, Tensor]:
    """Mixing weights of the supernet with ``names`` on every edge, then without each of them on each edge."""
    edges = range(len(space.shape.edges))
    columns = [space.operations.index(name) for name in names]
    whole = torch.zeros(len(edges), len(space.operations))
    whole[:, columns] = 1
    masks = whole.repeat(1 + len(columns) * len(edges), 1, 1)
    removals = [Candidate("cell", edge, column) for column in columns for edge in edges]
    for mask, removal in zip(masks[1:], removals, strict=True):
        mask[removal.edge, removal.operation] = 0
    return {"cell": masks / masks.sum(-1, keepdim=True)}


def summary(worth_DE: Tensor) -> str:
    means = worth_DE.mean(1)
    edges = " ".join(f"{value:+.3f}" for value in worth_DE.mean(0).tolist())
    return f"{means.mean():+.4f} +- {means.std() / len(means) ** 0.5:.4f}   by edge: {edges}"


if __name__ == "__main__":
    main()
