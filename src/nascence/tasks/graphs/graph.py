"""A graph whose nodes have features and classes, and the checks that it passes before anything is trained on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from nascence.errors import DataError

UNKNOWN = -1
"""The label of a node whose class nobody knows; such a node belongs to no split, but its features and edges count."""


@final
@dataclass(frozen=True, eq=False)
class Graph:
    """``features`` float32 [N, F]; ``labels`` int64 [N] in 0..K-1, or :data:`UNKNOWN`; ``edges`` int64 [2, E], each a
    pair (source, target); an undirected edge stands twice, once for each direction. ``class_names``: K of them."""

    features: Tensor
    labels: Tensor
    edges: Tensor
    class_names: tuple[str, ...]

    @property
    def nodes(self) -> int:
        return len(self.labels)


def check_graph(name: str, features: Tensor, labels: Tensor, edges_2E: Tensor) -> None:
    """Raises :class:`DataError` where features, labels and edges do not make a graph."""
    if features.dim() != 2 or labels.dim() != 1 or features.shape[1] == 0:
        raise DataError(
            f"'{name}' has features of shape {tuple(features.shape)} and labels of shape {tuple(labels.shape)}; "
            "expected [nodes, features] and [nodes]."
        )
    if len(features) != len(labels):
        raise DataError(f"'{name}' has features of {len(features)} nodes but labels of {len(labels)}; make them equal.")
    if len(labels) == 0:
        raise DataError(f"'{name}' has no nodes.")
    if edges_2E.dim() != 2 or edges_2E.shape[0] != 2:
        raise DataError(f"'{name}' has edges of shape {tuple(edges_2E.shape)}; expected pairs of node numbers.")
    if edges_2E.numel() and (int(edges_2E.min()) < 0 or int(edges_2E.max()) >= len(labels)):
        wrong = edges_2E[:, ((edges_2E < 0) | (edges_2E >= len(labels))).any(0)][:, 0].tolist()
        raise DataError(
            f"'{name}' has an edge from node {wrong[0]} to node {wrong[1]}, but its nodes are 0 to {len(labels) - 1}."
        )
    bad = (~features.isfinite()).any(1).nonzero()[:, 0]
    if len(bad):
        raise DataError(
            f"'{name}' has features that are NaN or infinite at {len(bad)} nodes, node {int(bad[0])} first; "
            "fill them in or leave those nodes out."
        )


def one_way(edges_2E: Tensor, nodes: int) -> int:
    """How many edges have no edge back (an edge from a node to itself is its own)."""
    sources, targets = edges_2E
    codes, back = (sources * nodes + targets).unique(), (targets * nodes + sources).unique()
    return int((~torch.isin(codes, back)).sum())


def both_ways(edges_2E: Tensor, nodes: int) -> Tensor:
    """Every edge in both directions, each once, sorted by target and then source; int64 [2, E']."""
    sources, targets = torch.cat([edges_2E, edges_2E.flip(0)], dim=1)
    codes = (targets * nodes + sources).unique()
    return torch.stack([codes % nodes, codes // nodes])


def each_once(edges_2E: Tensor, nodes: int) -> Tensor:
    """Every directed edge once, sorted by target and then source."""
    codes = (edges_2E[1] * nodes + edges_2E[0]).unique()
    return torch.stack([codes % nodes, codes // nodes])


def make_graph(
    name: str,
    features: Tensor,
    labels: Tensor,
    edges_2E: Tensor,
    *,
    directed: bool = False,
    class_names: Sequence[str] | None = None,
) -> tuple[Graph, tuple[str, ...]]:
    """A checked graph, and what has to be said about how its edges were read.

    Edges mean both directions unless ``directed``. Labels may be any integers; classes are numbered in their order.
    Raises :class:`DataError`.
    """
    check_graph(name, features, labels, edges_2E)
    nodes, notes = len(labels), ()  # type: int, tuple[str, ...]
    if directed:
        edges = each_once(edges_2E, nodes)
    else:
        alone = one_way(edges_2E, nodes)
        edges = both_ways(edges_2E, nodes)
        if alone:
            notes = (
                f"{alone} of the {edges_2E.shape[1]} edges of '{name}' are given in one direction only; they are read "
                "as undirected, and the other direction was added.",
            )
    known = labels[labels != UNKNOWN]
    values = known.unique()
    if len(values) < 2:
        raise DataError(f"'{name}' has nodes of {len(values)} class; expected two classes or more.")
    if class_names is not None and (len(class_names) <= int(values.max()) or int(values.min()) < 0):
        raise DataError(
            f"'{name}' names {len(class_names)} classes, but has labels from {int(values.min())} to "
            f"{int(values.max())}."
        )
    if class_names is None:
        class_names = [str(value) for value in values.tolist()]
        numbered = torch.full_like(labels, UNKNOWN)
        numbered[labels != UNKNOWN] = torch.searchsorted(values, known)
        labels = numbered
    return Graph(features.float(), labels.long(), edges, tuple(class_names)), notes


__all__ = ["UNKNOWN", "Graph", "both_ways", "check_graph", "each_once", "make_graph", "one_way"]
