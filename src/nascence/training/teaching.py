"""Learning from another network's outputs beside the targets (Hinton, Vinyals & Dean, arXiv 1503.02531)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from nascence.tasks import Task
from nascence.tasks.base import Batch


@final
@dataclass(frozen=True, eq=False)
class Teacher:
    """(1 - weight) x the task's loss + weight x the task's distance to the outputs of ``network``, which stays as it is
    and is evaluated on the very batch that the pupil sees."""

    network: nn.Module
    weight: float = 0.5
    temperature: float = 2.0

    def taught(self, loss: Tensor, output: Tensor, batch: Batch, task: Task) -> Tensor:
        """The loss [] of a batch, from the task's own."""
        self.network.eval()
        with torch.no_grad():
            said = self.network.to(output.device)(*batch.inputs)
        return (1 - self.weight) * loss + self.weight * task.distance(output, said, batch, self.temperature)


__all__ = ["Teacher"]
