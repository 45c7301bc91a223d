"""What happened to a picture before it has to be restored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nascence.errors import DataError, SettingError
from nascence.tasks.restoration.resizing import shrink_picture

SCALES = (2, 3, 4)


class Degradation(ABC):
    """``kind``: the task it makes, ``denoise`` or ``super-resolve``. ``scale``: how many times as large the restored
    picture is. Pictures of whole numbers become floats in [0, 1]."""

    kind: str
    scale: int

    @abstractmethod
    def fixed(self, target_CHW: NDArray) -> NDArray | None:
        """The degraded picture where it is always the same; None where it is drawn anew each time."""

    @abstractmethod
    def drawn(self, x_BCHW: Tensor, random: torch.Generator, share: float | None = None) -> Tensor:
        """What a network gets: of :meth:`fixed` pictures themselves, else of true ones. ``share``: which strength of a
        range to take, from 0 to 1; None for one drawn for each picture."""

    @abstractmethod
    def describe(self) -> dict[str, Any]: ...


@final
@dataclass(frozen=True)
class GaussianNoise(Degradation):
    """x + (sigma / 255) N(0, 1), not clipped; ``sigma`` in levels of 8 bits, drawn evenly from low to high."""

    low: float
    high: float
    kind: str = field(default="denoise", init=False)
    scale: int = field(default=1, init=False)

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high <= 255 or self.high == 0:
            raise SettingError(
                f"sigma is a noise level above 0 and up to 255, or a range such as 0-50; got {_level(self)}."
            )

    @classmethod
    def parse(cls, text: str) -> GaussianNoise:
        """``25`` or ``0-50``. Raises :class:`SettingError`."""
        low, dash, high = text.strip().partition("-") if not text.strip().startswith("-") else (text, "", "")
        try:
            return cls(float(low), float(high) if dash else float(low))
        except ValueError as error:
            if isinstance(error, SettingError):
                raise
            raise SettingError(f"sigma is a number such as 25 or a range such as 0-50, not '{text}'.") from None

    def fixed(self, target_CHW: NDArray) -> NDArray | None:
        return None

    def drawn(self, x_BCHW: Tensor, random: torch.Generator, share: float | None = None) -> Tensor:
        if self.low == self.high:
            sigma = torch.tensor(self.high)
        else:
            drawn = torch.rand(len(x_BCHW), 1, 1, 1, generator=random) if share is None else torch.tensor(share)
            sigma = self.low + (self.high - self.low) * drawn
        return x_BCHW + sigma / 255 * torch.randn(x_BCHW.shape, generator=random)

    def describe(self) -> dict[str, Any]:
        return {"noise": "Gaussian, not clipped", "sigma": [self.low, self.high]}


@final
@dataclass(frozen=True)
class Shrunk(Degradation):
    """Shrunk by ``scale`` as MATLAB does it, in floating point: nothing is rounded, as in the data of SRCNN."""

    scale: int
    kind: str = field(default="super-resolve", init=False)

    def __post_init__(self) -> None:
        if self.scale not in SCALES:
            raise SettingError(f"scale is one of {', '.join(map(str, SCALES))}, not {self.scale}.")

    def fixed(self, target_CHW: NDArray) -> NDArray | None:
        unit = target_CHW.astype(np.float64) / np.iinfo(target_CHW.dtype).max
        return shrink_picture(unit, self.scale).astype(np.float32)

    def drawn(self, x_BCHW: Tensor, random: torch.Generator, share: float | None = None) -> Tensor:
        return x_BCHW

    def describe(self) -> dict[str, Any]:
        return {"scale": self.scale, "shrunk": "bicubic (a = -1/2), antialiased, not rounded"}


@final
@dataclass(frozen=True)
class Given(Degradation):
    """Pairs of files: the degraded pictures are there already."""

    kind: str
    scale: int

    def __post_init__(self) -> None:
        if self.kind == "super-resolve" and self.scale not in SCALES:
            raise SettingError(f"scale is one of {', '.join(map(str, SCALES))}, not {self.scale}.")

    def fixed(self, target_CHW: NDArray) -> NDArray | None:
        raise DataError("A picture of pairs has no partner.")

    def drawn(self, x_BCHW: Tensor, random: torch.Generator, share: float | None = None) -> Tensor:
        return x_BCHW

    def describe(self) -> dict[str, Any]:
        return {"scale": self.scale, "pairs": True}


def _level(noise: GaussianNoise) -> str:
    return f"{noise.low:g}" if noise.low == noise.high else f"{noise.low:g}-{noise.high:g}"


__all__ = ["SCALES", "Degradation", "GaussianNoise", "Given", "Shrunk"]
