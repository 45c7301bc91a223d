"""Gumbel-softmax samples, straight through: one operation an edge runs (Dong & Yang, GDAS, CVPR 2019, eqs. 3-5)."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from nascence.relaxations.tempered import TemperedRelaxation


def gumbel_softmax(logits: Tensor, generator: torch.Generator, temperature: float = 1.0, hard: bool = True) -> Tensor:
    """A sample over the last dimension: softmax((logits + Gumbel noise) / temperature), and if ``hard`` its argmax as
    one-hot values (to the bit) with the gradient of the soft sample (Jang et al. and Maddison et al., ICLR 2017)."""
    soft = ((logits + gumbel_noise(logits, generator)) / temperature).softmax(-1)
    return one_hot_straight_through(soft) if hard else soft


def gumbel_noise(like: Tensor, generator: torch.Generator) -> Tensor:
    """Independent standard Gumbel numbers of a tensor's shape and type (drawn in double precision)."""
    uniform = torch.rand(like.shape, generator=generator, dtype=torch.float64).clamp_min(1e-300)
    return (-(-uniform.log()).log()).to(like)


def one_hot_straight_through(soft: Tensor) -> Tensor:
    """One-hot at the largest entry of the last dimension, to the bit; the gradient is that of ``soft``."""
    one_hot = torch.zeros_like(soft).scatter(-1, soft.argmax(-1, keepdim=True), 1.0)
    return one_hot + (soft - soft.detach())  # in this order the value is one-hot to the bit


@final
class GumbelSoftmax(TemperedRelaxation):
    """h_e = onehot(argmax p_e) - stop(p_e) + p_e with p_e = softmax((log softmax(alpha_e) + g_e) / tau).

    One sample of every row, for all cells of a kind. The options that were not drawn do not run; logits get their
    gradient through the softmax of the one that was, as in the paper. ``temperature``: tau over the search.
    """

    def row_sample(self, logits_EA: Tensor, kept_EA: Tensor, generator: torch.Generator) -> Tensor:
        return gumbel_softmax(logits_EA.masked_fill(~kept_EA, -torch.inf), generator, self.temperature)


__all__ = ["GumbelSoftmax", "gumbel_noise", "gumbel_softmax", "one_hot_straight_through"]
