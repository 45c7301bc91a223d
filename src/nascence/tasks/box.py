"""Where the pixels of a network's inputs can lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor


@final
@dataclass(frozen=True)
class Box:
    """Per channel, what a pixel of 0 (``low``) and one of 1 (``high``) are in a network's normalised inputs."""

    low: tuple[float, ...]
    high: tuple[float, ...]

    @classmethod
    def normalised(cls, mean: Sequence[float], std: Sequence[float]) -> Box:
        """Of inputs (pixel - mean) / std, with pixels in [0, 1]."""
        pairs = list(zip(mean, std, strict=True))
        return cls(tuple(-m / s for m, s in pairs), tuple((1 - m) / s for m, s in pairs))

    def bounds(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """``low`` and ``high`` as tensors [C, 1, 1] of the device and type of ``like``."""
        low, high = (torch.tensor(side, dtype=like.dtype, device=like.device) for side in (self.low, self.high))
        return low[:, None, None], high[:, None, None]

    def pixels(self, x_BCHW: Tensor) -> Tensor:
        """Normalised inputs as pixels, 0 to 1."""
        low, high = self.bounds(x_BCHW)
        return (x_BCHW - low) / (high - low)


__all__ = ["Box"]
