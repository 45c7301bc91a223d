"""How many parameters the architectures that mixing weights stand for have on average (Yue et al., "Effective,
Efficient and Robust Neural Architecture Search", IJCNN 2022, arXiv 2011.09820: the loss L_nop)."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from torch import Tensor

from nascence.architecture import Architecture
from nascence.objectives.base import Evaluated, Objective
from nascence.schedules import Schedule
from nascence.spaces.relaxable import RelaxableSpace
from nascence.supernets.base import Supernet
from nascence.supernets.groups import MixingWeights


@final
class ExpectedParameters(Objective):
    """max(n(w), L) / n(uniform), with n of :func:`expected_parameters` and the bound L = ``least`` n(uniform): at or
    below L nothing more is won by being smaller, and the gradient is zero. Without a bound (0), whatever has no
    weights wins in the end.

    Uniform weights are those of all options of the supernet. In events, ``expected_params`` is the last n.
    """

    name: ClassVar[str] = "expected_params"

    def __init__(self, schedule: Schedule, least: float = 0.0) -> None:
        self.schedule, self.least = schedule, least
        self._last: float | None = None

    def __str__(self) -> str:
        return f"ExpectedParameters({self.schedule}, least={self.least})"

    def term(self, evaluated: Evaluated) -> Tensor:
        space, supernet = evaluated.relaxation.space, evaluated.supernet
        number = expected_parameters(supernet, space, evaluated.weights)
        self._last = float(number.detach())
        uniform = {group.name: torch.full(group.shape, 1 / group.shape[1]) for group in space.groups}
        share = number / expected_parameters(supernet, space, uniform)
        return share if self.least <= 0 else share.clamp_min(self.least)

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


__all__ = ["ExpectedParameters", "expected_parameters"]
