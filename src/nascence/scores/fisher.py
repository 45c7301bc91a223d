"""Fisher information of channels (Theis et al. 2018; summed over a network: Abdelfattah et al., ICLR 2021)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, cast, final

from torch import Tensor

from nascence.declaring import setting
from nascence.scores.base import Needs
from nascence.scores.passes import TrainingPass, TrainingPassScore


@final
@dataclass(frozen=True, kw_only=True)
class Fisher(TrainingPassScore):
    """sum over layers and channels of mean_n (sum over positions of a * d L / d a)^2 / 2, a the layer's output.

    ``per_weight``: each channel counts once for every weight that makes it (times its fan-in), as in the published
    code, which copies the channel's value to its weights before it adds them up.
    """

    name: ClassVar[str] = "fisher"
    description: ClassVar[str] = "Fisher information of the layers' output channels"
    source: ClassVar[str] = "arXiv 1801.05787, arXiv 2101.08134"
    larger_is_better: ClassVar[bool] = True
    worst: ClassVar[float] = -math.inf
    needs: ClassVar[Needs] = "loss"

    per_weight: bool = setting(
        True, "Each channel counts once for every weight that makes it (times its fan-in), as published."
    )

    def of(self, run: TrainingPass) -> float | Tensor:
        total = run.output.new_zeros(())
        for use, product_BC in zip(run.layers, run.output_products, strict=True):
            if product_BC is not None:
                fan_in = cast(Tensor, use.module.weight)[0].numel() if self.per_weight else 1
                total = total + fan_in * product_BC.square().mean(0).sum() / 2
        return total


__all__ = ["Fisher"]
