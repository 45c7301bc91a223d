"""Synaptic flow (Tanaka et al., NeurIPS 2020; summed: Abdelfattah et al., ICLR 2021): paths, weighted, without data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import nn

from nascence.scores.base import OfNetwork, Probe, Score


@final
@dataclass(frozen=True, kw_only=True)
class SynFlow(OfNetwork, Score):
    """sum |w * d R / d w|, R the sum of the outputs for one image of ones; |w| for w, no batch normalisation, float64.

    Without a path from the input nothing flows: the worst value.
    """

    name: ClassVar[str] = "synflow"
    description: ClassVar[str] = "flow of an image of ones through the absolute weights, without normalisation"
    source: ClassVar[str] = "arXiv 2006.05467, arXiv 2101.08134"
    larger_is_better: ClassVar[bool] = True
    worst: ClassVar[float] = -math.inf

    def __call__(self, probe: Probe) -> float:
        network = probe.build(self.network, initialisation=self.initialisation).double()
        for parent in list(network.modules()):
            for name, child in parent.named_children():
                if isinstance(child, nn.BatchNorm2d):
                    setattr(parent, name, nn.Identity())
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.abs_()
        weights = [m.weight for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        size = (probe.task.in_channels, *probe.task.image_size)
        ones = torch.ones(1, *size, dtype=torch.float64, device=probe.compute.device)
        gradients = torch.autograd.grad(network(ones).sum(), weights, allow_unused=True)
        flow = sum(
            float((w.detach() * g).sum()) for w, g in zip(weights, gradients, strict=True) if g is not None
        )  # both factors are non-negative
        return self.finite(flow) if flow > 0 else self.worst


__all__ = ["SynFlow"]
