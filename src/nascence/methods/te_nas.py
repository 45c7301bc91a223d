"""TE-NAS: prune a supernet by the condition number of its tangent kernel and its number of linear regions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, final

import torch
from torch import Tensor

from nascence.errors import SettingError
from nascence.methods.base import Method, Problem
from nascence.scores.batch_norm import BatchNormMode, replace_batch_norm
from nascence.scores.linear_regions import activation_patterns, count_distinct
from nascence.scores.ntk import class_summed_kernel, condition_number
from nascence.seeding import derive_seed, generator
from nascence.spaces import CellSpace
from nascence.strategies import Strategy
from nascence.strategies.pruning import Indicator, SupernetPruning
from nascence.supernets import MixingWeights, Supernet

_SIDE_BY_SIDE = 8
"""How many networks are evaluated in one batch: enough to amortise the launches, few enough to stay in the cache."""


@final
@dataclass(frozen=True, kw_only=True)
class TENAS(Method):
    """Settings of TE-NAS (Chen, Gong & Wang, ICLR 2021, arXiv 2102.11535)."""

    name: ClassVar[str] = "te-nas"
    title: ClassVar[str] = "TE-NAS: pruning a supernet on NTK condition number and linear regions, without training"
    paper: ClassVar[str] = "arXiv 2102.11535"

    repeats: int = 8
    images: int = 32
    batch_norm: BatchNormMode = "frozen"
    initialisation: str = "default"
    region_batches: int = 3
    region_patches: int = 1000
    patch_size: int = 3
    prune: int | None = None
    indicators: Literal["both", "ntk-condition", "linear-regions"] = "both"

    def strategy(self, problem: Problem) -> Strategy:
        space = problem.space
        if not isinstance(space, CellSpace) or "regions" not in space.networks:
            raise SettingError(f"te-nas prunes a supernet of cells; the space {space.name} has none.")
        indicators = {
            "ntk-condition": Indicator("ntk-condition", False, _ConditionNumber(self, problem, space)),
            "linear-regions": Indicator("linear-regions", True, _LinearRegions(self, problem, space)),
        }
        chosen = list(indicators.values()) if self.indicators == "both" else [indicators[self.indicators]]
        operations = len(space.operations) - ("none" in space.operations)
        return SupernetPruning(
            space,
            chosen,
            draws=self.repeats,
            prune=self.prune or max(1, (operations - 1) // 2),
            budget=problem.budget,
        )


@dataclass(frozen=True)
class _ConditionNumber:
    """Condition number of the class-summed kernel of the space's ``score`` supernet on a batch of training images."""

    settings: TENAS
    problem: Problem
    space: CellSpace

    def __call__(self, weights: MixingWeights, at_round: int, draw: int) -> Tensor:
        settings, task, seed = self.settings, self.problem.task, self.problem.seed
        supernet = Supernet(
            self.space,
            self.space.networks["score"],
            in_channels=task.in_channels,
            num_classes=task.num_classes,
            initialisation=settings.initialisation,
            seed=derive_seed(seed, "te-nas", "ntk", at_round, draw),
        )
        replace_batch_norm(supernet, settings.batch_norm)
        x_BCHW, _ = task.batch(settings.images, generator(seed, "te-nas", "images", at_round, draw), augment=True)
        side_by_side = 1 if settings.batch_norm == "train" else _SIDE_BY_SIDE
        kappas = []
        for part in _parts(weights, side_by_side):
            groups = len(next(iter(part.values())))
            kernel = class_summed_kernel(
                supernet,
                lambda x, part=part: supernet(x, {k: w[0] if len(w) == 1 else w for k, w in part.items()}),  # type: ignore[misc]
                x_BCHW.repeat(groups, 1, 1, 1),
                groups=groups,
            )
            kappas.append(condition_number(kernel))
        return torch.cat(kappas)


@dataclass(frozen=True)
class _LinearRegions:
    """Distinct activation patterns of the space's one-channel ``regions`` supernet over small patches."""

    settings: TENAS
    problem: Problem
    space: CellSpace

    def __call__(self, weights: MixingWeights, at_round: int, draw: int) -> Tensor:
        settings, seed, batches = self.settings, self.problem.seed, self.settings.region_batches
        supernet = Supernet(
            self.space,
            self.space.networks["regions"],
            in_channels=1,
            num_classes=self.problem.task.num_classes,
            initialisation=settings.initialisation,
            seed=derive_seed(seed, "te-nas", "regions", at_round, draw),
        )
        replace_batch_norm(supernet, "frozen")
        patches = [
            self.problem.task.patches(
                settings.region_patches,
                settings.patch_size,
                1,
                generator(seed, "te-nas", "patches", at_round, draw, batch),
            )
            for batch in range(batches)
        ]
        counts = []
        for part in _parts(weights, _SIDE_BY_SIDE):
            groups = len(next(iter(part.values())))
            from nascence.scores.batch_norm import set_groups

            set_groups(supernet, groups * batches)
            spread = {kind: w.repeat_interleave(batches, 0) for kind, w in part.items()}
            rows = activation_patterns(supernet, lambda x, w=spread: supernet(x, w), torch.cat(patches * groups))  # type: ignore[misc]
            counts += [count_distinct(r) for r in rows.reshape(groups, -1, rows.shape[1])]
        return torch.tensor(counts, dtype=torch.float64)


def _parts(weights: MixingWeights, size: int) -> list[dict[str, Tensor]]:
    split = {kind: value.split(size) for kind, value in weights.items()}
    return [dict(zip(split, part, strict=True)) for part in zip(*split.values(), strict=True)]
