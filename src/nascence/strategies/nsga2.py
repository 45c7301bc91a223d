"""NSGA-II: evolution towards a front (Deb, Pratap, Agarwal & Meyarivan, IEEE TEVC 2002), on pymoo's operators."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray

from nascence.architecture import Architecture
from nascence.costs.budget import BudgetChecker
from nascence.errors import BudgetError, SettingError
from nascence.seeding import derive_seed, generator
from nascence.spaces import Space
from nascence.strategies.base import Strategy
from nascence.strategies.pareto import Criterion, Front
from nascence.strategies.sampling import draw_within

Evaluate = Callable[[Sequence[Architecture]], Sequence[Sequence[float]]]
"""The values of some architectures, per architecture one per objective, whether small or large is better."""

Cost = Callable[[Architecture], float]
"""Something positive that is known of an architecture at no price, such as its number of parameters."""

_TRIES = 10
_SAMPLES = 10


@dataclass(frozen=True)
class _Valued:
    """An evaluated architecture. ``values`` is None outside the budget: such a one is never valued, since only its
    ``violation`` is looked at. It is also None, and the violation infinite, where a value was no finite number."""

    architecture: Architecture
    values: tuple[float, ...] | None
    violation: float


@final
class NSGA2(Strategy):
    """A population of architectures, and generations of offspring that compete with it.

    Parents win binary tournaments: within the budget before outside, outside by the smaller violation, within by rank
    and then by crowding distance. A child is a uniform crossover of two (with chance ``crossover``, else the first),
    mutated by the space. No two architectures of one canonical form are ever evaluated: such a child is mutated again,
    and after ten times replaced by a random one. Survival is by rank and crowding (pymoo's ``RankAndCrowding``).

    One step values up to ``at_once`` architectures; ``evaluate`` may do so in parallel. Whatever the budget forbids is
    counted but not valued; what has a value that is not finite loses to everything. All randomness
    follows from ``seed`` and the generation's number. ``mutation``: the chance of every choice to change, None for one
    choice in the mean. The first generation is random; with ``spread`` it is chosen from ten times as many random
    architectures, evenly between the least and the largest logarithm of that cost, since random ones of large spaces
    crowd where most architectures are, which is seldom where the front is.

    Raises :class:`SettingError` on numbers out of range.
    """

    def __init__(
        self,
        space: Space,
        evaluate: Evaluate,
        objectives: Sequence[Criterion],
        *,
        budget: BudgetChecker,
        population: int = 20,
        generations: int = 20,
        crossover: float = 0.9,
        mutation: float | None = None,
        spread: Cost | None = None,
        at_once: int = 1,
        seed: int = 0,
    ) -> None:
        for name, value, least in (
            ("population", population, 2),
            ("generations", generations, 0),
            ("at_once", at_once, 1),
        ):
            if value < least:
                raise SettingError(f"The setting {name} must be at least {least}, not {value}.")
        for name, chance in (("crossover", crossover), ("mutation", mutation)):
            if chance is not None and not 0 <= chance <= 1:
                raise SettingError(f"The setting {name} must be a chance between 0 and 1, not {chance}.")
        self.space, self.evaluate, self.objectives, self.budget = space, evaluate, tuple(objectives), budget
        self.population, self.generations, self.at_once, self.seed = population, generations, at_once, seed
        self.crossover, self.spread = crossover, spread
        open_choices = sum(len(choice.options) > 1 for choice in space.choices)
        self.mutation = 1 / max(open_choices, 1) if mutation is None else mutation
        self.total_steps = (generations + 1) * self._slots
        self.archive: list[_Valued] = []
        self._known: set[Architecture] = set()
        self._parents: list[int] = []
        self._ranks: list[tuple[int, float]] = []
        self._offspring: list[Architecture] = []

    @property
    def _slots(self) -> int:
        """Steps per generation."""
        return math.ceil(self.population / self.at_once)

    @property
    def generation(self) -> int:
        """The generation of the next step, from 0, the random one."""
        return self.steps_done // self._slots

    def advance(self) -> dict[str, Any]:
        """Its event: ``generation``, ``evaluations`` so far, ``front``: its present size, the best value of every
        objective, and ``evaluated``: all that was valued or found outside the budget in this step."""
        generation, slot = divmod(self.steps_done, self._slots)
        if slot == 0:
            self._offspring = self._sampled() if generation == 0 else self._children(generation)
        found = self._value(self._offspring[slot * self.at_once : (slot + 1) * self.at_once])
        self.archive += found
        self.steps_done += 1
        if slot == self._slots - 1:
            self._select(generation)
        front = self._front()
        return {
            "generation": generation,
            "evaluations": len(self.archive),
            "front": len(front),
            **front.best(),
            "evaluated": [self._describe(valued) for valued in found],
        }

    def front(self) -> Front:
        """The non-dominated among all that was ever valued. Raises :class:`BudgetError` when nothing was within the
        budget."""
        front = self._front()
        if not len(front):
            raise BudgetError(
                f"None of {len(self.archive)} architectures of {self.space.name} that were tried is within the budget; "
                "raise it, or search longer."
            )
        return front

    def derive(self) -> Architecture:
        """The front's knee."""
        assert self.done
        front = self.front()
        return front.architectures[front.knee]

    def state_dict(self) -> dict[str, Any]:
        return {
            "steps_done": self.steps_done,
            "archive": [
                [list(one.architecture.answers), None if one.values is None else list(one.values), one.violation]
                for one in self.archive
            ],
            "parents": list(self._parents),
            "ranks": [list(rank) for rank in self._ranks],
            "offspring": [list(one.answers) for one in self._offspring],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps_done = state["steps_done"]
        self.archive = [
            _Valued(self.space.architecture(answers), None if values is None else tuple(values), violation)
            for answers, values, violation in state["archive"]
        ]
        self._parents = list(state["parents"])
        self._ranks = [(rank, crowding) for rank, crowding in state["ranks"]]
        self._offspring = [self.space.architecture(answers) for answers in state["offspring"]]
        everything = [one.architecture for one in self.archive] + self._offspring
        self._known = {self.space.canonical(architecture) for architecture in everything}

    def _sampled(self) -> list[Architecture]:
        random = generator(self.seed, "nsga2", "sample")
        wanted = self.population if self.spread is None else _SAMPLES * self.population
        found: list[Architecture] = []
        for _ in range(_TRIES * wanted):
            architecture, _, _ = draw_within(self.space, self.budget, random)
            if self._is_new(architecture):
                found.append(architecture)
            if len(found) == wanted:
                break
        if self.spread is None:
            return found
        costs_N = np.array([self.spread(architecture) for architecture in found])
        chosen = [found[at] for at in evenly_spread(np.log(costs_N), self.population)]
        self._known = {self.space.canonical(architecture) for architecture in chosen}  # the others may come again
        return chosen

    def _children(self, generation: int) -> list[Architecture]:
        random = generator(self.seed, "nsga2", "children", generation)
        return [child for pair in self._pairs(generation) if (child := self._child(pair, random)) is not None]

    def _child(self, pair: tuple[Architecture, Architecture], random: torch.Generator) -> Architecture | None:
        """One that is new, or None where the space seems to hold no more."""
        crossed = float(torch.rand((), generator=random, dtype=torch.float64)) < self.crossover
        child = self.space.crossover(*pair, random) if crossed else pair[0]
        for _ in range(_TRIES + 1):
            child = self.space.mutate(child, random, self.mutation)
            if self._is_new(child):
                return child
        for _ in range(_TRIES):
            child = self.space.sample(random)
            if self._is_new(child):
                return child
        return None

    def _is_new(self, architecture: Architecture) -> bool:
        """Whether nothing of its canonical form was made before; now it was."""
        form = self.space.canonical(architecture)
        new = form not in self._known
        self._known.add(form)
        return new

    def _value(self, architectures: Sequence[Architecture]) -> list[_Valued]:
        violations = [self.budget.violation(architecture) for architecture in architectures]
        allowed = [one for one, violation in zip(architectures, violations, strict=True) if violation <= 0]
        values = iter(self.evaluate(allowed) if allowed else ())
        found = []
        for one, violation in zip(architectures, violations, strict=True):
            own = tuple(map(float, next(values))) if violation <= 0 else None
            degenerate = own is not None and not all(map(math.isfinite, own))
            found.append(_Valued(one, None, math.inf) if degenerate else _Valued(one, own, violation))
        return found

    def _pairs(self, generation: int) -> list[tuple[Architecture, Architecture]]:
        """Parents, by binary tournaments."""
        from pymoo.algorithms.moo.nsga2 import binary_tournament
        from pymoo.operators.selection.tournament import TournamentSelection

        random = np.random.default_rng(derive_seed(self.seed, "nsga2", "tournament", generation))
        population = self._individuals(self._parents)
        for individual, (rank, crowding) in zip(population, self._ranks, strict=True):
            individual.set("rank", rank)
            individual.set("crowding", crowding)
        rules = SimpleNamespace(tournament_type="comp_by_rank_and_crowding", random_state=random)
        won = TournamentSelection(func_comp=binary_tournament)._do(
            None, population, self.population, 2, random_state=random, algorithm=rules
        )
        chosen = [[self.archive[self._parents[at]].architecture for at in pair] for pair in won]
        return [(first, second) for first, second in chosen]

    def _select(self, generation: int) -> None:
        """The parents of the next generation, from the last ones and the offspring."""
        from pymoo.core.problem import Problem
        from pymoo.operators.survival.rank_and_crowding import RankAndCrowding

        random = np.random.default_rng(derive_seed(self.seed, "nsga2", "survival", generation))
        newest = range(len(self.archive) - len(self._offspring), len(self.archive))
        problem = Problem(n_var=1, n_obj=len(self.objectives), n_ieq_constr=1)
        merged = self._individuals([*self._parents, *newest])
        kept = RankAndCrowding().do(problem, merged, n_survive=self.population, random_state=random)
        self._parents = [int(individual.X[0]) for individual in kept]
        # outside the budget there is no rank, and nothing asks for one
        self._ranks = [
            (int(one.get("rank")), float(one.get("crowding"))) if one.CV[0] <= 0 else (-1, 0.0) for one in kept
        ]

    def _individuals(self, positions: Sequence[int]) -> Any:
        """pymoo's population of some of the archive: objectives to minimise, and the violation as the constraint."""
        from pymoo.core.population import Population

        signs = np.array([objective.sign for objective in self.objectives])
        nothing = (0.0,) * len(signs)
        values = [nothing if (own := self.archive[at].values) is None else own for at in positions]
        violations = [[self.archive[at].violation] for at in positions]
        where = np.array(positions).reshape(-1, 1)
        return Population.new("X", where, "F", signs * np.array(values), "G", np.array(violations))

    def _front(self) -> Front:
        within = [(one.architecture, one.values) for one in self.archive if one.values is not None]
        return Front.of(self.objectives, [one for one, _ in within], [values for _, values in within])

    def _describe(self, one: _Valued) -> dict[str, Any]:
        described: dict[str, Any] = {"architecture": self.space.format(one.architecture)}
        if one.values is None:
            return {**described, "violation": one.violation}
        names = (objective.name for objective in self.objectives)
        return {**described, **dict(zip(names, one.values, strict=True))}


def evenly_spread(values_N: NDArray[np.float64], count: int) -> list[int]:
    """Positions of ``count`` of the values (all, where there are fewer), from the least to the largest: each is the
    nearest that is left to one of ``count`` marks at equal distances."""
    left_N = np.ones(len(values_N), dtype=bool)
    chosen = []
    for mark in np.linspace(values_N.min(), values_N.max(), min(count, len(values_N))):
        at = int(np.where(left_N, np.abs(values_N - mark), np.inf).argmin())
        left_N[at] = False
        chosen.append(at)
    return sorted(chosen, key=lambda at: float(values_N[at]))


__all__ = ["NSGA2", "Cost", "Evaluate", "evenly_spread"]
