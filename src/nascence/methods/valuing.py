"""What candidates of an evolution are worth: one objective, and its values for a list of architectures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean

from nascence.architecture import Architecture
from nascence.costs import COSTS, CostModel
from nascence.costs.budget import BudgetChecker
from nascence.engine.compute import ON_CPU, Compute
from nascence.engine.forked import ParallelFunction
from nascence.errors import SettingError, UnknownNameError
from nascence.methods.base import Problem
from nascence.scores import SCORES, Score, evaluate
from nascence.scores.applying import check
from nascence.spaces import Space
from nascence.strategies import Criterion
from nascence.strategies.nsga2 import Evaluate
from nascence.tasks import Task

ERROR = "error"
"""The objective that comes from training, inherited weights or a table (:mod:`nascence.methods.candidate_errors`)."""


@dataclass(frozen=True)
class Valuation:
    """``values`` of some architectures, in the unit of ``objective``; ``dear``: they take long enough to be computed
    several at a time, and to be interrupted in between."""

    objective: Criterion
    values: Callable[[Sequence[Architecture]], Sequence[float]]
    dear: bool = False


def objective_names() -> list[str]:
    """All that a front can be between: the error, costs and scores. A cost goes before the score of the same name."""
    return list(dict.fromkeys([ERROR, *COSTS.names(), *SCORES.names()]))


def check_objectives(names: Sequence[str]) -> None:
    """Raise :class:`UnknownNameError` or :class:`SettingError` where no front can be between these."""
    known = objective_names()
    for name in names:
        if name not in known:
            raise UnknownNameError("objective", name, known)
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise SettingError(f"The objective {twice[0]} is named twice; a front is between different ones.")
    if len(names) < 2:
        raise SettingError("A front is between two objectives or more, such as error,params.")
    if all(name in COSTS.names() for name in names):
        raise SettingError(
            f"Costs alone ({', '.join(names)}) would be met by the smallest network; add error, or a score."
        )


def check_room(names: Sequence[str], budget: BudgetChecker) -> None:
    """Raise :class:`SettingError` where a limit leaves an objective no room."""
    limits = budget.budget.limits
    for name in names:
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


def together(valuations: Sequence[Valuation]) -> Evaluate:
    """All objectives at once."""

    def values(architectures: Sequence[Architecture]) -> list[tuple[float, ...]]:
        return list(zip(*(valuation.values(architectures) for valuation in valuations), strict=True))

    return values


def by_name(name: str, problem: Problem, *, draws: int = 1) -> Valuation:
    """A cost or a score, by its name; ``draws``: of a score."""
    if name in COSTS.names():
        return by_cost(name, problem.budget.model)
    return by_score(name, problem.space, problem.task, seed=problem.seed, draws=draws, compute=problem.compute)


def by_cost(name: str, model: CostModel) -> Valuation:
    """A cost of the network that is trained in the end; latency as the model predicts it."""
    cost = COSTS.get(name)
    text = f"{cost.description} Batch {cost.batch}, {cost.device}."
    if cost.key == "latency_ms":
        source = "measured" if model.networks.latency_table is None else "looked up"
        title = model.networks.runtime.title
        text = f"Predicted from {source} latencies of the parts in {title}, batch {cost.batch}, {cost.device}."
    objective = Criterion(name, cost.unit, text)
    return Valuation(objective, lambda found: [model.cost(cost.key, one) for one in found])


def by_score(name: str, space: Space, task: Task, *, seed: int, draws: int, compute: Compute = ON_CPU) -> Valuation:
    """A score, the mean of ``draws`` draws of weights and images that are the same for all candidates."""
    score: Score = SCORES.get(name)()
    check(score, space, task)
    text = f"{score.description}; mean of {draws} draw{'s' * (draws != 1)}, without training."
    value = partial(_score, score, space, task, seed, draws, compute)
    objective = Criterion(name, "", text, score.larger_is_better)
    return Valuation(objective, ParallelFunction(value), dear=True)


def _score(
    score: Score, space: Space, task: Task, seed: int, draws: int, compute: Compute, architecture: Architecture
) -> float:
    return fmean(evaluate([score], space, architecture, task, seed=seed, draws=draws, compute=compute)[score.name])


__all__ = [
    "ERROR",
    "Valuation",
    "by_cost",
    "by_name",
    "by_score",
    "check_objectives",
    "check_room",
    "objective_names",
    "together",
]
