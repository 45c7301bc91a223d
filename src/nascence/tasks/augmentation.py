"""The standard augmentation of small photographs, for a whole batch at once."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def random_crop(x_BCHW: Tensor, padding: int, generator: torch.Generator) -> Tensor:
    """Each image shifted by up to ``padding`` pixels in either direction, zeros (black) coming in from outside."""
    batch, _, height, width = x_BCHW.shape
    y_B, x_B = torch.randint(2 * padding + 1, (2, batch), generator=generator)
    if x_BCHW.device.type != "cpu":
        rows_BH, columns_BW = y_B[:, None] + torch.arange(height), x_B[:, None] + torch.arange(width)
        places = (torch.arange(batch)[:, None, None], rows_BH[:, :, None], columns_BW[:, None, :])
        image, row, column = (place.to(x_BCHW.device, non_blocking=True) for place in places)
        return F.pad(x_BCHW, (padding,) * 4)[image, :, row, column].movedim(-1, 1).contiguous()
    padded = F.pad(x_BCHW, (padding,) * 4).numpy()
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(2, 3))
    # NumPy copies whole windows where PyTorch's indexing would go pixel by pixel: half the time.
    return torch.from_numpy(windows[np.arange(batch), :, y_B.numpy(), x_B.numpy()])


def random_flip(x_BCHW: Tensor, generator: torch.Generator) -> Tensor:
    """Each image mirrored left to right with chance one half."""
    flip_B = torch.rand(x_BCHW.shape[0], generator=generator) < 0.5
    return torch.where(flip_B[:, None, None, None].to(x_BCHW.device, non_blocking=True), x_BCHW.flip(-1), x_BCHW)


def cutout(x_BCHW: Tensor, length: int, generator: torch.Generator) -> Tensor:
    """A square of side ``length`` set to zero around a random pixel of each image (DeVries & Taylor 2017).

    The square is cut off at the border. Applied to normalised images, where zero is the mean.
    """
    batch, _, height, width = x_BCHW.shape
    inside = []
    for extent in (height, width):
        start_B1 = torch.randint(extent, (batch, 1), generator=generator) - length // 2
        at_X = torch.arange(extent)
        inside.append((at_X >= start_B1) & (at_X < start_B1 + length))
    kept_BHW = ~(inside[0][:, :, None] & inside[1][:, None, :])
    return x_BCHW * kept_BHW[:, None].to(x_BCHW.device, non_blocking=True)


def shrink(images_BCHW: Tensor, size: int | None) -> Tensor:
    """Average larger images down to [B, C, size, size]; smaller ones, and all for None, stay as they are."""
    if size is None or size >= max(images_BCHW.shape[2:]):
        return images_BCHW
    return torch.nn.functional.interpolate(images_BCHW, (size, size), mode="area")
