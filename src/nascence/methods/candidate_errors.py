"""The error of candidates of an evolution: by short trainings, by weights of a supernet, or by a table."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from nascence.architecture import Architecture
from nascence.costs.networks import Networks
from nascence.engine.compute import ON_CPU, Compute
from nascence.engine.forked import ParallelFunction, parallel_map
from nascence.errors import DataError, NascenceError, SettingError, UnknownNameError
from nascence.methods.base import Problem
from nascence.methods.parts import ShortTraining
from nascence.methods.valuing import ERROR, Valuation
from nascence.seeding import derive_seed
from nascence.spaces import Size, Space, plain_size
from nascence.spaces.relaxable import relaxable
from nascence.strategies import Criterion
from nascence.strategies.one_shot import OneShot
from nascence.tasks import Part, Task
from nascence.tasks.error import Error
from nascence.training import Training, TrainingConfig
from nascence.training.config import FINE


def by_training(
    space: Space,
    task: Task,
    network: Size,
    *,
    epochs: int,
    images: int | None,
    holdout: float,
    seed: int,
    compute: Compute = ON_CPU,
    **changes: Any,
) -> Valuation:
    """The :class:`Error` on training examples that were held out, after a short training on the others.

    ``images``: at most so many training examples take part, ``holdout`` of them (of every class) is set aside. The same
    seed, and so the same weights (as far as shapes agree) and batches, for all candidates. The test part is never
    looked at. ``compute``: where and how they are trained. ``changes``: of the suggested :class:`TrainingConfig`.
    Raises :class:`DataError` when there are too few examples to hold some out, or for a batch.
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
    value = partial(_trained_error, space, own, held_out, network, config, seed, compute)
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


def shortly_trained(problem: Problem, settings: ShortTraining, epochs: int) -> Valuation:
    """:func:`by_training` of the network that is trained in the end, in the size that ``settings`` say."""
    return by_training(
        problem.space,
        problem.task,
        settings.sized(problem.space, problem.network),
        epochs=epochs,
        images=settings.images,
        holdout=settings.holdout,
        seed=problem.seed,
        compute=problem.compute,
    )


def supernet_for(problem: Problem, settings: ShortTraining) -> tuple[OneShot, Part]:
    """A supernet to inherit weights from, and the part that :func:`by_inheritance` measures errors on. Raises
    :class:`SettingError` where the space has none."""
    task, seed = problem.task, problem.seed
    if not problem.space.groups or "search-small" not in problem.space.networks:
        raise SettingError(
            f"Weights are inherited from a supernet of cells, and {problem.space.name} has none; use value=training, "
            "or a score such as --objectives naswot,params."
        )
    space = relaxable(problem.space, "value=supernet")
    own, held_out = held_out_part(task, images=settings.images, holdout=settings.holdout, seed=seed)
    size = settings.sized(space, space.networks["search-small"])
    supernet = space.supernet(size, task.signature, seed=derive_seed(seed, "one-shot", "weights"))
    epochs = settings.epochs or 200
    one_shot = OneShot(space, own, supernet, problem.budget, epochs=epochs, seed=seed, compute=problem.compute)
    return one_shot, held_out


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
    compute: Compute,
    architecture: Architecture,
) -> float:
    weights = derive_seed(seed, "value", "weights")
    model = space.build(architecture, network=network, signature=task.signature, seed=weights)
    inherited = space.brought(architecture)
    if inherited is not None:
        model.load_state_dict(inherited)
    training = Training(model, task, config, seed=derive_seed(seed, "value"), judged=held_out, compute=compute)
    try:
        while not training.done:
            training.advance()
    except SettingError:
        raise
    except NascenceError:
        return Error.of(task).worst  # its loss is no number any more
    assert training.evaluation is not None
    return Error.of(task)(training.evaluation.measures)


def by_table(problem: Problem, column: str | None) -> Valuation:
    """100 minus an accuracy that the table of the problem's space knows: a baseline, since no search could have known
    it. ``column``: which one, None where there is no choice; where there are validation accuracies, test accuracies are
    for the end.

    Raises :class:`DataError` when there is no table, :class:`UnknownNameError` when there is no such column,
    :class:`SettingError` when it is none in percent, or one has to be named.
    """
    from nascence.benchmarks.tables import table_of

    space, folder = problem.space, problem.data_dir
    table = None if folder is None else table_of(space.name, folder)
    if table is None:
        raise DataError(f"There is no table of {space.name} in the data folder; value candidates by value=training.")
    columns = [name for name in table.columns if "acc" in name and not name.endswith("_std")]
    columns = [name for name in columns if "valid" in name] or columns
    if column is None and len(columns) != 1:
        raise SettingError(f"Say which column is the accuracy: --set column=NAME, one of {', '.join(columns)}.")
    if column is not None and column not in columns:
        raise UnknownNameError(f"column of {table.source.name} to steer by", column, columns)
    found = column or columns[0]
    known = table.column(found)
    known = known[~np.isnan(known)]
    if len(known) == 0 or known.min() < 0 or known.max() > 100:
        raise SettingError(f"The column {found} of {table.source.name} is no accuracy in percent.")
    text = f"100 - {found} of {table.source.name}: a baseline that reads the benchmark, no result of a search."
    return Valuation(Criterion(ERROR, "%", text), lambda asked: [100 - table.value(one, found) for one in asked])


__all__ = ["by_inheritance", "by_table", "by_training", "held_out_part", "shortly_trained", "supernet_for"]
