"""Several networks as one, that answer together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import final

from torch import Tensor, nn


@final
class Ensemble(nn.Module):
    """``combine`` (:meth:`nascence.tasks.Task.combine`) of the outputs of ``members``."""

    def __init__(self, members: Sequence[nn.Module], combine: Callable[[Sequence[Tensor]], Tensor]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.combine = combine

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.combine([member(*inputs) for member in self.members])


__all__ = ["Ensemble"]
