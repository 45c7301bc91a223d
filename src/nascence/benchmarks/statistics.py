"""Summaries of a result over seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from nascence.errors import DataError


@dataclass(frozen=True)
class Summary:
    """``count`` values; ``std`` is the sample's (n - 1 in the denominator), None for a single value."""

    mean: float
    std: float | None
    min: float
    max: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Summary:
        """Raises :class:`DataError` when there is nothing to summarise or a value is not finite."""
        if not values or not all(math.isfinite(value) for value in values):
            raise DataError(f"Cannot summarise {list(values)}: at least one value, all of them finite, is needed.")
        array = np.asarray(values, dtype=np.float64)
        std = float(array.std(ddof=1)) if len(array) > 1 else None
        return cls(float(array.mean()), std, float(array.min()), float(array.max()), len(array))

    def to_dict(self) -> dict[str, float | int | None]:
        return asdict(self)


def bootstrap_interval(
    values: Sequence[float],
    statistic: Callable[[np.ndarray], float] = np.mean,
    *,
    seed: int,
    level: float = 0.95,
    resamples: int = 2000,
) -> tuple[float, float]:
    """The percentile bootstrap interval of ``statistic`` (Efron 1979): resample with replacement, take quantiles."""
    if len(values) == 0 or not 0 < level < 1:
        raise DataError("A bootstrap interval needs at least one value and a level between 0 and 1.")
    array = np.asarray(values, dtype=np.float64)
    draws = np.random.default_rng(seed % 2**64).integers(len(array), size=(resamples, len(array)))
    results = np.array([statistic(array[draw]) for draw in draws])
    low, high = np.quantile(results, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


__all__ = ["Summary", "bootstrap_interval"]
