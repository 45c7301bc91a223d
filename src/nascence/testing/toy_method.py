"""A method that is quick, or as slow as a test wants, and whose every step depends on all earlier ones."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

from nascence.architecture import Architecture
from nascence.declaring import setting
from nascence.methods import Method, Problem
from nascence.seeding import generator
from nascence.strategies import Strategy


@final
@dataclass(frozen=True, kw_only=True)
class ToyMethod(Method):
    """A random walk of mutations and crossovers within the budget."""

    name: ClassVar[str] = "toy"
    title: ClassVar[str] = "Toy: a random walk, for tests"
    paper: ClassVar[str] = "none"

    steps: int = setting(5, "How many.")
    pause: float = setting(0.0, "Seconds each step takes.", at_least=0)
    rule: Literal["mutate", "mix"] = setting("mix", "How a step changes the architecture.")
    members: int = setting(
        1, "With more than 1 the search ends in an ensemble of where the walk ended and of random others.", at_least=1
    )

    def strategy(self, problem: Problem) -> Strategy:
        return _Walk(self, problem)


@final
class _Walk(Strategy):
    def __init__(self, settings: ToyMethod, problem: Problem) -> None:
        self.settings, self.problem = settings, problem
        self.total_steps = settings.steps
        self.steps_done = 0
        self.checker = problem.budget
        self.at = self.checker.best({})

    def advance(self) -> dict[str, Any]:
        space, draw = self.problem.space, generator(self.problem.seed, "toy", self.steps_done)
        before = self.at
        if self.settings.rule == "mix":
            before = space.crossover(before, space.sample(draw), draw)
        candidate = space.mutate(before, draw)
        if self.checker.allows(candidate):
            self.at = candidate
        time.sleep(self.settings.pause)
        self.steps_done += 1
        return {"step": self.steps_done, "architecture": str(self.at), "share": self.steps_done / self.total_steps}

    def state_dict(self) -> dict[str, Any]:
        return {"steps_done": self.steps_done, "at": list(self.at.answers)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.at = self.problem.space.architecture(state["at"])
        self.steps_done = state["steps_done"]

    def derive(self) -> Architecture:
        return self.at

    def ensemble(self) -> tuple[Architecture, ...] | None:
        found, draw = [self.at], generator(self.problem.seed, "toy members")
        while len(found) < self.settings.members:
            drawn = self.problem.space.sample(draw)
            if drawn not in found and self.checker.allows(drawn):
                found.insert(0, drawn)
        return tuple(found) if len(found) > 1 else None


__all__ = ["ToyMethod"]
