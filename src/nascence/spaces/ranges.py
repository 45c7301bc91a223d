"""What a hyperparameter may be: a few values, or an interval in which its logarithm is uniform."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, final


@final
@dataclass(frozen=True)
class Values:
    """One of ``values``."""

    values: tuple[Any, ...]

    def __contains__(self, value: Any) -> bool:
        return value in self.values


@final
@dataclass(frozen=True)
class LogUniform:
    """Between ``low`` and ``high``, both above 0, every power of ten as likely as any other."""

    low: float
    high: float

    def __post_init__(self) -> None:
        assert 0 < self.low < self.high
        assert math.isfinite(self.high)

    def __contains__(self, value: Any) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high


Range = Values | LogUniform

__all__ = ["LogUniform", "Range", "Values"]
