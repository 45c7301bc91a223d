"""Scores and data of a third party: a module of its own, so that workers can import it."""

from __future__ import annotations

import math
import os
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import torch

from nascence.benchmarks.selections import Selection
from nascence.benchmarks.streaming import ScoreStream
from nascence.engine.pool import LocalProcesses
from nascence.scores import Probe, Score
from nascence.seeding import generator
from nascence.spaces import get_space
from nascence.tasks import ImageClassification, ImageSet

NB201 = get_space("nas-bench-201")


@dataclass(frozen=True, kw_only=True)
class Dice(Score):
    """A random number by seed, draw and architecture; not finite for cells that begin with ``none``. Every call is
    noted with the process in ``log``; it waits while there are already as many notes as the file ``gate`` says."""

    name: ClassVar[str] = "dice"
    description: ClassVar[str] = "a random number"
    source: ClassVar[str] = "test"
    larger_is_better: ClassVar[bool] = True
    worst: ClassVar[float] = -math.inf

    log: str = ""
    gate: str = ""

    def __call__(self, probe: Probe) -> float:
        answers = probe.architecture.answers
        while self.gate and notes(self.log) >= int(Path(self.gate).read_text() or 0):
            time.sleep(0.002)
        if self.log:
            with open(self.log, "a") as file:
                file.write(f"{os.getpid()} {' '.join(answers)}\n")
        value = float(torch.rand(1, generator=generator(probe.seed, "dice", probe.draw, *answers)))
        return math.nan if answers[0] == "none" else value


def notes(log: str) -> int:
    return Path(log).read_bytes().count(b"\n") if Path(log).exists() else 0


@dataclass(frozen=True, kw_only=True)
class Convolutions(Score):
    """How many 3 x 3 convolutions the cell has, as it is written."""

    name: ClassVar[str] = "convolutions"
    description: ClassVar[str] = "number of 3 x 3 convolutions"
    source: ClassVar[str] = "test"
    larger_is_better: ClassVar[bool] = False
    worst: ClassVar[float] = math.inf
    random: ClassVar[bool] = False

    def __call__(self, probe: Probe) -> float:
        assert probe.draw == 0  # it has no randomness, so one draw is enough
        return float(probe.architecture.answers.count("nor_conv_3x3"))


def few_images(count: int = 40) -> ImageClassification:
    images = torch.randint(256, (count, 1, 8, 8), generator=generator(0), dtype=torch.uint8)
    part = ImageSet(images, torch.arange(count) % 2)
    return ImageClassification("few", ("a", "b"), part, part, (0.5,), (0.25,))


def stream(*scores: Score, count: int = 60, seed: int = 0, draws: int = 1) -> ScoreStream:
    selection = Selection.sample(NB201, count, 3)
    return ScoreStream(
        space=NB201,
        selection=selection,
        scores=scores or (Dice(), Convolutions()),
        load=partial(few_images),
        seed=seed,
        draws=draws,
    )


if __name__ == "__main__":  # a driver that the test kills: OUT LOG GATE
    import plugin_scores  # the workers know the scores under this name

    slow = plugin_scores.Dice(log=sys.argv[2], gate=sys.argv[3])
    plugin_scores.stream(slow, Convolutions()).run(LocalProcesses(2), out=Path(sys.argv[1]), resume=True)
