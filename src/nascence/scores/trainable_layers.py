"""The number of trainable layers: the trivial baseline that ranks NAS-Bench-201 better than most scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch

from nascence.scores.base import Probe
from nascence.scores.size import Counted


@final
@dataclass(frozen=True, kw_only=True)
class TrainableLayers(Counted):
    """The number of parameter tensors of the ``evaluation`` network (Tybl & Neumann, CVPR 2025, count so)."""

    name: ClassVar[str] = "trainable-layers"
    description: ClassVar[str] = "number of parameter tensors of the evaluation network"
    source: ClassVar[str] = "baseline; arXiv 2502.04975"

    def __call__(self, probe: Probe) -> float:
        with torch.device("meta"):
            network = probe.space.assemble(probe.architecture, probe.size("evaluation"), probe.task.signature)
        return float(len(list(network.parameters())))


__all__ = ["TrainableLayers"]
