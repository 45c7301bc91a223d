"""The norm of the loss gradient, layer by layer (Abdelfattah et al., ICLR 2021)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from nascence.scores.base import Needs
from nascence.scores.passes import TrainingPass, TrainingPassScore


@final
@dataclass(frozen=True, kw_only=True)
class GradNorm(TrainingPassScore):
    """sum over layers of || d L / d W ||_2: a sum of norms, not the norm of all parameters together."""

    name: ClassVar[str] = "grad-norm"
    description: ClassVar[str] = "sum over layers of the norm of the loss gradient"
    source: ClassVar[str] = "arXiv 2101.08134"
    larger_is_better: ClassVar[bool] = True
    worst: ClassVar[float] = -math.inf
    needs: ClassVar[Needs] = "loss"

    def of(self, run: TrainingPass) -> float | Tensor:
        return sum(run.gradients[weight].norm() for weight in run.weights)


__all__ = ["GradNorm"]
