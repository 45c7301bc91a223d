"""The softmax relaxation: every operation runs, weighted by its probability (Liu et al., DARTS, ICLR 2019, eq. 2)."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from nascence.relaxations.base import LogitRelaxation


@final
class Softmax(LogitRelaxation):
    """w_eo = exp(alpha_eo) / sum_o' exp(alpha_eo'), over the operations that take part."""

    def row_sample(self, logits_EA: Tensor, kept_EA: Tensor, generator: torch.Generator) -> Tensor:
        return self.row_mean(logits_EA, kept_EA)

    def row_mean(self, logits_EA: Tensor, kept_EA: Tensor) -> Tensor:
        return logits_EA.masked_fill(~kept_EA, -torch.inf).softmax(-1)


__all__ = ["Softmax"]
