"""A relaxation around another one: what it does not say itself, the inner one does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from nascence.relaxations.base import Relaxation
from nascence.schedules import Moment
from nascence.supernets.groups import MixingWeights


class Around(Relaxation):
    """``inner``'s mixing weights, :meth:`changed`. Subclasses set ``space`` and ``inner``, and say what they change."""

    inner: Relaxation

    def changed(self, weights: MixingWeights) -> MixingWeights:
        """Of one sample, or of the mean."""
        return weights

    @property
    def parameters(self) -> dict[str, Tensor]:
        return self.inner.parameters

    def sample(self, generator: torch.Generator) -> MixingWeights:
        return self.changed(self.inner.sample(generator))

    def samples(self, generator: torch.Generator) -> list[MixingWeights]:
        return [self.changed(weights) for weights in self.inner.samples(generator)]

    def mean(self) -> MixingWeights:
        return {name: value.detach() for name, value in self.changed(self.inner.mean()).items()}

    def scores(self) -> dict[str, Tensor]:
        return self.inner.scores()

    def logits(self) -> dict[str, Tensor]:
        """Of the inner relaxation, each once."""
        return self.inner.logits()

    def begin(self, moment: Moment) -> None:
        self.inner.begin(moment)

    def keep(self, count: int) -> None:
        self.inner.keep(count)

    def optimizer_options(self, name: str) -> dict[str, Any]:
        return self.inner.optimizer_options(name)

    def observed(self) -> dict[str, float]:
        return self.inner.observed()

    def state_dict(self) -> dict[str, Any]:
        return self.inner.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.inner.load_state_dict(state)


__all__ = ["Around"]
