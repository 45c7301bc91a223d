"""ZiCo (Li et al., ICLR 2023): mean over standard deviation of the gradients across batches."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch
from torch import Tensor

from nascence.declaring import setting
from nascence.errors import SettingError
from nascence.scores.base import Needs, OfImages, OfNetwork, Probe, Score
from nascence.scores.passes import TrainingPass, training_pass


@final
@dataclass(frozen=True, kw_only=True)
class ZiCo(OfNetwork, OfImages, Score):
    """sum over layers of log( sum over weights of mean_b |g_b| / std_b(g_b) ), g_b the gradient on batch b.

    The standard deviation is that of the signed gradient, as in the published code (the paper has that of |g|).
    Weights without deviation are left out, and so is a layer that has no other.
    """

    name: ClassVar[str] = "zico"
    description: ClassVar[str] = "mean over standard deviation of the gradients across batches"
    source: ClassVar[str] = "arXiv 2301.11300"
    larger_is_better: ClassVar[bool] = True
    worst: ClassVar[float] = -math.inf
    needs: ClassVar[Needs] = "examples"
    because: ClassVar[str] = (
        "it compares the gradients of different batches, and a whole graph is always the same batch"
    )

    DEFAULTS: ClassVar[Mapping[str, Any]] = {"network": "ranking-deep"}

    batches: int = setting(2, "Over which gradients vary.", at_least=1)

    def __post_init__(self) -> None:
        if self.batches < 2:
            raise SettingError(f"zico compares gradients across batches: it needs at least 2, not {self.batches}.")

    def __call__(self, probe: Probe) -> float:
        first = training_pass(probe, self.network, self.initialisation, self.images)
        if first.constant:
            return self.worst
        batches = [first.gradients]
        for batch in range(1, self.batches):  # only the gradients stay: the pass is no other score's
            run = TrainingPass(first.network, probe.batch(self.images, batch), probe.task.loss)
            batches.append(run.gradients)
        return self.finite(
            sum(_of_layer(torch.stack([gradients[weight] for gradients in batches])) for weight in first.weights)
        )


def _of_layer(gradients: Tensor) -> float:
    """log of the sum of mean |g| / std(g) over the weights of gradients [batches, ...]."""
    deviation = gradients.std(0, correction=0)
    ratio = (gradients.abs().mean(0) / deviation)[deviation > 0].double().sum()
    return float(ratio.log()) if ratio > 0 else 0.0


__all__ = ["ZiCo"]
