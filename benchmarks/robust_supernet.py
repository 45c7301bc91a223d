"""What adversarial weight steps are worth: a small supernet of nas-bench-201 trained on plain and on attacked CIFAR-10
images, then attacked by PGD with ten steps at 2/255, on images that it has not seen.

    NASCENCE_DATA=../shared/data PYTHONPATH=src python benchmarks/robust_supernet.py --seeds 2

Mixing weights stay uniform: no architecture is searched, only the weights learn.
"""

from __future__ import annotations

import argparse
import itertools
import time

import torch
from torch import Tensor, nn

from nascence.attacks.pgd import PGD
from nascence.attacks.robustness import robustness
from nascence.costs import Budget
from nascence.methods import Problem
from nascence.methods.e2rnas import E2RNAS
from nascence.spaces import get_space
from nascence.strategies.descent.bilevel import BilevelDescent
from nascence.supernets.base import Supernet
from nascence.supernets.groups import MixingWeights
from nascence.tasks import load_task

EPS = 2 / 255


class Mixed(nn.Module):
    """A supernet under fixed mixing weights."""

    def __init__(self, supernet: Supernet, weights: MixingWeights) -> None:
        super().__init__()
        self.supernet, self.weights = supernet, weights

    def forward(self, x_BCHW: Tensor) -> Tensor:
        output: Tensor = self.supernet(x_BCHW, weights=self.weights)
        return output


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--epoch-images", type=int, default=2500)
    parser.add_argument("--images", type=int, default=1000, help="that are attacked")
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--channels", type=int, default=8)
    parser.add_argument("--attacks", default="none,single,pgd", help="what weights are trained under")
    given = parser.parse_args()
    torch.set_num_threads(1)
    space, task = get_space("nas-bench-201"), load_task("cifar10")
    network = space.networks["evaluation"]
    print("weights      seed  plain  PGD-10 2/255  seconds")
    for seed, attack in itertools.product(range(given.seeds), given.attacks.split(",")):
        settings = {**E2RNAS.PRESETS["laptop"], "epochs": given.epochs, "warmup_epochs": given.epochs}
        settings |= {"image_size": given.image_size, "channels": given.channels}
        settings |= {"epoch_images": given.epoch_images, "check_images": 0, "attack": attack, "eps": EPS}
        budget = Budget().bind(space, network, signature=task.signature)
        strategy = E2RNAS(**settings).strategy(Problem(space, task, network, budget, seed))
        assert isinstance(strategy, BilevelDescent)
        began = time.perf_counter()
        while not strategy.done:
            strategy.advance()
        part = task.part("test").first(given.images)
        batches = list(part.passing(100, image_size=given.image_size))
        model = Mixed(strategy.supernet, strategy.relaxation.mean())
        plain, attacked = robustness(model, task, batches, [PGD(steps=10)], [EPS], seed=seed)
        seconds = time.perf_counter() - began
        print(f"{attack:11}  {seed:4}  {plain.percent:5.1f}  {attacked.percent:12.1f}  {seconds:7.0f}", flush=True)


if __name__ == "__main__":
    main()
