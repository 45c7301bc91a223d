"""Several networks as one, that answer together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn

from nascence.tasks.base import Part, Task
from nascence.training.evaluation import Evaluation, Totals, model_device


@final
class Ensemble(nn.Module):
    """``combine`` (:meth:`nascence.tasks.Task.combine`) of the outputs of ``members``."""

    def __init__(self, members: Sequence[nn.Module], combine: Callable[[Sequence[Tensor]], Tensor]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.combine = combine

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.combine([member(*inputs) for member in self.members])


@torch.no_grad()
def judge_ensemble(
    members: Sequence[nn.Module], part: Part, task: Task, batch_size: int = 256
) -> tuple[Evaluation, dict[str, Any]]:
    """How good ``members`` (in evaluation mode) are together, as :func:`nascence.training.evaluate` says it of their
    :class:`Ensemble`, and what :meth:`nascence.tasks.Task.together` says of them. Each computes every output once."""
    together, apart = Totals(), Totals()
    device = model_device(members[0])
    for batch in part.passing(batch_size):
        batch = batch.to(device)
        outputs = [member(*batch.inputs) for member in members]
        together.add(task.judge(task.combine(outputs), batch))
        apart.add(task.judge_together(outputs, batch))
    sums = together.read()
    loss = sums.pop("loss") / sums["count"]
    return Evaluation(task.metric.name, loss, task.measures(sums)), task.together(apart.read())


__all__ = ["Ensemble", "judge_ensemble"]
