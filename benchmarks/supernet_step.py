"""One weight step and one architecture step of a NAS-Bench-201 supernet: fused against one module per edge.

    python benchmarks/supernet_step.py [--channels 16] [--depth 5] [--batch 64] [--steps 3] [--threads 1]

Prints seconds per pair of steps (the median), the ratio, and the largest difference of logits and gradients.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from torch import Tensor, nn

from nascence.seeding import generator
from nascence.spaces import CellSpace, NetworkConfig, get_space
from nascence.supernets import Supernet
from nascence.testing.reference import ObviousSupernet, per_edge


def main() -> None:
    parser = argparse.ArgumentParser(description="One weight and one architecture step: fused against obvious.")
    parser.add_argument("--space", default="nas-bench-201")
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--depth", type=int, default=5)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    space = get_space(options.space)
    assert isinstance(space, CellSpace)
    config = NetworkConfig(channels=options.channels, depth=options.depth, affine=False)
    fused = Supernet(space, config, initialisation="kaiming-fan-in")
    obvious = ObviousSupernet.like(fused, space, config)
    shape = (len(space.shape.edges), len(space.operations))
    logits = {kind: 1e-3 * torch.randn(shape, generator=generator(0, kind)) for kind in space.kinds}
    images = torch.randn(options.batch, 3, options.size, options.size, generator=generator(0, "images"))
    labels = torch.randint(10, (options.batch,), generator=generator(0, "labels"))

    one, two = (pair_of_steps(network, logits, images, labels) for network in (fused, obvious))  # warms up, too
    gradients = per_edge(fused, {name: p.grad for name, p in fused.named_parameters() if p.grad is not None})
    weight_pairs = [(gradients[name], p.grad) for name, p in obvious.named_parameters() if p.grad is not None]
    differences = {
        "logits": relative(one[0], two[0]),
        "architecture gradient": max(relative(a, b) for a, b in zip(one[1], two[1], strict=True)),
        "weight gradient": relative(*(torch.cat([p[at].flatten() for p in weight_pairs]) for at in (0, 1))),
    }
    times: dict[str, list[float]] = {"fused": [], "obvious": []}
    for _ in range(options.steps):  # alternating, so that both see the same machine
        for name, network in (("fused", fused), ("obvious", obvious)):
            began = time.perf_counter()
            pair_of_steps(network, logits, images, labels)
            times[name].append(time.perf_counter() - began)
    seconds = {name: statistics.median(values) for name, values in times.items()}
    print(
        f"{space.name}, C={options.channels}, N={options.depth}, batch {options.batch} of "
        f"{options.size} x {options.size}, threads: {torch.get_num_threads()}, median of {options.steps}"
    )
    for name, value in seconds.items():
        print(f"{name:8s} {value:8.3f} s for one weight step and one architecture step")
    print(f"ratio    {seconds['obvious'] / seconds['fused']:8.2f}")
    for name, difference in differences.items():
        print(f"largest difference of the {name}: {difference:.1e} of its largest entry")


def pair_of_steps(
    network: nn.Module, logits: dict[str, Tensor], images: Tensor, labels: Tensor
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The gradients of the weights (left in ``grad``), then those of the architecture; nothing is moved."""
    network.zero_grad()
    output = network(images, {kind: value.softmax(1) for kind, value in logits.items()})
    nn.functional.cross_entropy(output, labels).backward()
    leaves = {kind: value.clone().requires_grad_() for kind, value in logits.items()}
    loss = nn.functional.cross_entropy(network(images, {k: v.softmax(1) for k, v in leaves.items()}), labels)
    return output.detach(), torch.autograd.grad(loss, list(leaves.values()))


def relative(one: Tensor, two: Tensor) -> float:
    return float((one - two).abs().max() / two.abs().max().clamp_min(1e-30))


if __name__ == "__main__":
    main()
