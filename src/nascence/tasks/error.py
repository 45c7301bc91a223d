"""A task's metric as something that is to be small."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from nascence.tasks.base import Metric, Task

_UNTRAINED = 1e6


@final
@dataclass(frozen=True)
class Error:
    """100 minus a metric in percent; of another metric, its value, or minus its value where larger is better.

    ``text``: in words.
    """

    metric: Metric
    text: str

    @classmethod
    def of(cls, task: Task) -> Error:
        metric = task.metric
        if metric.name == "accuracy":
            return cls(metric, "wrong answers")
        if metric.unit == "%" and metric.larger_is_better:
            return cls(metric, f"100 - {metric.name}")
        return cls(metric, f"-{metric.name}" if metric.larger_is_better else metric.name)

    @property
    def unit(self) -> str:
        return self.metric.unit

    @property
    def worst(self) -> float:
        """Of a network that cannot be trained."""
        return 100.0 if self.unit == "%" and self.metric.larger_is_better else _UNTRAINED

    def __call__(self, measures: Mapping[str, Any]) -> float:
        """From what :meth:`nascence.tasks.Task.measures` gives."""
        value = float(measures[self.metric.name])
        if not self.metric.larger_is_better:
            return value
        return 100 - value if self.unit == "%" else -value


__all__ = ["Error"]
