"""Several scores of an architecture at one draw of weights and images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from nascence.architecture import Architecture
from nascence.engine.compute import ON_CPU, Compute
from nascence.scores.base import Score, evaluate
from nascence.spaces import Space
from nascence.tasks import Task


@final
@dataclass(frozen=True)
class DrawnScores:
    """From (architecture, number of the draw) to the values of ``scores``, in their order: the same as in a file of
    ``nascence score`` with the same seed. What is random is of the canonical architecture, so that equal networks have
    equal values; what only counts is of the architecture itself."""

    scores: Sequence[Score]
    space: Space
    task: Task
    seed: int
    compute: Compute = ON_CPU

    def __call__(self, item: tuple[Architecture, int]) -> list[float]:
        architecture, draw = item
        values: dict[str, list[float]] = {}
        for random, one in ((True, self.space.canonical(architecture)), (False, architecture)):
            wanted = [score for score in self.scores if score.random == random]
            values |= evaluate(
                wanted, self.space, one, self.task, seed=self.seed, first_draw=draw, compute=self.compute
            )
        return [values[score.name][0] for score in self.scores]


__all__ = ["DrawnScores"]
