"""Sample-wise activation patterns (SWAP: Peng et al., ICLR 2024): how many neurons behave differently."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import torch
from torch import Tensor, nn

from nascence.costs import params
from nascence.declaring import setting
from nascence.errors import SettingError
from nascence.scores.base import OfImages, OfNetwork, Probe, Score, is_constant
from nascence.scores.linear_regions import count_distinct
from nascence.scores.passes import ReLUInputs, watching


@final
@dataclass(frozen=True, kw_only=True)
class SWAP(OfNetwork, OfImages, Score):
    """The number of different patterns among neurons; a neuron's pattern says for which images its ReLU is active.

    Regularised where ``mu`` and ``sigma`` are given: times exp(-(P - mu)^2 / sigma), P the number of parameters of the
    ``evaluation`` network, so that ``mu`` is a number of parameters and ``sigma`` its square. This steers the size by
    hand, so there is no default. Weights standard normal; the paper averages 32 draws.
    """

    name: ClassVar[str] = "swap"
    description: ClassVar[str] = "number of different sample-wise activation patterns of neurons"
    source: ClassVar[str] = "arXiv 2403.04161"
    larger_is_better: ClassVar[bool] = True
    worst: ClassVar[float] = -math.inf
    because: ClassVar[str] = "it counts which neurons respond to which images"

    DEFAULTS: ClassVar[Mapping[str, Any]] = {"initialisation": "standard-normal"}

    mu: float | None = setting(None, "The number of parameters that is preferred.")
    sigma: float | None = setting(None, "How far from it, squared; both or neither.", above=0)

    def __post_init__(self) -> None:
        if (self.mu is None) != (self.sigma is None):
            raise SettingError("swap is regularised by mu and sigma together; set both, or neither.")

    def __call__(self, probe: Probe) -> float:
        network = probe.network(self.network, initialisation=self.initialisation)
        x_BCHW, _ = probe.images(self.images)
        relus = ReLUInputs()
        watched = [module for module in network.modules() if isinstance(module, nn.ReLU)]
        with torch.no_grad(), watching(watched, lambda module, inputs, output: relus.add(inputs)):
            output = network.train()(x_BCHW)
        active = [codes.flatten(1) for codes, _ in relus.active() if codes.dim() == 4]
        if is_constant(output) or not active:
            return self.worst
        return float(count_patterns(torch.cat(active, dim=1))) * self._size_factor(probe)

    def _size_factor(self, probe: Probe) -> float:
        if self.mu is None or self.sigma is None:
            return 1.0
        with torch.device("meta"):
            network = probe.space.assemble(probe.architecture, probe.size("evaluation"), probe.task.signature)
            size = params(network)
        return math.exp(-((size - self.mu) ** 2) / self.sigma)


def count_patterns(active_BF: Tensor) -> int:
    """The number of different columns of a Boolean matrix."""
    rows = np.ascontiguousarray(np.packbits(active_BF.cpu().numpy(), axis=0).T)  # uint8 [F, ceil(B / 8)]
    if rows.shape[1] == 2:
        return int(np.count_nonzero(np.bincount(rows.view(np.uint16).ravel(), minlength=2**16)))
    return count_distinct(rows)


__all__ = ["SWAP", "count_patterns"]
