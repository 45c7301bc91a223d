"""The stages of a search: how long each takes, and what changes when it begins."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, final

from nascence.errors import SettingError
from nascence.schedules import Moment


@final
@dataclass(frozen=True, kw_only=True)
class Stage:
    """``epochs`` of a search, in the first ``warmup`` of which only the network's weights are trained.

    When it begins: ``keep``: so many operations of every edge stay (None: all that are left); ``partial`` K: 1/K of the
    channels go through the operations, the network is widened when K falls; ``restart``: new weights, and the learning
    rate's cosine begins again. ``level``: ``single`` trains weights and architecture together on the same batches of
    all images (in its warm-up the weights alone on their half); ``bilevel`` each on its half; ``architecture`` the
    architecture alone, the weights as they are.
    """

    epochs: int
    warmup: int = 0
    keep: int | None = None
    partial: int = 1
    restart: bool = False
    level: Literal["bilevel", "single", "architecture"] = "bilevel"

    def __post_init__(self) -> None:
        if self.epochs < 1 or not 0 <= self.warmup <= self.epochs:
            raise SettingError(
                f"A stage has at least 1 epoch and at most as many of them as warm-up, not {self.epochs} with a warm-up"
                f" of {self.warmup}."
            )
        if self.partial < 1 or (self.keep is not None and self.keep < 1):
            raise SettingError("A stage keeps at least 1 operation per edge and 1/K of the channels, K at least 1.")


def parse_stages(texts: Sequence[str], warmup: int = 0) -> tuple[Stage, ...]:
    """Stages from ``EPOCHS:OPERATIONS:K`` each, such as ``25:7:6`` then ``25:4:4``. Raises :class:`SettingError`."""
    stages = []
    for text in texts:
        parts = text.split(":")
        if len(parts) != 3 or not all(part.strip().isdigit() for part in parts):
            raise SettingError(f"'{text}' is no stage; expected EPOCHS:OPERATIONS:K, such as 25:7:6 (1/6 of channels).")
        epochs, keep, partial = map(int, parts)
        stages.append(Stage(epochs=epochs, warmup=warmup, keep=keep, partial=partial))
    for before, after in itertools.pairwise(stages):
        assert before.keep is not None
        assert after.keep is not None
        if after.keep > before.keep or after.partial > before.partial:
            raise SettingError("From stage to stage the number of operations and K can only fall or stay.")
    return tuple(stages)


@final
@dataclass(frozen=True)
class Epoch:
    """``moment``; its ``stage``; the learning rate's cosine is at epoch ``cosine_at`` of ``cosine_of``."""

    moment: Moment
    stage: Stage
    cosine_at: int
    cosine_of: int

    @property
    def architecture_alone(self) -> bool:
        """Whether the weights stay as they are."""
        return self.stage.level == "architecture" and not self.moment.frozen

    @property
    def joint(self) -> bool:
        """Whether weights and architecture take their steps together, on all images."""
        return self.stage.level == "single" and not self.moment.frozen


@final
@dataclass(frozen=True)
class Chunk:
    """Steps ``first`` up to ``last`` of an epoch of ``steps``."""

    epoch: Epoch
    first: int
    last: int
    steps: int


def timetable(stages: Sequence[Stage]) -> list[Epoch]:
    """Every epoch of a search in ``stages``."""
    total = sum(stage.epochs for stage in stages)
    starts = [sum(stage.epochs for stage in stages[:at]) for at in range(len(stages))]
    restarts = [start for at, (start, stage) in enumerate(zip(starts, stages, strict=True)) if stage.restart or not at]
    moves = sum(stage.epochs - stage.warmup for stage in stages)
    moved = 0
    epochs = []
    for number, (start, stage) in enumerate(zip(starts, stages, strict=True)):
        begin = max(restart for restart in restarts if restart <= start)
        end = min((restart for restart in restarts if restart > start), default=total)
        for at in range(stage.epochs):
            frozen = at < stage.warmup
            moment = Moment(start + at, total, number, at, stage.epochs, frozen, moved, moves)
            moved += not frozen
            epochs.append(Epoch(moment, stage, start + at - begin, end - begin))
    return epochs


def chunked(epochs: Sequence[Epoch], steps_of: Callable[[Epoch], int], size: int) -> list[Chunk]:
    """The steps of all ``epochs``, up to ``size`` in a chunk."""
    return [
        Chunk(epoch, first, min(first + size, steps), steps)
        for epoch in epochs
        for steps in (steps_of(epoch),)
        for first in range(0, steps, size)
    ]


__all__ = ["Chunk", "Epoch", "Stage", "chunked", "parse_stages", "timetable"]
