"""Whether a network only hides its gradients from attacks, so that their failure says nothing about it.

The signs are those of Athalye, Carlini & Wagner ("Obfuscated gradients give a false sense of security", ICML 2018,
section 3.1) and of Carlini et al. ("On evaluating adversarial robustness", arXiv 1902.06705).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, final

import torch
from torch import Tensor, nn

from nascence.attacks.base import Ball, ascent
from nascence.attacks.fgsm import FGSM
from nascence.attacks.pgd import PGD
from nascence.attacks.robustness import at_rest, right_of, survivors, taken, victim_of
from nascence.seeding import generator
from nascence.tasks.base import Batch, Task

UNBOUNDED = 0.5
"""Within half of a pixel's range every image can become an evenly grey one, about which nothing can be told."""
_NOISES, _STEPS = 20, 20
_SLACK = 2.0
"""Differences of fewer points are chance."""
_MOST_STILL, _MOST_LEFT = 0.05, 0.05


@final
@dataclass(frozen=True)
class Masking:
    """What was looked at; shares are of the images that are told right without attack, in percent.

    ``still``: have a gradient of exactly zero. ``one_step``, ``many_steps``: are told right after FGSM, after PGD.
    ``noise``: are told right after PGD and wrong at one of some random corners of the ball. ``unbounded``: are told
    right after PGD with a radius of half of a pixel's range.
    """

    still: float
    one_step: float
    many_steps: float
    noise: float
    unbounded: float
    images: int

    @property
    def signs(self) -> list[str]:
        """A sentence for every sign of masked gradients; none for a network that shows none."""
        found = []
        if self.still > 100 * _MOST_STILL:
            found.append(f"the gradient is exactly zero at {self.still:.0f} % of the images")
        if self.many_steps > self.one_step + _SLACK:
            found.append(
                f"many small steps fool less than one large one ({self.many_steps:.1f} % are told right, not "
                f"{self.one_step:.1f} %)"
            )
        if self.noise > _SLACK:
            found.append(f"random noise fools {self.noise:.1f} % of the images where gradients do not")
        if self.unbounded > 100 * _MOST_LEFT:
            found.append(
                f"{self.unbounded:.0f} % of the images are told right after changes of up to half of a pixel's range"
            )
        return found

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "signs": self.signs}


def look_for_masking(
    model: nn.Module, task: Task, batches: Sequence[Batch], eps: float, *, seed: int = 0
) -> Masking | None:
    """Look for masked gradients at the radius ``eps``; None where no image is told right without attack."""
    counts = dict.fromkeys(("still", "one_step", "many_steps", "noise", "unbounded"), 0)
    images = 0
    with at_rest(model):
        for number, whole in enumerate(batches):
            batch = taken(whole, right_of(model, task, whole))
            if not len(batch.target):
                continue
            images += len(batch.target)
            gradient, _, _ = ascent(batch.inputs[0], victim_of(model, task, batch))
            counts["still"] += int((gradient.flatten(1) == 0).all(1).sum())
            for name, attack, radius in (
                ("one_step", FGSM(), eps),
                ("many_steps", PGD(steps=_STEPS), eps),
                ("unbounded", PGD(steps=_STEPS), UNBOUNDED),
            ):
                left = survivors(model, task, batch, attack, radius, seed=seed, number=number)
                counts[name] += int(left.sum())
                if name == "many_steps":
                    counts["noise"] += _fooled_by_noise(model, task, taken(batch, left), eps, seed, number)
    if not images:
        return None
    return Masking(**{name: 100 * count / images for name, count in counts.items()}, images=images)


@torch.no_grad()
def _fooled_by_noise(model: nn.Module, task: Task, batch: Batch, eps: float, seed: int, number: int) -> int:
    if not len(batch.target):
        return 0
    random = generator(seed, "attack", "noise", number)
    ball = Ball(batch.inputs[0], task.box(), eps)
    right: Tensor = torch.ones(len(batch.target), dtype=torch.bool, device=batch.target.device)
    for _ in range(_NOISES):
        right &= right_of(model, task, Batch((ball.corners(random),), batch.target))
    return int((~right).sum())


__all__ = ["UNBOUNDED", "Masking", "look_for_masking"]
