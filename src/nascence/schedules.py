"""Numbers that change over a search: the weight of an objective, the temperature of a relaxation."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, final

Over = Literal["search", "stage", "moves"]


@final
@dataclass(frozen=True)
class Moment:
    """Where a search stands, in epochs from 0: ``epoch`` of ``epochs`` in all, ``stage_epoch`` of ``stage_epochs`` in
    stage number ``stage``. ``frozen``: the architecture takes no steps in this epoch (a warm-up). ``moved``: how many
    epochs before this one it took steps in, of ``moves`` in all."""

    epoch: int
    epochs: int
    stage: int = 0
    stage_epoch: int = 0
    stage_epochs: int = 1
    frozen: bool = False
    moved: int = 0
    moves: int = 1

    def share(self, over: Over = "search", reach: bool = False) -> float:
        """The share of the search, of its present stage, or of the epochs with steps of the architecture (``moves``)
        that is over: 0 in its first epoch; in the last epoch 1 if ``reach``, else (n - 1) / n."""
        at, of = {
            "search": (self.epoch, self.epochs),
            "stage": (self.stage_epoch, self.stage_epochs),
            "moves": (self.moved, self.moves),
        }[over]
        return at / max(1, of - 1) if reach else at / of


class Schedule(ABC):
    """A number for every moment of a search."""

    @abstractmethod
    def __call__(self, moment: Moment) -> float: ...


@final
@dataclass(frozen=True)
class Constant(Schedule):
    value: float

    def __call__(self, moment: Moment) -> float:
        return self.value


@final
@dataclass(frozen=True)
class Linear(Schedule):
    """From ``start`` towards ``end``, the same step every epoch; ``reach``: the last epoch has ``end`` itself."""

    start: float
    end: float
    over: Over = "search"
    reach: bool = False

    def __call__(self, moment: Moment) -> float:
        return self.start + (self.end - self.start) * moment.share(self.over, self.reach)


@final
@dataclass(frozen=True)
class Exponential(Schedule):
    """From ``start`` towards ``end``, the same factor every epoch; both positive."""

    start: float
    end: float
    over: Over = "search"
    reach: bool = True

    def __call__(self, moment: Moment) -> float:
        return self.start * math.exp(math.log(self.end / self.start) * moment.share(self.over, self.reach))


@final
@dataclass(frozen=True)
class Ramp(Schedule):
    """From 0 in the first epoch of the search up to ``end`` after ``epochs`` of them, and there it stays."""

    end: float
    epochs: int

    def __call__(self, moment: Moment) -> float:
        return self.end * min(1.0, moment.epoch / self.epochs) if self.epochs else self.end


@final
@dataclass(frozen=True)
class ByStage(Schedule):
    """``values[n]`` in stage number n."""

    values: tuple[float, ...]

    def __call__(self, moment: Moment) -> float:
        return self.values[moment.stage]


@final
@dataclass(frozen=True)
class Falling(Schedule):
    """``start`` until the share ``until`` of the search is over, from there on a straight line to 0 at its end."""

    start: float
    until: float

    def __call__(self, moment: Moment) -> float:
        return self.start * min(1.0, (1 - moment.share("search")) / (1 - self.until))


@final
@dataclass(frozen=True)
class Cosine(Schedule):
    """From ``start`` along half a cosine towards ``end``, which follows the last epoch (Loshchilov & Hutter 2017)."""

    start: float
    end: float
    over: Over = "search"

    def __call__(self, moment: Moment) -> float:
        return self.end + (self.start - self.end) * (1 + math.cos(math.pi * moment.share(self.over))) / 2


__all__ = ["ByStage", "Constant", "Cosine", "Exponential", "Falling", "Linear", "Moment", "Ramp", "Schedule"]
