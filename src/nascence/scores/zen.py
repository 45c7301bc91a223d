"""Zen-Score (Lin et al., ICCV 2021): how much a small change of a random input changes the features."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

import torch
from torch import Tensor, nn

from nascence.declaring import setting
from nascence.scores.base import OfImages, OfNetwork, Probe, Score
from nascence.scores.passes import watching


@final
@dataclass(frozen=True, kw_only=True)
class Zen(OfNetwork, OfImages, Score):
    """log mean_n || f(x) - f(x + 0.01 e) ||_1 + sum over batch normalisations of log sqrt(mean variance).

    f: the last feature map before pooling; x, e and the weights standard normal; forward only. ``variance``: of the
    layer's ``batch`` x, as in the paper, or the ``running`` one after both forwards from (0, 1), as in its code. A
    normalisation whose input is constant has no scale and is left out. The paper averages 32 draws.
    """

    name: ClassVar[str] = "zen"
    description: ClassVar[str] = "sensitivity of the features to the input, corrected for batch normalisation"
    source: ClassVar[str] = "arXiv 2102.01063"
    larger_is_better: ClassVar[bool] = True
    worst: ClassVar[float] = -math.inf
    because: ClassVar[str] = "it compares the last feature maps of images and of images close by"

    DEFAULTS: ClassVar[Mapping[str, Any]] = {"initialisation": "standard-normal"}

    perturbation: float = setting(0.01, "Of the inputs.")
    variance: Literal["batch", "running"] = "running"

    def __call__(self, probe: Probe) -> float:
        network = probe.network(self.network, initialisation=self.initialisation)
        x_BCHW, _ = probe.noise(self.images)
        e_BCHW, _ = probe.noise(self.images, batch=1)
        features, variances = _forward(network, x_BCHW)
        moved, again = _forward(network, x_BCHW + self.perturbation * e_BCHW)
        total = (features - moved).abs().flatten(1).sum(1).mean().log()
        for first, second in zip(variances, again, strict=True):
            if first.any():
                running = 0.9 * (0.9 + 0.1 * first) + 0.1 * second
                total = total + (first if self.variance == "batch" else running).mean().log() / 2
        return self.finite(total)


def _forward(network: nn.Module, x_BCHW: Tensor) -> tuple[Tensor, list[Tensor]]:
    """The last feature map [B, C, H, W] that any module gives, and the variance [C] of every normalisation's input."""
    maps: list[Tensor] = []
    variances: list[Tensor] = []

    def record(module: nn.Module, inputs: Tensor, output: Tensor) -> None:
        if isinstance(module, nn.BatchNorm2d):
            variances.append(inputs.transpose(0, 1).flatten(1).var(1))
        if output.dim() == 4:
            maps[:] = [output]

    with torch.no_grad(), watching(network.modules(), record):
        network.train()(x_BCHW)
    return maps[0], variances


__all__ = ["Zen"]
