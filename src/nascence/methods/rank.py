"""Search by a training-free ranking: the best of a whole space where it is small, else by evolution."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from nascence.declaring import setting
from nascence.methods.base import Method, Problem
from nascence.runs.progress import tell
from nascence.scores import AGGREGATES, SCORES
from nascence.scores.aggregation import RankSum
from nascence.scores.applying import check, fitting, readable
from nascence.scores.drawn import DrawnScores
from nascence.strategies import Strategy
from nascence.strategies.ranking import Everything, EvolvedProposals, Ranking


@final
@dataclass(frozen=True, kw_only=True)
class Rank(Method):
    """The search by ranks (docs/methods/rank.md)."""

    name: ClassVar[str] = "rank"
    title: ClassVar[str] = "rank: the best-ranked architecture without training, of a whole space or by evolution"
    paper: ClassVar[str] = "this project; docs/methods/rank.md"
    on_device: ClassVar[bool] = True

    aggregate: str = setting(
        "nascence",
        "The ranking, by its name in nascence.scores.AGGREGATES; of nascence, on data or networks without what "
        "some parts read, the other parts.",
    )
    network: str | None = setting(
        None, "Size of the networks that scores look at, by its name in the space, none for what each score wants."
    )
    exhaustive: int = setting(
        20_000,
        "Spaces of at most so many architectures are ranked whole, larger ones searched by evolution.",
        at_least=0,
    )
    evaluations: int = setting(1000, "How many architectures evolution looks at.", at_least=1)
    population: int = setting(200, "How many of them are random.", at_least=1)
    parents: int = setting(20, "All others are offspring of the best so many.", at_least=1)
    finalists: int = setting(200, "The best so many are looked at again in the end.", at_least=1)
    draws: int = setting(12, "Of weights and images, that each finalist has had then.", at_least=1)
    batch: int = setting(
        50, "Architectures a step, after each of which a search can be stopped and continued.", at_least=1
    )

    def strategy(self, problem: Problem) -> Strategy:
        space, task = problem.space, problem.task
        has = readable(space, task.signature)
        aggregate, note = fitting(AGGREGATES.get(self.aggregate), space, task, has)
        if note is not None:
            tell(note)
        scores = tuple(SCORES.get(part.score).looking_at(self.network) for part in aggregate.parts)
        names = [score.name for score in scores]
        for score in scores:
            check(score, space, task, has)
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
            DrawnScores(scores, space, task, problem.seed, problem.compute),
            partial(ranked, aggregate.over_all()),
            partial(ranked, aggregate.among_the_best()),
            names,
            batch=self.batch,
            finalists=self.finalists,
            draws=self.draws,
        )


__all__ = ["Rank"]
