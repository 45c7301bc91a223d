"""Choosing one option in each of several groups: the largest sum of scores with every sum of costs within its limit.

The multiple-choice knapsack problem with several limits. Solved exactly by dynamic programming over the groups: states
are partial sums; a state is dropped when even the cheapest completion breaks a limit, when another state costs the same
or less and scores the same or more, or when a Lagrangian bound proves that it cannot beat the best solution known. Only
if more than ``MAX_STATES`` survive, the most promising are kept; then the result may be short of the best, but it is
always within the limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_STATES = 200_000
_DUAL_STEPS = 150

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Group:
    """Options of one group: ``costs`` [N, K] and ``scores`` [N], all finite."""

    costs: Array
    scores: Array


def choose(groups: Sequence[Group], limits: Array) -> list[int] | None:
    """The best option's position in each group, or None when nothing is within ``limits`` [K].

    Among equal sums of scores: the smallest costs, in the order of the limits; then the first options.
    """
    if any(len(group.scores) == 0 for group in groups):
        return None
    order = [np.lexsort((*group.costs.T[::-1], -group.scores)) for group in groups]
    groups = [Group(group.costs[at], group.scores[at]) for group, at in zip(groups, order, strict=True)]
    picks = [0] * len(groups)
    if not _within(groups, picks, limits):
        found = _dynamic(groups, limits)
        if found is None:
            return None
        picks = found
    return [int(at[pick]) for at, pick in zip(order, picks, strict=True)]


def _within(groups: Sequence[Group], picks: Sequence[int], limits: Array) -> bool:
    return bool(np.all(_total(groups, picks) <= limits))


def _total(groups: Sequence[Group], picks: Sequence[int]) -> Array:
    total = np.zeros(groups[0].costs.shape[1])
    for group, pick in zip(groups, picks, strict=True):
        total = total + group.costs[pick]
    return total


def _score(groups: Sequence[Group], picks: Sequence[int]) -> float:
    return float(sum(group.scores[pick] for group, pick in zip(groups, picks, strict=True)))


def _dynamic(groups: Sequence[Group], limits: Array) -> list[int] | None:
    cheapest = np.array([group.costs.min(axis=0) for group in groups])
    if np.any(cheapest.sum(axis=0) > limits):
        return None
    incumbent, prices = _lagrangian(groups, limits)
    least = -np.inf if incumbent is None else _score(groups, incumbent)
    slack = 0.0 if incumbent is None else 1e-9 * (1 + abs(least))
    # What the groups after each one cost at least, and score at most at the prices.
    reduced = [group.scores - group.costs @ prices for group in groups]
    rest_cost = np.vstack([np.cumsum(cheapest[::-1], axis=0)[::-1][1:], np.zeros_like(limits)])
    rest_score = np.append(np.cumsum([part.max() for part in reduced][::-1])[::-1][1:], 0.0)
    costs, scores = np.zeros((1, len(limits))), np.zeros(1)
    trail: list[tuple[NDArray[np.intp], NDArray[np.intp]]] = []
    for place, group in enumerate(groups):
        options = len(group.scores)
        costs = (costs[:, None] + group.costs[None]).reshape(-1, len(limits))
        scores = (scores[:, None] + group.scores[None]).reshape(-1)
        bound = scores - costs @ prices + rest_score[place] + prices @ limits
        keep = np.flatnonzero(np.all(costs + rest_cost[place] <= limits, axis=1) & (bound >= least - slack))
        keep = keep[_undominated(costs[keep], scores[keep])]
        if len(keep) > MAX_STATES:
            keep = np.sort(keep[np.argsort(-bound[keep], kind="stable")[:MAX_STATES]])
        costs, scores = costs[keep], scores[keep]
        trail.append((keep // options, keep % options))
    if len(scores) == 0 or scores.max() < least:
        return incumbent
    state = int(np.lexsort((*costs.T[::-1], -scores))[0])
    picks = []
    for parents, chosen in reversed(trail):
        picks.append(int(chosen[state]))
        state = int(parents[state])
    return picks[::-1]


def _undominated(costs: Array, scores: Array) -> NDArray[np.intp]:
    """Positions of the states to keep, ascending: with one cost exactly the Pareto front, with more the best score of
    each combination of costs."""
    if len(scores) == 0:
        return np.zeros(0, dtype=np.intp)
    order = np.lexsort((-scores, *costs.T[::-1]))
    ordered = costs[order]
    if costs.shape[1] == 1:
        best_before = np.concatenate([[-np.inf], np.maximum.accumulate(scores[order])[:-1]])
        keep = scores[order] > best_before
        keep[0] = True
    else:
        keep = np.concatenate([[True], np.any(ordered[1:] != ordered[:-1], axis=1)])
    return np.sort(order[keep])


def _lagrangian(groups: Sequence[Group], limits: Array) -> tuple[list[int] | None, Array]:
    """A good solution within the limits, if one is met on the way, and prices >= 0 per unit of each cost at which the
    Lagrangian bound is small (any prices give a valid bound)."""
    scale = np.maximum(limits, 1e-12)
    step = sum(float(np.ptp(group.scores)) for group in groups) or 1.0
    prices = best_prices = np.zeros(len(limits))
    incumbent: list[int] | None = None
    best_bound = np.inf
    directions = np.vstack([np.eye(len(limits)), np.ones(len(limits))]) / scale
    starts = [[int(np.argmin(group.costs @ direction)) for group in groups] for direction in directions]
    for attempt in range(_DUAL_STEPS + len(starts)):
        dual = attempt >= len(starts)
        picks = [int(np.argmax(group.scores - group.costs @ prices)) for group in groups] if dual else starts[attempt]
        total = _total(groups, picks)
        if np.all(total <= limits) and (incumbent is None or _score(groups, picks) > _score(groups, incumbent)):
            incumbent = picks
        if dual:
            bound = _score(groups, picks) + float(prices @ (limits - total))
            if bound < best_bound:
                best_bound, best_prices = bound, prices
            step *= 0.95
            prices = np.maximum(prices + step * (total - limits) / scale / scale, 0.0)
    return incumbent, best_prices


__all__ = ["MAX_STATES", "Group", "choose"]
