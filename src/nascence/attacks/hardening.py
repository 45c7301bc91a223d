"""Training batches made as hard as an attack can make them (Madry et al., ICLR 2018)."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from nascence.attacks.base import Attack, Ball
from nascence.attacks.robustness import at_rest, victim_of
from nascence.tasks.base import Batch, Task


def hardened(model: nn.Module, task: Task, batch: Batch, attack: Attack, eps: float, random: torch.Generator) -> Batch:
    """``batch`` after an attack on ``model`` in evaluation mode, whose weights, statistics and modes stay as they are
    (Pang et al., "Bag of tricks for adversarial training", ICLR 2021: with the statistics of training mode instead,
    plain images are told less well)."""
    with at_rest(model):
        ball = Ball(batch.inputs[0], task.box(), eps)
        x_BCHW = attack(ball, victim_of(model, task, batch), random)
    return replace(batch, inputs=(x_BCHW,))


__all__ = ["hardened"]
