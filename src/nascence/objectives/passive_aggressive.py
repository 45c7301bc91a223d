"""The passive-aggressive penalty on invalid topologies, and a price on edges (arXiv 2011.09300, reconstructed)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from nascence.errors import SettingError
from nascence.objectives.base import Evaluated, Objective
from nascence.relaxations import ExplicitTopology
from nascence.relaxations.validity import invalidity
from nascence.schedules import Schedule


@final
@dataclass(frozen=True)
class PassiveAggressive(Objective):
    """R of :func:`nascence.relaxations.validity.invalidity`: nothing while the topology is valid with some margin."""

    name: ClassVar[str] = "passive_aggressive"
    schedule: Schedule

    def term(self, evaluated: Evaluated) -> Tensor:
        relaxation = _topological(evaluated, self.name)
        return invalidity(relaxation.topology, relaxation.distributions())


@final
@dataclass(frozen=True)
class EdgeCount(Objective):
    """The expected number of edges of an architecture: smaller cells for a larger weight."""

    name: ClassVar[str] = "edge_count"
    schedule: Schedule

    def term(self, evaluated: Evaluated) -> Tensor:
        relaxation = _topological(evaluated, self.name)
        weights = relaxation.topology.edge_weights(relaxation.distributions())
        return torch.stack([value.sum() for value in weights.values()]).sum()


def _topological(evaluated: Evaluated, name: str) -> ExplicitTopology:
    if not isinstance(evaluated.relaxation, ExplicitTopology):
        raise SettingError(
            f"{name} needs a relaxation of the topology, and {type(evaluated.relaxation).__name__} has none."
        )
    return evaluated.relaxation


__all__ = ["EdgeCount", "PassiveAggressive"]
