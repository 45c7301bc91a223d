"""Topology as a variable of its own: a distribution over the sets of incoming edges that every node may keep.

Two papers of 2020 share this core: DOTS (Gu et al., CVPR 2021, arXiv 2010.00969) and *Explicitly Learning Topology*
(Huang et al., arXiv 2011.09300). For node j with admissible sets C_j and logits beta_j [S_j], at temperature T,

    q_j(c) = softmax(beta_j / T)_c,    gamma_ij = sum over the c in C_j that hold (i, j) of q_j(c),

so gamma_ij is the probability that edge (i, j) stays, and with one-hot q the sums of the derived cell are computed.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import final

import torch
from torch import Tensor

from nascence.architecture import Architecture
from nascence.costs.budget import BudgetChecker
from nascence.errors import SettingError
from nascence.spaces import CellSpace

MOST_EDGES = 10
"""Into one node: 2^10 sets. Larger nodes need edges that are drawn one by one."""


@final
@dataclass(frozen=True)
class Topology:
    """The sets of incoming edges of every node of every kind of cell of ``space``.

    Exactly ``edges_per_node`` edges where the space says so (``darts``: 1, 3, 6, 10 pairs). Where it keeps all edges
    but knows the operation ``none`` (``nas-bench-201``), a dropped edge has ``none`` on it, and the sets are all
    non-empty ones, with ``empty`` also the empty one. Without ``none`` nothing can be dropped: one set a node.

    A variable is called ``<kind>/<node>/inputs``, as the space's own choice where it has one. Sets are sorted by size,
    then lexicographically. Raises :class:`SettingError` for a node of more than ``MOST_EDGES`` edges.
    """

    space: CellSpace
    empty: bool = False

    @property
    def fixed(self) -> bool:
        """Whether every node keeps a number of edges that the space prescribes."""
        return self.space.shape.edges_per_node is not None

    @cached_property
    def sets(self) -> dict[str, tuple[tuple[int, ...], ...]]:
        """Per variable the sets, each as positions in the shape's edges."""
        shape = self.space.shape
        found = {}
        for kind in self.space.kinds:
            for node in range(shape.inputs, shape.inputs + shape.nodes):
                edges = shape.edges_into(node)
                if len(edges) > MOST_EDGES:
                    raise SettingError(
                        f"Node {node} of {self.space.name} has {len(edges)} incoming edges and 2^{len(edges)} sets of "
                        f"them; a topology can be learnt for at most {MOST_EDGES}."
                    )
                if shape.edges_per_node is not None:
                    sizes = range(shape.edges_per_node, shape.edges_per_node + 1)
                elif "none" in self.space.operations:
                    sizes = range(0 if self.empty else 1, len(edges) + 1)
                else:
                    sizes = range(len(edges), len(edges) + 1)
                found[f"{kind}/{node}/inputs"] = tuple(
                    kept for size in sizes for kept in itertools.combinations(edges, size)
                )
        return found

    def of_kind(self, kind: str) -> list[str]:
        """The variables of one kind of cell, by node."""
        return [name for name in self.sets if name.startswith(f"{kind}/")]

    def zeros(self) -> dict[str, Tensor]:
        """Logits of the uniform distribution, one [S_j] a variable."""
        return {name: torch.zeros(len(sets)) for name, sets in self.sets.items()}

    def log_probabilities(self, logits: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """ln q [S_j] per variable at temperature 1, without gradient: which set is the largest depends on none."""
        return {name: logits[name].detach().log_softmax(-1) for name in self.sets}

    def probabilities(self, logits: Mapping[str, Tensor], temperature: float = 1.0) -> dict[str, Tensor]:
        """q [..., S_j] per variable."""
        return {name: (logits[name] / temperature).softmax(-1) for name in self.sets}

    def edge_weights(self, q: Mapping[str, Tensor], average: bool = False) -> dict[str, Tensor]:
        """gamma [..., E] per kind of cell: the probability of every edge (with sets of two, they sum to 2 at a node).

        ``average`` divides a set's share by its size, so that the weights of a node sum to 1 whatever it keeps (DOTS'
        formula for flexible numbers of edges).
        """
        weights = {}
        for kind in self.space.kinds:
            total: Tensor | None = None
            for name in self.of_kind(kind):
                member = self._membership(name, average, q[name])
                total = q[name] @ member if total is None else total + q[name] @ member
            assert total is not None
            weights[kind] = total
        return weights

    def one_hot(self, kept: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
        """The distributions that surely keep the sets ``kept``, one a variable."""
        return {
            name: torch.nn.functional.one_hot(torch.tensor(sets.index(kept[name])), len(sets)).double()
            for name, sets in self.sets.items()
        }

    def entropy(self, q: Mapping[str, Tensor]) -> float:
        """Mean entropy of the variables that have a choice, each as a share of ln S_j; 0 when none has."""
        shares = [
            float(torch.special.entr(value.double()).sum(-1).mean()) / math.log(value.shape[-1])
            for value in q.values()
            if value.shape[-1] > 1
        ]
        return sum(shares) / len(shares) if shares else 0.0

    def _membership(self, name: str, average: bool, like: Tensor) -> Tensor:
        """[S_j, E]: 1 (or 1 / size) where a set holds an edge."""
        sets = self.sets[name]
        member = like.new_zeros(len(sets), len(self.space.shape.edges))
        for row, edges in enumerate(sets):
            member[row, list(edges)] = 1 / max(len(edges), 1) if average else 1.0
        return member

    def derive(
        self,
        log_q: Mapping[str, Tensor],
        operations: Mapping[str, Tensor],
        budget: BudgetChecker,
        valid: Callable[[Mapping[str, tuple[int, ...]]], bool] = lambda kept: True,
    ) -> Architecture:
        """The most probable sets of edges among the ``valid`` ones, and on every kept edge the operation of the largest
        score that is not ``none``; within the budget, the largest sum of both, an edge's scores counted from its best.

        ``log_q`` [S_j] per variable, ``operations`` [E, O] per kind (minus infinity: not allowed). ``valid`` is asked
        only where the space leaves the number of edges open. Raises :class:`nascence.errors.BudgetError`.
        """
        usable = {kind: self._usable(value) for kind, value in operations.items()}
        scores = {kind: value - value.amax(-1, keepdim=True) for kind, value in usable.items()}
        if self.fixed:
            return budget.best({**scores, **log_q}, {kind: value > -torch.inf for kind, value in scores.items()})
        finite = {kind: value.clamp_min(-1e9) for kind, value in scores.items()}
        if "none" in self.space.operations:
            for value in finite.values():
                value[:, self.space.operations.index("none")] = 0.0
        for accept in (valid, lambda kept: True):  # a budget that only invalid topologies meet gets one of them
            best: tuple[float, Architecture] | None = None
            for total, kept in self._by_probability(log_q):
                if best is not None and best[0] >= total:  # the operations add nothing above zero
                    break
                remaining = self._remaining(kept, scores)
                if accept(kept) and budget.feasible(remaining):
                    found = budget.best(finite, remaining)
                    total += self._sum(finite, found)
                    if best is None or total > best[0]:
                        best = total, found
            if best is not None:
                return best[1]
        budget.check()
        raise AssertionError("a budget that something meets is met by some topology")

    def _sum(self, scores: Mapping[str, Tensor], architecture: Architecture) -> float:
        return sum(
            float(scores[kind][at, self.space.operations.index(name)])
            for kind, edges in self.space.edge_operations(architecture).items()
            for at, name in edges.items()
        )

    def _usable(self, scores_EO: Tensor) -> Tensor:
        scores_EO = scores_EO.double().clone()
        if "none" in self.space.operations:
            scores_EO[:, self.space.operations.index("none")] = -torch.inf
        return scores_EO

    def _remaining(self, kept: Mapping[str, tuple[int, ...]], scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
        remaining = {}
        for kind, value in scores.items():
            on = torch.zeros(len(value), dtype=torch.bool)
            for name in self.of_kind(kind):
                on[list(kept[name])] = True
            allowed = (value > -torch.inf) & on[:, None]
            if "none" in self.space.operations:
                allowed[:, self.space.operations.index("none")] = ~on
            remaining[kind] = allowed
        return remaining

    def _by_probability(self, log_q: Mapping[str, Tensor]) -> Iterator[tuple[float, dict[str, tuple[int, ...]]]]:
        """Every topology with its log-probability, the most probable first, found as it is asked for."""
        names = list(self.sets)
        ranked = [sorted(enumerate(log_q[name].double().tolist()), key=lambda pair: -pair[1]) for name in names]

        def total(ranks: tuple[int, ...]) -> float:
            return sum(values[rank][1] for values, rank in zip(ranked, ranks, strict=True))

        first = (0,) * len(names)
        heap, seen = [(-total(first), first)], {first}
        while heap:
            lost, ranks = heapq.heappop(heap)
            picks = zip(names, ranked, ranks, strict=True)
            yield -lost, {name: self.sets[name][values[rank][0]] for name, values, rank in picks}
            for place, rank in enumerate(ranks):
                after = (*ranks[:place], rank + 1, *ranks[place + 1 :])
                if rank + 1 < len(ranked[place]) and after not in seen:
                    seen.add(after)
                    heapq.heappush(heap, (-total(after), after))


def grouped_softmax(logits_EO: Tensor, groups: tuple[tuple[int, ...], ...]) -> Tensor:
    """A softmax over each group of operations by itself: every group's weights of an edge sum to 1 (DOTS, section 4.2).

    Operations in no group weigh zero.
    """
    columns = [column for group in groups for column in group]
    parts = torch.cat([logits_EO[..., list(group)].softmax(-1) for group in groups], dim=-1)
    return torch.zeros_like(logits_EO).index_copy(-1, torch.tensor(columns, device=logits_EO.device), parts)


__all__ = ["MOST_EDGES", "Topology", "grouped_softmax"]
