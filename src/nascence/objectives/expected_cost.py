"""The expected cost of the architecture that mixing weights stand for, beside the loss: FBNetV2's resource term.

The published form is not known to the letter; this is the reconstruction L = loss + weight x log(cost / target).
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, final

import torch
from torch import Tensor

from nascence.architecture import Architecture
from nascence.costs.model import CostModel
from nascence.objectives.base import Evaluated, Objective
from nascence.schedules import Schedule
from nascence.spaces.relaxable import RelaxableSpace
from nascence.tasks.base import Task

Cost = Literal["flops", "params", "latency_ms"]
Form = Literal["log", "distance"]


@final
class ExpectedCost(Objective):
    """log(C / target) with C the mean of ``cost`` over architectures drawn row by row with the mixing weights that the
    supernet was evaluated under (:meth:`nascence.costs.CostModel.expected`): one draw for masks and cost.

    C is that of the network that is trained in the end, the one that budgets are about, not of the supernet.
    ``target``: in the cost's unit; None for the C of equal weights, the mean over all networks. ``form``: ``log``
    pushes the cost down wherever it is (the target only shifts the term); ``distance``, |log(C / target)|, pulls it to
    the target from both sides.

    Raises :class:`nascence.errors.SettingError` where the cost of ``space``'s networks has no such mean.
    """

    name: ClassVar[str] = "cost"

    def __init__(
        self,
        model: CostModel,
        space: RelaxableSpace,
        cost: Cost,
        schedule: Schedule,
        *,
        target: float | None = None,
        form: Form = "log",
    ) -> None:
        self.model, self.space, self.cost, self.schedule, self.form = model, space, cost, schedule, form
        equal = {group.name: _equal(group.allowed()) for group in space.groups}
        self.target = float(self.expected(equal)) if target is None else target

    def __str__(self) -> str:
        return f"ExpectedCost({self.schedule}, {self.cost}, target={self.target:.6g}, {self.form})"

    def title(self, task: Task) -> str:
        return f"expected_{self.cost}"

    def expected(self, weights: Any) -> Tensor:
        """The mean cost [] under mixing weights [R, O] per group."""
        return self.model.expected(self.cost, self.space.choice_scores({k: v.cpu() for k, v in weights.items()}))

    def term(self, evaluated: Evaluated) -> Tensor:
        excess = (self.expected(evaluated.weights) / self.target).log()
        return excess.abs() if self.form == "distance" else excess

    def observed(self, architecture: Architecture) -> dict[str, float]:
        return {f"derived_{self.cost}": self.model.cost(self.cost, architecture)}

    def findings(self, architecture: Architecture) -> dict[str, Any]:
        found = self.model.cost(self.cost, architecture)
        return {"expected_cost": {"cost": self.cost, "target": self.target, "found": found}}


def _equal(allowed_RO: Tensor) -> Tensor:
    return allowed_RO / allowed_RO.sum(-1, keepdim=True).clamp_min(1).to(torch.float64)


__all__ = ["Cost", "ExpectedCost", "Form"]
