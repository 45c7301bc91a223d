"""A normal cell of its own in each stage, and two reduction cells (H-DAS, cell level; Liu et al., AAAI 2021)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import final

from nascence.architecture import Architecture
from nascence.errors import ArchitectureError
from nascence.spaces.base import NetworkConfig
from nascence.spaces.cells import CellShape
from nascence.spaces.darts import DARTSSpace
from nascence.spaces.pairs import PairCellSpace, cell_pairs, pair_choices
from nascence.spaces.stacks import Place, thirds

KINDS = ("normal1", "reduce1", "normal2", "reduce2", "normal3")
TIED = {"normal1": "normal", "reduce1": "reduce", "normal2": "normal", "reduce2": "reduce", "normal3": "normal"}
"""Which cell of the space darts each one is where all stages share theirs."""


@final
class HDASCells(PairCellSpace):
    """The space: five cells of the kind of ``darts``, written one after the other. With equal cells it is ``darts``.

    Networks need five cells or more for every stage to have its own.
    """

    name = "h-das-cells"
    domain = "images"
    shape: CellShape = DARTSSpace.shape
    kinds = KINDS
    operations = DARTSSpace.operations
    choices = pair_choices(KINDS, DARTSSpace.shape, DARTSSpace.operations[1:])
    networks = {
        "evaluation": NetworkConfig(channels=36, depth=20),
        "imagenet": NetworkConfig(channels=48, depth=14),
        "search": NetworkConfig(channels=16, depth=8, affine=False),
        "search-small": NetworkConfig(channels=4, depth=5, affine=False, track_running_stats=False),
        "score": NetworkConfig(channels=1, depth=5, stem_channels=1),
        "proxy": NetworkConfig(channels=4, depth=5),
        "ranking": NetworkConfig(channels=4, depth=5),
        "ranking-deep": NetworkConfig(channels=4, depth=8),
    }

    def parse(self, text: str) -> Architecture:
        parts = dict(re.findall(r"(?:^|;)(\w+):([^;]*)", text.strip()))
        nodes = {kind: cell_pairs(self.shape, parts[kind]) if kind in parts else None for kind in self.kinds}
        if list(parts) != list(self.kinds) or None in nodes.values():
            raise ArchitectureError(
                f"'{text}' is no architecture of {self.name}; expected "
                f"{';'.join(f'{kind}:|op~0|op~1|+...' for kind in self.kinds)}, four nodes each."
            )
        found = self.from_edge_operations(
            {kind: self.cell_of(kind, pairs, text) for kind, pairs in nodes.items() if pairs is not None}
        )
        if self.format(found) != text.strip():
            raise ArchitectureError(f"'{text}' is no architecture of {self.name}; did you mean '{self.format(found)}'?")
        return found

    def equal(self, darts: Architecture) -> Architecture:
        """Every stage with the cells of an architecture of the space ``darts``."""
        cells = DARTSSpace().edge_operations(darts)
        return self.from_edge_operations({kind: cells[TIED[kind]] for kind in self.kinds})

    def places(self, network: NetworkConfig) -> Sequence[Place]:
        return staged(network)


def staged(network: NetworkConfig) -> list[Place]:
    """The cells of :func:`nascence.spaces.stacks.thirds`, called by their stages."""
    places, stage = [], 1
    for place in thirds(network):
        places.append(Place(f"{place.kind}{stage}", place.channels, place.reduction))
        stage += place.reduction
    return places


__all__ = ["KINDS", "TIED", "HDASCells", "staged"]
