"""How good the classes of nodes are, from sums that may be added up over batches."""

from __future__ import annotations

import torch
from torch import Tensor

from nascence.tasks.histogram import histogram

_BITS = 18
_BINS = 2**_BITS


def confusion_counts(classes_B: Tensor, labels_B: Tensor, count: int) -> Tensor:
    """Entry [k, j]: how many of class k were taken for class j; int64 [K, K]."""
    return histogram(labels_B * count + classes_B, count * count).view(count, count)


def margin_counts(margins_B: Tensor, labels_B: Tensor) -> Tensor:
    """Histogram [2, 2^18] of float32 margins per class, its bins in the margins' order: a bin is what agrees in sign,
    exponent and the first 9 bits of the mantissa, so that two margins share one when they differ by less than 0.2 %."""
    bits = margins_B.float().contiguous().view(torch.int32).long()
    ordered = torch.where(bits >= 0, bits + 2**31, 2**31 - 1 - (bits & (2**31 - 1)))
    bins = ordered >> (32 - _BITS)
    return histogram(labels_B * _BINS + bins, 2 * _BINS).view(2, _BINS)


def roc_auc(counts_2M: Tensor) -> float:
    """The chance that a node of class 1 has a larger margin than one of class 0, ties counting half, in [0, 1]; NaN
    where a class has no node."""
    negatives, positives = counts_2M.double()
    below = negatives.cumsum(0) - negatives
    pairs = float(negatives.sum() * positives.sum())
    return float((positives * (below + negatives / 2)).sum()) / pairs if pairs else float("nan")


def macro_f1(confusion_KK: Tensor) -> float:
    """The mean over classes of 2 TP / (2 TP + FP + FN), of those classes that occur or were given; in [0, 1]."""
    confusion = confusion_KK.double()
    hits, twice = confusion.diagonal(), confusion.sum(0) + confusion.sum(1)
    return float((2 * hits / twice)[twice > 0].mean())


__all__ = ["confusion_counts", "macro_f1", "margin_counts", "roc_auc"]
