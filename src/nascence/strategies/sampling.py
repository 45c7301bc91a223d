"""Random sampling: the baseline of every comparison."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor

from nascence.architecture import Architecture
from nascence.costs.budget import BudgetChecker
from nascence.seeding import generator
from nascence.spaces import Space
from nascence.strategies.base import Strategy

_TRIES = 10_000
_DEAR_TRIES = 300
_WALK = 30


@final
class RandomSampling(Strategy):
    """One architecture, uniformly among those within the budget. One step.

    Drawn by rejection; where none of ten thousand draws is within the budget, the architecture of the largest sum of
    random scores within it, which always exists but is not uniform (the event says so).
    """

    total_steps = 1

    def __init__(self, space: Space, budget: BudgetChecker, seed: int) -> None:
        self.space = space
        self.budget = budget
        self.seed = seed
        self.architecture: Architecture | None = None

    def advance(self) -> dict[str, Any]:
        self.architecture, tries, uniform = draw_within(self.space, self.budget, generator(self.seed, "random"))
        self.steps_done = 1
        return {"tries": tries, "uniform": uniform, "architecture": str(self.architecture)}

    def derive(self) -> Architecture:
        assert self.architecture is not None
        return self.architecture

    def state_dict(self) -> dict[str, Any]:
        text = None if self.architecture is None else str(self.architecture)
        return {"steps_done": self.steps_done, "architecture": text}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps_done = state["steps_done"]
        text = state["architecture"]
        self.architecture = None if text is None else self.space.parse(text)


def draw_within(space: Space, budget: BudgetChecker, random: torch.Generator) -> tuple[Architecture, int, bool]:
    """(an architecture within the budget, the number of draws, whether it is uniform): see :class:`RandomSampling`.

    Where costs do not add up over choices, and so every draw is counted by itself, 300 draws must do, and then a random
    walk within the budget from its cheapest architecture.
    """
    draws = _TRIES if budget.adds_up else _DEAR_TRIES
    for tries in range(1, draws + 1):
        architecture = space.sample(random)
        if budget.allows(architecture):
            return architecture, tries, True
    if budget.adds_up:
        return budget.best(_random_scores(space, random)), draws, False
    architecture = budget.cheapest()
    for _ in range(_WALK):
        step = space.mutate(architecture, random)
        architecture = step if budget.allows(step) else architecture
    return architecture, draws, False


def _random_scores(space: Space, random: torch.Generator) -> dict[str, Tensor]:
    if space.as_cells is not None:  # costs know the edges of cells
        return {group.name: torch.rand(group.shape, generator=random) for group in space.groups}
    return {choice.name: torch.rand(len(choice.options), generator=random) for choice in space.choices}


__all__ = ["RandomSampling", "draw_within"]
