"""The fast gradient sign method (Goodfellow, Shlens & Szegedy, ICLR 2015), with and without a random start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, final

import torch
from torch import Tensor

from nascence.attacks.base import Attack, Ball, Victim, ascent


@final
@dataclass(frozen=True, kw_only=True)
class FGSM(Attack):
    """x' = P(x0 + step * eps * sign of the loss's gradient), P the projection onto the ball.

    ``start``: ``image``: gradient and step begin at the image. ``random``: both at a random point of the ball (Wong,
    Rice & Kolter, ICLR 2020, with step 1.25). ``late``: the gradient is the image's, the step begins at a random point
    (the search of E2RNAS, with step 1.25).
    """

    name: ClassVar[str] = "fgsm"
    step: float = 1.0
    start: Literal["image", "random", "late"] = "image"

    @property
    def random(self) -> bool:
        return self.start != "image"

    def __call__(self, ball: Ball, victim: Victim, random: torch.Generator) -> Tensor:
        begin = ball.centre if self.start == "image" else ball.random(random)
        gradient, _, _ = ascent(begin if self.start == "random" else ball.centre, victim)
        return ball.project(begin + self.step * ball.radius * gradient.sign())


__all__ = ["FGSM"]
