"""The cross-entropy of the supernet's predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch.nn.functional as F
from torch import Tensor

from nascence.objectives.base import Evaluated, Objective
from nascence.schedules import Constant, Schedule

_ONE = Constant(1.0)


@final
@dataclass(frozen=True)
class CrossEntropy(Objective):
    """Mean over the batch of -log softmax(logits)[label], in nats."""

    name: ClassVar[str] = "cross_entropy"
    schedule: Schedule = _ONE

    def term(self, batch: Evaluated) -> Tensor:
        return F.cross_entropy(batch.logits_BK.float(), batch.labels_B)


__all__ = ["CrossEntropy"]
