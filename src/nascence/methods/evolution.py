"""Evolution: NSGA-II towards a front of trade-offs, over any space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal, final

import torch

from nascence.costs import COSTS
from nascence.declaring import part, setting
from nascence.errors import DataError, SettingError, UnknownNameError
from nascence.methods.base import Method, Problem
from nascence.methods.parts import Generations, Reevaluation, ShortTraining
from nascence.methods.valuing import (
    ERROR,
    Valuation,
    by_cost,
    by_inheritance,
    by_score,
    by_table,
    by_training,
    held_out_part,
    objective_names,
    together,
)
from nascence.seeding import derive_seed
from nascence.spaces import Size, Space
from nascence.spaces.relaxable import relaxable
from nascence.strategies import Strategy
from nascence.strategies.nsga2 import NSGA2
from nascence.strategies.one_shot import OneShot, OneShotThenEvolution
from nascence.strategies.reevaluation import Reevaluated


@final
@dataclass(frozen=True, kw_only=True)
class Evolution(Method):
    """NSGA-II (Deb, Pratap, Agarwal & Meyarivan, IEEE TEVC 6(2), 2002) over the choices of a space. Costs are always of
    the network that is trained in the end."""

    name: ClassVar[str] = "evolution"
    title: ClassVar[str] = "evolution: NSGA-II towards a front, over any space and any objectives"
    paper: ClassVar[str] = "Deb et al. 2002, doi 10.1109/4235.996017"

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
        _check_objectives(self.objectives)

    @property
    def reads_table(self) -> bool:
        return self.value == "table" and ERROR in self.objectives

    def strategy(self, problem: Problem) -> Strategy:
        self._check_limits(problem)
        population = self.evolution.population
        one_shot, inherited = None, None
        if self.value == "supernet" and ERROR in self.objectives:
            one_shot, inherited = self._one_shot(problem)
        valuations = [self._valuation(name, problem, inherited) for name in self.objectives]
        dear = any(valuation.dear for valuation in valuations)
        costs = [COSTS.get(name).key for name in self.objectives if name in COSTS.names()]
        evolution = NSGA2(
            problem.space,
            together(valuations),
            [valuation.objective for valuation in valuations],
            budget=problem.budget,
            population=population,
            generations=self.evolution.generations,
            crossover=self.evolution.crossover,
            mutation=self.mutation,
            spread=partial(problem.budget.model.cost, costs[0]) if costs else None,
            at_once=min(torch.get_num_threads(), population) if dear else population,
            seed=problem.seed,
        )
        if one_shot is not None:
            return OneShotThenEvolution(one_shot, evolution)
        count = self.reevaluation.count(population)
        if self.value != "training" or ERROR not in self.objectives or count == 0:
            return evolution
        at = self.objectives.index(ERROR)
        longer = [
            self._trained(problem, self.reevaluation.passes(self.training.passes)) if name == ERROR else valuation
            for name, valuation in zip(self.objectives, valuations, strict=True)
        ]
        return Reevaluated(
            evolution,
            together(longer),
            [valuation.objective for valuation in longer],
            size=partial(problem.budget.model.cost, costs[0] if costs else "params"),
            count=count,
            at_once=min(torch.get_num_threads(), count),
            by=at,
        )

    def _valuation(self, name: str, problem: Problem, inherited: Valuation | None) -> Valuation:
        if name in COSTS.names():
            return by_cost(name, problem.budget.model)
        if name != ERROR:
            return by_score(name, problem.space, problem.task, seed=problem.seed, draws=self.draws)
        if inherited is not None:
            return inherited
        if self.value == "table":
            return self._table(problem)
        return self._trained(problem, self.training.passes)

    def _trained(self, problem: Problem, epochs: int) -> Valuation:
        return by_training(
            problem.space,
            problem.task,
            self._small(problem.space, problem.network),
            epochs=epochs,
            images=self.training.images,
            holdout=self.training.holdout,
            seed=problem.seed,
        )

    def _small(self, space: Space, network: Size) -> Size:
        return space.resized(network, channels=self.training.channels, depth=self.training.depth)

    def _one_shot(self, problem: Problem) -> tuple[OneShot, Valuation]:
        """The supernet, and the errors that its weights give."""
        space, task, seed = problem.space, problem.task, problem.seed
        if not space.groups or "search-small" not in space.networks:
            raise SettingError(
                f"Weights are inherited from a supernet of cells, and {space.name} has none; use value=training, or a "
                "score such as --objectives naswot,params."
            )
        space = relaxable(space, self.name)
        own, held_out = held_out_part(task, images=self.training.images, holdout=self.training.holdout, seed=seed)
        size = self._small(space, space.networks["search-small"])
        supernet = space.supernet(size, task.signature, seed=derive_seed(seed, "one-shot", "weights"))
        one_shot = OneShot(space, own, supernet, problem.budget, epochs=self.training.epochs or 200, seed=seed)
        return one_shot, by_inheritance(one_shot, held_out)

    def _table(self, problem: Problem) -> Valuation:
        from nascence.benchmarks.tables import table_of

        table = None if problem.data_dir is None else table_of(problem.space.name, problem.data_dir)
        if table is None:
            raise DataError(
                f"There is no table of {problem.space.name} in the data folder; value candidates by value=training."
            )
        columns = [name for name in table.columns if "acc" in name and not name.endswith("_std")]
        # where there are validation accuracies, test accuracies are for the end
        columns = [name for name in columns if "valid" in name] or columns
        if self.column is None and len(columns) != 1:
            raise SettingError(f"Say which column is the accuracy: --set column=NAME, one of {', '.join(columns)}.")
        if self.column is not None and self.column not in columns:
            raise UnknownNameError(f"column of {table.source.name} to steer by", self.column, columns)
        return by_table(table, self.column or columns[0])

    def _check_limits(self, problem: Problem) -> None:
        """Raise :class:`SettingError` where a limit leaves an objective no room."""
        budget = problem.budget
        limits = budget.budget.limits
        for name in self.objectives:
            key = name.replace("-", "_")
            if key not in limits or not budget.adds_up:
                continue
            ends = [budget.model.extreme(key, largest=largest, limits=limits) for largest in (False, True)]
            low, high = (budget.model.cost(key, end) for end in ends)
            if low == high:
                raise SettingError(
                    f"The objective {name} contradicts --max-{name} {limits[key]:g}: all that is within it has {name} "
                    f"{low:,.6g}; raise the limit, or name another objective."
                )


def _check_objectives(objectives: Sequence[str]) -> None:
    """Raise :class:`UnknownNameError` or :class:`SettingError` where no front can be between these."""
    known = objective_names()
    for name in objectives:
        if name not in known:
            raise UnknownNameError("objective", name, known)
    twice = [name for name in objectives if objectives.count(name) > 1]
    if twice:
        raise SettingError(f"The objective {twice[0]} is named twice; a front is between different ones.")
    if len(objectives) < 2:
        raise SettingError("A front is between two objectives or more, such as error,params.")
    if all(name in COSTS.names() for name in objectives):
        raise SettingError(
            f"Costs alone ({', '.join(objectives)}) would be met by the smallest network; add error, or a score."
        )


__all__ = ["Evolution"]
