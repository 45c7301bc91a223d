"""A denoiser used inside an unfolded optimisation (half-quadratic splitting, as Dong et al., DPDNN, TPAMI 2019).

For y = x + n and a prior J, min_{x, v} 1/2 |y - x|^2 + eta / 2 |x - v|^2 + lambda J(v) is descended on by

    v_t     = x_t + f(x_t)                                    (prior step: the network)
    x_{t+1} = x_t - delta_t [(x_t - y) + eta_t (x_t - v_t)]   (data step),      x_0 = y, t = 0 .. T - 1.
"""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor, nn


@final
class DataStep(nn.Module):
    """One data step. Its numbers are kept as gain = delta (1 + eta) in (0, 2), where it is a contraction, and as
    trust = eta / (1 + eta) in (0, 1), by sigmoids: x - gain [(1 - trust) (x - y) + trust (x - v)]."""

    def __init__(self, delta: float = 0.5, eta: float = 0.9) -> None:
        super().__init__()
        gain, trust = delta * (1 + eta), eta / (1 + eta)
        assert 0 < gain < 2
        assert 0 < trust < 1
        self.gain = nn.Parameter(torch.tensor(_logit(gain / 2)))
        self.trust = nn.Parameter(torch.tensor(_logit(trust)))

    @property
    def delta(self) -> Tensor:
        return 2 * self.gain.sigmoid() * (1 - self.trust.sigmoid())

    @property
    def eta(self) -> Tensor:
        return self.trust.sigmoid() / (1 - self.trust.sigmoid())

    def forward(self, x_BCHW: Tensor, y_BCHW: Tensor, v_BCHW: Tensor) -> Tensor:
        gain, trust = 2 * self.gain.sigmoid(), self.trust.sigmoid()
        return x_BCHW - gain * ((1 - trust) * (x_BCHW - y_BCHW) + trust * (x_BCHW - v_BCHW))


@final
class Unfolded(nn.Module):
    """``prior``, any network whose output is added to the picture it sees, used in ``steps`` data steps with the same
    weights each time; without steps, y + prior(y)."""

    def __init__(self, prior: nn.Module, steps: int, delta: float = 0.5, eta: float = 0.9) -> None:
        super().__init__()
        self.prior = prior
        self.steps = nn.ModuleList(DataStep(delta, eta) for _ in range(steps))

    def forward(self, y_BCHW: Tensor) -> Tensor:
        if not len(self.steps):
            return y_BCHW + self.prior(y_BCHW)
        x_BCHW = y_BCHW
        for step in self.steps:
            x_BCHW = step(x_BCHW, y_BCHW, x_BCHW + self.prior(x_BCHW))
        return x_BCHW


def _logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


__all__ = ["DataStep", "Unfolded"]
