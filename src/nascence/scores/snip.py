"""Connection sensitivity (SNIP: Lee et al., ICLR 2019; summed over a network: Abdelfattah et al., ICLR 2021)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from nascence.scores.base import Needs
from nascence.scores.passes import TrainingPass, TrainingPassScore


@final
@dataclass(frozen=True, kw_only=True)
class SNIP(TrainingPassScore):
    """sum |w * d L / d w|: how much the loss changes, to first order, as each weight is removed."""

    name: ClassVar[str] = "snip"
    description: ClassVar[str] = "sum over weights of |w dL/dw|"
    source: ClassVar[str] = "arXiv 1810.02340, arXiv 2101.08134"
    larger_is_better: ClassVar[bool] = True
    worst: ClassVar[float] = -math.inf
    needs: ClassVar[Needs] = "loss"

    def of(self, run: TrainingPass) -> float | Tensor:
        return sum((weight.detach() * run.gradients[weight]).abs().sum() for weight in run.weights)


__all__ = ["SNIP"]
