"""Size as a score: the baselines that every other score must beat."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, final

from nascence.costs import CostModel
from nascence.scores.base import Needs, Probe, Score
from nascence.spaces import Size, Space
from nascence.tasks.base import Signature


def _cost(probe: Probe, name: str) -> float:
    return _model(probe.space, probe.size("evaluation"), probe.task.signature).cost(name, probe.architecture)


@lru_cache(maxsize=4)
def _model(space: Space, size: Size, signature: Signature) -> CostModel:
    """Its prices are worth keeping: they hold for every architecture."""
    return CostModel(space, size, signature)


@dataclass(frozen=True, kw_only=True)
class Counted(Score):
    """What is counted of a network, whatever its weights and data: more is better."""

    larger_is_better: ClassVar[bool] = True
    worst: ClassVar[float] = 0.0
    needs: ClassVar[Needs] = "loss"
    random: ClassVar[bool] = False
    sees_paths: ClassVar[bool] = False


@final
@dataclass(frozen=True, kw_only=True)
class Params(Counted):
    """Parameters of the ``evaluation`` network."""

    name: ClassVar[str] = "params"
    description: ClassVar[str] = "number of parameters of the evaluation network"
    source: ClassVar[str] = "baseline"

    def __call__(self, probe: Probe) -> float:
        return _cost(probe, "params")


@final
@dataclass(frozen=True, kw_only=True)
class FLOPs(Counted):
    """FLOPs = 2 x MACs of one image through the ``evaluation`` network."""

    name: ClassVar[str] = "flops"
    description: ClassVar[str] = "FLOPs (2 x MACs, one image) of the evaluation network"
    source: ClassVar[str] = "baseline"

    def __call__(self, probe: Probe) -> float:
        return _cost(probe, "flops")
