"""The kernel's trace of sampled architectures, at one initialisation of the supernet."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import torch
from torch import Tensor

from nascence.engine.compute import ON_CPU, Compute
from nascence.errors import SettingError
from nascence.relaxations.decisions import Decisions, RowDecisions
from nascence.scores.ntk_trace import squared_gradient_norm
from nascence.seeding import generator
from nascence.supernets.base import Supernet
from nascence.supernets.groups import placed
from nascence.tasks.base import Batch, Task


@final
class SampledTrace:
    """s(A) of an architecture that is drawn from logits, on the batch of a step, and its gradient in the logits (Shu et
    al., ICLR 2022, algorithm 1): what :class:`nascence.strategies.kernel_ascent.KernelAscent` climbs.

    ``batch``: that of a step, by its number, on the device of ``compute``, where ``supernet`` is moved. Draws follow
    from ``seed`` and the step. Without dropout. Raises :class:`SettingError` where a part of the networks has no second
    derivative.
    """

    def __init__(
        self,
        task: Task,
        supernet: Supernet,
        decisions: Decisions | RowDecisions,
        batch: Callable[[int], Batch],
        *,
        temperature: float = 1.0,
        seed: int = 0,
        compute: Compute = ON_CPU,
    ) -> None:
        self.task, self.supernet, self.decisions, self.batch = task, compute.place(supernet), decisions, batch
        self.temperature, self.seed, self.compute = temperature, seed, compute

    def __call__(self, logits: dict[str, Tensor], step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """(s [], ds / dlogits), on the CPU."""
        logits = {name: value.clone().requires_grad_() for name, value in logits.items()}
        random = generator(self.seed, "nasi", "gumbel", step)
        weights = placed(self.decisions.straight_through(logits, random, self.temperature), self.compute.device)
        batch = self.batch(step)
        try:
            with self.supernet.undropped():
                loss = self.task.loss(self.supernet(*batch.inputs, weights=weights), batch)
            trace = squared_gradient_norm(self.supernet, loss, create_graph=True)
            gradients = torch.autograd.grad(trace, list(logits.values()), allow_unused=True)
        except RuntimeError as error:
            if "is not implemented" not in str(error):
                raise
            raise SettingError(
                f"nasi needs second derivatives, and a part of the networks of {self.decisions.space.name} has none; "
                "try --method gdas."
            ) from None
        found = {
            name: torch.zeros_like(value) if gradient is None else gradient
            for (name, value), gradient in zip(logits.items(), gradients, strict=True)
        }
        return trace.detach().cpu(), found


__all__ = ["SampledTrace"]
