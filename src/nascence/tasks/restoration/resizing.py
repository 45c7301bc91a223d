"""Bicubic resizing as MATLAB's ``imresize`` does it, on which all published super-resolution tables rest.

Along one axis, output pixel j lies at u = (j + 1/2) / s - 1/2 of the input for a scale s, and is the mean of input
pixels i with weights h(u - i), normalised to a sum of 1; pixels beyond the edge repeat the edge. h is the cubic kernel
with a = -1/2 (Keys 1981); when shrinking it is stretched by 1 / s, h(x) -> s h(s x), which averages what is lost
(antialiasing). Rows first; pictures of whole numbers are rounded and clipped after each axis. (Newer releases of MATLAB
mirror at the edge; the public low-resolution files were made by one that repeats.)
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nascence.errors import DataError


def shrink_picture(picture: NDArray, scale: int) -> NDArray:
    """[..., H, W] as [..., H / scale, W / scale] of the same type. Raises :class:`DataError` where ``scale`` does not
    divide height and width."""
    height, width = picture.shape[-2:]
    if height % scale or width % scale:
        raise DataError(
            f"A picture of {height} x {width} pixels cannot be shrunk by {scale}, which does not divide it."
        )
    return resize_picture(picture, (height // scale, width // scale))


def enlarge_picture(picture: NDArray, scale: int) -> NDArray:
    """[..., H, W] as [..., scale H, scale W] of the same type: the bicubic baseline."""
    height, width = picture.shape[-2:]
    return resize_picture(picture, (scale * height, scale * width))


def enlarge_batch(x_BCHW: Tensor, scale: int) -> Tensor:
    """:func:`enlarge_picture` of float tensors, computed in float64 on the CPU; nothing is rounded or clipped."""
    values = enlarge_picture(x_BCHW.detach().cpu().double().numpy(), scale)
    return torch.from_numpy(values).to(x_BCHW)


def resize_picture(picture: NDArray, size: tuple[int, int]) -> NDArray:
    """[..., H, W] as [..., *size] of the same type: whole numbers are rounded (halves up) after each axis, others
    computed in float64."""
    whole = np.issubdtype(picture.dtype, np.integer)
    values = picture.astype(np.float64)
    for axis, length in zip((-2, -1), size, strict=True):
        values = _resize_axis(values, axis, length)
        if whole:
            values = np.clip(np.floor(values + 0.5), 0, np.iinfo(picture.dtype).max)
    return values.astype(picture.dtype)


def _resize_axis(values: NDArray, axis: int, length: int) -> NDArray:
    before = values.shape[axis]
    if before == length:
        return values
    places, weights = _contributions(before, length)
    moved = np.moveaxis(values, axis, -1)
    total = np.zeros((*moved.shape[:-1], length))
    for at in range(places.shape[1]):
        total += weights[:, at] * moved[..., places[:, at]]
    return np.moveaxis(total, -1, axis)


@lru_cache(maxsize=256)
def _contributions(before: int, after: int) -> tuple[NDArray, NDArray]:
    """Which input pixels make up each output pixel, [after, P], and with what weights."""
    scale = after / before
    stretch = min(scale, 1.0)
    width = 4 / stretch
    centre = (np.arange(after) + 0.5) / scale - 0.5
    first = np.floor(centre - width / 2)
    places = first[:, None] + np.arange(math.ceil(width) + 2)
    weights = stretch * _cubic(stretch * (centre[:, None] - places))
    weights = weights / weights.sum(1, keepdims=True)
    used = np.any(weights != 0, axis=0)
    return np.clip(places[:, used], 0, before - 1).astype(np.int64), weights[:, used]


def _cubic(x: NDArray) -> NDArray:
    """The kernel of Keys with a = -1/2."""
    far = np.abs(x)
    inner = 1.5 * far**3 - 2.5 * far**2 + 1
    outer = -0.5 * far**3 + 2.5 * far**2 - 4 * far + 2
    return np.where(far <= 1, inner, np.where(far <= 2, outer, 0.0))


__all__ = ["enlarge_batch", "enlarge_picture", "resize_picture", "shrink_picture"]
