"""A second, better valuation of what an evolution found, before the front is formed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, final

import numpy as np

from nascence.architecture import Architecture
from nascence.strategies.base import Strategy
from nascence.strategies.nsga2 import NSGA2, Cost, Evaluate
from nascence.strategies.pareto import Criterion, Front


@final
class Reevaluated(Strategy):
    """``evolution``; then the best of every size are valued again by ``evaluate``, and the front is of these.

    Short trainings are noisy and favour what learns quickly: a front of many of them is one of the small and the lucky.
    So all that was valued is sorted by ``size`` and cut into ``count`` groups of equal number, or nearly, and of each
    group the best by one objective, the one at position ``by``, is taken; where evolution looked most, groups are
    narrowest.

    A step of the second valuation is ``at_once`` architectures, from the smallest. What has a value then that is no
    finite number is not on the front; should that leave nothing, the evolution's own front stands.
    """

    def __init__(
        self,
        evolution: NSGA2,
        evaluate: Evaluate,
        objectives: Sequence[Criterion],
        *,
        size: Cost,
        count: int,
        at_once: int,
        by: int = 0,
    ) -> None:
        self.evolution, self.evaluate, self.objectives = evolution, evaluate, tuple(objectives)
        self.size, self.count, self.at_once, self.by = size, count, at_once, by
        self.total_steps = evolution.total_steps + math.ceil(count / at_once)
        self._candidates: list[int] = []
        self._values: list[tuple[float, ...]] = []

    def advance(self) -> dict[str, Any]:
        """Its event: the evolution's, and after that ``reevaluated``: what was valued in this step, the ``front``'s
        present size and the best value of every objective."""
        if not self.evolution.done:
            event = self.evolution.advance()
        else:
            slot = self.steps_done - self.evolution.total_steps
            if slot == 0:
                self._candidates = self._best_of_every_size()
            here = slice(slot * self.at_once, (slot + 1) * self.at_once)
            chosen = [self._architecture(at) for at in self._candidates[here]]
            found = [tuple(map(float, values)) for values in (self.evaluate(chosen) if chosen else ())]
            self._values += found
            names, front = [objective.name for objective in self.objectives], self.front()
            event = {
                "reevaluated": [
                    {"architecture": self.evolution.space.format(one), **dict(zip(names, values, strict=True))}
                    for one, values in zip(chosen, found, strict=True)
                ],
                "front": len(front),
                **front.best(),
            }
        self.steps_done += 1
        return event

    def front(self) -> Front:
        """Raises :class:`BudgetError` when nothing was within the budget."""
        finite = [
            (self._architecture(at), values)
            for at, values in zip(self._candidates, self._values, strict=False)
            if all(map(math.isfinite, values))
        ]
        if not finite:
            return self.evolution.front()
        return Front.of(self.objectives, [one for one, _ in finite], [values for _, values in finite])

    def derive(self) -> Architecture:
        """The front's knee."""
        assert self.done
        front = self.front()
        return front.architectures[front.knee]

    def state_dict(self) -> dict[str, Any]:
        return {
            "steps_done": self.steps_done,
            "evolution": self.evolution.state_dict(),
            "candidates": list(self._candidates),
            "values": [list(values) for values in self._values],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps_done = state["steps_done"]
        self.evolution.load_state_dict(state["evolution"])
        self._candidates = list(state["candidates"])
        self._values = [tuple(values) for values in state["values"]]

    def _architecture(self, at: int) -> Architecture:
        return self.evolution.archive[at].architecture

    def _best_of_every_size(self) -> list[int]:
        """Positions in the archive, from the smallest."""
        sign = self.evolution.objectives[self.by].sign
        valued = [(at, one.values) for at, one in enumerate(self.evolution.archive) if one.values is not None]
        errors = {at: sign * values[self.by] for at, values in valued}
        by_size = sorted(errors, key=lambda at: (self.size(self._architecture(at)), at))
        groups = np.array_split(np.array(by_size, dtype=np.int64), self.count)
        return [min(group.tolist(), key=errors.__getitem__) for group in groups if len(group)]


__all__ = ["Reevaluated"]
