"""The parts of AZ-NAS (Lee & Ham, CVPR 2024) that need a network; the fourth is ``flops``.

All read the features after the stem and after every block, of one forward on standard normal inputs. The published
score is their non-linear rank sum: ``az-nas`` in :mod:`nascence.scores.aggregation`. The paper's network is
``evaluation``, its batch 64: a deep network matters to these parts, a large batch hardly.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn

from nascence.declaring import setting
from nascence.scores.base import OfImages, OfNetwork, Probe, Reads, Score
from nascence.scores.passes import Inputs, TrainingPass, needs_features, training_pass
from nascence.seeding import generator


@dataclass(frozen=True, kw_only=True)
class _AZNASPart(OfNetwork, OfImages, Score):
    DEFAULTS: ClassVar[Mapping[str, Any]] = {"network": "ranking-deep"}
    reads: ClassVar[Reads] = "blocks"

    inputs: Inputs = setting("noise", "Noise, as published, or images.")

    @final
    def __call__(self, probe: Probe) -> float:
        run = training_pass(probe, self.network, self.initialisation, self.images, inputs=self.inputs)
        features = needs_features(self.name, probe, run)
        return self.worst if run.constant else self.finite(self.of(probe, run, features))

    @abstractmethod
    def of(self, probe: Probe, run: TrainingPass, features: list[Tensor]) -> float:
        """The part's value, from the features [B, C, H, W] after the stem and every block."""

    @final
    def entropies(self, probe: Probe, features: list[Tensor]) -> list[float]:
        """E_l of :func:`spectrum_entropy` for every feature map, shared between the parts."""
        key = ("entropies", self.network, self.initialisation, self.images, self.inputs)
        return probe.shared(key, lambda: [spectrum_entropy(x.detach()) for x in features])


@final
@dataclass(frozen=True, kw_only=True)
class AZExpressivity(_AZNASPart):
    """sum_l E_l: in how many directions the features spread."""

    name: ClassVar[str] = "az-expressivity"
    description: ClassVar[str] = "AZ-NAS: sum over blocks of the entropy of the features' spectrum"
    source: ClassVar[str] = "arXiv 2403.19232"
    larger_is_better: ClassVar[bool] = True
    worst: ClassVar[float] = -math.inf

    def of(self, probe: Probe, run: TrainingPass, features: list[Tensor]) -> float:
        return sum(self.entropies(probe, features))


@final
@dataclass(frozen=True, kw_only=True)
class AZProgressivity(_AZNASPart):
    """min_l (E_l - E_(l-1)): the least gain in expressivity from one block to the next."""

    name: ClassVar[str] = "az-progressivity"
    description: ClassVar[str] = "AZ-NAS: the least gain in expressivity from one block to the next"
    source: ClassVar[str] = "arXiv 2403.19232"
    larger_is_better: ClassVar[bool] = True
    worst: ClassVar[float] = -math.inf

    def of(self, probe: Probe, run: TrainingPass, features: list[Tensor]) -> float:
        entropies = self.entropies(probe, features)
        return min(after - before for before, after in pairwise(entropies))


@final
@dataclass(frozen=True, kw_only=True)
class AZTrainability(_AZNASPart):
    """mean_l (2 - s - 1/s), s the largest singular value of block l's mean map from output to input gradients.

    The gradients at the output are random signs. Minus infinity where a block is the identity, or nothing goes through.
    """

    name: ClassVar[str] = "az-trainability"
    description: ClassVar[str] = "AZ-NAS: how well every block keeps the scale of gradients"
    source: ClassVar[str] = "arXiv 2403.19232"
    larger_is_better: ClassVar[bool] = True
    worst: ClassVar[float] = -math.inf

    def of(self, probe: Probe, run: TrainingPass, features: list[Tensor]) -> float:
        random = generator(probe.seed, "score", "signs", probe.draw)
        values = []
        for before, after in pairwise(features):
            out = torch.randint(2, after.shape, generator=random).to(after).mul_(2).sub_(1)
            (into,) = torch.autograd.grad(after, before, out, retain_graph=True, allow_unused=True)
            if into is None or (into.shape == out.shape and torch.equal(into, out)):
                return -math.inf
            values.append(gradient_map(into, out))
        return sum(values) / len(values)


def spectrum_entropy(features_BCHW: Tensor) -> float:
    """Entropy of the normalised eigenvalues of the channels' covariance [C, C] over images and positions, in nats."""
    x_CN = features_BCHW.transpose(0, 1).flatten(1)
    x_CN = x_CN - x_CN.mean(1, keepdim=True)
    values = torch.linalg.eigvalsh((x_CN @ x_CN.mT).double()).clamp(min=0)
    share = values / values.sum()
    return float(torch.special.entr(share).sum())


def gradient_map(into_BCHW: Tensor, out_BCHW: Tensor) -> float:
    """2 - s - 1/s, s the largest singular value of the mean over images and positions of g_in g_out^T; at most 0.

    The pixels that one output pixel stands for become channels; where sides do not divide, as 5 to 3, zeros are added.
    """
    stride = -(-into_BCHW.shape[2] // out_BCHW.shape[2])
    if stride > 1:
        height, width = (stride * side for side in out_BCHW.shape[2:])
        missing = (0, width - into_BCHW.shape[3], 0, height - into_BCHW.shape[2])
        into_BCHW = nn.functional.pixel_unshuffle(nn.functional.pad(into_BCHW, missing), stride)
    into_CN, out_CN = (x.transpose(0, 1).flatten(1) for x in (into_BCHW, out_BCHW))
    mean = (into_CN @ out_CN.mT).double() / out_CN.shape[1]
    sigma = float(torch.linalg.svdvals(mean)[0])
    return 2 - sigma - 1 / sigma if sigma > 0 else -math.inf


__all__ = ["AZExpressivity", "AZProgressivity", "AZTrainability", "gradient_map", "spectrum_entropy"]
