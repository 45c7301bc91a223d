"""How good a network is on a part of a task's examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn

from nascence.engine.compute import Compute
from nascence.tasks import Part, Task


@final
@dataclass(frozen=True)
class Evaluation:
    """``measures``: what :meth:`nascence.tasks.Task.measures` says; ``loss``: the mean; ``metric``: the name of the
    measure that counts."""

    metric: str
    loss: float
    measures: Mapping[str, Any]

    @property
    def value(self) -> float:
        """Of the metric."""
        return float(self.measures[self.metric])

    def to_dict(self) -> dict[str, Any]:
        """The measures and the loss."""
        return {**self.measures, "loss": self.loss}

    @classmethod
    def from_dict(cls, metric: str, value: Mapping[str, Any]) -> Evaluation:
        """The inverse of :meth:`to_dict`. Raises ``KeyError`` where the loss or the metric is missing."""
        float(value[metric])
        return cls(metric, value["loss"], {name: own for name, own in value.items() if name != "loss"})


@final
class Totals:
    """Sums over batches, on the device where they come from, in double precision where it has that."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}

    def add(self, sums: Mapping[str, Tensor], counts: bool = True) -> None:
        """``counts``: whether they do; zeros are added otherwise."""
        for name, value in sums.items():
            value = wide(value.detach())
            value = value if counts else torch.zeros_like(value)
            self._sums[name] = value if name not in self._sums else self._sums[name] + value

    def read(self, compute: Compute | None = None) -> dict[str, Any]:
        """The sums on the CPU, of all processes: single values as numbers."""
        sums = self._sums if compute is None else compute.add(self._sums)
        return {name: value.item() if value.dim() == 0 else value.cpu() for name, value in sums.items()}


@torch.no_grad()
def evaluate(
    model: nn.Module, part: Part, task: Task, batch_size: int = 256, compute: Compute | None = None
) -> Evaluation:
    """``model`` in evaluation mode (and back) on a part of the task, unaugmented. ``compute``: where the model is and
    how it computes, None for its own device in full precision; of several processes each takes some of the batches."""
    was_training = model.training
    model.eval()
    compute, totals = compute or Compute(device=model_device(model)), Totals()
    try:
        for number, batch in enumerate(part.passing(batch_size)):
            mine = number % compute.world == compute.rank
            if mine or number == 0:  # so that every process has something to add to
                batch = compute.place(batch)
                with compute.autocast():
                    output = model(*batch.inputs)
                totals.add(task.judge(output, batch), mine)
    finally:
        model.train(was_training)
    sums = totals.read(compute)
    loss = sums.pop("loss") / sums["count"]
    return Evaluation(task.metric.name, loss, task.measures(sums))


def model_device(model: nn.Module) -> torch.device:
    """Where the parameters are; the CPU for a model without any."""
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


def wide(value: Tensor) -> Tensor:
    """Double precision for real numbers, so that sums of many batches stay exact; MPS has none."""
    return value.to(wide_type(value.device)) if value.is_floating_point() else value


def wide_type(device: torch.device) -> torch.dtype:
    """The widest real numbers that a device has."""
    return torch.float32 if device.type == "mps" else torch.float64


__all__ = ["Evaluation", "Totals", "evaluate", "model_device", "wide", "wide_type"]
