"""Groups that share their architecture parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

from torch import Tensor

from nascence.relaxations.around import Around
from nascence.relaxations.base import Relaxation
from nascence.spaces.relaxable import RelaxableSpace
from nascence.supernets.groups import MixingWeights


@final
class Tied(Around):
    """The groups of ``space`` have the weights of the groups of ``inner``'s space that ``ties`` names.

    Groups that are tied together have rows and options in the same order, and equal weights.
    """

    def __init__(self, space: RelaxableSpace, inner: Relaxation, ties: Mapping[str, str]) -> None:
        self.space, self.inner, self.ties = space, inner, dict(ties)
        shapes = {group.name: group.shape for group in inner.space.groups}
        assert all(group.shape == shapes[self.ties[group.name]] for group in space.groups)

    def changed(self, weights: MixingWeights) -> dict[str, Tensor]:
        return {name: weights[of] for name, of in self.ties.items()}

    def scores(self) -> dict[str, Tensor]:
        return self.changed(self.inner.scores())


__all__ = ["Tied"]
