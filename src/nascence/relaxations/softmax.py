"""The softmax relaxation: every operation runs, weighted by its probability (Liu et al., DARTS, ICLR 2019, eq. 2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from nascence.relaxations.base import LogitRelaxation, Options
from nascence.schedules import Constant, Moment, Schedule
from nascence.spaces.relaxable import RelaxableSpace
from nascence.supernets.groups import ChoiceGroup


@final
class Softmax(LogitRelaxation):
    """w_eo = exp(alpha_eo / tau) / sum_o' exp(alpha_eo' / tau), over the operations that take part.

    ``temperature``: tau over the search; high ones mix evenly, low ones choose.
    """

    def __init__(
        self,
        space: RelaxableSpace,
        options: Options = None,
        temperature: Schedule = Constant(1.0),
        *,
        groups: Sequence[ChoiceGroup] | None = None,
        seed: int = 0,
        scale: float = 1e-3,
    ) -> None:
        super().__init__(space, options, groups=groups, seed=seed, scale=scale)
        self._schedule = temperature
        self.temperature = temperature(Moment(0, 1))

    def begin(self, moment: Moment) -> None:
        self.temperature = self._schedule(moment)

    def observed(self) -> dict[str, float]:
        return {} if isinstance(self._schedule, Constant) else {"temperature": self.temperature}

    def row_sample(self, logits_EA: Tensor, kept_EA: Tensor, generator: torch.Generator) -> Tensor:
        return self.row_mean(logits_EA, kept_EA)

    def row_mean(self, logits_EA: Tensor, kept_EA: Tensor) -> Tensor:
        return (logits_EA.masked_fill(~kept_EA, -torch.inf) / self.temperature).softmax(-1)


__all__ = ["Softmax"]
