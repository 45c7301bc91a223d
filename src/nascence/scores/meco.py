"""MeCo (Jiang et al., NeurIPS 2023): the smallest eigenvalue of every feature map's channel correlations."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor, nn

from nascence.declaring import setting
from nascence.scores.base import OfNetwork, Probe, Score
from nascence.scores.passes import watching


@final
@dataclass(frozen=True, kw_only=True)
class MeCo(OfNetwork, Score):
    """sum over modules of lambda_min of the Pearson correlations [C, C] between the channels of its output.

    One standard normal image. As in the published code every module counts, containers included, so that an output is
    counted as often as modules end in it; ``containers=False`` counts each output once. The correlation with a constant
    channel is 0.
    """

    name: ClassVar[str] = "meco"
    description: ClassVar[str] = "sum of the smallest eigenvalues of the feature maps' channel correlations"
    source: ClassVar[str] = "NeurIPS 2023, MeCo"
    larger_is_better: ClassVar[bool] = True
    worst: ClassVar[float] = -math.inf

    image_size: int = setting(64, "Of the standard normal image.", at_least=1)
    containers: bool = setting(True, "Every module counts, containers too, as published; else each output once.")

    def __call__(self, probe: Probe) -> float:
        network = probe.build(self.network, initialisation=self.initialisation).requires_grad_(False)
        x_BCHW, _ = probe.noise(1, self.image_size)
        outputs: dict[int, tuple[Tensor, int]] = {}

        def record(module: nn.Module, inputs: Tensor, output: Tensor) -> None:
            _, uses = outputs.get(id(output), (output, 0))
            outputs[id(output)] = output, uses + 1

        with watching(network.modules(), record):
            last = network.train()(x_BCHW.clone().requires_grad_())
        if not last.requires_grad:  # nothing of the input arrives
            return self.worst
        return self.finite(
            sum(
                smallest_correlation(output.detach()[0]) * (uses if self.containers else 1)
                for output, uses in outputs.values()
            )
        )


def smallest_correlation(features: Tensor) -> float:
    """The smallest eigenvalue of the correlations between the rows of features [C, ...], flattened."""
    centred = features.reshape(len(features), -1).double()
    centred = centred - centred.mean(1, keepdim=True)
    normed = (centred / centred.norm(dim=1, keepdim=True)).nan_to_num()
    if len(normed) > normed.shape[1] or not normed.any(1).all():
        return 0.0  # rank-deficient
    return float(torch.linalg.eigvalsh(normed @ normed.mT)[0])


__all__ = ["MeCo", "smallest_correlation"]
