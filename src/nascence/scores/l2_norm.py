"""The norm of the initial weights: a baseline without data (Abdelfattah et al., ICLR 2021)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, final

import torch

from nascence.scores.base import Needs, OfNetwork, Probe, Score, kernels


@final
@dataclass(frozen=True, kw_only=True)
class L2Norm(OfNetwork, Score):
    """sum over convolutions and linear layers of || W ||_2. It looks at no path: only at what there is."""

    name: ClassVar[str] = "l2-norm"
    description: ClassVar[str] = "sum over layers of the norm of the initial weights"
    source: ClassVar[str] = "arXiv 2101.08134"
    larger_is_better: ClassVar[bool] = True
    worst: ClassVar[float] = -math.inf
    needs: ClassVar[Needs] = "loss"
    sees_paths: ClassVar[bool] = False

    def __call__(self, probe: Probe) -> float:
        network = probe.network(self.network, initialisation=self.initialisation)
        with torch.no_grad():
            return self.finite(sum(weight.norm() for weight in kernels(network)))


__all__ = ["L2Norm"]
