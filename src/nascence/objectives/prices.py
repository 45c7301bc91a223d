"""Prices, beside the loss: forms of the mean cost of the architectures that mixing weights stand for.

:class:`ExpectedCost` is of the network that is trained in the end; :class:`LogCost` and :class:`ExpectedParameters` are
of the supernet, the one of all that it has, the other of what is chosen alone.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

import torch
from torch import Tensor

from nascence.architecture import Architecture
from nascence.costs.model import CostModel
from nascence.objectives.base import Evaluated, Objective
from nascence.schedules import Schedule
from nascence.spaces.relaxable import RelaxableSpace
from nascence.supernets.base import Supernet
from nascence.supernets.groups import MixingWeights, on_cpu
from nascence.tasks.base import Task

Cost = Literal["flops", "params", "latency_ms"]
Form = Literal["log", "distance", "above"]


class Price(Objective):
    """A form of the share s = C / R, with C the mean cost and R what it is compared with.

    ``form``: ``log``, log s, whose gradient is the relative change of the cost, whatever its unit; ``distance``,
    |log s|, which pulls the cost to R from both sides; ``above``, max(0, log s), which has no say where R is kept;
    ``share``, max(s, ``least``): at or below ``least`` nothing more is won by being smaller, and the gradient is zero.
    """

    form: Literal["log", "distance", "above", "share"] = "log"
    least: float = 0.0

    @abstractmethod
    def mean(self, evaluated: Evaluated) -> Tensor:
        """C [], differentiable in the mixing weights."""

    def reference(self, evaluated: Evaluated) -> Tensor | float:
        """R, in the cost's unit."""
        return 1.0

    @final
    def term(self, evaluated: Evaluated) -> Tensor:
        share = self.mean(evaluated) / self.reference(evaluated)
        if self.form == "share":
            return share if self.least <= 0 else share.clamp_min(self.least)
        if self.form == "above":
            return share.log().clamp_min(0.0)
        return share.log().abs() if self.form == "distance" else share.log()


@final
@dataclass(frozen=True)
class LogCost(Price):
    """log(E[cost] / target) under the mixing weights, as the supernet knows it: ``params`` or ``flops``."""

    name: ClassVar[str] = "log_cost"
    schedule: Schedule
    cost: Literal["params", "flops"] = "flops"
    target: float = 1.0
    form: Form = "log"

    def __str__(self) -> str:
        more = "" if (self.target, self.form) == (1.0, "log") else f", target={self.target:.6g}, form={self.form!r}"
        return f"LogCost(schedule={self.schedule}, cost={self.cost!r}{more})"

    def reference(self, evaluated: Evaluated) -> float:
        return self.target

    def mean(self, evaluated: Evaluated) -> Tensor:
        return evaluated.supernet.expected(self.cost, on_cpu(evaluated.weights))


@final
class ExpectedCost(Price):
    """log(C / target), FBNetV2's resource term, with C the mean of ``cost`` over architectures drawn row by row with
    the mixing weights that the supernet was evaluated under (:meth:`nascence.costs.CostModel.expected`): one draw for
    masks and cost. The published form is not known to the letter; this is the reconstruction
    L = loss + weight x log(cost / target).

    C is that of the network that is trained in the end, the one that budgets are about, not of the supernet.
    ``target``: in the cost's unit; None for the C of equal weights, the mean over all networks. ``form``: ``log``
    pushes the cost down wherever it is (the target only shifts the term); ``distance``, |log(C / target)|, pulls it to
    the target from both sides; ``above``, max(0, log(C / target)), pushes it down to the target.

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
        self.target = float(self.expected(equal_weights(space))) if target is None else target

    def __str__(self) -> str:
        return f"ExpectedCost({self.schedule}, {self.cost}, target={self.target:.6g}, {self.form})"

    def title(self, task: Task) -> str:
        return f"expected_{self.cost}"

    def expected(self, weights: MixingWeights) -> Tensor:
        """The mean cost [] under mixing weights [R, O] per group."""
        return self.model.expected(self.cost, self.space.choice_scores(on_cpu(weights)))

    def mean(self, evaluated: Evaluated) -> Tensor:
        return self.expected(evaluated.weights)

    def reference(self, evaluated: Evaluated) -> float:
        return self.target

    def observed(self, architecture: Architecture) -> dict[str, float]:
        return {f"derived_{self.cost}": self.model.cost(self.cost, architecture)}

    def findings(self, architecture: Architecture) -> dict[str, Any]:
        found = self.model.cost(self.cost, architecture)
        return {"expected_cost": {"cost": self.cost, "target": self.target, "found": found}}


@final
class ExpectedParameters(Price):
    """max(n(w) / n(uniform), ``least``), with n of :func:`expected_parameters` (Yue et al., "Effective, Efficient and
    Robust Neural Architecture Search", IJCNN 2022, arXiv 2011.09820: the loss L_nop with the bound L = ``least``
    n(uniform)). Without a bound (0), whatever has no weights wins in the end.

    Uniform weights are those of all options of the supernet. In events, ``expected_params`` is the last n.
    """

    name: ClassVar[str] = "expected_params"
    form = "share"

    def __init__(self, schedule: Schedule, least: float = 0.0) -> None:
        self.schedule, self.least = schedule, least
        self._last: float | None = None

    def __str__(self) -> str:
        return f"ExpectedParameters({self.schedule}, least={self.least})"

    def mean(self, evaluated: Evaluated) -> Tensor:
        number = expected_parameters(evaluated.supernet, evaluated.relaxation.space, on_cpu(evaluated.weights))
        self._last = float(number.detach())
        return number

    def reference(self, evaluated: Evaluated) -> Tensor:
        space = evaluated.relaxation.space
        uniform = {name: value.float() for name, value in equal_weights(space, everything=True).items()}
        return expected_parameters(evaluated.supernet, space, uniform)

    def observed(self, architecture: Architecture) -> dict[str, float]:
        return {} if self._last is None else {"expected_params": self._last}


def expected_parameters(supernet: Supernet, space: RelaxableSpace, weights: MixingWeights) -> Tensor:
    """n(w) = sum over rows r and options o of keep_r w_ro params_ro: parameters of what is chosen, in the supernet's
    size. What every network has (stem, preprocessing, classifier) does not count.

    keep_r is the chance that an edge is kept: 2 / (edges into its node) on darts. With the mask of the kept edges in
    its place, one-hot weights give the parameters of the derived network's edges.
    """
    kept = {name: weights[name] * share[:, None].to(weights[name]) for name, share in space.kept_shares().items()}
    nothing = {name: torch.zeros_like(value) for name, value in kept.items()}
    return supernet.expected("params", kept) - supernet.expected("params", nothing)


def equal_weights(space: RelaxableSpace, everything: bool = False) -> MixingWeights:
    """[R, O] in double precision: equal for all options that an architecture can have, or that the supernet has where
    ``everything`` counts."""
    equal = {}
    for group in space.groups:
        allowed_RO = torch.ones(group.shape, dtype=torch.bool) if everything else group.allowed()
        equal[group.name] = allowed_RO / allowed_RO.sum(-1, keepdim=True).clamp_min(1).to(torch.float64)
    return equal


__all__ = [
    "Cost",
    "ExpectedCost",
    "ExpectedParameters",
    "Form",
    "LogCost",
    "Price",
    "equal_weights",
    "expected_parameters",
]
