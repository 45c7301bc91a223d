"""What every strategy offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, final

from nascence.architecture import Architecture
from nascence.strategies.found import Found
from nascence.strategies.pareto import Front


class Strategy(ABC):
    """A walk over a space in resumable steps (a :class:`nascence.runs.Resumable`), ending in an architecture.

    A walk that ends in a whole front says so by :meth:`front`, and derives the front's knee.
    """

    total_steps: int
    steps_done: int = 0

    @property
    def averages(self) -> bool:
        """Whether several processes can compute it together, each on a share of every batch."""
        return False

    @property
    def done(self) -> bool:
        return self.steps_done >= self.total_steps

    @abstractmethod
    def advance(self) -> dict[str, Any]:
        """One step; returns its event. Subclasses count it in ``steps_done``."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Everything a fresh object of the same settings needs to continue, ``steps_done`` included."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None: ...

    @abstractmethod
    def derive(self) -> Architecture:
        """The result. Only when :attr:`done`; within the budget the strategy was given."""

    def findings(self) -> dict[str, Any]:
        """What else a finished search has to say, for its record: ``collapsed``, and ``collapse`` in a sentence."""
        return {}

    def expected_seconds(self) -> float | None:
        """How long the rest of the search will take on this machine, measured; None where nobody knows."""
        return None

    def ensemble(self) -> tuple[Architecture, ...] | None:
        """All of the result, where it is several networks that answer together; None elsewhere. Only when
        :attr:`done`."""
        return None

    def front(self) -> Front | None:
        """All of the result, where it is a front; None where it is the one architecture. Only when :attr:`done`."""
        return None

    @final
    def outcome(self) -> Found:
        """The result, whatever its form. Only when :attr:`done`."""
        front, ensemble = self.front(), self.ensemble()
        if front is not None:
            return Found("front", front.architectures, front.knee, front.values, front.objectives)
        if ensemble is not None:
            return Found("ensemble", ensemble, ensemble.index(self.derive()))
        return Found("one", (self.derive(),))
