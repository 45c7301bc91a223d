"""What every objective offers: a term of a search loss, and the schedule of its weight."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, final

from torch import Tensor

from nascence.architecture import Architecture
from nascence.relaxations import Relaxation
from nascence.schedules import Moment, Schedule
from nascence.supernets.base import Supernet
from nascence.supernets.groups import MixingWeights


@final
@dataclass(frozen=True)
class Evaluated:
    """A batch that went through the supernet: what an objective looks at.

    ``weights``: the mixing weights that were used; in the architecture step they need a gradient. ``logits_BK`` and
    ``labels_B``: what the supernet said of the images ``x_BCHW``, and what is true. ``step``: of the epoch.
    """

    supernet: Supernet
    relaxation: Relaxation
    weights: MixingWeights
    x_BCHW: Tensor
    logits_BK: Tensor
    labels_B: Tensor
    moment: Moment
    step: int = 0


class Objective(ABC):
    """A term of the loss: ``schedule(moment)`` times :meth:`term`. Where the weight is zero, nothing is computed."""

    name: ClassVar[str]
    schedule: Schedule

    @abstractmethod
    def term(self, batch: Evaluated) -> Tensor:
        """A scalar, differentiable in the mixing weights, the relaxation's parameters or the network's weights."""

    def observed(self, architecture: Architecture) -> dict[str, float]:
        """Numbers about the architecture that an epoch ended with, for its event."""
        return {}

    def findings(self, architecture: Architecture) -> dict[str, Any]:
        """What there is to say about the architecture that was found, for the record of the search."""
        return {}


def total(objectives: tuple[Objective, ...], batch: Evaluated) -> Tensor:
    """The sum of all terms with their present weights."""
    loss = batch.logits_BK.new_zeros(())
    for objective in objectives:
        weight = objective.schedule(batch.moment)
        if weight:
            loss = loss + weight * objective.term(batch).to(loss)
    return loss


__all__ = ["Evaluated", "Objective", "total"]
