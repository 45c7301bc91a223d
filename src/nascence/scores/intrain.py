"""InTrain (CVPR 2026), a reconstruction from its formula: there is no public code.

Capacity times health: how many directions every layer's features fill, and how evenly the gradients are spread.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from torch import Tensor

from nascence.declaring import setting
from nascence.scores.base import OfImages, OfNetwork, Probe, Score
from nascence.scores.passes import training_pass

_ROUNDING = 1e-5
"""Of the largest gradient; one below is zero but for rounding (of a shift that the next normalisation removes)."""


@final
@dataclass(frozen=True, kw_only=True)
class InTrain(OfNetwork, OfImages, Score):
    """I = gamma (1 + o) / log(L + 1).

    gamma = sum over the L convolutions of log PR of their output's channel covariance, PR = (sum v)^2 / sum v^2 over
    its eigenvalues v. o = sum over parameter tensors of min(1, std(g) / max |g|), g the gradient of the cross-entropy.
    Standard normal inputs, random target. The reconstruction's own choices: which layers count (convolutions whose
    output varies), the population's standard deviation, gradients that are zero but for rounding left out, and the
    inputs' size (the task's; the paper has 64 pixels).
    """

    name: ClassVar[str] = "intrain"
    description: ClassVar[str] = "features' participation ratio times evenness of gradients (a reconstruction)"
    source: ClassVar[str] = "InTrain, CVPR 2026; reconstructed from its formula"
    larger_is_better: ClassVar[bool] = True
    worst: ClassVar[float] = -math.inf
    because: ClassVar[str] = "it reads the feature maps of noise images"

    DEFAULTS: ClassVar[Mapping[str, Any]] = {"network": "ranking-deep"}

    image_size: int | None = setting(None, "Of the inputs, none for the task's.", at_least=1)

    def __call__(self, probe: Probe) -> float:
        run = training_pass(
            probe, self.network, self.initialisation, self.images, inputs="noise", image_size=self.image_size
        )
        if run.constant:
            return self.worst
        ratios = [participation_ratio(use.output.detach()) for use in run.layers if use.output.dim() == 4]
        logs = [math.log(ratio) for ratio in ratios if not math.isnan(ratio)]
        largest = [float(gradient.abs().max()) for gradient in run.gradients.values()]
        health = sum(
            min(1.0, float(gradient.std(correction=0)) / peak)
            for gradient, peak in zip(run.gradients.values(), largest, strict=True)
            if peak > _ROUNDING * max(largest)
        )
        return self.finite(sum(logs) * (1 + health) / math.log(len(logs) + 1)) if logs else self.worst


def participation_ratio(features_BCHW: Tensor) -> float:
    """(sum v)^2 / sum v^2 = trace(C)^2 / ||C||_F^2 of the channel covariance C; NaN where nothing varies."""
    x_CN = features_BCHW.transpose(0, 1).flatten(1)
    x_CN = x_CN - x_CN.mean(1, keepdim=True)
    covariance = (x_CN @ x_CN.mT).double()
    return float(covariance.trace().square() / covariance.square().sum())


__all__ = ["InTrain", "participation_ratio"]
