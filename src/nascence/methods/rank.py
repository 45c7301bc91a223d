"""Search by a training-free ranking: the best of a whole space where it is small, else by evolution."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from nascence.architecture import Architecture
from nascence.methods.base import Method, Problem, at_least
from nascence.scores import AGGREGATES, SCORES, Score, evaluate
from nascence.scores.aggregation import RankSum
from nascence.strategies import Strategy
from nascence.strategies.ranking import Everything, EvolvedProposals, Ranking


@final
@dataclass(frozen=True, kw_only=True)
class Rank(Method):
    """Settings of the search by ranks (docs/methods/rank.md).

    ``aggregate``: the ranking, by its name in :data:`nascence.scores.AGGREGATES`. ``exhaustive``: spaces of at most so
    many architectures are ranked whole, larger ones searched by evolution. ``evaluations``: how many architectures
    evolution looks at. ``population``: how many of them are random. ``parents``: all others are offspring of the best
    so many. ``finalists``: the best so many are looked at again in the end. ``draws``: of weights and images, that each
    finalist has had then. ``batch``: architectures a step, after each of which a search can be stopped and continued.
    """

    name: ClassVar[str] = "rank"
    title: ClassVar[str] = "rank: the best-ranked architecture without training, of a whole space or by evolution"
    paper: ClassVar[str] = "this project; docs/methods/rank.md"

    aggregate: str = "nascence"
    exhaustive: int = 20_000
    evaluations: int = 1000
    population: int = 200
    parents: int = 20
    finalists: int = 200
    draws: int = 12
    batch: int = 50

    def __post_init__(self) -> None:
        at_least(0, exhaustive=self.exhaustive)
        at_least(1, evaluations=self.evaluations, population=self.population, parents=self.parents)
        at_least(1, finalists=self.finalists, draws=self.draws, batch=self.batch)

    def strategy(self, problem: Problem) -> Strategy:
        aggregate = AGGREGATES.get(self.aggregate)
        names = [part.score for part in aggregate.parts]
        space = problem.space
        if space.size <= self.exhaustive:
            proposals: Everything | EvolvedProposals = Everything(space, problem.budget)
        else:
            proposals = EvolvedProposals(
                space, problem.budget, problem.seed, self.evaluations, self.population, self.parents
            )

        def ranked(by: RankSum, values: NDArray[np.float64], measured: NDArray[np.bool_]) -> NDArray[np.float64]:
            return by(dict(zip(names, values, strict=True)), measured)

        return Ranking(
            space,
            proposals,
            _Parts(tuple(SCORES.get(name)() for name in names), problem),
            partial(ranked, aggregate.over_all()),
            partial(ranked, aggregate.among_the_best()),
            names,
            batch=self.batch,
            finalists=self.finalists,
            draws=self.draws,
        )


@final
@dataclass(frozen=True)
class _Parts:
    """An aggregate's parts at one draw, the same values as in a file of ``nascence score`` with the same seed."""

    scores: tuple[Score, ...]
    problem: Problem

    def __call__(self, item: tuple[Architecture, int]) -> list[float]:
        architecture, draw = item
        space, task, seed = self.problem.space, self.problem.images, self.problem.seed
        values: dict[str, list[float]] = {}
        for random, one in ((True, space.canonical(architecture)), (False, architecture)):
            wanted = [score for score in self.scores if score.random == random]
            values |= evaluate(wanted, space, one, task, seed=seed, first_draw=draw)
        return [values[score.name][0] for score in self.scores]


__all__ = ["Rank"]
