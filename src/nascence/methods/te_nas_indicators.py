"""The two indicators of TE-NAS, of supernets at initialisation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from nascence.declaring import Settings, setting
from nascence.methods.base import Problem
from nascence.methods.parts import Probing
from nascence.scores.batch_norm import BatchNormMode, replace_batch_norm
from nascence.scores.linear_regions import count_regions
from nascence.scores.ntk import class_summed_kernel, condition_number
from nascence.seeding import derive_seed, generator
from nascence.spaces import CellSpace
from nascence.spaces.relaxable import initialised_supernet
from nascence.supernets import MixingWeights
from nascence.supernets.cells import CellSupernet
from nascence.tasks.augmentation import shrink

_SIDE_BY_SIDE = 7
"""How many networks are evaluated in one batch: enough to amortise the calls, few enough for the cache and memory."""


@dataclass(frozen=True, kw_only=True)
class RegionCounts(Settings):
    """On what linear regions are counted."""

    networks: int = setting(
        8, "Thin networks a draw, over whose counts the geometric mean is taken.", at_least=1, alias="region_networks"
    )
    batches: int = setting(
        1, "Batches of patches that regions are counted on in each.", at_least=1, alias="region_batches"
    )
    patches: int = setting(250, "One-channel patches of such a batch.", at_least=1, alias="region_patches")
    patch_size: int = setting(
        5,
        "Of those; on the official 3 x 3 pixels a 3 x 3 kernel sees mostly padding, and what it is worth is far less "
        "sure.",
        at_least=1,
    )


@final
@dataclass(frozen=True)
class KernelCondition:
    """Condition number of the class-summed kernel of the space's ``pruning`` supernet on a batch of training images."""

    settings: Probing
    batch_norm: BatchNormMode
    problem: Problem
    space: CellSpace

    def __call__(self, weights: MixingWeights, at_round: int, draw: int) -> Tensor:
        settings, task, seed = self.settings, self.problem.images, self.problem.seed
        size, weights_seed = self.space.networks["pruning"], derive_seed(seed, "te-nas", "ntk", at_round, draw)
        supernet = initialised_supernet(self.space, size, task.signature, settings.initialisation, seed=weights_seed)
        replace_batch_norm(supernet, self.batch_norm)
        compute = self.problem.compute
        compute.place(supernet)
        x_BCHW, _ = task.batch(settings.images, generator(seed, "te-nas", "images", at_round, draw), augment=True)
        x_BCHW = shrink(compute.place(x_BCHW), settings.image_size)

        def kappas(part: MixingWeights, groups: int) -> Tensor:
            kernel = class_summed_kernel(
                supernet, lambda x: supernet(x, part), x_BCHW.repeat(groups, 1, 1, 1), groups=groups
            )
            return condition_number(kernel).cpu()

        side_by_side = 1 if self.batch_norm == "train" else _SIDE_BY_SIDE  # coupled samples: one at a time
        return _in_parts(compute.place(weights), kappas, side_by_side)


@final
@dataclass(frozen=True)
class CountedRegions:
    """Distinct activation patterns of the space's one-channel ``regions`` supernets over small patches: the geometric
    mean over them. Counts vary far more from network to network than from patch to patch."""

    settings: RegionCounts
    initialisation: str
    problem: Problem
    space: CellSpace

    def __call__(self, weights: MixingWeights, at_round: int, draw: int) -> Tensor:
        counts = [self._counts(weights, at_round, draw, network) for network in range(self.settings.networks)]
        return torch.stack(counts).log().mean(0).exp()

    def _counts(self, weights: MixingWeights, *place: int) -> Tensor:
        """[M] numbers of regions; ``place``: round, draw and number of the thin network."""
        settings, task, seed = self.settings, self.problem.images, self.problem.seed
        batches = settings.batches
        supernet = CellSupernet(
            self.space,
            self.space.networks["regions"],
            in_channels=1,
            num_classes=task.num_classes,
            initialisation=self.initialisation,
            seed=derive_seed(seed, "te-nas", "regions", *place),
        )
        replace_batch_norm(supernet, "frozen")
        compute = self.problem.compute
        compute.place(supernet)
        draws = (generator(seed, "te-nas", "patches", *place, batch) for batch in range(batches))
        patches = [compute.place(task.patches(settings.patches, settings.patch_size, 1, random)) for random in draws]

        def regions(part: MixingWeights, groups: int) -> Tensor:
            spread = {kind: value.repeat_interleave(batches, 0) for kind, value in part.items()}
            counts = count_regions(
                supernet, lambda x: supernet(x, spread), torch.cat(patches), batches=batches, groups=groups
            )
            return torch.tensor(counts, dtype=torch.float64)

        return _in_parts(compute.place(weights), regions, _SIDE_BY_SIDE)


def _in_parts(weights: MixingWeights, measure: Callable[[MixingWeights, int], Tensor], size: int) -> Tensor:
    """``measure(weights, M)`` of all networks, at most ``size`` of them side by side."""
    split = {kind: value.split(size) for kind, value in weights.items()}
    parts = [dict(zip(split, values, strict=True)) for values in zip(*split.values(), strict=True)]
    return torch.cat([measure(part, len(next(iter(part.values())))) for part in parts])


__all__ = ["CountedRegions", "KernelCondition", "RegionCounts"]
