"""How long must a supernet be trained before its architecture moves? What the loss asks for, while it trains.

    python benchmarks/warm_up.py --data-dir ../shared/data [--epochs 24] [--depth 1] [--channels 8] [--seed 0]

Trains the weights of the nas-bench-201 supernet alone, under equal mixing weights, as the warm-up of the preset
``laptop`` does (SGD, batch 64, learning rate 0.025 along a cosine, 16 x 16 images). Every few epochs: the accuracy on
validation images, and the mean gradient of the validation loss in the mixing weights of each operation, less the mean
over operations, with its standard error over batches. The operation with the smallest is what descent moves to. One
thread; no table is read.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import replace

import torch
import torch.nn.functional as F

from nascence.spaces import CellSpace, get_space
from nascence.supernets.cells import CellSupernet
from nascence.supernets.cells.fused import use_quick_gradients
from nascence.tasks import load_task
from nascence.tasks.cycling import CyclingBatches
from nascence.tasks.image_classification import image_classes

BATCH, RATE, LAST_RATE = 64, 0.025, 0.001


def asked_for(
    supernet: CellSupernet, batches: CyclingBatches, equal_EO: torch.Tensor, count: int
) -> tuple[float, torch.Tensor, torch.Tensor]:
    """(accuracy in percent, gradients [O] of the operations as described above, their standard errors [O])."""
    for weight in supernet.parameters():
        weight.requires_grad_(False)
    gradients, right, images = [], 0, 0
    for number in range(count):
        batch = batches(number)
        (x_BCHW,), y_B = batch.inputs, batch.target
        mixing = equal_EO.clone().requires_grad_()
        logits_BK = supernet(x_BCHW, {"cell": mixing})
        (gradient_EO,) = torch.autograd.grad(F.cross_entropy(logits_BK, y_B), mixing)
        gradients.append(gradient_EO.mean(0) - gradient_EO.mean())
        right, images = right + int((logits_BK.argmax(1) == y_B).sum()), images + len(y_B)
    for weight in supernet.parameters():
        weight.requires_grad_(True)
    all_NO = torch.stack(gradients)
    return 100 * right / images, all_NO.mean(0), all_NO.std(0) / math.sqrt(count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data-dir", default="../shared/data")
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--every", type=int, default=4)
    parser.add_argument("--depth", type=int, default=1)
    parser.add_argument("--channels", type=int, default=8)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--image-size", type=int, default=16)
    parser.add_argument("--batches", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    space = get_space("nas-bench-201")
    assert isinstance(space, CellSpace)
    task = image_classes(load_task("cifar10", options.data_dir), "This study")
    train, valid = task.halves(options.seed)
    weights = CyclingBatches(
        task, train[torch.arange(options.images)], BATCH, options.seed, "weights", options.image_size
    )
    held = CyclingBatches(task, valid, BATCH, options.seed, "architecture", options.image_size)
    size = replace(space.networks["search-small"], channels=options.channels, depth=options.depth)
    supernet = CellSupernet(space, size, seed=options.seed)
    use_quick_gradients(supernet)
    equal_EO = torch.full((len(space.shape.edges), len(space.operations)), 1 / len(space.operations))
    sgd = torch.optim.SGD(supernet.parameters(), RATE, momentum=0.9, weight_decay=3e-4)
    print(f"{'epoch':>5} {'accuracy':>8}  " + "  ".join(f"{name:>16}" for name in space.operations), flush=True)
    began = time.process_time()
    for epoch in range(options.epochs):
        for group in sgd.param_groups:
            group["lr"] = LAST_RATE + (RATE - LAST_RATE) * (1 + math.cos(math.pi * epoch / options.epochs)) / 2
        for step in range(len(weights)):
            batch = weights(epoch * len(weights) + step)
            loss = F.cross_entropy(supernet(*batch.inputs, {"cell": equal_EO}), batch.target)
            sgd.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(supernet.parameters(), 5.0)
            sgd.step()
        if (epoch + 1) % options.every == 0:
            accuracy, mean_O, error_O = asked_for(supernet, held, equal_EO, options.batches)
            cells = "  ".join(f"{m:+9.4f} ({e:.4f})" for m, e in zip(mean_O.tolist(), error_O.tolist(), strict=True))
            print(f"{epoch + 1:5} {accuracy:8.1f}  {cells}", flush=True)
    print(f"{time.process_time() - began:.0f} s of processor time")


if __name__ == "__main__":
    main()
