"""What a search ends in: one architecture, a front of them, or an ensemble."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

from nascence.architecture import Architecture
from nascence.strategies.pareto import Criterion

Form = Literal["one", "front", "ensemble"]


@final
@dataclass(frozen=True)
class Found:
    """``members``: of a front best first by the first of ``criteria``, of an ensemble those that answer together.
    ``pick``: the place of the one to take where only one is wanted: a front's knee, an ensemble's best by itself.
    ``values`` [N, M]: of every member by every criterion; empty where there are none."""

    form: Form
    members: tuple[Architecture, ...]
    pick: int = 0
    values: tuple[tuple[float, ...], ...] = ()
    criteria: tuple[Criterion, ...] = ()

    def __post_init__(self) -> None:
        assert 0 <= self.pick < len(self.members)
        assert len(self.values) in (0, len(self.members))
        assert self.form != "one" or len(self.members) == 1

    @property
    def picked(self) -> Architecture:
        return self.members[self.pick]


__all__ = ["Form", "Found"]
