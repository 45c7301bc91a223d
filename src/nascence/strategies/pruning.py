"""Pruning a supernet by indicators that need no training (TE-NAS, Chen et al., ICLR 2021, algorithm 1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import torch
from torch import Tensor

from nascence.architecture import Architecture
from nascence.costs.budget import BudgetChecker
from nascence.engine.forked import ParallelFunction
from nascence.errors import SettingError
from nascence.spaces import CellSpace
from nascence.strategies.base import Strategy
from nascence.supernets import MixingWeights


@dataclass(frozen=True)
class Indicator:
    """A number of a supernet under mixing weights, at a draw of weights and images.

    ``measure(weights, round, draw)`` gives [M] values for ``weights`` [M, E, O] per kind of cell; all share the draw.
    ``larger_is_better``: of the network that is left.
    """

    name: str
    larger_is_better: bool
    measure: Callable[[MixingWeights, int, int], Tensor]


@dataclass(frozen=True)
class Candidate:
    """A removal: operation ``operation`` of edge ``edge``, or the whole edge where ``operation`` is None."""

    kind: str
    edge: int
    operation: int | None


def relative_change(before: Tensor, after: Tensor) -> Tensor:
    """(before - after) / before for positive values, elementwise, with the limits where one of them is infinite; where
    ``before`` is zero, zero if nothing changed and minus infinity if the value grew."""
    ratio = after / before
    ratio = torch.where(after.isinf() & before.isinf(), 1.0, ratio)
    return 1 - torch.where((before == 0) & (after == 0), 1.0, ratio)


def log_change(before: Tensor, after: Tensor, *, largest: float = 50.0) -> Tensor:
    """log(before / after) of values >= 0, elementwise, between -+ ``largest``; zero where both are zero or infinite.

    The indicators are positive, and from draw to draw they vary by factors. The mean of :func:`relative_change`, which
    is bounded by 1 above and by nothing below, is then decided by the few draws in which a value grew most.
    """
    ratio = after / before
    same = (after.isinf() & before.isinf()) | ((after == 0) & (before == 0))
    return -torch.where(same, 1.0, ratio).log().clamp(-largest, largest)


@final
class SupernetPruning(Strategy):
    """Round after round, score the removal of every remaining operation and drop the worst ``prune`` of every edge.

    A removal's worth is the ``change`` of each indicator (:func:`log_change` or :func:`relative_change`), averaged over
    ``draws`` draws that all candidates of a round share. Candidates are ranked by each indicator over all edges and
    kinds of cell, equal values share a rank, and the ranks are added: small sums go first. Once every edge has one
    operation, a space that keeps fewer edges per node drops whole edges the same way, one node of one kind of cell at a
    time, ranking within the node.

    With a budget, a removal that would leave no architecture within it is passed over; one that keeps the budget within
    reach always exists. ``excluded`` operations take no part, unless the budget cannot be met without them. One step
    is one draw of one round.

    Raises :class:`SettingError` when ``draws`` or ``prune`` is below 1, :class:`BudgetError` when nothing is within the
    budget.
    """

    def __init__(
        self,
        space: CellSpace,
        indicators: Sequence[Indicator],
        *,
        draws: int,
        prune: int,
        budget: BudgetChecker,
        change: Callable[[Tensor, Tensor], Tensor] = log_change,
        excluded: Sequence[str] = ("none",),
    ) -> None:
        if draws < 1 or prune < 1:
            raise SettingError(f"Pruning needs at least 1 draw and 1 removal a round, got {draws} and {prune}.")
        self.space = space
        self.indicators = list(indicators)
        self.measure = ParallelFunction(partial(_measure, self.indicators))
        self.draws = draws
        self.prune = prune
        self.change = change
        self.budget = budget
        possible = {option for choice in space.choices for option in choice.options}
        allowed = torch.tensor([name in possible and name not in excluded for name in space.operations])
        self.remaining = {kind: allowed.repeat(len(space.shape.edges), 1) for kind in space.kinds}
        if not budget.feasible(self.remaining):
            budget.check()
            allowed = torch.tensor([name in possible for name in space.operations])
            self.remaining = {kind: allowed.repeat(len(space.shape.edges), 1) for kind in space.kinds}
        self.round = 0
        self.draw = 0
        self.sums: dict[str, Tensor] = {}
        self.blind: dict[str, int] = {}
        self._ahead: dict[int, dict[str, Tensor]] = {}
        self.operation_rounds = -(-max(int(allowed.sum()) - 1, 0) // prune)
        self.total_steps = draws * (self.operation_rounds + len(self._crowded_nodes()))

    def _crowded_nodes(self) -> list[tuple[str, list[int]]]:
        """(kind of cell, edges into one node) for every node with more edges than an architecture keeps."""
        shape, keep = self.space.shape, self.space.shape.edges_per_node
        nodes = range(shape.inputs, shape.inputs + shape.nodes)
        groups = [(kind, shape.edges_into(node)) for kind in self.space.kinds for node in nodes]
        return [] if keep is None else [(kind, edges) for kind, edges in groups if len(edges) > keep]

    def candidates(self) -> list[Candidate]:
        """The removals that the present round compares."""
        if self.round < self.operation_rounds:
            return [
                Candidate(kind, edge, operation)
                for kind, mask in self.remaining.items()
                for edge, operation in mask.nonzero().tolist()
                if mask[edge].sum() > 1
            ]
        kind, edges = self._crowded_nodes()[self.round - self.operation_rounds]
        return [Candidate(kind, edge, None) for edge in edges if self.remaining[kind][edge].any()]

    def advance(self) -> dict[str, Any]:
        candidates = self.candidates()
        weights = self.weights(candidates)
        event: dict[str, Any] = {"round": self.round, "draw": self.draw, "candidates": len(candidates)}
        measured = self._measured(weights)
        for indicator in self.indicators:
            values = measured[indicator.name]
            change = self.change(values[0], values[1:])
            self.sums[indicator.name] = self.sums.get(indicator.name, torch.zeros_like(change)) + change
            event[indicator.name] = float(values[0])
            if not values.isfinite().any():
                self.blind[indicator.name] = self.blind.get(indicator.name, 0) + 1
                event["warning"] = f"Round {self.round + 1}: {_blind(indicator.name, 'every candidate')}"
        self.draw += 1
        self.steps_done += 1
        if self.draw == self.draws:
            event["removed"] = self._remove(candidates)
            event["remaining"] = self._names()
            self.round, self.draw, self.sums = self.round + 1, 0, {}
            self._ahead = {}
        if self.done:
            self.measure.close()
        return event

    def _measured(self, weights: MixingWeights) -> dict[str, Tensor]:
        """Each indicator's values at the present draw. As many draws as there are threads are taken at once."""
        if self.draw not in self._ahead:
            draws = range(self.draw, min(self.draw + torch.get_num_threads(), self.draws))
            found = self.measure([(weights, self.round, draw) for draw in draws])
            self._ahead = dict(zip(draws, found, strict=True))
        return self._ahead.pop(self.draw)

    def weights(self, candidates: Sequence[Candidate]) -> dict[str, Tensor]:
        """Mixing weights [1 + M, E, O]: the present supernet, then each candidate; 1/k for k operations on an edge."""
        masks = {kind: mask.repeat(1 + len(candidates), 1, 1) for kind, mask in self.remaining.items()}
        for at, candidate in enumerate(candidates, start=1):
            gone = slice(None) if candidate.operation is None else candidate.operation
            masks[candidate.kind][at, candidate.edge, gone] = False
        return {kind: mask / mask.sum(-1, keepdim=True).clamp_min(1) for kind, mask in masks.items()}

    def scores(self, candidates: Sequence[Candidate]) -> Tensor:
        """[M]: the sum over indicators of the dense rank of the mean change; small goes first."""
        total = torch.zeros(len(candidates), dtype=torch.float64)
        for indicator in self.indicators:
            change = self.sums[indicator.name] / max(self.draw, 1)
            # by how much the indicator falls: wanted where small is better, a loss where large is
            total += dense_rank(change if indicator.larger_is_better else -change)
        return total

    def _remove(self, candidates: list[Candidate]) -> list[str]:
        """Drop what the round decides, worst first; returns the names of what went."""
        scores = self.scores(candidates)
        order = sorted(range(len(candidates)), key=lambda at: (float(scores[at]), at))
        whole_edges = candidates[0].operation is None
        keep = self.space.shape.edges_per_node
        quota = {(c.kind, c.edge): self.prune for c in candidates}
        left = len(candidates) - (keep or 0)
        removed = []
        for at in order:
            candidate = candidates[at]
            row = self.remaining[candidate.kind][candidate.edge]
            place = (candidate.kind, candidate.edge)
            if left == 0 if whole_edges else quota[place] == 0 or row.sum() == 1:
                continue
            before = row.clone()
            row[slice(None) if candidate.operation is None else candidate.operation] = False
            if not self.budget.feasible(self.remaining):
                row.copy_(before)
                continue
            quota[place] -= 1
            left -= 1
            removed.append(self._name(candidate))
        return removed

    def _name(self, candidate: Candidate) -> str:
        source, target = self.space.shape.edges[candidate.edge]
        what = "edge" if candidate.operation is None else self.space.operations[candidate.operation]
        return f"{candidate.kind} {target}<-{source} {what}"

    def _names(self) -> dict[str, dict[str, list[str]]]:
        """Per kind of cell and edge, what remains."""
        operations = self.space.operations
        names: dict[str, dict[str, list[str]]] = {}
        for kind, mask in self.remaining.items():
            names[kind] = {
                f"{target}<-{source}": [name for name, on in zip(operations, row.tolist(), strict=True) if on]
                for (source, target), row in zip(self.space.shape.edges, mask, strict=True)
            }
        return names

    def derive(self) -> Architecture:
        assert self.done
        chosen = {
            kind: {edge: self.space.operations[operation] for edge, operation in mask.nonzero().tolist()}
            for kind, mask in self.remaining.items()
        }
        return self.space.from_edge_operations(chosen)

    def findings(self) -> dict[str, Any]:
        """``collapse``, a sentence, where an indicator said nothing from the beginning to the end."""
        blind = [name for name, draws in self.blind.items() if draws == self.steps_done]
        return {"collapse": _blind(" and ".join(blind), "every candidate of every round")} if blind else {}

    def state_dict(self) -> dict[str, Any]:
        return {
            "steps_done": self.steps_done,
            "round": self.round,
            "draw": self.draw,
            "remaining": {kind: mask.clone() for kind, mask in self.remaining.items()},
            "sums": {name: value.clone() for name, value in self.sums.items()},
            "blind": dict(self.blind),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps_done, self.round, self.draw = state["steps_done"], state["round"], state["draw"]
        self.remaining = {kind: mask.clone() for kind, mask in state["remaining"].items()}
        self.sums = {name: value.clone() for name, value in state["sums"].items()}
        self.blind = dict(state.get("blind", {}))  # earlier versions did not count
        self._ahead = {}


def _blind(name: str, whose: str) -> str:
    return f"{name} is infinite for {whose} and tells nothing about them; the images may be all alike."


def _measure(indicators: Sequence[Indicator], item: tuple[MixingWeights, int, int]) -> dict[str, Tensor]:
    """By name, the values of every indicator at (mixing weights, round, draw)."""
    return {indicator.name: indicator.measure(*item).double() for indicator in indicators}


def dense_rank(values: Tensor) -> Tensor:
    """0 for the smallest, equal values share a rank, the next distinct value gets the next integer."""
    return torch.unique(values, return_inverse=True)[1].double()


__all__ = ["Candidate", "Indicator", "SupernetPruning", "dense_rank", "log_change", "relative_change"]
