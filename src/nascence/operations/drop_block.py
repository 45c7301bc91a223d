"""DropBlock: square regions of the features are set to zero while training (Ghiasi, Lin & Le, NeurIPS 2018)."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn


@final
class DropBlock(nn.Module):
    """Zeroes blocks of ``block`` x ``block`` pixels, per image and channel.

    A block may begin at any pixel, those just outside included, with the probability 1 - (1 - rate)^(1 / block^2), at
    which every pixel is dropped with exactly ``rate`` (the paper's formula is its first order, and thinner at borders).
    What stays is divided by its share, so the expected output is the input. The identity in evaluation mode and at rate
    0. A block is at most as large as the features.

    Numbers come from ``generator``, which the owner seeds before each forward pass; None for PyTorch's own.
    """

    def __init__(self, block: int = 3) -> None:
        super().__init__()
        self.block = block
        self.rate = 0.0
        self.generator: torch.Generator | None = None

    def forward(self, x_BCHW: Tensor) -> Tensor:
        if not self.training or self.rate == 0.0:
            return x_BCHW
        height, width = x_BCHW.shape[2:]
        block = min(self.block, height, width)
        gamma = 1 - (1 - self.rate) ** (1 / block**2)
        corners = (*x_BCHW.shape[:2], height + block - 1, width + block - 1)
        begins = torch.rand(corners, generator=self.generator).to(x_BCHW.device, non_blocking=True) < gamma
        dropped = nn.functional.max_pool2d(begins.to(x_BCHW), block, 1)
        kept = 1 - dropped
        return x_BCHW * (kept * (kept.numel() / kept.sum().clamp_min(1)))


__all__ = ["DropBlock"]
