"""Learning from the soft predictions of another network (Hinton, Vinyals & Dean, arXiv 1503.02531)."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from torch import Tensor, nn

from nascence.objectives.base import Evaluated, Objective
from nascence.schedules import Constant, Schedule


@final
class SupernetDistillation(Objective):
    """Sub-networks learn from the whole supernet (MSG-DAS, Tan et al., arXiv 2107.04324; its formula could not be read,
    so this is a reconstruction): :func:`distillation` towards the supernet under its mean weights on the same images.

    The teacher runs once per batch, all operations, nothing dropped, no gradient and so no activations kept. It has the
    weights of its students.
    """

    name: ClassVar[str] = "distillation"

    def __init__(self, schedule: Schedule = Constant(1.0), temperature: float = 2.0) -> None:
        self.schedule, self.temperature = schedule, temperature
        self._last: tuple[Tensor, Tensor] | None = None

    def __repr__(self) -> str:
        return f"SupernetDistillation(schedule={self.schedule}, temperature={self.temperature})"

    def term(self, batch: Evaluated) -> Tensor:
        return distillation(batch.logits_BK.float(), self._teacher(batch), self.temperature)

    @torch.no_grad()
    def _teacher(self, batch: Evaluated) -> Tensor:
        """The sub-networks of a step share their images, and the weights move only after the last of them."""
        if self._last is None or self._last[0] is not batch.x_BCHW:
            means = {kind: value.to(batch.x_BCHW.device) for kind, value in batch.relaxation.mean().items()}
            with batch.supernet.undropped():
                self._last = batch.x_BCHW, batch.supernet(batch.x_BCHW, means, sparse=True).float()
        return self._last[1]


def distillation(logits_BK: Tensor, teacher_BK: Tensor, temperature: float = 2.0) -> Tensor:
    """T^2 KL(softmax(teacher / T) || softmax(logits / T)), the mean over the batch; not negative, 0 when both agree.

    No gradient reaches the teacher. T^2 keeps the gradient's size whatever T is.
    """
    target = (teacher_BK.detach() / temperature).log_softmax(-1)
    student = (logits_BK / temperature).log_softmax(-1)
    return temperature**2 * nn.functional.kl_div(student, target, log_target=True, reduction="batchmean")


__all__ = ["SupernetDistillation", "distillation"]
