"""Pictures as numbers in [0, 1], and their luma."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_STUDIO = (65.481, 128.553, 24.966)  # of 255, above 16: ITU-R BT.601 in its limited range
_FULL = (0.298936021293775, 0.587043074451121, 0.114020904255103)


def studio_luma(picture_CHW: NDArray) -> NDArray:
    """The luma [1, H, W] of BT.601 in its limited range, 16 to 235 of 255, rounded, as MATLAB's ``rgb2ycbcr`` gives it
    and as super-resolution is measured on. A grey picture is its own luma."""
    if len(picture_CHW) == 1:
        return picture_CHW
    unit = np.iinfo(picture_CHW.dtype).max / 255
    luma = 16 * unit + np.tensordot(_STUDIO, picture_CHW.astype(np.float64), 1) / 255
    return np.floor(luma + 0.5).astype(picture_CHW.dtype)[None]


def full_luma(picture_CHW: NDArray) -> NDArray:
    """The luma [1, H, W] of BT.601 in the full range, rounded, as MATLAB's ``rgb2gray`` gives it."""
    if len(picture_CHW) == 1:
        return picture_CHW
    luma = np.tensordot(_FULL, picture_CHW.astype(np.float64), 1)
    return np.floor(luma + 0.5).astype(picture_CHW.dtype)[None]


def luma_of_output(x_BCHW: Tensor) -> Tensor:
    """:func:`studio_luma` of values in [0, 1], not rounded: [B, 1, H, W]."""
    if x_BCHW.shape[1] == 1:
        return x_BCHW
    weights = x_BCHW.new_tensor(_STUDIO).view(1, 3, 1, 1) / 255
    return (x_BCHW * weights).sum(1, keepdim=True) + 16 / 255


def in_colours(picture_CHW: NDArray, channels: int, *, studio: bool) -> NDArray:
    """With ``channels`` channels: 1 takes the luma of a coloured picture, 3 repeats a grey one."""
    if channels == 1:
        return studio_luma(picture_CHW) if studio else full_luma(picture_CHW)
    return np.repeat(picture_CHW, 3, axis=0) if len(picture_CHW) == 1 else picture_CHW


def as_unit(picture_CHW: NDArray) -> Tensor:
    """float32 in [0, 1] of 8 or 16 bits; floats stay as they are."""
    if not np.issubdtype(picture_CHW.dtype, np.integer):
        return torch.from_numpy(np.ascontiguousarray(picture_CHW, dtype=np.float32))
    return torch.from_numpy(picture_CHW.astype(np.float32) / np.float32(np.iinfo(picture_CHW.dtype).max))


__all__ = ["as_unit", "full_luma", "in_colours", "luma_of_output", "studio_luma"]
