"""Learning from the soft predictions of another network (Hinton, Vinyals & Dean, arXiv 1503.02531)."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from torch import Tensor

from nascence.objectives.base import Evaluated, Objective
from nascence.schedules import Constant, Schedule
from nascence.supernets.groups import placed


@final
class SupernetDistillation(Objective):
    """Sub-networks learn from the whole supernet (MSG-DAS, Tan et al., arXiv 2107.04324; its formula could not be read,
    so this is a reconstruction): the task's distance to the supernet under its mean weights on the same batch.

    The teacher runs once per batch, all operations, nothing dropped, no gradient and so no activations kept. It has the
    weights of its students.
    """

    name: ClassVar[str] = "distillation"

    def __init__(self, schedule: Schedule = Constant(1.0), temperature: float = 2.0) -> None:
        self.schedule, self.temperature = schedule, temperature
        self._last: tuple[Tensor, Tensor] | None = None

    def __repr__(self) -> str:
        return f"SupernetDistillation(schedule={self.schedule}, temperature={self.temperature})"

    def term(self, evaluated: Evaluated) -> Tensor:
        teacher = self._teacher(evaluated)
        return evaluated.task.distance(evaluated.output, teacher, evaluated.batch, self.temperature)

    @torch.no_grad()
    def _teacher(self, evaluated: Evaluated) -> Tensor:
        """The sub-networks of a step share their batch, and the weights move only after the last of them."""
        inputs = evaluated.batch.inputs
        if self._last is None or self._last[0] is not inputs[0]:
            means = placed(evaluated.relaxation.mean(), inputs[0].device)
            with evaluated.supernet.undropped():
                self._last = inputs[0], evaluated.supernet(*inputs, weights=means, sparse=True).float()
        return self._last[1]


__all__ = ["SupernetDistillation"]
