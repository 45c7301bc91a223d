"""Cell spaces: one or several small graphs with an operation on every edge, stacked by a fixed macro-architecture.

The same :class:`Cell` holds one operation per edge (a derived network) or a mixed one (a supernet); who fills the edges
is said by the ``fill`` function that :meth:`CellSpace.stack` is given.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn

from nascence.architecture import Architecture
from nascence.errors import SettingError
from nascence.operations import NormConfig, build_operation
from nascence.spaces.base import NetworkConfig, Space
from nascence.spaces.relaxable import RelaxableSpace
from nascence.supernets.cells.shape import CellShape, Edge, Fill
from nascence.supernets.cells.sharing import Sharing
from nascence.supernets.cells.supernet import CellSupernet
from nascence.supernets.groups import ChoiceGroup
from nascence.tasks.base import Signature


class Cell(nn.Module):
    """One cell: ``inputs`` [B, C_i, H_i, W_i] through ``preprocess`` to [B, C, H, W], then node after node."""

    def __init__(
        self,
        shape: CellShape,
        kind: str,
        channels: int,
        norm: NormConfig,
        fill: Fill,
        preprocess: Sequence[nn.Module] = (),
        reduction: bool = False,
    ) -> None:
        super().__init__()
        self.kind = kind
        self.shape = shape
        self.drop_path = 0.0
        self.preprocess = nn.ModuleList(preprocess)
        self.operations = nn.ModuleList()
        self.edges: list[tuple[int, int]] = []
        for at, (source, target) in enumerate(shape.edges):
            stride = 2 if reduction and source < shape.inputs else 1
            operation = fill(Edge(kind, at, channels, stride, norm))
            if operation is not None:
                self.edges.append((source, target))
                self.operations.append(operation)

    def forward(self, *inputs_BCHW: Tensor) -> Tensor:
        states = list(inputs_BCHW)
        if self.preprocess:
            states = [module(x) for module, x in zip(self.preprocess, inputs_BCHW, strict=True)]
        for target in range(self.shape.inputs, self.shape.inputs + self.shape.nodes):
            incoming = [
                self._apply_edge(operation, states[source])
                for (source, to), operation in zip(self.edges, self.operations, strict=True)
                if to == target
            ]
            states.append(sum(incoming[1:], incoming[0]))
        return torch.cat(states[self.shape.inputs :], dim=1) if self.shape.output == "concat" else states[-1]

    def _apply_edge(self, operation: nn.Module, x_BCHW: Tensor) -> Tensor:
        out = operation(x_BCHW)
        if self.training and self.drop_path > 0 and not isinstance(operation, nn.Identity):
            keep = 1 - self.drop_path
            mask = out.new_empty(out.shape[0], 1, 1, 1).bernoulli_(keep)
            out = out * (mask / keep)
        return out


class CellSpace(RelaxableSpace):
    """A space of cells of one or several kinds, all of one shape.

    ``operations``: the candidates of a supernet, in the order of its mixing weights; an architecture may allow fewer.
    """

    shape: CellShape
    kinds: tuple[str, ...]
    operations: tuple[str, ...]
    supernet_options: ClassVar[tuple[str, ...]] = ("partial", "sharing", "initialisation")

    @abstractmethod
    def stack(
        self,
        fill: Fill,
        network: NetworkConfig,
        in_channels: int,
        num_classes: int,
        cell: Callable[..., nn.Module] = Cell,
    ) -> nn.Module:
        """The whole network with ``fill`` deciding what stands on each edge of each cell (None: no edge).

        ``cell`` is called like :class:`Cell`."""

    @abstractmethod
    def edge_operations(self, architecture: Architecture) -> Mapping[str, Mapping[int, str]]:
        """Per kind of cell, the operation on each kept edge, by its position in the shape's edges."""

    @abstractmethod
    def from_edge_operations(self, chosen: Mapping[str, Mapping[int, str]]) -> Architecture:
        """The inverse of :meth:`edge_operations`. Raises :class:`ArchitectureError` on missing or superfluous edges."""

    @property
    @final
    def as_cells(self) -> CellSpace:
        return self

    @final
    def assemble(self, architecture: Architecture, network: NetworkConfig, signature: Signature) -> nn.Module:
        chosen = self.edge_operations(architecture)

        def fill(edge: Edge) -> nn.Module | None:
            name = chosen[edge.kind].get(edge.at)
            return None if name is None else build_operation(name, edge.channels, edge.channels, edge.stride, edge.norm)

        return self.stack(fill, network, signature.features, signature.outputs)

    @final
    def one_hot(self, architecture: Architecture) -> dict[str, Tensor]:
        """The mixing weights [E, O] per kind of cell at which a supernet computes ``architecture``."""
        weights = {kind: torch.zeros(len(self.shape.edges), len(self.operations)) for kind in self.kinds}
        for kind, edges in self.edge_operations(architecture).items():
            for at, name in edges.items():
                weights[kind][at, self.operations.index(name)] = 1.0
        return weights

    @final
    @cached_property
    def groups(self) -> tuple[ChoiceGroup, ...]:
        """One per kind of cell; its rows are the edges, named ``target<-source``."""
        rows = tuple(f"{target}<-{source}" for source, target in self.shape.edges)
        nodes = tuple(target for _, target in self.shape.edges)
        options = {option for choice in self.choices for option in choice.options}
        possible = tuple(name for name in self.operations if name in options)
        return tuple(
            ChoiceGroup(kind, rows, self.operations, possible=(possible,) * len(rows), nodes=nodes)
            for kind in self.kinds
        )

    @final
    def supernet(
        self,
        network: Any,
        signature: Signature,
        *,
        seed: int = 0,
        partial: int = 1,
        sharing: Sharing = "none",
        initialisation: str = "default",
    ) -> CellSupernet:
        """``partial`` and ``sharing`` are :class:`nascence.supernets.cells.MixedCell`'s."""
        return CellSupernet(
            self,
            network,
            in_channels=signature.features,
            num_classes=signature.outputs,
            initialisation=initialisation,
            seed=seed,
            partial=partial,
            sharing=sharing,
        )

    @final
    def kept_shares(self) -> dict[str, Tensor]:
        """k over the number of edges into the same node, where a node keeps k edges."""
        into = [len(self.shape.edges_into(target)) for _, target in self.shape.edges]
        shares = [min(1.0, (self.shape.edges_per_node or count) / count) for count in into]
        return {kind: torch.tensor(shares) for kind in self.kinds}

    @final
    def choice_scores(self, scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """As they are: costs know the kinds of cells themselves."""
        return dict(scores)

    @final
    def connected(self, architecture: Architecture) -> bool:
        """Whether the output of every kind of cell depends on any of its inputs."""
        return all(self._reached(edges) for edges in self.edge_operations(architecture).values())

    def _reached(self, edges: Mapping[int, str]) -> bool:
        shape = self.shape
        reached = set(range(shape.inputs))
        for at, (source, target) in enumerate(shape.edges):  # ordered by target, so sources are known
            if source in reached and edges.get(at, "none") != "none":
                reached.add(target)
        last = shape.inputs + shape.nodes - 1
        return last in reached if shape.output == "last" else bool(reached - set(range(shape.inputs)))


def cell_space(space: Space, method: str) -> CellSpace:
    """``space``, where it is one of cells. Raises :class:`SettingError`."""
    cells = space.as_cells
    if cells is None:
        raise SettingError(
            f"{method} searches cells, and {space.name} has none; try --space nas-bench-201 or --space darts, or "
            "another method."
        )
    return cells
