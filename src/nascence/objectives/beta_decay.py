"""Beta decay: keeps the softmax weights from growing apart (Ye et al., beta-DARTS, CVPR 2022, eq. 10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from nascence.objectives.base import Evaluated, Objective
from nascence.schedules import Schedule


@final
@dataclass(frozen=True)
class BetaDecay(Objective):
    """Mean over edges of log sum_o exp(alpha_eo), of the RAW logits; its gradient in alpha is softmax(alpha) / E.

    Over several kinds of cell, the sum of their means. Only operations that take part are seen. The released code adds
    it with weight 50 * epoch / 100; ``Linear(0, 50)`` does so over a search of any length.
    """

    name: ClassVar[str] = "beta_decay"
    schedule: Schedule

    def term(self, evaluated: Evaluated) -> Tensor:
        return beta_decay(list(evaluated.relaxation.logits().values()))


def beta_decay(logits: list[Tensor]) -> Tensor:
    """sum over kinds of cell of mean_e log sum_o exp(alpha_eo), logits [E, A] each."""
    return torch.stack([value.logsumexp(-1).mean() for value in logits]).sum()


__all__ = ["BetaDecay", "beta_decay"]
