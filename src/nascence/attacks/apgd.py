"""Auto-PGD on the cross-entropy (Croce & Hein, "Reliable evaluation of adversarial robustness with an ensemble of
diverse parameter-free attacks", ICML 2020, section 3): momentum, and a step size that halves itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from nascence.attacks.base import Attack, Ball, Victim, ascent
from nascence.errors import SettingError


@final
@dataclass(frozen=True, kw_only=True)
class APGD(Attack):
    """APGD-CE, Algorithm 1 of the paper, for every image on its own. Of two points that fool the network, or two that
    do not, the one of the larger loss is returned; one that fools it before one that does not.

    ``momentum``: alpha. ``progress``: rho, the share of steps in which the loss must have grown for the step size to
    stay. The first step is 2 eps.
    """

    name: ClassVar[str] = "apgd"
    steps: int = 50
    momentum: float = 0.75
    progress: float = 0.75

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise SettingError(f"An attack takes at least 1 step, not {self.steps}.")

    @property
    def random(self) -> bool:
        return True

    def __call__(self, ball: Ball, victim: Victim, random: torch.Generator) -> Tensor:
        before = x = ball.random(random)
        gradient, loss, right = ascent(x, victim)
        best, best_loss, best_gradient = x, loss, gradient
        found, found_loss, found_right = x, loss, _or_true(right, loss)
        size = torch.full_like(loss, 2.0)
        size_then, best_then = size.clone(), best_loss.clone()
        grew = torch.zeros_like(loss)
        checkpoints, last = set(_checkpoints(self.steps)), 0
        for step in range(1, self.steps + 1):
            x_next = ball.project(x + _wide(size) * ball.radius * gradient.sign())
            if step > 1:
                x_next = ball.project(x + self.momentum * (x_next - x) + (1 - self.momentum) * (x - before))
            before, x = x, x_next
            loss_before = loss
            gradient, loss, right = ascent(x, victim)
            grew += (loss > loss_before).to(loss.dtype)
            right = _or_true(right, loss)
            worse = (found_right & ~right) | ((found_right == right) & (loss > found_loss))
            found = torch.where(_wide(worse), x, found)
            found_loss, found_right = torch.where(worse, loss, found_loss), torch.where(worse, right, found_right)
            better = loss > best_loss
            best, best_loss = torch.where(_wide(better), x, best), torch.where(better, loss, best_loss)
            best_gradient = torch.where(_wide(better), gradient, best_gradient)
            if step in checkpoints:
                slow = grew < self.progress * (step - last)
                stuck = (size == size_then) & (best_loss == best_then)
                size_then, best_then = size.clone(), best_loss.clone()
                halve = slow | stuck
                size = torch.where(halve, size / 2, size)
                x, gradient = torch.where(_wide(halve), best, x), torch.where(_wide(halve), best_gradient, gradient)
                loss = torch.where(halve, best_loss, loss)
                grew, last = torch.zeros_like(loss), step
        return found


def _checkpoints(steps: int) -> list[int]:
    """w_j = ceil(p_j steps) with p_0 = 0, p_1 = 0.22, p_(j+1) = p_j + max(p_j - p_(j-1) - 0.03, 0.06), below 1."""
    before, share = 0.0, 0.22
    found = []
    while share <= 1:
        found.append(math.ceil(round(share * steps, 9)))
        before, share = share, share + max(share - before - 0.03, 0.06)
    return found


def _wide(value_B: Tensor) -> Tensor:
    return value_B[:, None, None, None]


def _or_true(right: Tensor | None, like_B: Tensor) -> Tensor:
    return torch.ones_like(like_B, dtype=torch.bool) if right is None else right


__all__ = ["APGD"]
