"""Prices on FLOPs against the table of Channel-Bench-Macro: is the best network of its cost found, for every price?

A check of the expected cost and of descent on mixing weights, no search: the accuracy that a supernet would have to
tell is read from the table. Maximises E[accuracy] - price x E[FLOPs] / FLOPs of the largest network over a softmax per
width by natural gradient steps, then takes the argmax.

    python benchmarks/width_price_sweep.py --data-dir ../shared/data
"""

from __future__ import annotations

import argparse

import numpy as np
import torch

from nascence.benchmarks.tables import load_table
from nascence.costs import CostModel
from nascence.spaces import get_space
from nascence.strategies.descent.architecture_gradient import enhanced_gradient
from nascence.supernets import Extent

PRICES = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0)


def sweep(data_dir: str | None, prices: tuple[float, ...] = PRICES, steps: int = 300, rate: float = 0.5):
    """Per price: (price, architecture, its accuracy, its multiply-adds, the best accuracy at that cost or less)."""
    space = get_space("channel-bench-macro-mobilenet")
    table = load_table(space.name, data_dir)
    model = CostModel(space, space.networks["evaluation"])
    accuracies = dict(zip(map(str, table.architectures()), table.column("test_acc"), strict=True))
    everything = list(space.enumerate())
    flat = torch.tensor([accuracies[str(architecture)] for architecture in everything], dtype=torch.float64)
    costs = np.array([model.flops(architecture) for architecture in everything])
    rows = tuple((choice.name, 0) for choice in space.choices)
    accuracy = Extent(rows, flat.view([len(choice.options) for choice in space.choices]))
    found = []
    for price in prices:
        logits = {choice.name: torch.zeros(len(choice.options), dtype=torch.float64) for choice in space.choices}
        for _ in range(steps):
            leaves = {name: value.requires_grad_() for name, value in logits.items()}
            weights = {name: value.softmax(-1) for name, value in leaves.items()}
            mean = accuracy.mean({name: value[None] for name, value in weights.items()})
            value = mean - price * model.expected("flops", weights) / costs.max()
            gradients = torch.autograd.grad(value, list(leaves.values()))
            logits = {
                name: (leaf + rate * enhanced_gradient(gradient, weights[name])).detach()
                for (name, leaf), gradient in zip(leaves.items(), gradients, strict=True)
            }
        answers = [choice.options[int(logits[choice.name].argmax())] for choice in space.choices]
        architecture = space.architecture(answers)
        cost = model.flops(architecture)
        best = float(flat[torch.from_numpy(costs <= cost)].max())
        found.append((price, str(architecture), accuracies[str(architecture)], cost / 2, best))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", default=None)
    for price, text, accuracy, cost, best in sweep(parser.parse_args().data_dir):
        print(f"price {price:4g}  {text}  {accuracy:.2f} %  {cost / 1e6:6.1f} M  best at this cost {best:.2f} %")


if __name__ == "__main__":
    main()
