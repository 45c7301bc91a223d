"""The softmax relaxation: every operation runs, weighted by its probability (Liu et al., DARTS, ICLR 2019, eq. 2)."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from nascence.relaxations.tempered import TemperedRelaxation
from nascence.schedules import Constant


@final
class Softmax(TemperedRelaxation):
    """w_eo = exp(alpha_eo / tau) / sum_o' exp(alpha_eo' / tau), over the operations that take part.

    ``temperature``: tau over the search; high ones mix evenly, low ones choose.
    """

    def observed(self) -> dict[str, float]:
        return {} if isinstance(self.schedule, Constant) else {"temperature": self.temperature}

    def row_sample(self, logits_EA: Tensor, kept_EA: Tensor, generator: torch.Generator) -> Tensor:
        return self.row_mean(logits_EA, kept_EA)

    def row_mean(self, logits_EA: Tensor, kept_EA: Tensor) -> Tensor:
        return (logits_EA.masked_fill(~kept_EA, -torch.inf) / self.temperature).softmax(-1)


__all__ = ["Softmax"]
