"""How often each number comes, without asking the device."""

from __future__ import annotations

from torch import Tensor


def histogram(values_N: Tensor, count: int) -> Tensor:
    """How many of ``values_N`` (int64, 0 to ``count`` - 1) are each number: int64 [count]. As ``torch.bincount``, which
    looks for the largest one first and makes a GPU wait for it."""
    return values_N.new_zeros(count).index_add_(0, values_N, values_N.new_ones(len(values_N)))


__all__ = ["histogram"]
