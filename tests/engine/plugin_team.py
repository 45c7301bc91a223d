"""Searches and trainings for several processes; a module of its own, so that the other ones can import it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nascence.costs import Budget
from nascence.engine.compute import Compute
from nascence.methods import METHODS, Problem
from nascence.seeding import seeded_globally
from nascence.spaces import NetworkConfig
from nascence.tasks import load_task
from nascence.testing import ToyDenoising, toy_denoiser_space
from nascence.training import Training, TrainingConfig

STEPS = 10
SEARCH = {"epochs": 10, "batch_size": 8, "channels": 4, "check_images": 4, "architecture_learning_rate": 0.05}


def searching(method: str, settings: dict[str, Any], world: int, rank: int, threads: int) -> Any:
    """A search without batch normalisation, whose statistics would be those of a share."""
    space, task, size = toy_denoiser_space(), ToyDenoising.make(), NetworkConfig(channels=4)
    checker = Budget().bind(space, size, signature=task.signature)
    compute = Compute(rank=rank, world=world)
    made = METHODS.get(method)(**{**SEARCH, **settings})
    return made.strategy(Problem(space, task, size, checker, 0, None, compute))


def training(world: int, rank: int, threads: int, batch_size: int = 64, normalised: bool = False) -> Training:
    with seeded_globally(0):
        model = nn.Sequential(
            nn.Conv2d(1, 6, 3, 2), nn.BatchNorm2d(6) if normalised else nn.Identity(), nn.ReLU(), nn.Flatten(),
            nn.Linear(54, 10),
        )  # fmt: skip
    config = TrainingConfig(epochs=3, batch_size=batch_size, learning_rate=0.05, clip_norm=1.0)
    return Training(model, load_task("digits"), config, seed=0, compute=Compute(rank=rank, world=world))


class Broken:
    """Work that another process cannot go on with: it ``raises``, or is killed."""

    total_steps, steps_done, done = 2, 0, False

    def __init__(self, how: str, folder: str, rank: int, threads: int) -> None:
        self.how, self.rank = how, rank
        (Path(folder) / f"{os.getpid()}").touch()

    def advance(self) -> dict[str, Any]:
        if self.rank and self.how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.rank and self.how == "raises":
            raise ValueError("something odd")
        Compute(rank=self.rank, world=2).average([torch.ones(3)])
        return {}
