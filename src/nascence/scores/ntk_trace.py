"""NASI's estimate of the tangent kernel's trace, s = || d L / d theta ||^2 of one mini-batch (Shu et al., ICLR 2022).

L is the task's loss, the mean cross-entropy in the paper. By Jensen's inequality s is a lower bound of the trace up to
constants, and a loose one: the per-sample gradients are averaged before they are squared, so it measures the mean
gradient ("gradient flow").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn

from nascence.scores.base import Initialised, Needs, OfImages, Probe, Score, is_constant


def squared_gradient_norm(network: nn.Module, loss: Tensor, *, create_graph: bool = False) -> Tensor:
    """s [] over all parameters of ``network`` that take part in L; differentiable with ``create_graph``."""
    gradients = torch.autograd.grad(loss, list(network.parameters()), create_graph=create_graph, allow_unused=True)
    total = loss.new_zeros(())
    for gradient in gradients:
        if gradient is not None:
            total = total + gradient.square().sum()
    return total


@final
@dataclass(frozen=True, kw_only=True)
class NTKTrace(Initialised, OfImages, Score):
    """s on one batch of training images, at the ``score`` network, batch statistics as in training."""

    name: ClassVar[str] = "ntk-trace"
    description: ClassVar[str] = "squared norm of one mini-batch gradient: NASI's estimate of the kernel's trace"
    source: ClassVar[str] = "NASI, arXiv 2109.00817, section 4.1"
    larger_is_better: ClassVar[bool] = True
    worst: ClassVar[float] = 0.0
    needs: ClassVar[Needs] = "loss"

    DEFAULTS: ClassVar[Mapping[str, Any]] = {"images": 64}

    def __call__(self, probe: Probe) -> float:
        network = probe.network("score", initialisation=self.initialisation)
        batch = probe.batch(self.images)
        output_BK = network(*batch.inputs)
        if is_constant(output_BK):
            return self.worst  # only the bias of the classifier has a gradient
        return float(squared_gradient_norm(network, probe.task.loss(output_BK, batch)))
