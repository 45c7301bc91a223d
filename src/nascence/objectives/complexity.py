"""The expected cost of the architecture that mixing weights stand for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from nascence.objectives.base import Evaluated, Objective
from nascence.schedules import Schedule
from nascence.supernets.groups import on_cpu


@final
@dataclass(frozen=True)
class Complexity(Objective):
    """sum_e sum_o w_eo c_eo / sum_e max_o c_eo over the edges e of all kinds of cell: 0 for nothing but free
    operations, 1 for the costliest ones everywhere.

    ``costs`` [E, O] per kind of cell, in any unit, such as :meth:`nascence.costs.CostModel.table` gives them.
    """

    name: ClassVar[str] = "complexity"
    costs: Mapping[str, Tensor]
    schedule: Schedule

    def term(self, evaluated: Evaluated) -> Tensor:
        return complexity(on_cpu(evaluated.weights), self.costs)

    def __str__(self) -> str:
        return f"Complexity({self.schedule})"


def complexity(weights: Mapping[str, Tensor], costs: Mapping[str, Tensor]) -> Tensor:
    """The normalised cost of mixing weights [E, O] per kind of cell."""
    total = torch.stack([(value * costs[kind].to(value)).sum() for kind, value in weights.items()]).sum()
    return total / sum(float(costs[kind].max(-1).values.sum()) for kind in weights)


__all__ = ["Complexity", "complexity"]
