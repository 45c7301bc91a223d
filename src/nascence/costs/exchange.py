"""Choosing an option of each choice within limits where costs are no sums: by exchanges, since exact methods need sums.

Two starts. From the best options of all choices, the exchange of one answer that loses the least score per violation it
saves, until nothing is violated; and from the cheapest network upwards, the exchange that gains the most score per cost
it adds. Each is then improved as long as the exchange of one answer, or of two at once, fits and raises the score; the
better one is taken. What comes out is always within the limits, and no exchange of two answers improves it unless
``MAX_PAIRS`` were looked at in vain; it may still be short of the best.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]
Costs = Callable[[Positions], Floats]
"""Positions of the options [N, C] -> costs [N, K]."""

MAX_PAIRS = 200_000
_CHUNK = 4096
_TINY = 1e-12


def exchange(
    scores: Sequence[Floats],
    costs: Costs,
    limits: Floats,
    max_pairs: int = MAX_PAIRS,
    *,
    start: Positions | None = None,
) -> Positions | None:
    """Positions [C] of a large sum of ``scores`` with all ``costs`` within ``limits`` [K]; None when none was found.

    ``scores``: per choice [options]; minus infinity forbids. ``start``: where to begin instead of the best options.
    ``max_pairs``: how many exchanges of two answers are looked at in all; fewer where costs are slow.
    """
    if any(len(row) == 0 or not (row > -np.inf).any() for row in scores):
        return None
    best = np.array([int(row.argmax()) for row in scores], dtype=np.intp) if start is None else start
    search = _Exchange(scores, costs, limits, max_pairs)
    end = search.down(best)
    if all(np.ptp(row[row > -np.inf]) == 0 for row in scores):  # whatever fits will do
        return search.down(search.cheapest(best)) if end is None else end
    found = [each for each in (end, search.up(best)) if each is not None]
    if not found:
        return None
    return max((search.improved(end) for end in found), key=search.score)


class _Exchange:
    def __init__(self, scores: Sequence[Floats], costs: Costs, limits: Floats, max_pairs: int) -> None:
        self.scores, self.costs, self.limits, self.pairs_left = scores, costs, limits, max_pairs
        self.options = [np.flatnonzero(row > -np.inf) for row in scores]

    def score(self, at: Positions) -> float:
        return float(sum(row[option] for row, option in zip(self.scores, at, strict=True)))

    def violations(self, positions: Positions) -> Floats:
        """By how much each limit is exceeded, as a part of itself, summed: [N]."""
        return np.maximum(self.costs(positions) / self.limits - 1, 0.0).sum(axis=1)

    def prices(self, positions: Positions) -> Floats:
        """All costs in units of the limits, summed: [N]."""
        return (self.costs(positions) / self.limits).sum(axis=1)

    def changes(self, at: Positions) -> tuple[NDArray[np.intp], Floats]:
        """(choice, option) [M, 2] of every other allowed answer, and what it gains [M]."""
        pairs = [(place, option) for place, row in enumerate(self.options) for option in row if option != at[place]]
        moves = np.array(pairs, dtype=np.intp).reshape(-1, 2)
        gains = [self.scores[place][option] - self.scores[place][at[place]] for place, option in pairs]
        return moves, np.array(gains, dtype=np.float64)

    def down(self, at: Positions) -> Positions | None:
        """Until nothing is violated; where greed gets stuck, from there on without looking at the score."""
        at = at.copy()
        violation = float(self.violations(at[None])[0])
        while violation > 0:
            moves, gains = self.changes(at)
            saved = violation - self.violations(_moved(at, moves))
            useful = saved > _TINY
            if not useful.any():
                return None
            loss_per_saved = np.where(useful, -gains / np.where(useful, saved, 1.0), np.inf)
            move = int(np.lexsort((-saved, loss_per_saved))[0])
            at[moves[move, 0]] = moves[move, 1]
            violation = float(self.violations(at[None])[0])
        return at

    def up(self, best: Positions) -> Positions | None:
        """From the cheapest, in units of the limits, that single exchanges lead to."""
        cheap = self.down(self.cheapest(best))
        if cheap is None:
            return None
        at = cheap
        while True:
            moves, gains = self.changes(at)
            rising = gains > _TINY
            moves, gains = moves[rising], gains[rising]
            if len(moves) == 0:
                return at
            costs = self.costs(np.concatenate([at[None], _moved(at, moves)])) / self.limits
            fits = (costs[1:] <= 1).all(axis=1)
            if not fits.any():
                return at
            added = np.maximum((costs[1:] - costs[0]).sum(axis=1), _TINY)
            move = int(np.where(fits, gains / added, -np.inf).argmax())
            at[moves[move, 0]] = moves[move, 1]

    def cheapest(self, at: Positions) -> Positions:
        at = at.copy()
        price = float(self.prices(at[None])[0])
        while True:
            moves, _ = self.changes(at)
            prices = self.prices(_moved(at, moves)) if len(moves) else np.array([np.inf])
            move = int(prices.argmin())
            if prices[move] >= price - _TINY:
                return at
            at[moves[move, 0]] = moves[move, 1]
            price = float(prices[move])

    def improved(self, at: Positions) -> Positions:
        """Exchanges of one answer, then of two, until none helps."""
        while True:
            better = self._better_by_one(at)
            if better is None:
                better = self._better_by_two(at)
            if better is None:
                return at
            at = better

    def _better_by_one(self, at: Positions) -> Positions | None:
        moves, gains = self.changes(at)
        rising = np.flatnonzero(gains > _TINY)
        rising = rising[np.argsort(-gains[rising], kind="stable")]
        return self._first_within(_moved(at, moves[rising]))

    def _better_by_two(self, at: Positions) -> Positions | None:
        moves, gains = self.changes(at)
        one, two = np.triu_indices(len(moves), 1)
        together = gains[one] + gains[two]
        useful = (together > _TINY) & (moves[one, 0] != moves[two, 0])
        one, two, together = one[useful], two[useful], together[useful]
        order = np.argsort(-together, kind="stable")[: max(0, self.pairs_left)]
        for first in range(0, len(order), _CHUNK):
            some = order[first : first + _CHUNK]
            self.pairs_left -= len(some)
            positions = _moved(at, moves[one[some]])
            positions[np.arange(len(some)), moves[two[some], 0]] = moves[two[some], 1]
            found = self._first_within(positions)
            if found is not None:
                return found
        return None

    def _first_within(self, positions: Positions) -> Positions | None:
        if len(positions) == 0:
            return None
        fits = np.flatnonzero((self.costs(positions) <= self.limits).all(axis=1))
        return positions[fits[0]] if len(fits) else None


def _moved(at: Positions, moves: NDArray[np.intp]) -> Positions:
    """[M, C]: each with one change."""
    positions = np.repeat(at[None], len(moves), axis=0)
    positions[np.arange(len(moves)), moves[:, 0]] = moves[:, 1]
    return positions


__all__ = ["MAX_PAIRS", "Costs", "exchange"]
