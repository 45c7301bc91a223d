"""Relaxations by logits and a temperature that follows a schedule."""

from __future__ import annotations

from collections.abc import Sequence

from nascence.relaxations.base import LogitRelaxation, Options
from nascence.schedules import Constant, Moment, Schedule
from nascence.spaces.relaxable import RelaxableSpace
from nascence.supernets.groups import ChoiceGroup


class TemperedRelaxation(LogitRelaxation):
    """``temperature``: over the search; high ones mix evenly, low ones choose."""

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
        self.schedule = temperature
        self.temperature = temperature(Moment(0, 1))

    def begin(self, moment: Moment) -> None:
        self.temperature = self.schedule(moment)

    def observed(self) -> dict[str, float]:
        return {"temperature": self.temperature}


__all__ = ["TemperedRelaxation"]
