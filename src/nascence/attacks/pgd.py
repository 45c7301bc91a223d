"""Projected gradient ascent on the loss (Madry et al., ICLR 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from nascence.attacks.base import Attack, Ball, Victim, ascent
from nascence.errors import SettingError


@final
@dataclass(frozen=True, kw_only=True)
class PGD(Attack):
    """x <- P(x + step * sign of the loss's gradient at x), ``steps`` times, from a random point of the ball.

    ``step``: in units of eps; None for 2.5 / steps, with which every point of the ball is within reach.
    ``random_start``: False begins at the image itself, a weaker attack.
    """

    name: ClassVar[str] = "pgd"
    steps: int = 20
    step: float | None = None
    random_start: bool = True

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise SettingError(f"An attack takes at least 1 step, not {self.steps}.")

    @property
    def random(self) -> bool:
        return self.random_start

    def __call__(self, ball: Ball, victim: Victim, random: torch.Generator) -> Tensor:
        x_BCHW = ball.random(random) if self.random_start else ball.centre
        step = (2.5 / self.steps if self.step is None else self.step) * ball.radius
        for _ in range(self.steps):
            gradient, _, _ = ascent(x_BCHW, victim)
            x_BCHW = ball.project(x_BCHW + step * gradient.sign())
        return x_BCHW


__all__ = ["PGD"]
