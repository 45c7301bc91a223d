"""How the costs of all architectures of a space are spread."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray

from nascence.costs.model import CostModel
from nascence.seeding import generator

ALL = 2_000_000
"""Up to so many architectures, every one is looked at, where costs add up."""
DRAWS = 100_000
MEASURED_DRAWS = 60
Floats = NDArray[np.float64]


@final
@dataclass(frozen=True)
class Survey:
    """Costs [N] by name, of all architectures (``exact``) or of N drawn uniformly; all names of the same ones."""

    exact: bool
    values: Mapping[str, Floats]

    @property
    def count(self) -> int:
        return len(next(iter(self.values.values())))

    def median(self, name: str) -> float:
        return float(np.median(self.values[name]))

    def share(self, limits: Mapping[str, float]) -> float:
        """The part of the architectures that meets all limits, inclusive."""
        within = [self.values[name] <= limit for name, limit in limits.items()]
        return float(np.logical_and.reduce(within).mean()) if within else 1.0


def survey(model: CostModel, names: Sequence[str], *, seed: int = 0, seconds: float = 0.5, least: int = 10) -> Survey:
    """All architectures where their costs add up and they are at most :data:`ALL`, else :data:`DRAWS` draws; where
    costs do not add up, as many draws as can be counted in ``seconds``, but at least ``least``; where latencies have to
    be measured for it, :data:`MEASURED_DRAWS`."""
    if not all(model.adds_up(name) for name in names):
        return Survey(False, _counted(model, names, seed, seconds, least))
    prices = {name: model.prices(name) for name in names}
    if model.space.size <= ALL:
        return Survey(True, {name: reduce(np.add.outer, parts).ravel() for name, parts in prices.items()})
    random = generator(seed, "survey")
    picks = [torch.randint(len(group.answers), (DRAWS,), generator=random).numpy() for group in model.groups]
    draws = {
        name: np.sum([part[pick] for part, pick in zip(parts, picks, strict=True)], axis=0)
        for name, parts in prices.items()
    }
    return Survey(False, draws)


def _counted(model: CostModel, names: Sequence[str], seed: int, seconds: float, least: int) -> dict[str, Floats]:
    random = generator(seed, "survey")
    rows: list[list[float]] = []
    began = time.monotonic()
    if "latency_ms" in names:  # so many, whatever they take: how many fit into a time would change what is told
        seconds, least = 0.0, MEASURED_DRAWS
    while len(rows) < least or (time.monotonic() - began < seconds and len(rows) < DRAWS):
        architecture = model.space.sample(random)
        rows.append([model.cost(name, architecture) for name in names])
    return dict(zip(names, np.array(rows).T, strict=True))


__all__ = ["Survey", "survey"]
