"""The logarithm of the expected cost: a term whose gradient is the relative change of the cost, whatever its unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, final

from torch import Tensor

from nascence.objectives.base import Evaluated, Objective
from nascence.schedules import Schedule


@final
@dataclass(frozen=True)
class LogCost(Objective):
    """log E[cost] under the mixing weights, as the supernet knows it: ``params`` or ``flops``."""

    name: ClassVar[str] = "log_cost"
    schedule: Schedule
    cost: Literal["params", "flops"] = "flops"

    def term(self, evaluated: Evaluated) -> Tensor:
        return evaluated.supernet.expected(self.cost, evaluated.weights).log()


__all__ = ["LogCost"]
