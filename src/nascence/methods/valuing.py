"""What candidates of an evolution are worth: one objective, and its values for a list of architectures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from nascence.architecture import Architecture
from nascence.costs import COSTS, CostModel
from nascence.costs.networks import Networks
from nascence.engine.forked import ParallelFunction, parallel_map
from nascence.errors import DataError, NascenceError, SettingError
from nascence.scores import SCORES, Score, evaluate
from nascence.scores.applying import check
from nascence.seeding import derive_seed
from nascence.spaces import Size, Space, plain_size
from nascence.strategies import Criterion
from nascence.strategies.nsga2 import Evaluate
from nascence.strategies.one_shot import OneShot
from nascence.tasks import Part, Task
from nascence.tasks.error import Error
from nascence.training import Training, TrainingConfig
from nascence.training.config import FINE

if TYPE_CHECKING:
    from nascence.benchmarks.tables import Table

ERROR = "error"


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


def together(valuations: Sequence[Valuation]) -> Evaluate:
    """All objectives at once."""

    def values(architectures: Sequence[Architecture]) -> list[tuple[float, ...]]:
        return list(zip(*(valuation.values(architectures) for valuation in valuations), strict=True))

    return values


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


def by_score(name: str, space: Space, task: Task, *, seed: int, draws: int) -> Valuation:
    """A score, the mean of ``draws`` draws of weights and images that are the same for all candidates."""
    score: Score = SCORES.get(name)()
    check(score, space, task)
    text = f"{score.description}; mean of {draws} draw{'s' * (draws != 1)}, without training."
    value = partial(_score, score, space, task, seed, draws)
    objective = Criterion(name, "", text, score.larger_is_better)
    return Valuation(objective, ParallelFunction(value), dear=True)


def _score(score: Score, space: Space, task: Task, seed: int, draws: int, architecture: Architecture) -> float:
    return fmean(evaluate([score], space, architecture, task, seed=seed, draws=draws)[score.name])


def by_training(
    space: Space,
    task: Task,
    network: Size,
    *,
    epochs: int,
    images: int | None,
    holdout: float,
    seed: int,
    **changes: Any,
) -> Valuation:
    """The :class:`Error` on training examples that were held out, after a short training on the others.

    ``images``: at most so many training examples take part, ``holdout`` of them (of every class) is set aside. The same
    seed, and so the same weights (as far as shapes agree) and batches, for all candidates. The test part is never
    looked at. ``changes``: of the suggested :class:`TrainingConfig`. Raises :class:`DataError` when there are too few
    examples to hold some out, or for a batch.
    """
    own, held_out = held_out_part(task, images=images, holdout=holdout, seed=seed)
    train = own.part("train")
    config = TrainingConfig.suggested(own, **{"epochs": epochs, "patience": 0, **changes})
    if space.brings_weights and "learning_rate" not in changes:
        config = replace(config, learning_rate=config.learning_rate * FINE)
    try:
        train.check(config.batch_size, augment=config.augment, cutout=config.cutout)
    except DataError:
        raise DataError(
            f"A batch of {config.batch_size} needs as many {task.examples}, but the short trainings have {len(train)} "
            f"of '{task.name}'; let more {task.examples} take part, or choose a smaller batch."
        ) from None
    error = Error.of(task)
    text = (
        f"{error.text} on {len(held_out):,} held-out training {task.examples} after {epochs} "
        f"epoch{'s' * (epochs != 1)} on {len(train):,}."
    )
    network = plain_size(network)
    value = partial(_trained_error, space, own, held_out, network, config, seed)
    networks = Networks(space, network, task.signature)
    size = partial(networks.count, "flops")
    objective = Criterion(ERROR, error.unit, text, examples=_shared(task, held_out))
    return Valuation(objective, ParallelFunction(value, size), dear=True)


def _shared(task: Task, held_out: Part) -> int:
    """Of how many examples an error is the share; 0 where it is none."""
    return len(held_out) if task.signature.classes else 0


def held_out_part(task: Task, *, images: int | None, holdout: float, seed: int) -> tuple[Task, Part]:
    """(the task with the training examples that weights are trained on, those that errors are measured on).

    At most ``images`` training examples take part, ``holdout`` of them (of every class) is set aside. Raises
    :class:`DataError` when none is left to hold out.
    """
    count = len(task.part("train"))
    if images is not None and images < count:
        part, _ = task.divided(images / count, derive_seed(seed, "value", "images"))
        task = task.narrowed(part)
    train, held_out = task.divided(1 - holdout, derive_seed(seed, "value", "held out"))
    if len(held_out) == 0:
        raise DataError(
            f"Errors need {task.examples} to be held out, and of {len(train)} {task.examples} of '{task.name}' none is "
            "left; set images=none, or value candidates by a score."
        )
    return task.narrowed(train), held_out


def by_inheritance(one_shot: OneShot, held_out: Part) -> Valuation:
    """The :class:`Error` on ``held_out``, with the weights of a supernet that is trained by then."""
    error, task = Error.of(one_shot.task), one_shot.task
    text = (
        f"{error.text} on {len(held_out):,} held-out training {task.examples} with the weights of a supernet after "
        f"{one_shot.total:,} steps on {len(task.part('train')):,}."
    )
    value = partial(one_shot.error, part=held_out)
    objective = Criterion(ERROR, error.unit, text, examples=_shared(task, held_out))
    return Valuation(objective, lambda found: parallel_map(value, found), dear=True)


def _trained_error(
    space: Space,
    task: Task,
    held_out: Part,
    network: Size,
    config: TrainingConfig,
    seed: int,
    architecture: Architecture,
) -> float:
    weights = derive_seed(seed, "value", "weights")
    model = space.build(architecture, network=network, signature=task.signature, seed=weights)
    inherited = space.brought(architecture)
    if inherited is not None:
        model.load_state_dict(inherited)
    training = Training(model, task, config, seed=derive_seed(seed, "value"), judged=held_out)
    try:
        while not training.done:
            training.advance()
    except SettingError:
        raise
    except NascenceError:
        return Error.of(task).worst  # its loss is no number any more
    assert training.evaluation is not None
    return Error.of(task)(training.evaluation.measures)


def by_table(table: Table, column: str) -> Valuation:
    """100 minus an accuracy that a table knows: a baseline, since no search could have known it.

    Raises :class:`UnknownNameError` when there is no such column, :class:`SettingError` when it is no accuracy in
    percent.
    """
    known = table.column(column)
    known = known[~np.isnan(known)]
    if "acc" not in column or len(known) == 0 or known.min() < 0 or known.max() > 100:
        raise SettingError(f"The column {column} of {table.source.name} is no accuracy in percent.")
    text = f"100 - {column} of {table.source.name}: a baseline that reads the benchmark, no result of a search."
    return Valuation(Criterion(ERROR, "%", text), lambda found: [100 - table.value(one, column) for one in found])


__all__ = [
    "ERROR",
    "Valuation",
    "by_cost",
    "by_inheritance",
    "by_score",
    "by_table",
    "by_training",
    "held_out_part",
    "objective_names",
    "together",
]
