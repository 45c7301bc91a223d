"""Fewer pixels: averaged pictures, and every s-th pixel of a feature map with the way back (FBNetV2, section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

Size = tuple[int, int]


def at_share(size: Sequence[int], share: float) -> Size:
    """``share`` of a height and a width, rounded to the nearest pixel, at least one."""
    height, width = (max(1, int(share * extent + 0.5)) for extent in size)
    return height, width


def resized(x_BCHW: Tensor, size: Size) -> Tensor:
    """Averaged down to ``size`` (height, width), each pixel the mean of those it covers; as it is where it has it."""
    if x_BCHW.shape[-2:] == size:
        return x_BCHW
    return nn.functional.interpolate(x_BCHW, size=size, mode="area")


def nearest(size: int, full: int, device: torch.device | None = None) -> Tensor:
    """Which of ``full`` positions [size] are taken: floor(i full / size)."""
    return torch.arange(size, device=device) * full // size


def subsampled(x_BCHW: Tensor, size: Size) -> Tensor:
    """The nearest pixels on a grid of ``size``."""
    height, width = x_BCHW.shape[-2:]
    if (height, width) == size:
        return x_BCHW
    rows, columns = nearest(size[0], height, x_BCHW.device), nearest(size[1], width, x_BCHW.device)
    return x_BCHW.index_select(-2, rows).index_select(-1, columns)


def scattered(x_BCHW: Tensor, full: Size) -> Tensor:
    """A map of zeros of size ``full`` with the pixels where :func:`subsampled` took them from."""
    height, width = x_BCHW.shape[-2:]
    if (height, width) == full:
        return x_BCHW
    rows, columns = nearest(height, full[0], x_BCHW.device), nearest(width, full[1], x_BCHW.device)
    wide = x_BCHW.new_zeros(*x_BCHW.shape[:-1], full[1]).index_copy(-1, columns, x_BCHW)
    return wide.new_zeros(*wide.shape[:-2], *full).index_copy(-2, rows, wide)


class Resize(nn.Module):
    """Pictures at ``share`` of their height and width, by :func:`resized`."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x_BCHW: Tensor) -> Tensor:
        height, width = x_BCHW.shape[-2:]  # as at_share has it: exported sources know no functions of ours
        size = (max(1, int(self.share * height + 0.5)), max(1, int(self.share * width + 0.5)))
        return nn.functional.interpolate(x_BCHW, size=size, mode="area")


__all__ = ["Resize", "Size", "at_share", "nearest", "resized", "scattered", "subsampled"]
