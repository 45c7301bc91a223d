"""How several objectives of the architecture become one loss."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import final

from torch import Tensor

Gradients = Callable[[Tensor], list[Tensor]]
"""A loss -> its gradients in the architecture's parameters, through the mixing weights; the graph is kept."""


class Combination(ABC):
    """Makes one scalar of the objectives' weighted terms; its gradient is the direction of the architecture's step."""

    @abstractmethod
    def loss(self, terms: Sequence[Tensor], gradients: Gradients) -> Tensor:
        """``terms``: scalars, at least one. What is returned is differentiable as they are."""

    def observed(self) -> dict[str, float]:
        """Numbers for the event of an epoch, such as the last weights of the objectives."""
        return {}


@final
class Sum(Combination):
    """The plain sum."""

    def loss(self, terms: Sequence[Tensor], gradients: Gradients) -> Tensor:
        loss = terms[0].new_zeros(())
        for term in terms:
            loss = loss + term.to(loss, non_blocking=True)
        return loss


__all__ = ["Combination", "Gradients", "Sum"]
