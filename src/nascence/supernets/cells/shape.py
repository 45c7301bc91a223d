"""What cells are made of: a graph, its edges, and who fills them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from torch import nn

from nascence.operations import NormConfig


@dataclass(frozen=True)
class CellShape:
    """A directed graph: ``inputs`` nodes come from outside, each of the ``nodes`` after them sums its incoming edges.

    ``output``: the last node, or the concatenation of all inner nodes. ``edges_per_node``: how many incoming edges of
    each node an architecture keeps; None for all.
    """

    inputs: int
    nodes: int
    output: Literal["last", "concat"]
    edges_per_node: int | None = None

    @cached_property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """(source, target) of every edge of the complete graph, by target, then by source."""
        targets = range(self.inputs, self.inputs + self.nodes)
        return tuple((source, target) for target in targets for source in range(target))

    def edges_into(self, target: int) -> list[int]:
        """Positions in :attr:`edges` of the edges into node ``target``."""
        return [at for at, edge in enumerate(self.edges) if edge[1] == target]


@dataclass(frozen=True)
class Edge:
    """What an operation on one edge of one cell is built from."""

    kind: str
    at: int
    channels: int
    stride: int
    norm: NormConfig


Fill = Callable[[Edge], nn.Module | None]

__all__ = ["CellShape", "Edge", "Fill"]
