"""Neighbour sampling: the part of a large graph that a batch of nodes needs (Hamilton, Ying & Leskovec, NeurIPS 2017).

PyTorch Geometric's ``NeighborLoader`` does the same, but needs a compiled library beside it (pyg-lib or torch-sparse)
and draws from global random state; here a batch follows from its generator alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor


@final
class NeighbourSampler:
    """Draws, hop by hop, at most ``fanouts[h]`` distinct edges into every node that was reached in hop h.

    A batch of B nodes then has at most B (1 + f_1 + f_1 f_2 + ...) nodes, whatever the size of the graph.
    """

    def __init__(self, edges_2E: Tensor, nodes: int, fanouts: Sequence[int]) -> None:
        self.fanouts = tuple(fanouts)
        targets, order_E = edges_2E[1].sort(stable=True)
        self._sources = edges_2E[0][order_E]
        counts = torch.bincount(targets, minlength=nodes)
        self._counts = counts
        self._starts = counts.cumsum(0) - counts
        self._local = torch.full((nodes,), -1, dtype=torch.long)

    def sample(self, seeds_B: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """(nodes [n], of which the first B are ``seeds_B``; edges [2, e] between their positions)."""
        local = self._local
        nodes, frontier, edges = [seeds_B], seeds_B, []
        local[seeds_B] = torch.arange(len(seeds_B))
        known = len(seeds_B)
        for fanout in self.fanouts:
            sources, targets = self._into(frontier, fanout, generator)
            fresh = sources[local[sources] < 0].unique()
            local[fresh] = torch.arange(known, known + len(fresh))
            edges.append(torch.stack([local[sources], local[targets]]))
            nodes.append(fresh)
            frontier, known = fresh, known + len(fresh)
        reached = torch.cat(nodes)
        local[reached] = -1
        return reached, torch.cat(edges, dim=1)

    def _into(self, nodes_n: Tensor, fanout: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Sources and targets of the drawn edges: all of a node's where it has no more than ``fanout``, else those
        with the ``fanout`` smallest random keys."""
        counts = self._counts[nodes_n]
        targets = torch.repeat_interleave(nodes_n, counts)
        first = counts.cumsum(0) - counts
        place = torch.arange(len(targets)) - torch.repeat_interleave(first, counts)
        at = torch.repeat_interleave(self._starts[nodes_n], counts) + place
        if len(counts) and int(counts.max()) > fanout:
            keys = torch.rand(len(at), generator=generator)
            owner = torch.repeat_interleave(torch.arange(len(nodes_n)), counts)
            order = (owner + keys.double()).argsort()
            at, targets = at[order][place < fanout], targets[place < fanout]
        return self._sources[at], targets


__all__ = ["NeighbourSampler"]
