"""What every attack offers: images moved within a small ball, so that a network's loss grows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, final

import torch
from torch import Tensor

from nascence.tasks.box import Box

Victim = Callable[[Tensor], tuple[Tensor, Tensor | None]]
"""Inputs [B, C, H, W] -> their losses [B] (or the mean of them []), and which of them are told right [B], where that is
asked for."""


@final
class Ball:
    """All images within ``eps`` of ``centre_BCHW`` in every pixel, and within the box of possible pixels.

    ``eps`` is in pixel units, of which a pixel has 0 to 1; the images are a network's normalised inputs, so that the
    ``radius`` [C, 1, 1] is another one in every channel.
    """

    def __init__(self, centre_BCHW: Tensor, box: Box, eps: float) -> None:
        low, high = box.bounds(centre_BCHW)
        self.centre = centre_BCHW.detach()
        self.radius = eps * (high - low)
        self.low = (self.centre - self.radius).maximum(low)
        self.high = (self.centre + self.radius).minimum(high)

    def project(self, x_BCHW: Tensor) -> Tensor:
        """The nearest images in the ball."""
        return x_BCHW.detach().maximum(self.low).minimum(self.high)

    def random(self, generator: torch.Generator) -> Tensor:
        """Uniform in [-eps, eps] around every pixel, brought into the box; drawn on the CPU, whatever the device."""
        noise = torch.rand(self.centre.shape, generator=generator, dtype=self.centre.dtype).to(self.centre.device)
        return self.project(self.centre + (2 * noise - 1) * self.radius)

    def corners(self, generator: torch.Generator) -> Tensor:
        """Every pixel and channel moved by eps, up or down by chance."""
        up = torch.rand(self.centre.shape, generator=generator, dtype=self.centre.dtype).to(self.centre.device) < 0.5
        return self.project(self.centre + torch.where(up, self.radius, -self.radius))


class Attack(ABC):
    """Looks for the images in a ball at which a victim does worst. Settings are fields of a frozen dataclass."""

    name: ClassVar[str]

    @property
    @abstractmethod
    def random(self) -> bool:
        """Whether another draw of random numbers gives another result, so that restarts are of use."""

    @abstractmethod
    def __call__(self, ball: Ball, victim: Victim, random: torch.Generator) -> Tensor:
        """Images [B, C, H, W] in the ball."""


def ascent(x_BCHW: Tensor, victim: Victim) -> tuple[Tensor, Tensor, Tensor | None]:
    """(gradient of the sum of the losses, losses, which are right) at ``x_BCHW``; a loss that does not depend on the
    images has gradient zero."""
    x_BCHW = x_BCHW.detach().requires_grad_()
    with torch.enable_grad():
        losses, right = victim(x_BCHW)
        if not losses.requires_grad:
            return torch.zeros_like(x_BCHW), losses.detach(), right
        (gradient,) = torch.autograd.grad(losses.sum(), x_BCHW, allow_unused=True)
    return torch.zeros_like(x_BCHW) if gradient is None else gradient, losses.detach(), right


__all__ = ["Attack", "Ball", "Victim", "ascent"]
