"""What every objective offers: a term of a search loss, and the schedule of its weight."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

from torch import Tensor

from nascence.architecture import Architecture
from nascence.relaxations import Relaxation
from nascence.schedules import Moment, Schedule
from nascence.supernets.base import Supernet
from nascence.supernets.groups import MixingWeights
from nascence.tasks.base import Batch, Task


@final
@dataclass(frozen=True)
class Evaluated:
    """A batch that went through the supernet: what an objective looks at.

    ``weights``: the mixing weights that were used; in the architecture step they need a gradient. ``output``: what the
    supernet said of the batch. ``step``: of the epoch.
    """

    task: Task
    supernet: Supernet
    relaxation: Relaxation
    weights: MixingWeights
    batch: Batch
    output: Tensor
    moment: Moment
    step: int = 0


class Objective(ABC):
    """A term of the loss: ``schedule(moment)`` times :meth:`term`. Where the weight is zero, nothing is computed."""

    name: ClassVar[str]
    schedule: Schedule

    @abstractmethod
    def term(self, evaluated: Evaluated) -> Tensor:
        """A scalar, differentiable in the mixing weights, the relaxation's parameters or the network's weights."""

    def title(self, task: Task) -> str:
        """Its name in events."""
        return self.name

    def observed(self, architecture: Architecture) -> dict[str, float]:
        """Numbers about the architecture that an epoch ended with, for its event."""
        return {}

    def findings(self, architecture: Architecture) -> dict[str, Any]:
        """What there is to say about the architecture that was found, for the record of the search."""
        return {}


def terms(objectives: Sequence[Objective], evaluated: Evaluated) -> list[Tensor]:
    """All terms of non-zero weight, times their present weights."""
    weighted = [(objective.schedule(evaluated.moment), objective) for objective in objectives]
    return [weight * objective.term(evaluated) for weight, objective in weighted if weight]


def total(objectives: Sequence[Objective], evaluated: Evaluated) -> Tensor:
    """The sum of all terms with their present weights."""
    loss = evaluated.output.new_zeros(())
    for term in terms(objectives, evaluated):
        loss = loss + term.to(loss, non_blocking=True)
    return loss


__all__ = ["Evaluated", "Objective", "terms", "total"]
