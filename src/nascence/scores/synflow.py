"""Synaptic flow (Tanaka et al., NeurIPS 2020; summed: Abdelfattah et al., ICLR 2021): paths, weighted, without data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import nn

from nascence.scores.base import Needs, OfNetwork, Probe, Score, kernels


@final
@dataclass(frozen=True, kw_only=True)
class SynFlow(OfNetwork, Score):
    """sum |w * d R / d w|, R the sum of the outputs for one example of ones; |w| for w, no batch normalisation,
    float64. An example graph has its task's numbers of nodes and edges, every node about as many as any other.

    Without a path from the input nothing flows: the worst value.
    """

    name: ClassVar[str] = "synflow"
    description: ClassVar[str] = "flow of an image of ones through the absolute weights, without normalisation"
    source: ClassVar[str] = "arXiv 2006.05467, arXiv 2101.08134"
    larger_is_better: ClassVar[bool] = True
    worst: ClassVar[float] = -math.inf
    needs: ClassVar[Needs] = "loss"

    def __call__(self, probe: Probe) -> float:
        network = probe.build(self.network, initialisation=self.initialisation).double()
        for parent in list(network.modules()):
            for name, child in parent.named_children():
                if isinstance(child, nn.BatchNorm2d):
                    setattr(parent, name, nn.Identity())
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.abs_()
        weights = kernels(network)
        gradients = torch.autograd.grad(network(*probe.ones()).sum(), weights, allow_unused=True)
        flow = sum(
            float((w.detach() * g).abs().sum()) for w, g in zip(weights, gradients, strict=True) if g is not None
        )
        return self.finite(flow) if flow > 0 else self.worst


__all__ = ["SynFlow"]
