"""Evolution: NSGA-II towards a front of trade-offs, over any space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal, final

import torch

from nascence.costs import COSTS
from nascence.declaring import part, setting
from nascence.methods.base import Method, Problem
from nascence.methods.candidate_errors import by_inheritance, by_table, shortly_trained, supernet_for
from nascence.methods.evolving import evolve, look_again
from nascence.methods.parts import Generations, Reevaluation, ShortTraining
from nascence.methods.valuing import ERROR, by_name, check_objectives, check_room
from nascence.strategies import Strategy
from nascence.strategies.one_shot import OneShot, OneShotThenEvolution


@final
@dataclass(frozen=True, kw_only=True)
class Evolution(Method):
    """NSGA-II (Deb, Pratap, Agarwal & Meyarivan, IEEE TEVC 6(2), 2002) over the choices of a space. Costs are always of
    the network that is trained in the end."""

    name: ClassVar[str] = "evolution"
    title: ClassVar[str] = "evolution: NSGA-II towards a front, over any space and any objectives"
    paper: ClassVar[str] = "Deb et al. 2002, doi 10.1109/4235.996017"
    on_device: ClassVar[bool] = True
    precisions: ClassVar[tuple[str, ...]] = ("fp32", "bf16")

    objectives: tuple[str, ...] = setting(
        (ERROR, "params"), "What the front is between: error, any cost, any score; also --objectives."
    )
    value: Literal["training", "table", "supernet"] = setting(
        "training",
        "Where error comes from: a short training of every candidate; weights inherited from a supernet, which is "
        "trained first (single-path one-shot); a benchmark's table, a baseline that reads the answers.",
    )
    evolution: Generations = part(Generations)
    mutation: float | None = setting(
        None, "The chance of every choice to change, none for one choice in the mean.", at_least=0, at_most=1
    )
    training: ShortTraining = part(ShortTraining)
    draws: int = setting(1, "Of weights and images, that a score is the mean of.", at_least=1)
    column: str | None = setting(None, "Of the table, none where it has one accuracy only.")
    reevaluation: Reevaluation = part(Reevaluation)

    EARLIER: ClassVar[Mapping[str, Any]] = {"reevaluated": 0}

    def __post_init__(self) -> None:
        super().__post_init__()
        check_objectives(self.objectives)

    @property
    def reads_table(self) -> bool:
        return self.value == "table" and ERROR in self.objectives

    def strategy(self, problem: Problem) -> Strategy:
        check_room(self.objectives, problem.budget)
        values = {name: by_name(name, problem, draws=self.draws) for name in self.objectives if name != ERROR}
        one_shot: OneShot | None = None
        if self.reads_table:
            values[ERROR] = by_table(problem, self.column)
        elif ERROR in self.objectives and self.value == "supernet":
            one_shot, held_out = supernet_for(problem, self.training)
            values[ERROR] = by_inheritance(one_shot, held_out)
        elif ERROR in self.objectives:
            values[ERROR] = shortly_trained(problem, self.training, self.training.passes)
        valuations = [values[name] for name in self.objectives]
        costs = [COSTS.get(name).key for name in self.objectives if name in COSTS.names()]
        sizes = [partial(problem.budget.model.cost, key) for key in (*costs, "params")]
        evolution = evolve(
            problem.space,
            valuations,
            problem.budget,
            self.evolution,
            mutation=self.mutation,
            spread=sizes[0] if costs else None,
            seed=problem.seed,
        )
        if one_shot is not None:
            return OneShotThenEvolution(one_shot, evolution)
        count = self.reevaluation.count(self.evolution.population)
        if self.value != "training" or ERROR not in self.objectives or count == 0:
            return evolution
        longer = shortly_trained(problem, self.training, self.reevaluation.passes(self.training.passes))
        again = [longer if name == ERROR else values[name] for name in self.objectives]
        return look_again(evolution, again, size=sizes[0], count=count, at_once=min(torch.get_num_threads(), count))


__all__ = ["Evolution"]
