"""Spaces whose first choices fix the stack, in which the remaining ones fill the cells."""

from __future__ import annotations

from abc import abstractmethod
from typing import final

from torch import nn

from nascence.architecture import Architecture
from nascence.spaces.base import NetworkConfig, Space
from nascence.spaces.cells import CellSpace
from nascence.tasks.base import Signature


class NestedSpace(Space):
    """Once the first ``outer`` choices are answered, the rest is a cell space: that of :meth:`cells`."""

    outer: int

    @abstractmethod
    def cells(self, outer: tuple[str, ...]) -> CellSpace:
        """The space of the remaining choices, in their order; the same object for the same answers."""

    @final
    def split(self, architecture: Architecture) -> tuple[CellSpace, Architecture]:
        """The cell space that an architecture's first answers make, and the rest as an architecture of it."""
        cells = self.cells(architecture.answers[: self.outer])
        return cells, Architecture(cells.name, architecture.answers[self.outer :])

    @final
    def canonical(self, architecture: Architecture) -> Architecture:
        cells, inner = self.split(architecture)
        return Architecture(self.name, (*architecture.answers[: self.outer], *cells.canonical(inner).answers))

    @final
    def assemble(self, architecture: Architecture, network: NetworkConfig, signature: Signature) -> nn.Module:
        cells, inner = self.split(architecture)
        return cells.assemble(inner, network, signature)


__all__ = ["NestedSpace"]
