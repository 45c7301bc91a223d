"""The signed sum of connection sensitivities (``plain`` in Abdelfattah et al., ICLR 2021)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from nascence.scores.base import Needs
from nascence.scores.passes import TrainingPass, TrainingPassScore


@final
@dataclass(frozen=True, kw_only=True)
class Plain(TrainingPassScore):
    """sum w * d L / d w. A layer before batch normalisation adds about nothing: L does not depend on its scale."""

    name: ClassVar[str] = "plain"
    description: ClassVar[str] = "sum over weights of w dL/dw, with its sign"
    source: ClassVar[str] = "arXiv 2101.08134"
    larger_is_better: ClassVar[bool] = True
    worst: ClassVar[float] = -math.inf
    needs: ClassVar[Needs] = "loss"

    def of(self, run: TrainingPass) -> float | Tensor:
        return sum((weight.detach() * run.gradients[weight]).sum() for weight in run.weights)


__all__ = ["Plain"]
