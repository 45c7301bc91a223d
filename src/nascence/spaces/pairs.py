"""Cells in which every inner node keeps two of its incoming edges: choices, text and edges.

A node with a single predecessor, as the first one of a cell of one input, keeps that one.
"""

from __future__ import annotations

import itertools
import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import final

from torch import nn

from nascence.architecture import Architecture
from nascence.errors import ArchitectureError
from nascence.spaces.base import Choice, NetworkConfig
from nascence.spaces.cells import Cell, CellShape, CellSpace, Fill
from nascence.spaces.stacks import CellStack, Place

_PLACES = ("first", "second")


def pair_choices(kinds: Iterable[str], shape: CellShape, options: tuple[str, ...]) -> tuple[Choice, ...]:
    """Per kind of cell and node: the predecessors, the operation on the lower-numbered one, and on the other."""
    choices = []
    for kind, target in itertools.product(kinds, inner_nodes(shape)):
        sources = ["+".join(map(str, pair)) for pair in itertools.combinations(range(target), min(2, target))]
        choices.append(Choice(f"{kind}/{target}/inputs", tuple(sources)))
        choices += [Choice(f"{kind}/{target}/{place}", options) for place in _PLACES[: min(2, target)]]
    return tuple(choices)


def inner_nodes(shape: CellShape) -> range:
    """The numbers of the nodes after the inputs."""
    return range(shape.inputs, shape.inputs + shape.nodes)


def format_cell(shape: CellShape, cell: Mapping[int, str]) -> str:
    """``|op~0|op~1|+|op~i|op~j|+...`` of the operations by edge."""
    nodes = []
    for target in inner_nodes(shape):
        kept = [at for at in shape.edges_into(target) if at in cell]
        nodes.append("".join(f"|{cell[at]}~{shape.edges[at][0]}" for at in kept) + "|")
    return "+".join(nodes)


def cell_pairs(shape: CellShape, text: str) -> list[list[tuple[str, str]]] | None:
    """Per node the (operation, source) of :func:`format_cell`'s form, or None when the text has another form."""
    nodes = [re.findall(r"(?<![^|~+])([^|~+]+)~([0-9])\|", node) for node in text.split("+")]
    again = "+".join("".join(f"|{operation}~{source}" for operation, source in node) + "|" for node in nodes)
    expected = [min(2, target) for target in inner_nodes(shape)]
    return nodes if again == text and [len(node) for node in nodes] == expected else None


class PairCellSpace(CellSpace):
    """A space whose choices are those of :func:`pair_choices`, kind after kind, and whose networks are stacks of cells.
    The text is ``KIND:`` and :func:`format_cell`'s form, kind after kind, separated by semicolons."""

    @abstractmethod
    def places(self, network: NetworkConfig) -> Sequence[Place]:
        """The cells of a network of that size, one after the other."""

    @final
    def stack(
        self,
        fill: Fill,
        network: NetworkConfig,
        in_channels: int,
        num_classes: int,
        cell: Callable[..., nn.Module] = Cell,
    ) -> nn.Module:
        network.refuse(self.name, "stages")
        return CellStack(self.places(network), self.shape, cell, fill, network, in_channels, num_classes)

    @final
    def format(self, architecture: Architecture) -> str:
        cells = self.edge_operations(architecture)
        return ";".join(f"{kind}:{format_cell(self.shape, cells[kind])}" for kind in self.kinds)

    def cell_of(self, kind: str, nodes: Sequence[Sequence[tuple[str, str]]], text: str) -> dict[int, str]:
        """The operations by edge from (operation, source) pairs per node; ``text`` is what an error quotes."""
        cell: dict[int, str] = {}
        for target, pairs in zip(inner_nodes(self.shape), nodes, strict=True):
            for operation, source in pairs:
                edge = (int(source), target)
                if edge not in self.shape.edges or self.shape.edges.index(edge) in cell:
                    raise ArchitectureError(
                        f"In '{text}', node {target} of the {kind} cell cannot take input {source}; it needs two "
                        f"different ones below {target}."
                    )
                cell[self.shape.edges.index(edge)] = operation
        return cell

    @final
    def edge_operations(self, architecture: Architecture) -> dict[str, dict[int, str]]:
        answers = iter(architecture.answers)
        cells: dict[str, dict[int, str]] = {kind: {} for kind in self.kinds}
        for kind, target in itertools.product(self.kinds, inner_nodes(self.shape)):
            for source in next(answers).split("+"):
                cells[kind][self.shape.edges.index((int(source), target))] = next(answers)
        return cells

    @final
    def from_edge_operations(self, chosen: Mapping[str, Mapping[int, str]]) -> Architecture:
        answers: list[str] = []
        edges = len(self.shape.edges)
        for kind in self.kinds:
            unknown = set(chosen.get(kind, {})) - set(range(edges))
            if unknown:
                raise ArchitectureError(
                    f"The {kind} cell of {self.name} has edges 0 to {edges - 1}, not {sorted(unknown)}."
                )
        for kind, target in itertools.product(self.kinds, inner_nodes(self.shape)):
            kept = [at for at in self.shape.edges_into(target) if at in chosen.get(kind, {})]
            if len(kept) != min(2, target):
                raise ArchitectureError(
                    f"Node {target} of the {kind} cell needs {('one incoming edge', 'two incoming edges')[target > 1]} "
                    f"in {self.name}, got {len(kept)}."
                )
            answers.append("+".join(str(self.shape.edges[at][0]) for at in kept))
            answers += [chosen[kind][at] for at in kept]
        return self.architecture(answers)


__all__ = ["PairCellSpace", "cell_pairs", "format_cell", "inner_nodes", "pair_choices"]
