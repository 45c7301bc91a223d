"""A method is a recipe: a frozen set of settings with the paper's values as defaults, that builds a strategy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from nascence.costs.budget import BudgetChecker
from nascence.errors import SettingError
from nascence.spaces import NetworkConfig, Space
from nascence.strategies import Strategy
from nascence.tasks import ImageClassification


@dataclass(frozen=True)
class Problem:
    """What a method is asked to solve: everything but its own settings.

    ``network`` is the size of the network that will be trained in the end, and that the budget is about. ``data_dir``:
    where tables of benchmarks lie, for the baselines that read them.
    """

    space: Space
    task: ImageClassification
    network: NetworkConfig
    budget: BudgetChecker
    seed: int
    data_dir: str | None = None


@dataclass(frozen=True, kw_only=True)
class Method(ABC):
    """Settings as fields (``--set field=value``), the recipe in :meth:`strategy`."""

    name: ClassVar[str]
    title: ClassVar[str]
    paper: ClassVar[str]

    @property
    def reads_table(self) -> bool:
        """Whether a benchmark's table steers the search, which makes it a baseline."""
        return False

    @abstractmethod
    def strategy(self, problem: Problem) -> Strategy:
        """Raises :class:`nascence.errors.NascenceError` where the method cannot work on the problem."""


def at_least(least: float, **values: float | None) -> None:
    """Raise :class:`SettingError` for the first value that is there and below ``least``, or not a number."""
    for name, value in values.items():
        if value is not None and not value >= least:
            raise SettingError(f"The setting {name} must be at least {least:g}, not {value}.")
