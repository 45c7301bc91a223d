"""Trials: one training each, judged by the validation part; the test part has no say."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, final

from nascence.architecture import Architecture
from nascence.engine.compute import ON_CPU, Compute
from nascence.errors import NascenceError, RunError, SettingError
from nascence.seeding import derive_seed
from nascence.spaces.base import Size, Space
from nascence.spaces.ranges import LogUniform, Range
from nascence.tasks.base import Task
from nascence.training import Training, TrainingConfig
from nascence.tuning.proposals import STARTUP, propose, require_optuna

TRAINING_RANGES: Mapping[str, Range] = {
    "learning_rate": LogUniform(1e-3, 10**-1.5),
    "weight_decay": LogUniform(1e-5, 1e-3),
}
"""Of what every training has; a space may have others (:attr:`nascence.spaces.Space.tunable`)."""
SGD_RANGES: Mapping[str, Range] = {**TRAINING_RANGES, "learning_rate": LogUniform(1e-2, 10**-0.5)}
"""The same where the optimizer is SGD, which takes larger steps."""


@final
@dataclass(frozen=True)
class Trial:
    """``values``: of the hyperparameters. ``value``: of the metric on the validation part, None where the training came
    to nothing. ``test``: of the metric on the test part, with the weights that were best on the validation part; it
    steers nothing."""

    values: Mapping[str, Any]
    value: float | None
    test: float | None


@final
class Tuning:
    """``trials`` trainings of one architecture; fulfils :class:`nascence.runs.Resumable`, a step is a trial.

    The first trial has the values that network and training would have without tuning; the others are proposed by TPE
    within the ranges of the space and of :data:`TRAINING_RANGES`, or those of ``ranges`` instead. Examples that are set
    aside for validation are the same in all trials. Raises :class:`SettingError` where the task has no validation part
    to judge trials by, and :class:`nascence.errors.MissingExtraError` where trials need Optuna and it is not there.
    """

    def __init__(
        self,
        space: Space,
        architecture: Architecture,
        task: Task,
        network: Size,
        config: TrainingConfig,
        *,
        trials: int,
        seed: int = 0,
        startup: int = STARTUP,
        ranges: Mapping[str, Range] | None = None,
        compute: Compute = ON_CPU,
    ) -> None:
        if trials < 1:
            raise SettingError(f"Tuning takes 1 trial or more, not {trials}.")
        if trials > 1:
            require_optuna()
        held_out = task.holding_out(config.validation, seed) if config.validation else task  # once, for all trials
        self.space, self.architecture, self.task = space, architecture, held_out
        self.network, self.config, self.seed, self.startup = network, config, seed, startup
        self.total_steps, self.compute = trials, compute
        own = SGD_RANGES if config.optimizer == "sgd" else TRAINING_RANGES
        self.ranges: dict[str, Range] = {**own, **space.tunable, **(ranges or {})}
        self.trials: list[Trial] = []
        _check(self._training(self._usual(), 0))

    @property
    def steps_done(self) -> int:
        return len(self.trials)

    @property
    def done(self) -> bool:
        return self.steps_done >= self.total_steps

    def advance(self) -> dict[str, Any]:
        """A trial. Its event: ``trial`` (from 1), ``validation_<metric>``, ``best_<metric>`` so far, the values, and
        ``seconds``. A training whose loss is no longer finite counts as a trial that came to nothing."""
        assert not self.done
        number, metric = len(self.trials), self.task.metric
        values = self._proposed() if number else self._usual()
        began = time.perf_counter()
        training = self._training(values, number)
        try:
            while not training.done:
                training.advance()
        except NascenceError:
            trial = Trial(values, None, None)
        else:
            assert training.best is not None
            assert training.evaluation is not None
            trial = Trial(values, float(training.best["value"]), training.evaluation.value)
        self.trials.append(trial)
        return {
            "trial": len(self.trials),
            f"validation_{metric.name}": trial.value,
            f"best_{metric.name}": self.best.value,
            **values,
            "seconds": time.perf_counter() - began,
        }

    @property
    def best(self) -> Trial:
        """The first of the best trials."""
        worst = float("-inf") if self.task.metric.larger_is_better else float("inf")
        best = self.trials[0]
        for trial in self.trials[1:]:
            before = worst if best.value is None else best.value
            if trial.value is not None and self.task.metric.better(trial.value, before):
                best = trial
        return best

    def settled(self) -> tuple[Size, TrainingConfig]:
        """Network size and training with the best trial's values."""
        return self._configured(self.best.values)

    def state_dict(self) -> dict[str, Any]:
        return {"trials": [copy.deepcopy(asdict(trial)) for trial in self.trials], "ranges": str(self.ranges)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Raises :class:`RunError` when the state is of a tuning of something else."""
        if state.get("ranges") != str(self.ranges):
            raise RunError("This checkpoint is of a tuning of other hyperparameters.")
        self.trials = [Trial(**trial) for trial in state["trials"]]

    def _proposed(self) -> dict[str, Any]:
        metric = self.task.metric
        known = [(trial.values, trial.value) for trial in self.trials if trial.value is not None]
        return propose(
            self.ranges,
            known,
            larger_is_better=metric.larger_is_better,
            seed=derive_seed(self.seed, "trial", len(self.trials)),
            startup=self.startup,
        )

    def _usual(self) -> dict[str, Any]:
        own = {**asdict(self.config), **asdict(self.network)}
        return {name: own[name] for name in self.ranges}

    def _configured(self, values: Mapping[str, Any]) -> tuple[Size, TrainingConfig]:
        names = {field.name for field in fields(self.network)}
        sizes = {name: value for name, value in values.items() if name in names}
        rest = {name: value for name, value in values.items() if name not in names}
        return replace(self.network, **sizes), replace(self.config, **rest)

    def _training(self, values: Mapping[str, Any], number: int) -> Training:
        network, config = self._configured(values)
        seed, config = derive_seed(self.seed, "trial", number), replace(config, validation=0.0)
        model = self.space.build(
            self.architecture,
            network=network,
            signature=self.task.signature,
            seed=derive_seed(seed, "initial weights"),
        )
        return Training(model, self.task, config, seed=seed, compute=self.compute)


def _check(training: Training) -> None:
    if training.split != "validation":
        raise SettingError("Tuning needs a validation part to judge trials by; add --validation 0.1.")


__all__ = ["SGD_RANGES", "TRAINING_RANGES", "Trial", "Tuning"]
