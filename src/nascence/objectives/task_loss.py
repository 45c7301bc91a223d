"""The task's own loss of the supernet's outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from nascence.objectives.base import Evaluated, Objective
from nascence.schedules import Constant, Schedule
from nascence.tasks.base import Task

_ONE = Constant(1.0)


@final
@dataclass(frozen=True)
class TaskLoss(Objective):
    """:meth:`nascence.tasks.Task.loss`; in events it has the loss's own name."""

    name: ClassVar[str] = "task_loss"
    schedule: Schedule = _ONE

    def term(self, evaluated: Evaluated) -> Tensor:
        return evaluated.task.loss(evaluated.output, evaluated.batch)

    def title(self, task: Task) -> str:
        return task.loss_name


__all__ = ["TaskLoss"]
