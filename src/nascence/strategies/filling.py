"""What a budget leaves, given to the answers that lose least by it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, final

from torch import Tensor

from nascence.architecture import Architecture
from nascence.costs.budget import BudgetChecker
from nascence.spaces import Space
from nascence.strategies.base import Strategy

Scores = Callable[[], Mapping[str, Tensor]]
"""Per choice's name the score [options] of its answers."""


def filled(budget: BudgetChecker, architecture: Architecture, scores: Mapping[str, Tensor]) -> Architecture:
    """``architecture``, made dearer answer by answer while the ``budget`` allows it: each time by the answer that gains
    most score (or loses least) per cost it adds, of all limited costs in units of their limits. Of an ordered choice
    the next dearer step counts. Without limits, the architecture itself."""
    limits = budget.budget.limits
    if not limits:
        return architecture

    def price(one: Architecture) -> float:
        return sum(budget.model.cost(name, one) / limit for name, limit in limits.items())

    while True:
        before, best, worth = price(architecture), None, 0.0
        for other, gain in _dearer(budget.model.space, architecture, scores):
            added = price(other) - before
            if added > 1e-12 and (best is None or gain / added > worth) and budget.allows(other):
                best, worth = other, gain / added
        if best is None:
            return architecture
        architecture = best


def _dearer(
    space: Space, architecture: Architecture, scores: Mapping[str, Tensor]
) -> Iterator[tuple[Architecture, float]]:
    """Other answers to a single choice, and what the score gains by each."""
    for place, choice in enumerate(space.choices):
        at = choice.options.index(architecture.answers[place])
        steps = (at + 1,) if choice.ordered else range(len(choice.options))
        for step in steps:
            if step != at and step < len(choice.options):
                row = scores.get(choice.name)
                answers = (*architecture.answers[:place], choice.options[step], *architecture.answers[place + 1 :])
                yield Architecture(space.name, answers), 0.0 if row is None else float(row[step] - row[at])


@final
class FilledStrategy(Strategy):
    """``inner``, whose result is :func:`filled` up to the budget. ``scores``: of its choices, when it is done."""

    def __init__(self, inner: Strategy, budget: BudgetChecker, scores: Scores) -> None:
        self.inner, self.budget, self.scores = inner, budget, scores
        self.total_steps, self.steps_done = inner.total_steps, inner.steps_done

    @property
    def averages(self) -> bool:
        return self.inner.averages

    def advance(self) -> dict[str, Any]:
        event = self.inner.advance()
        self.steps_done = self.inner.steps_done
        return event

    def derive(self) -> Architecture:
        """In canonical form: what takes no part was given answers in case that it would."""
        found = filled(self.budget, self.inner.derive(), self.scores())
        return self.budget.model.space.canonical(found)

    def findings(self) -> dict[str, Any]:
        return self.inner.findings()

    def expected_seconds(self) -> float | None:
        return self.inner.expected_seconds()

    def state_dict(self) -> dict[str, Any]:
        return self.inner.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.inner.load_state_dict(state)
        self.steps_done = self.inner.steps_done


__all__ = ["FilledStrategy", "filled"]
