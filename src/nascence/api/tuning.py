"""Tuning as the first stage of a training: what it settles on is kept in the run, and the network is trained with it.

``config.json`` has ``training.tuning`` (the number of trials) from the beginning, and ``training.tuned`` once the
trials are done: the ``settings`` of the training, the best ``trial``, its ``values`` and ``validation``, and the size
``network`` that the run had before, while the run's own ``network`` is the tuned one from then on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from nascence.api.computing import restored
from nascence.architecture import Architecture
from nascence.configuration import from_json, to_json
from nascence.costs import Budget, CostModel
from nascence.errors import SettingError
from nascence.runs import TRAINING, TUNING, RunDirectory, execute, named_progress
from nascence.spaces import Size, Space, get_space, plain_size
from nascence.spaces.ranges import Range, Values
from nascence.tasks import Task
from nascence.tasks.base import Signature
from nascence.training import TrainingConfig
from nascence.tuning import Tuning

_OF_THE_OLD_SIZE = ("latency_ms", "latency", "predicted_latency")


def tuning_of(config: Mapping[str, Any], architecture: Architecture, task: Task) -> Tuning:
    """The tuning that a run's configuration asks for. Sizes that a budget of its search does not allow are left out.

    Raises :class:`nascence.errors.SettingError`, and :class:`nascence.errors.MissingExtraError` without Optuna.
    """
    entry, space = config[TRAINING.name], get_space(config["space"])
    if entry.get("teacher"):
        raise SettingError("Trials have no teacher; leave --tune or --teacher out.")
    if space.brings_weights and not entry.get("from_scratch"):
        raise SettingError("Trials begin from fresh weights, not from those of your network; leave --tune out.")
    settings = from_json(TrainingConfig, entry["settings"])
    network = plain_size(from_json(space.size_class, config["network"]))
    limits = {name: limit for name, limit in (config.get("budget") or {}).items() if limit is not None}
    ranges = _affordable(space, architecture, network, task.signature, Budget(**limits)) if limits else {}
    if settings.auxiliary_weight > 0:
        network = space.resized(network, auxiliary=True)
    about: dict[str, Any] = {"trials": entry["tuning"]["trials"], "seed": entry["seed"], "ranges": ranges}
    about["compute"] = replace(restored(entry), world=1)
    return Tuning(space, architecture, task, network, settings, **about)


def is_to_be_tuned(run: RunDirectory) -> bool:
    entry = run.config[TRAINING.name]
    return "tuning" in entry and "tuned" not in entry


def tune(run: RunDirectory, architecture: Architecture, task: Task, progress: bool | str) -> None:
    """Bring the tuning in ``run`` to its end, and let size and settings of the best trial be those of its training."""
    tuning = tuning_of(run.config, architecture, task)
    name = task.metric.name
    shown = named_progress(progress, f"tuning on {task.name}", "trials", (f"validation_{name}", f"best_{name}"))
    execute(tuning, run, TUNING, progress=shown)
    size, settings = tuning.settled()
    network = to_json(plain_size(size))
    run.write_json("architecture.json", resized_record(run.read_json("architecture.json"), architecture, network, task))
    best = tuning.best
    tuned = {
        "settings": to_json(settings),
        "trial": 1 + tuning.trials.index(best),
        "values": dict(best.values),
        "validation": best.value,
        "network": run.config["network"],
    }
    run.update_config(network=network, **{TRAINING.name: {**run.config[TRAINING.name], "tuned": tuned}})


def told(run: RunDirectory) -> dict[str, Any]:
    """What ``metrics.json`` says of tuning: ``trials``, the ``best_trial`` (from 1), its ``values`` and ``validation``
    value; nothing where there was none."""
    entry = run.config[TRAINING.name]
    if "tuned" not in entry:
        return {}
    tuned = entry["tuned"]
    about = {"best_trial": tuned["trial"], "values": tuned["values"], "validation": tuned["validation"]}
    return {"tuning": {"trials": entry["tuning"]["trials"], **about}}


def settings_of(entry: Mapping[str, Any]) -> TrainingConfig:
    """How a training goes: as tuned, where it was."""
    return from_json(TrainingConfig, entry.get("tuned", entry)["settings"])


def untuned(config: Mapping[str, Any]) -> Any:
    """The network's size before a tuning changed it, which is where another training begins."""
    return (config.get(TRAINING.name) or {}).get("tuned", config)["network"]


def resized_record(record: Mapping[str, Any], architecture: Architecture, network: Any, task: Task) -> dict[str, Any]:
    """``architecture.json`` for a network of another size; what was measured of the old one is left out."""
    if record.get("network") == network:
        return dict(record)
    space = get_space(architecture.space)
    model = CostModel(space, from_json(space.size_class, network), task.signature)
    kept = {name: value for name, value in record.items() if name not in _OF_THE_OLD_SIZE}
    return {**kept, "network": network, "params": model.params(architecture), "flops": model.flops(architecture)}


def _affordable(
    space: Space, architecture: Architecture, network: Size, signature: Signature, budget: Budget
) -> dict[str, Range]:
    """Of every range of the size those values that the budget allows. Latency is not measured for each: with a limit on
    it the size stays as it was found."""
    names = {field.name for field in fields(network)}
    found: dict[str, Range] = {}
    for name, range_ in space.tunable.items():
        if name not in names or not isinstance(range_, Values):
            continue
        own = getattr(network, name)
        allowed: tuple[Any, ...] = ()
        if budget.max_latency_ms is None:
            sizes = {value: replace(network, **{name: value}) for value in range_.values}
            allowed = tuple(
                value
                for value, size in sizes.items()
                if budget.bind(space, size, signature=signature).allows(architecture)
            )
        found[name] = Values(allowed or (own,))
    return found


__all__ = ["is_to_be_tuned", "resized_record", "settings_of", "told", "tune", "tuning_of", "untuned"]
