"""Several searches, one after the other, and the best of what they found by a value of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, final

from nascence.architecture import Architecture
from nascence.strategies.base import Strategy


@final
class Candidates(Strategy):
    """Runs ``searches`` to their ends; then values every different architecture by ``value``, larger being better.

    A search is made when its turn comes, so that memory holds one at a time. A step is a step of a search, whose event
    it passes on with the number of the ``search`` (from 1), or one value: ``candidate``, ``architecture``, ``value``
    and ``seconds``. With a single search there is nothing to compare, and nothing is valued.
    """

    def __init__(
        self, searches: Sequence[Callable[[], Strategy]], value: Callable[[Architecture], float], parse: Callable
    ) -> None:
        assert searches
        self.searches, self.value, self._parse = tuple(searches), value, parse
        self.at, self.search = 0, self.searches[0]()
        self._each = self.search.total_steps
        self.steps_done = 0
        self.found: list[Architecture] = []
        self.findings_of: list[dict[str, Any]] = []
        self.values: dict[str, float] = {}

    @property
    def total_steps(self) -> int:  # type: ignore[override]
        count = len(self.searches)
        valued = count if self.at < count else len(self.distinct)
        return count * self._each + (valued if count > 1 else 0)

    @property
    def distinct(self) -> list[Architecture]:
        """What was found, each once, in the order in which it was found first."""
        return list(dict.fromkeys(self.found))

    def advance(self) -> dict[str, Any]:
        assert not self.done
        self.steps_done += 1
        if self.at < len(self.searches):
            event = {"search": self.at + 1, **self.search.advance()}
            if self.search.done:
                self.found.append(self.search.derive())
                self.findings_of.append(self.search.findings())
                self.at += 1
                if self.at < len(self.searches):
                    self.search = self.searches[self.at]()
            return event
        architecture = self.distinct[len(self.values)]
        began = time.perf_counter()
        value = self.value(architecture)
        self.values[str(architecture)] = value
        return {
            "candidate": len(self.values),
            "architecture": str(architecture),
            "value": value,
            "seconds": time.perf_counter() - began,
        }

    def derive(self) -> Architecture:
        assert self.done
        return max(self.distinct, key=lambda one: self.values.get(str(one), 0.0))

    def findings(self) -> dict[str, Any]:
        """Those of the search that found what is derived; and the candidates with their values, where there are
        several."""
        own = self.findings_of[self.found.index(self.derive())]
        return {**own, "candidates": dict(self.values)} if len(self.searches) > 1 else own

    def expected_seconds(self) -> float | None:
        """Of the searches that are left, as long as the present one takes; values come on top."""
        if self.at >= len(self.searches):
            return None
        one = self.search.expected_seconds()
        if one is None:
            return None
        whole = one * self._each / max(1, self._each - self.search.steps_done)
        return one + whole * (len(self.searches) - 1 - self.at)

    def state_dict(self) -> dict[str, Any]:
        return {
            "steps_done": self.steps_done,
            "at": self.at,
            "search": self.search.state_dict() if self.at < len(self.searches) else None,
            "found": [str(one) for one in self.found],
            "findings": self.findings_of,
            "values": dict(self.values),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.at = state["at"]
        if self.at < len(self.searches):
            self.search = self.searches[self.at]()
            self.search.load_state_dict(state["search"])
        self.found = [self._parse(text) for text in state["found"]]
        self.findings_of, self.values = list(state["findings"]), dict(state["values"])
        self.steps_done = state["steps_done"]


__all__ = ["Candidates"]
