"""The parts of our own ranking ``nascence`` that need a network; ``nascence`` in :mod:`nascence.scores.aggregation`
adds up their ranks.

All read one forward in training mode, on small real images, through a network as deep as the one that is trained in the
end but thin, and its backward passes. docs/methods/rank.md says why these; its numbers are those of the defaults.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, final

import torch
from torch import Tensor

from nascence.declaring import setting
from nascence.scores.az_nas import gradient_map, spectrum_entropy
from nascence.scores.base import Needs, OfImages, OfNetwork, Probe, Reads, Score
from nascence.scores.jacob_cov import decorrelation
from nascence.scores.naswot import activation_determinant
from nascence.scores.passes import TrainingPass, needs_features, training_pass
from nascence.scores.swap import count_patterns
from nascence.seeding import generator


@dataclass(frozen=True, kw_only=True)
class _Part(OfNetwork, OfImages, Score):
    """``images``: the batch; ``image_size``: larger images are averaged down to it, None for no change."""

    DEFAULTS: ClassVar[Mapping[str, Any]] = {"network": "ranking-deep", "images": 32}

    reads: ClassVar[Reads] = "blocks"

    image_size: int | None = setting(16, "Larger images are averaged down to it, none for no change.", at_least=1)

    @final
    def __call__(self, probe: Probe) -> float:
        run = training_pass(probe, self.network, self.initialisation, self.images, image_size=self.image_size)
        features = needs_features(self.name, probe, run) if self.reads == "blocks" else []
        return self.worst if run.constant else self.finite(self.of(probe, run, features))

    @abstractmethod
    def of(self, probe: Probe, run: TrainingPass, features: list[Tensor]) -> float | Tensor:
        """The part's value, from a pass and its features [B, C, H, W] after the stem and every block."""


@final
@dataclass(frozen=True, kw_only=True)
class Expressivity(_Part):
    """sum_l E_l over stem and blocks, E_l the entropy of the spectrum of the features' channel covariance."""

    name: ClassVar[str] = "nascence-expressivity"
    description: ClassVar[str] = "nascence: in how many directions the features of every block spread"
    source: ClassVar[str] = "this project, after arXiv 2403.19232"
    larger_is_better: ClassVar[bool] = True
    worst: ClassVar[float] = -math.inf

    def of(self, probe: Probe, run: TrainingPass, features: list[Tensor]) -> float | Tensor:
        return sum(spectrum_entropy(x.detach()) for x in features)


@final
@dataclass(frozen=True, kw_only=True)
class Trainability(_Part):
    """mean over blocks of 2 - s - 1/s, s the largest singular value of the block's mean map of gradients.

    Blocks that are the identity are left out: there is nothing in them to train.
    """

    name: ClassVar[str] = "nascence-trainability"
    description: ClassVar[str] = "nascence: how well every block keeps the scale of gradients"
    source: ClassVar[str] = "this project, after arXiv 2403.19232"
    larger_is_better: ClassVar[bool] = True
    worst: ClassVar[float] = -math.inf

    def of(self, probe: Probe, run: TrainingPass, features: list[Tensor]) -> float | Tensor:
        random = generator(probe.seed, "score", "signs", probe.draw)
        values = []
        for before, after in pairwise(features):
            if before is after:
                continue
            out = torch.randint(2, after.shape, generator=random).to(after).mul_(2).sub_(1)
            (into,) = torch.autograd.grad(after, before, out, retain_graph=True, allow_unused=True)
            if into is None:
                return -math.inf
            values.append(gradient_map(into, out))
        return sum(values) / len(values) if values else -math.inf


@final
@dataclass(frozen=True, kw_only=True)
class Separability(_Part):
    """- sum of log(v + k) + 1/(v + k), v the eigenvalues of the correlations between the images' gradients of the loss
    with respect to the stem's output."""

    name: ClassVar[str] = "nascence-separability"
    description: ClassVar[str] = "nascence: how differently the loss depends on different images"
    source: ClassVar[str] = "this project, after arXiv 2006.04647"
    larger_is_better: ClassVar[bool] = True
    worst: ClassVar[float] = -math.inf

    def of(self, probe: Probe, run: TrainingPass, features: list[Tensor]) -> float | Tensor:
        gradient = run.stem_gradient
        return self.worst if gradient is None else decorrelation(gradient)


@final
@dataclass(frozen=True, kw_only=True)
class Layers(_Part):
    """- sum of p log p, p a layer's share of sum ||W||^2 ||dL/dW||^2 over convolutions and linear layers.

    Small steps against the gradient, each layer's relative to its weights, lower the loss by that sum: it is the
    logarithm of the number of layers that learn. Where normalisation follows, a layer's term does not depend on the
    scale of its weights.
    """

    name: ClassVar[str] = "nascence-layers"
    description: ClassVar[str] = "nascence: how evenly learning is spread over how many layers"
    source: ClassVar[str] = "this project"
    larger_is_better: ClassVar[bool] = True
    worst: ClassVar[float] = -math.inf
    needs: ClassVar[Needs] = "loss"
    reads: ClassVar[Reads] = "output"

    def of(self, probe: Probe, run: TrainingPass, features: list[Tensor]) -> float | Tensor:
        norms = [weight.detach().norm() * run.gradients[weight].norm() for weight in run.weights]
        share = torch.stack(norms).double().square()
        return torch.special.entr(share / share.sum()).sum()


@final
@dataclass(frozen=True, kw_only=True)
class Activations(_Part):
    """log det K, K[n, m] = the number of ReLU inputs that are positive for both images n and m, or for neither."""

    name: ClassVar[str] = "nascence-activations"
    description: ClassVar[str] = "nascence: how differently images activate the ReLUs"
    source: ClassVar[str] = "this project, after arXiv 2006.04647"
    larger_is_better: ClassVar[bool] = True
    worst: ClassVar[float] = -math.inf
    reads: ClassVar[Reads] = "relus"

    def of(self, probe: Probe, run: TrainingPass, features: list[Tensor]) -> float | Tensor:
        return activation_determinant(run.active)


@final
@dataclass(frozen=True, kw_only=True)
class Patterns(_Part):
    """The number of different patterns among neurons of convolutional layers, a pattern being for which of the first
    ``seen`` images the neuron is active; with more images nearly every neuron of a small network has its own."""

    name: ClassVar[str] = "nascence-patterns"
    description: ClassVar[str] = "nascence: how many neurons behave differently"
    source: ClassVar[str] = "this project, after arXiv 2403.04161"
    larger_is_better: ClassVar[bool] = True
    worst: ClassVar[float] = -math.inf
    reads: ClassVar[Reads] = "relus"

    seen: int = 16

    def of(self, probe: Probe, run: TrainingPass, features: list[Tensor]) -> float | Tensor:
        codes = [active[: self.seen].flatten(1) for active, _ in run.active if active.dim() == 4]
        return float(count_patterns(torch.cat(codes, dim=1))) if codes else self.worst


__all__ = ["Activations", "Expressivity", "Layers", "Patterns", "Separability", "Trainability"]
