"""How close a restored picture is to the true one."""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW = 11
_SIGMA, _K1, _K2 = 1.5, 0.01, 0.03


def psnr(output_BCHW: Tensor, target_BCHW: Tensor) -> Tensor:
    """10 log10(1 / MSE) of values in [0, 1], in dB, [B]: the mean square is over a picture's channels and pixels.

    Infinite where both are equal.
    """
    error_B = (output_BCHW.double() - target_BCHW.double()).square().mean((1, 2, 3))
    return -10 * error_B.log10()


def ssim(output_BCHW: Tensor, target_BCHW: Tensor) -> Tensor:
    """The structural similarity of values in [0, 1], [B]: the mean over all places of a whole window and channels
    (Wang et al., IEEE TIP 2004: Gaussian window 11 x 11 of deviation 1.5, K1 = 0.01, K2 = 0.03).

        (2 mx my + c1)(2 sxy + c2) / ((mx^2 + my^2 + c1)(sx^2 + sy^2 + c2)),  c = (K L)^2, L = 1

    Raises :class:`ValueError` where pictures are smaller than the window.
    """
    if min(output_BCHW.shape[-2:]) < WINDOW:
        raise ValueError(f"SSIM needs pictures of {WINDOW} x {WINDOW} pixels or more.")
    x, y = output_BCHW.float(), target_BCHW.float()
    mx, my, mxx, myy, mxy = _blurred(torch.cat([x, y, x * x, y * y, x * y])).chunk(5)
    c1, c2 = _K1**2, _K2**2
    variances, covariance = mxx - mx * mx + myy - my * my, mxy - mx * my
    index = (2 * mx * my + c1) * (2 * covariance + c2) / ((mx * mx + my * my + c1) * (variances + c2))
    return index.mean((1, 2, 3)).double()


def cut_border(x_BCHW: Tensor, border: int) -> Tensor:
    """Without ``border`` pixels on every side."""
    return x_BCHW[..., border : x_BCHW.shape[-2] - border, border : x_BCHW.shape[-1] - border]


def rounded(x_BCHW: Tensor) -> Tensor:
    """Clipped to [0, 1] and rounded to 8 bits (halves up), as a file would have it."""
    return (255 * x_BCHW + 0.5).floor().clamp(0, 255) / 255


def _blurred(x_BCHW: Tensor) -> Tensor:
    """Gaussian means of all whole windows, one axis after the other."""
    flat = x_BCHW.flatten(0, 1)[:, None]
    window = _window().to(flat)
    blurred = F.conv2d(F.conv2d(flat, window.view(1, 1, -1, 1)), window.view(1, 1, 1, -1))
    return blurred.view(*x_BCHW.shape[:2], *blurred.shape[-2:])


@cache
def _window() -> Tensor:
    at = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    values = (-at.square() / (2 * _SIGMA**2)).exp()
    return values / values.sum()


__all__ = ["WINDOW", "cut_border", "psnr", "rounded", "ssim"]
