"""Mixing weights drawn from a Dirichlet distribution per edge (Chen et al., DrNAS, ICLR 2021, section 3.1)."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from nascence.relaxations.base import LogitRelaxation

LEAST = 1e-3
"""Concentrations stay above it: elu + 1 underflows to zero near theta = -17, where no distribution is left (ours)."""


def concentration(logits: Tensor) -> Tensor:
    """beta = elu(theta) + 1: theta + 1 above zero, exp(theta) below."""
    return (torch.nn.functional.elu(logits) + 1).clamp_min(LEAST)


def draw_dirichlet(beta: Tensor, kept: Tensor, generator: torch.Generator) -> Tensor:
    """One sample per row [E, A], over the ``kept`` entries of the row only, with pathwise gradients in ``beta``.

    A draw over all entries, those not kept dropped and the rest brought to sum 1, is distributed like a draw over the
    kept ones; so rows may keep different entries.
    """
    seed = int(torch.randint(2**62, (1,), generator=generator))
    with torch.random.fork_rng(devices=[]):  # the library's pathwise sampler takes no generator
        torch.default_generator.manual_seed(seed)
        sample = torch.distributions.Dirichlet(beta.double(), validate_args=False).rsample()
    if not bool(kept.all()):
        sample = sample * kept
        sample = sample / sample.sum(-1, keepdim=True)
    return sample.to(beta.dtype)


@final
class Dirichlet(LogitRelaxation):
    """w_e ~ Dirichlet(beta_e), beta = elu(theta) + 1, one fresh sample per forward pass for all cells of a kind.

    The gradient is pathwise (implicit differentiation of the Beta marginals, eq. 4). The mean is beta / sum beta; edges
    are ranked by softmax(theta), as the released code does.
    """

    def row_sample(self, logits_EA: Tensor, kept_EA: Tensor, generator: torch.Generator) -> Tensor:
        return draw_dirichlet(concentration(logits_EA), kept_EA, generator)

    def row_mean(self, logits_EA: Tensor, kept_EA: Tensor) -> Tensor:
        beta_EA = concentration(logits_EA) * kept_EA
        return beta_EA / beta_EA.sum(-1, keepdim=True)


__all__ = ["LEAST", "Dirichlet", "concentration", "draw_dirichlet"]
