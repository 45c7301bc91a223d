"""Whether probabilities mean what they say, and how far networks differ; sums that batches add to."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

BINS = 15
"""Of confidence, of equal width (Guo et al., "On calibration of modern neural networks", ICML 2017, section 4)."""


def calibration_sums(logits_BK: Tensor, target_B: Tensor) -> Tensor:
    """[3, BINS], double precision: per bin of the largest probability, how many, the sum of it, how many are right."""
    share_B, called_B = logits_BK.detach().double().softmax(-1).max(-1)
    at_B = (share_B * BINS).ceil().long().clamp(1, BINS) - 1  # a bin has its upper bound
    values_3B = torch.stack([torch.ones_like(share_B), share_B, (called_B == target_B).double()])
    return values_3B.new_zeros(3, BINS).index_add_(1, at_B, values_3B)


def calibration_error(sums: Tensor) -> float:
    """The expected calibration error in percent: the mean over images of |confidence - accuracy| of their bin."""
    count, confidence, right = sums.cpu()
    return 100 * float((confidence - right).abs().sum() / count.sum())


def differing(outputs: Sequence[Tensor]) -> Tensor:
    """Over pairs of networks, the mean of how many examples they call differently; 0 for one network."""
    called = [output.detach().argmax(-1) for output in outputs]
    pairs = [(one != two).double().sum() for one, two in itertools.combinations(called, 2)]
    return torch.stack(pairs).mean() if pairs else torch.zeros((), dtype=torch.float64)


__all__ = ["BINS", "calibration_error", "calibration_sums", "differing"]
