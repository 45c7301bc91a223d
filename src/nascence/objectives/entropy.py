"""The entropy of a distribution over architectures: the part of the evidence bound that does not look at data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from nascence.objectives.base import Evaluated, Objective
from nascence.relaxations.posterior import entropy
from nascence.schedules import Constant, Schedule

_ONE = Constant(1.0)


@final
@dataclass(frozen=True)
class NegativeEntropy(Objective):
    """-sum over rows of H(softmax(alpha_r)), in nats: with s times the mean loss beside it, minus the evidence lower
    bound under a uniform prior, up to a constant (Shu et al., arXiv 2109.02533; s data stand for the likelihood)."""

    name: ClassVar[str] = "negative_entropy"
    schedule: Schedule = _ONE

    def term(self, evaluated: Evaluated) -> Tensor:
        return -entropy(evaluated.relaxation.logits())


__all__ = ["NegativeEntropy"]
