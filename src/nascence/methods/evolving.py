"""Evolutions towards a front between valuations, and a second look at what they found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from nascence.architecture import Architecture
from nascence.costs.budget import BudgetChecker
from nascence.methods.parts import Generations
from nascence.methods.valuing import ERROR, Valuation, together
from nascence.spaces import Space
from nascence.strategies.nsga2 import NSGA2
from nascence.strategies.reevaluation import Reevaluated


def evolve(
    space: Space,
    valuations: Sequence[Valuation],
    budget: BudgetChecker,
    settings: Generations,
    *,
    seed: int,
    at_once: int | None = None,
    **options: Any,
) -> NSGA2:
    """``at_once``: candidates of a step, None for as many as there are threads where one of them takes long, else a
    whole generation. ``options``: of :class:`NSGA2`."""
    if at_once is None:
        dear = any(valuation.dear for valuation in valuations)
        at_once = min(torch.get_num_threads(), settings.population) if dear else settings.population
    return NSGA2(
        space,
        together(valuations),
        [valuation.objective for valuation in valuations],
        budget=budget,
        population=settings.population,
        generations=settings.generations,
        crossover=settings.crossover,
        at_once=at_once,
        seed=seed,
        **options,
    )


def look_again(
    evolution: NSGA2,
    valuations: Sequence[Valuation],
    *,
    size: Callable[[Architecture], float],
    count: int,
    at_once: int,
) -> Reevaluated:
    """The best of ``count`` groups of like ``size``, by the error, valued anew by ``valuations``."""
    objectives = [valuation.objective for valuation in valuations]
    at = [objective.name for objective in objectives].index(ERROR)
    return Reevaluated(evolution, together(valuations), objectives, size=size, count=count, at_once=at_once, by=at)


__all__ = ["evolve", "look_again"]
