"""Search by a training-free ranking: the best of a whole space where it is small, else by evolution."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from nascence.architecture import Architecture
from nascence.declaring import setting
from nascence.methods.base import Method, Problem
from nascence.runs.progress import tell
from nascence.scores import AGGREGATES, SCORES, Score, evaluate
from nascence.scores.aggregation import RankSum
from nascence.scores.applying import applies, check, lacking, readable
from nascence.scores.base import Reads
from nascence.strategies import Strategy
from nascence.strategies.ranking import Everything, EvolvedProposals, Ranking

OWN = "nascence"
"""The ranking of this project."""


@final
@dataclass(frozen=True, kw_only=True)
class Rank(Method):
    """The search by ranks (docs/methods/rank.md)."""

    name: ClassVar[str] = "rank"
    title: ClassVar[str] = "rank: the best-ranked architecture without training, of a whole space or by evolution"
    paper: ClassVar[str] = "this project; docs/methods/rank.md"

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
        has = readable(problem.space, problem.task.signature)
        aggregate = self._ranking(problem, has)
        names = [part.score for part in aggregate.parts]
        space = problem.space
        scores = tuple(self._score(name) for name in names)
        for score in scores:
            check(score, space, problem.task, has)
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
            _Parts(scores, problem),
            partial(ranked, aggregate.over_all()),
            partial(ranked, aggregate.among_the_best()),
            names,
            batch=self.batch,
            finalists=self.finalists,
            draws=self.draws,
        )

    def _ranking(self, problem: Problem, has: frozenset[Reads]) -> RankSum:
        """The aggregate; of our own, the parts that find what they need in the data and the networks. Another one
        without all of its parts would be another ranking than its paper's: its scores say why they cannot be computed.
        """
        whole = AGGREGATES.get(self.aggregate)
        if whole.name != OWN:
            return whole
        fit = whole.of(lambda name: applies(SCORES.get(name), problem.task.signature))
        kept = fit.of(lambda name: lacking(SCORES.get(name), problem.space, has) is None)
        if len(kept.parts) < len(whole.parts):
            names = ", ".join(part.score for part in kept.parts)
            why = f"'{problem.task.name}' has no images with a class each"
            if len(fit.parts) == len(whole.parts):
                left = ", ".join(part.score for part in fit.parts if part not in kept.parts)
                why = f"networks of {problem.space.name} have not what {left} read"
            tell(f"{why[0].upper()}{why[1:]}: {OWN} ranks by {names} alone, untried.")
        return kept

    def _score(self, name: str) -> Score:
        kind = SCORES.get(name)
        looks = self.network is not None and "network" in kind.__dataclass_fields__
        return kind(**({"network": self.network} if looks else {}))


@final
@dataclass(frozen=True)
class _Parts:
    """An aggregate's parts at one draw, the same values as in a file of ``nascence score`` with the same seed."""

    scores: tuple[Score, ...]
    problem: Problem

    def __call__(self, item: tuple[Architecture, int]) -> list[float]:
        architecture, draw = item
        space, task, seed = self.problem.space, self.problem.task, self.problem.seed
        values: dict[str, list[float]] = {}
        for random, one in ((True, space.canonical(architecture)), (False, architecture)):
            wanted = [score for score in self.scores if score.random == random]
            values |= evaluate(wanted, space, one, task, seed=seed, first_draw=draw)
        return [values[score.name][0] for score in self.scores]


__all__ = ["Rank"]
