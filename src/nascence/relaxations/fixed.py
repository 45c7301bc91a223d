"""One architecture, given: what is searched is something else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor

from nascence.architecture import Architecture
from nascence.costs.budget import BudgetChecker
from nascence.errors import BudgetError
from nascence.relaxations.base import Relaxation
from nascence.spaces.relaxable import RelaxableSpace
from nascence.supernets.groups import MixingWeights


@final
class FixedArchitecture(Relaxation):
    """The one-hot weights of ``architecture``; no parameters. Deriving raises :class:`BudgetError` where it is not
    within the budget."""

    def __init__(self, space: RelaxableSpace, architecture: Architecture) -> None:
        self.space, self.architecture = space, architecture

    @property
    def parameters(self) -> dict[str, Tensor]:
        return {}

    def sample(self, generator: torch.Generator) -> MixingWeights:
        return self.mean()

    def mean(self) -> MixingWeights:
        return self.space.one_hot(self.architecture)

    def scores(self) -> dict[str, Tensor]:
        return self.logits()

    def logits(self) -> dict[str, Tensor]:
        return {name: value.log() for name, value in self.mean().items()}

    def derive(self, budget: BudgetChecker) -> Architecture:
        if not budget.allows(self.architecture):
            raise BudgetError(
                f"The fixed architecture {self.space.format(self.architecture)} is not within the budget."
            )
        return self.architecture

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        assert not state


__all__ = ["FixedArchitecture"]
