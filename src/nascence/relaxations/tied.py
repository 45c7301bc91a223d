"""Groups that share their architecture parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor

from nascence.relaxations.base import Relaxation
from nascence.schedules import Moment
from nascence.spaces.relaxable import RelaxableSpace
from nascence.supernets.groups import MixingWeights


@final
class Tied(Relaxation):
    """The groups of ``space`` have the weights of the groups of ``inner``'s space that ``ties`` names.

    Groups that are tied together have rows and options in the same order, and equal weights.
    """

    def __init__(self, space: RelaxableSpace, inner: Relaxation, ties: Mapping[str, str]) -> None:
        self.space, self.inner, self.ties = space, inner, dict(ties)
        shapes = {group.name: group.shape for group in inner.space.groups}
        assert all(group.shape == shapes[self.ties[group.name]] for group in space.groups)

    def _spread(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: values[of] for name, of in self.ties.items()}

    @property
    def parameters(self) -> dict[str, Tensor]:
        return self.inner.parameters

    def sample(self, generator: torch.Generator) -> MixingWeights:
        return self._spread(self.inner.sample(generator))

    def samples(self, generator: torch.Generator) -> list[MixingWeights]:
        return [self._spread(weights) for weights in self.inner.samples(generator)]

    def mean(self) -> MixingWeights:
        return self._spread(self.inner.mean())

    def scores(self) -> dict[str, Tensor]:
        return self._spread(self.inner.scores())

    def logits(self) -> dict[str, Tensor]:
        """Of the parameters that there are, each once."""
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


__all__ = ["Tied"]
