"""One output from those of several networks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def mean_probability(outputs: Sequence[Tensor]) -> Tensor:
    """Of unnormalised log-probabilities [..., K]: the logarithm of the mean of the probabilities."""
    return torch.stack([output.float().log_softmax(-1) for output in outputs]).exp().mean(0).log()


def mean(outputs: Sequence[Tensor]) -> Tensor:
    """Of values, such as pictures."""
    return torch.stack([output.float() for output in outputs]).mean(0)


__all__ = ["mean", "mean_probability"]
