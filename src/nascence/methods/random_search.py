"""One random architecture within the budget: what every search has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from nascence.methods.base import Method, Problem
from nascence.strategies import Strategy
from nascence.strategies.sampling import RandomSampling


@final
@dataclass(frozen=True, kw_only=True)
class RandomSearch(Method):
    """No settings."""

    name: ClassVar[str] = "random"
    title: ClassVar[str] = "random: one architecture, uniformly among those within the budget"
    paper: ClassVar[str] = "baseline"

    def strategy(self, problem: Problem) -> Strategy:
        return RandomSampling(problem.space, problem.budget, problem.seed)
