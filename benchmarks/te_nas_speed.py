"""One TE-NAS search on NAS-Bench-201 as Nascence computes it, against the same search computed the obvious way.

    python benchmarks/te_nas_speed.py [--data cifar10] [--data-dir DIR] [--repeats R] [--candidates 2] [--threads 4]

The obvious way: one module per edge and operation, one network at a time, one backward pass per image, every row of
activations compared with those before it, and the unpruned supernet's two numbers computed anew for every candidate. It
is timed on a few candidates of every round, at the round's first draw, and extrapolated linearly to all candidates and
draws. On these, both ways must give the same condition numbers and the same numbers of regions.
"""

from __future__ import annotations

import argparse
import math
import resource
import time
from dataclasses import replace

import torch

from nascence.costs import Budget
from nascence.methods import Problem
from nascence.methods.te_nas import TENAS
from nascence.seeding import derive_seed, generator
from nascence.spaces import CellSpace, get_space
from nascence.spaces.cells import cell_space
from nascence.strategies.pruning import SupernetPruning
from nascence.supernets import MixingWeights
from nascence.supernets.cells import CellSupernet
from nascence.tasks import ImageClassification, load_task
from nascence.tasks.augmentation import shrink
from nascence.tasks.image_classification import image_classes
from nascence.testing import reference
from nascence.testing.reference import ObviousSupernet

SEED = 0


def main() -> None:
    parser = argparse.ArgumentParser(description="A TE-NAS search against the same search computed the obvious way.")
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--data-dir")
    parser.add_argument("--repeats", type=int, help="draws per round; default: the method's")
    parser.add_argument("--batch-norm", choices=("train", "frozen", "eval"), help="default: the method's")
    parser.add_argument("--candidates", type=int, default=2, help="timed the obvious way, per round")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    task = image_classes(load_task(options.data, options.data_dir), "This comparison")
    space = cell_space(get_space("nas-bench-201"), "This comparison")
    method = TENAS()
    if options.repeats:
        method = replace(method, repeats=options.repeats)
    if options.batch_norm:
        method = replace(method, batch_norm=options.batch_norm)
    network = space.networks["evaluation"]
    strategy = method.strategy(Problem(space, task, network, Budget().bind(space, network), SEED))
    assert isinstance(strategy, SupernetPruning)
    rounds: dict[int, MixingWeights] = {}

    began = time.perf_counter()
    while not strategy.done:
        if strategy.draw == 0:
            rounds[strategy.round] = strategy.weights(strategy.candidates())
        strategy.advance()
    architecture, quick = strategy.derive(), time.perf_counter() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"nascence: {quick:.1f} s, peak memory of the process {memory:.2f} GiB, threads: {options.threads}")
    print(f"          {method}")
    print(f"          {architecture}", flush=True)

    obvious, timed, total, kappa_difference, region_difference = 0.0, 0, 0, 0.0, 0.0
    for at_round, weights in rounds.items():
        values = {indicator.name: indicator.measure(weights, at_round, 0) for indicator in strategy.indicators}
        candidates = len(weights["cell"]) - 1
        step = max(1, candidates // options.candidates)
        for at in range(1, candidates + 1, step)[: options.candidates]:
            began = time.perf_counter()
            pair = {
                place: obvious_way(method, space, task, at_round, {kind: w[place] for kind, w in weights.items()})
                for place in (0, at)
            }
            obvious += time.perf_counter() - began
            timed += 1
            for place, (kappa, regions) in pair.items():
                expected = float(values["ntk-condition"][place])
                kappa_difference = max(kappa_difference, abs(kappa - expected) / expected)
                region_difference = max(region_difference, abs(regions - float(values["linear-regions"][place])))
        total += candidates * method.repeats
    estimate = obvious / timed * total
    print(
        f"obvious:  {obvious:.1f} s for {timed} of {total} candidates with their baselines; "
        f"extrapolated linearly to all: {estimate:.0f} s"
    )
    print(f"ratio:    {estimate / quick:.0f}")
    print(
        f"on those {timed}: largest relative difference of the condition numbers {kappa_difference:.1e}, "
        f"largest difference of the numbers of regions {region_difference:.2g}"
    )
    if not (kappa_difference <= 1e-2 and region_difference <= 0.01 * method.regions.batches * method.regions.patches):
        raise SystemExit("The two ways disagree.")


def obvious_way(
    method: TENAS, space: CellSpace, task: ImageClassification, at_round: int, weights: MixingWeights
) -> tuple[float, float]:
    """Condition number and mean number of regions of one network at the round's first draw."""

    def network(size: str, channels: int, *place: str | int) -> ObviousSupernet:
        config = space.networks[size]
        seed = derive_seed(SEED, "te-nas", *place)
        fused = CellSupernet(
            space,
            config,
            initialisation=method.initialisation,
            seed=seed,
            in_channels=channels,
            num_classes=task.num_classes,
        )
        return ObviousSupernet.like(fused, space, config, in_channels=channels, num_classes=task.num_classes)

    images, _ = task.batch(method.images, generator(SEED, "te-nas", "images", at_round, 0), augment=True)
    images = shrink(images, method.image_size)
    supernet = network("pruning", task.in_channels, "ntk", at_round, 0)
    kernel = reference.class_summed_kernel(supernet, images, mode=method.batch_norm, weights=weights)
    logs = []
    for at in range(method.regions.networks):
        draws = [
            generator(SEED, "te-nas", "patches", at_round, 0, at, batch) for batch in range(method.regions.batches)
        ]
        patches = [task.patches(method.regions.patches, method.regions.patch_size, 1, random) for random in draws]
        thin = network("regions", 1, "regions", at_round, 0, at)
        logs.append(math.log(reference.count_regions(thin, patches, weights)))
    return reference.condition_number(kernel), math.exp(sum(logs) / len(logs))


if __name__ == "__main__":
    main()
