"""How many images a network still tells right under an attack."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn

from nascence.attacks.base import Attack, Ball, Victim
from nascence.seeding import generator
from nascence.tasks.base import Batch, Task

EVERYTHING = "all"
"""The name of the worst case over all attacks."""


@final
@dataclass(frozen=True)
class Robustness:
    """``percent`` told right under ``attack`` of radius ``eps`` (pixel units), of ``images`` images, ``right`` of
    which are told right; ``error``: its standard error over images, in points."""

    attack: str
    eps: float
    right: int
    images: int

    @property
    def percent(self) -> float:
        return 100 * self.right / self.images

    @property
    def error(self) -> float:
        share = self.right / self.images
        return 100 * math.sqrt(share * (1 - share) / self.images)

    def to_dict(self) -> dict[str, Any]:
        return {
            "attack": self.attack,
            "eps": self.eps,
            "accuracy": self.percent,
            "error": self.error,
            "images": self.images,
        }


def victim_of(model: nn.Module, task: Task, batch: Batch) -> Victim:
    """What an attack sees of ``model`` on the examples of ``batch``. A training's auxiliary output is not looked at."""

    def victim(x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        output = model(x_BCHW)
        return task.each(output[0] if isinstance(output, tuple) else output, batch)

    return victim


@contextmanager
def at_rest(model: nn.Module) -> Iterator[None]:
    """``model`` in evaluation mode, its parameters without gradients; as it was afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    needed = [parameter.requires_grad for parameter in model.parameters()]
    model.eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
        for parameter, before in zip(model.parameters(), needed, strict=True):
            parameter.requires_grad_(before)


def taken(batch: Batch, at_B: Tensor) -> Batch:
    """Some examples of a batch, by booleans [B]."""
    return Batch(tuple(x[at_B] for x in batch.inputs), batch.target[at_B])


@torch.no_grad()
def right_of(model: nn.Module, task: Task, batch: Batch) -> Tensor:
    """Booleans [B]: which examples ``model`` tells right."""
    right = victim_of(model, task, batch)(batch.inputs[0])[1]
    assert right is not None
    return right


def survivors(
    model: nn.Module,
    task: Task,
    batch: Batch,
    attack: Attack,
    eps: float,
    *,
    restarts: int = 1,
    seed: int = 0,
    number: int = 0,
) -> Tensor:
    """Booleans [B]: which examples are told right as they are and after every one of ``restarts`` attacks.

    What is wrong already is not attacked. ``number``: of the batch, so that its random numbers are its own. The model
    is at rest (:func:`at_rest`).
    """
    right = right_of(model, task, batch)
    for restart in range(restarts if attack.random else 1):
        if not bool(right.any()):
            break
        left = taken(batch, right)
        ball = Ball(left.inputs[0], task.box(), eps)
        random = generator(seed, "attack", attack.name, number, restart)
        x_BCHW = attack(ball, victim_of(model, task, left), random)
        right = right.clone()
        right[right.nonzero()[:, 0]] = right_of(model, task, Batch((x_BCHW,), left.target))
    return right


def robustness(
    model: nn.Module,
    task: Task,
    batches: Sequence[Batch],
    attacks: Sequence[Attack],
    radii: Sequence[float],
    *,
    restarts: int = 1,
    seed: int = 0,
    told: Callable[[int, Robustness], None] = lambda done, latest: None,
) -> list[Robustness]:
    """What is told right without attack, under every attack of every radius, and, for several attacks, under all of
    them (:data:`EVERYTHING`). ``told`` hears how many of them are done, and the latest."""
    images = sum(len(batch.target) for batch in batches)
    found: list[Robustness] = []

    def add(name: str, eps: float, right: int) -> None:
        found.append(Robustness(name, eps, right, images))
        told(len(found), found[-1])

    with at_rest(model):
        add("none", 0.0, sum(int(right_of(model, task, batch).sum()) for batch in batches))
        for eps in radii:
            together: list[Tensor] | None = None
            for attack in attacks:
                rights = [
                    survivors(model, task, batch, attack, eps, restarts=restarts, seed=seed, number=number)
                    for number, batch in enumerate(batches)
                ]
                add(attack.name, eps, sum(int(right.sum()) for right in rights))
                together = rights if together is None else [a & b for a, b in zip(together, rights, strict=True)]
            if together is not None and len(attacks) > 1:
                add(EVERYTHING, eps, sum(int(right.sum()) for right in together))
    return found


__all__ = ["EVERYTHING", "Robustness", "at_rest", "right_of", "robustness", "survivors", "taken", "victim_of"]
