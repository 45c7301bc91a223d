"""What the user says about a training: a preset, settings, weights of classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any, Literal, final

from nascence import configuration
from nascence.configuration import to_json
from nascence.errors import SettingError
from nascence.tasks import Task
from nascence.tasks.auto_augment import auto_augment
from nascence.tasks.class_weights import read_class_weights, weights_in_order
from nascence.tasks.policy import Policy, uniform_policy
from nascence.training import PRESETS, TrainingConfig
from nascence.training.config import FINE

_TOLD = 3
"""Differences between two trainings that a sentence names."""


@final
class Recipe:
    """What the user said about the training, before the data are known."""

    def __init__(
        self,
        preset: str | None,
        options: Mapping[str, Any],
        settings: Mapping[str, Any] | Iterable[str],
        class_weights: Mapping[str, float] | Literal["balanced"] | None = None,
        policy: Policy | None = None,
        trials: int | None = None,
    ) -> None:
        """``class_weights``: by class; in their order once the data are known. ``policy``: of augmentation.
        ``trials``: of tuning."""
        self.preset, self.class_weights, self.policy, self.trials = preset, class_weights, policy, trials
        given = {name: value for name, value in options.items() if value is not None}
        texts = () if isinstance(settings, Mapping) else tuple(settings)
        values = settings if isinstance(settings, Mapping) else {}
        names = [text.partition("=")[0].strip().replace("-", "_") for text in texts]
        twice = sorted(given.keys() & {*values, *names})
        if twice:
            raise SettingError(f"The setting '{twice[0]}' is given twice; give it once.")
        # read on top of any valid configuration, only to check and to convert; the changes alone are kept
        base = {**PRESETS["nas-bench-201"], **given, **values}
        filled = {name: value for name, value in base.items() if name not in names}
        read = to_json(configuration.settings(TrainingConfig, texts, filled))
        self.changes = {name: read[name] for name in (*given, *values, *names)}
        if preset is not None:
            TrainingConfig.preset(preset, **self.changes)

    def entry(self, task: Task, seed: int, threads: int, *, tuned: bool = False) -> dict[str, Any]:
        """The run's ``training`` entry: every setting, the preset's name, the seed and the number of threads.

        ``tuned``: the network has weights already, so that steps are smaller unless something else is said."""
        changes = dict(self.changes)
        if self.class_weights is not None:
            if "class_weights" in changes:
                raise SettingError("The setting 'class_weights' is given twice; give it once.")
            changes["class_weights"] = _in_order(self.class_weights, task)
        if self.preset is None:
            config = TrainingConfig.suggested(task, **changes)
        else:
            config = TrainingConfig.preset(self.preset, **changes)
        if tuned and self.preset is None and "learning_rate" not in changes:
            config = replace(config, learning_rate=config.learning_rate * FINE)
        policy = {} if self.policy is None else {"policy": self.policy.to_json()}
        tuning = {} if self.trials is None else {"tuning": {"trials": self.trials}}
        return {
            "preset": self.preset,
            "seed": seed,
            "threads": threads,
            "settings": to_json(config),
            **policy,
            **tuning,
        }


def given_policy(given: Policy | str | Path | None) -> Policy | None:
    """A policy, ``random`` (all pairs of operations, equally likely), ``autoaugment``, ``none``, a file, or a run."""
    if given is None or isinstance(given, Policy):
        return given
    if str(given) == "none":
        return None
    named = {"random": uniform_policy, "autoaugment": auto_augment}
    return named[str(given)]() if str(given) in named else Policy.load(given)


def given_weights(given: str | Path | Mapping[str, float] | None) -> Mapping[str, float] | Literal["balanced"] | None:
    """``balanced``, or weights by class, from a file where one is named."""
    if given is None or isinstance(given, Mapping):
        return given
    return "balanced" if str(given) == "balanced" else read_class_weights(Path(given))


def _in_order(
    weights: Mapping[str, float] | Literal["balanced"], task: Task
) -> tuple[float, ...] | Literal["balanced"]:
    """Weights in the order of the task's classes. Raises :class:`SettingError` where they do not fit."""
    if isinstance(weights, str):
        return weights
    names = task.describe().get("class_names")
    if names is None:
        task.weighted(weights)  # says that there are no classes
    return weights_in_order(weights, names or (), task.name)


def same_training(begun: Mapping[str, Any] | None, entry: Mapping[str, Any]) -> bool:
    """Whether two ``training`` entries mean the same; one that an earlier version wrote lacks later settings.
    Where they compute makes no difference."""
    if begun is None:
        return False
    return _whole(begun) == _whole(entry)


def training_differences(begun: Mapping[str, Any], entry: Mapping[str, Any]) -> list[str]:
    """``epochs 2 there, 3 asked for``: where two ``training`` entries differ, short enough for a sentence."""
    there, asked = ({**each, **each["settings"], "settings": None} for each in (_whole(begun), _whole(entry)))
    order = [field.name for field in fields(TrainingConfig)]
    names = [name for name in {**there, **asked} if there.get(name) != asked.get(name)]
    names.sort(key=lambda name: order.index(name) if name in order else -1)
    return [_difference(name, there.get(name), asked.get(name)) for name in names[:_TOLD]]


def _difference(name: str, there: Any, asked: Any) -> str:
    simple = all(value is None or isinstance(value, bool | int | float | str) for value in (there, asked))
    told = f" {_word(there)} there, {_word(asked)} asked for" if simple else ""
    return f"{name}{told}"


def _word(value: Any) -> str:
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else f"{value}"[:60]


def _whole(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What decides what a training ends in; settings of later versions have their defaults."""
    defaults = {field.name: to_json(field.default) for field in fields(TrainingConfig) if field.default is not MISSING}
    asked = {name: value for name, value in entry.items() if name not in ("tuned", "compute")}
    return {**asked, "settings": {**defaults, **asked.get("settings", {})}}


__all__ = ["Recipe", "given_policy", "given_weights", "same_training", "training_differences"]
