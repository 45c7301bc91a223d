"""The distance of Dirichlet distributions to the uniform one (Chen et al., DrNAS, ICLR 2021, eq. 3)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from nascence.objectives.base import Evaluated, Objective
from nascence.relaxations.dirichlet import concentration
from nascence.schedules import Schedule


@final
@dataclass(frozen=True)
class DirichletAnchor(Objective):
    """sum over edges, each on its own, of KL(Dirichlet(beta_e) || Dirichlet(1)), beta = elu(theta) + 1."""

    name: ClassVar[str] = "dirichlet_anchor"
    schedule: Schedule

    def term(self, evaluated: Evaluated) -> Tensor:
        rows = [value[value.isfinite()].view(len(value), -1) for value in evaluated.relaxation.logits().values()]
        return torch.stack([kl_to_uniform(concentration(value)).sum() for value in rows]).sum()


def kl_to_uniform(beta: Tensor) -> Tensor:
    """KL(Dirichlet(beta) || Dirichlet(1, ..., 1)) over the last dimension, one number a row:

    ln G(B) - sum ln G(beta_i) - ln G(n) + sum (beta_i - 1)(psi(beta_i) - psi(B)), B = sum beta.
    """
    total = beta.sum(-1)
    spread = ((beta - 1) * (beta.digamma() - total.digamma()[..., None])).sum(-1)
    return total.lgamma() - beta.lgamma().sum(-1) - math.lgamma(beta.shape[-1]) + spread


__all__ = ["DirichletAnchor", "kl_to_uniform"]
