"""How much connections are worth: beside a network of connected examples, one that looks at each by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from nascence.api.computing import restored
from nascence.configuration import from_json
from nascence.errors import NascenceError
from nascence.runs import TRAINING, named_progress
from nascence.runs.progress import tell
from nascence.seeding import derive_seed
from nascence.spaces import Size, get_space
from nascence.tasks import Task
from nascence.training import Training, TrainingConfig


def train_unconnected(
    config: Mapping[str, Any], task: Task, settings: TrainingConfig, progress: bool | str
) -> dict[str, Any]:
    """``without_edges``: the metric's ``value`` on the test part and the ``params`` of the space's network without
    connections (:meth:`nascence.spaces.Space.unconnected`) of the run's size, trained by the run's settings and seed;
    nothing where the space has none, or where that training comes to nothing. Stopped, it begins anew."""
    space, seed = get_space(config["space"]), config[TRAINING.name]["seed"]
    network: Size = from_json(space.size_class, config["network"])
    model = space.unconnected(network, task.signature, seed=derive_seed(seed, "initial weights"))
    if model is None:
        return {}
    compute = replace(restored(config[TRAINING.name]), world=1)
    training = Training(model, task, settings, seed=seed, compute=compute)
    shown = named_progress(progress, "the same without edges", "epochs", training.shown)
    if shown is not None:
        shown.begin(training.total_steps, 0)
    try:
        while not training.done:
            event = training.advance()
            if shown is not None:
                shown.update(training.total_steps, training.steps_done, event)
    except NascenceError as error:
        tell(f"How much the edges help is not told: {error}")
        return {}
    finally:
        if shown is not None:
            shown.end()
    assert training.evaluation is not None
    params = sum(parameter.numel() for parameter in model.parameters())
    return {"without_edges": {"value": training.evaluation.value, "params": params}}


__all__ = ["train_unconnected"]
