"""Search by a ranking: measure many architectures once, look at the best again, take the best of those.

A ranking is relative to the architectures compared, so what is kept are the measured values, and ranks are taken anew
among everything that has been measured.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nascence.architecture import Architecture
from nascence.costs.budget import BudgetChecker
from nascence.engine.forked import ParallelFunction
from nascence.seeding import generator
from nascence.spaces import Space
from nascence.strategies.base import Strategy
from nascence.strategies.sampling import draw_within

_TRIES = 200
"""Attempts at an offspring that is new and within the budget, before a random architecture takes its place."""
_RANDOM_TRIES = 20
"""Attempts at a random one, each within the budget, before nothing new is left to be found."""

Measure = Callable[[tuple[Architecture, int]], list[float]]
"""(architecture, number of the draw) to one value per part, in a process of its own."""
Aggregate = Callable[[NDArray[np.float64], NDArray[np.bool_]], NDArray[np.float64]]
"""Values [parts, D, N] of N architectures at D draws, and which of them were measured [D, N], to one number [N] each,
larger is better."""


class Proposals(ABC):
    """Where candidates come from. All are distinct (:meth:`Space.canonical`) and within the budget."""

    total: int
    """At most so many candidates."""

    @abstractmethod
    def propose(self, count: int, seen: Sequence[Architecture], best: Sequence[int]) -> list[Architecture]:
        """At most ``count`` new ones, after ``seen``, whose positions in the order of their rank are ``best``."""


@final
class Everything(Proposals):
    """Every distinct architecture within the budget, each represented by the first of its class that is."""

    def __init__(self, space: Space, budget: BudgetChecker) -> None:
        classes: dict[Architecture, Architecture] = {}
        for architecture in space.enumerate():
            canonical = space.canonical(architecture)
            if canonical not in classes and budget.allows(architecture):
                classes[canonical] = architecture
        self.architectures = list(classes.values()) or [budget.best({})]
        self.total = len(self.architectures)

    def propose(self, count: int, seen: Sequence[Architecture], best: Sequence[int]) -> list[Architecture]:
        return self.architectures[len(seen) : len(seen) + count]


@final
@dataclass(frozen=True)
class EvolvedProposals(Proposals):
    """``population`` random architectures, then offspring of the ``parents`` best of all that were seen.

    An offspring is a mutation of a parent or, as often, of a crossover of two. ``total``: how many in all.
    """

    space: Space
    budget: BudgetChecker
    seed: int
    total: int
    population: int
    parents: int

    def propose(self, count: int, seen: Sequence[Architecture], best: Sequence[int]) -> list[Architecture]:
        known = {self.space.canonical(architecture) for architecture in seen}
        chosen = [seen[at] for at in best[: self.parents]]
        found: list[Architecture] = []
        for at in range(len(seen), min(len(seen) + count, self.total)):
            draw = generator(self.seed, "evolution", at)
            new = self._new(chosen if at >= self.population else [], known, draw)
            if new is None:
                break
            known.add(self.space.canonical(new))
            found.append(new)
        return found

    def _new(self, parents: list[Architecture], known: set[Architecture], draw: torch.Generator) -> Architecture | None:
        for _ in range(_TRIES if parents else 0):
            new = self._offspring(parents, draw)
            if self.space.canonical(new) not in known and self.budget.allows(new):
                return new
        for _ in range(_RANDOM_TRIES):
            new, _, _ = draw_within(self.space, self.budget, draw)
            if self.space.canonical(new) not in known:
                return new
        return None

    def _offspring(self, parents: list[Architecture], draw: torch.Generator) -> Architecture:
        first, second = torch.randint(len(parents), (2,), generator=draw).tolist()
        crossed = bool(torch.randint(2, (1,), generator=draw))
        before = self.space.crossover(parents[first], parents[second], draw) if crossed else parents[first]
        return self.space.mutate(before, draw)


@final
class Ranking(Strategy):
    """Measures proposals, ``batch`` a step, at draw 0; then the ``finalists`` best of them at draws 1 to ``draws`` - 1.

    The ranking is that of :class:`nascence.scores.aggregation.RankSum`: finalists share out anew, at every later draw,
    the ranks among everything measured that they had at the first. The result is the finalist that ``decide`` puts
    first, a ranking that may be another one than ``aggregate``, which says who the finalists are.
    Measurements run in as many processes as there are threads and do not depend on their number.
    """

    def __init__(
        self,
        space: Space,
        proposals: Proposals,
        measure: Measure,
        aggregate: Aggregate,
        decide: Aggregate,
        parts: Sequence[str],
        *,
        batch: int,
        finalists: int,
        draws: int,
    ) -> None:
        self.space, self.proposals = space, proposals
        self.measure, self.parts = ParallelFunction(measure), tuple(parts)
        self.aggregate, self.decide = aggregate, decide
        self.batch, self.finalists, self.draws = batch, min(finalists, proposals.total), draws
        self._first_steps = math.ceil(proposals.total / batch)
        self.total_steps = self._first_steps + math.ceil(self.finalists * (draws - 1) / batch)
        self.architectures: list[Architecture] = []
        self.values: Tensor = torch.empty(0, draws, len(self.parts), dtype=torch.float64)
        """Of every architecture [N, draws, parts]; only the first ``draws_done`` [N] draws mean anything."""
        self.draws_done: Tensor = torch.empty(0, dtype=torch.int64)
        self.final: list[int] = []
        """Positions of the finalists."""

    def advance(self) -> dict[str, Any]:
        measured = self._look() if self.steps_done < self._first_steps else self._look_again()
        self.steps_done += 1
        if self.steps_done == self._first_steps:
            self.final = self.order()[: self.finalists]
        if self.done:
            self.measure.close()
        best = self.best()
        return {
            "step": self.steps_done,
            "measured": measured,
            "architectures": len(self.architectures),
            "best": self.space.format(self.architectures[best]),
            **dict(zip(self.parts, self.values[best, : self.draws_done[best]].mean(0).tolist(), strict=True)),
        }

    def _look(self) -> int:
        new = self.proposals.propose(self.batch, self.architectures, self.order())
        rows = self.measure([(architecture, 0) for architecture in new])
        self.architectures += new
        if rows:
            values = torch.zeros(len(rows), *self.values.shape[1:], dtype=torch.float64)
            values[:, 0] = torch.tensor(rows, dtype=torch.float64)
            self.values = torch.cat([self.values, values])
            self.draws_done = torch.cat([self.draws_done, torch.ones(len(rows), dtype=torch.int64)])
        return len(new)

    def _look_again(self) -> int:
        begin = (self.steps_done - self._first_steps) * self.batch
        places = [(at, draw) for draw in range(1, self.draws) for at in self.final][begin : begin + self.batch]
        rows = self.measure([(self.architectures[at], draw) for at, draw in places])
        for (at, draw), row in zip(places, rows, strict=True):
            self.values[at, draw] = torch.tensor(row, dtype=torch.float64)
            self.draws_done[at] = draw + 1
        return len(places)

    def order(self) -> list[int]:
        """Positions of the architectures, best first, equals in the order of their measurement."""
        return self._order(self.aggregate)

    def _order(self, ranking: Aggregate) -> list[int]:
        if not self.architectures:
            return []
        measured = torch.arange(self.draws)[:, None] < self.draws_done
        values = ranking(self.values.permute(2, 1, 0).numpy(), measured.numpy())
        return np.argsort(-values, kind="stable").tolist()

    def best(self) -> int:
        """The position of the best: of the finalists where there are any yet, by the ranking that decides."""
        if not self.final:
            return self.order()[0]
        among = set(self.final)
        return next(at for at in self._order(self.decide) if at in among)

    def derive(self) -> Architecture:
        return self.architectures[self.best()]

    def state_dict(self) -> dict[str, Any]:
        return {
            "steps_done": self.steps_done,
            "architectures": [self.space.format(architecture) for architecture in self.architectures],
            "values": self.values.clone(),
            "draws_done": self.draws_done.clone(),
            "final": list(self.final),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps_done = state["steps_done"]
        self.architectures = [self.space.parse(text) for text in state["architectures"]]
        self.values = state["values"].clone()
        self.draws_done = state["draws_done"].clone()
        self.final = list(state["final"])


__all__ = ["Everything", "EvolvedProposals", "Proposals", "Ranking"]
