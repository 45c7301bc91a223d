"""Uniform paths: every option equally likely, nothing learned (Guo et al., Single Path One-Shot, ECCV 2020)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, final

import torch
from torch import Tensor

from nascence.architecture import Architecture
from nascence.relaxations.base import Relaxation
from nascence.seeding import generator as seeded_generator
from nascence.spaces.relaxable import RelaxableSpace
from nascence.supernets.groups import MixingWeights


@final
class UniformPath(Relaxation):
    """One architecture a step, drawn uniformly from the space, or as ``draw`` does it; with stages that are all
    warm-up, descent is one-shot training.

    It has no parameters; what it derives is a random architecture within the budget, by ``seed``.
    """

    def __init__(
        self,
        space: RelaxableSpace,
        *,
        seed: int = 0,
        draw: Callable[[torch.Generator], Architecture] | None = None,
    ) -> None:
        self.space, self.seed, self.draw = space, seed, draw or space.sample

    @property
    def parameters(self) -> dict[str, Tensor]:
        return {}

    def sample(self, generator: torch.Generator) -> MixingWeights:
        return self.space.one_hot(self.draw(generator))

    def mean(self) -> MixingWeights:
        weights = {}
        for group in self.space.groups:
            allowed = group.allowed().float()
            weights[group.name] = allowed / allowed.sum(-1, keepdim=True)
        return weights

    def scores(self) -> dict[str, Tensor]:
        scores = {}
        for group in self.space.groups:
            noise = torch.rand(group.shape, generator=seeded_generator(self.seed, "uniform", group.name))
            scores[group.name] = noise.masked_fill(~group.allowed(), -torch.inf)
        return scores

    def logits(self) -> dict[str, Tensor]:
        return {
            group.name: torch.zeros(group.shape).masked_fill(~group.allowed(), -torch.inf)
            for group in self.space.groups
        }

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        assert not state


__all__ = ["UniformPath"]
