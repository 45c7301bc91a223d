"""NAS-Bench-201: one cell of four nodes with one of five operations on each of six edges (Dong & Yang, ICLR 2020).

Also the "topology space" of NATS-Bench. 15,625 cells, of which 6,466 are distinct as graphs.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import final

from torch import Tensor, nn

from nascence.architecture import Architecture
from nascence.errors import ArchitectureError, SettingError
from nascence.operations import NormConfig, ReLUConvBN
from nascence.spaces.base import Choice, NetworkConfig
from nascence.spaces.cells import Cell, CellShape, CellSpace, Fill

_OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
_SHAPE = CellShape(inputs=1, nodes=3, output="last")


@final
class NASBench201(CellSpace):
    """The space; its text is the benchmark's: ``|op~0|+|op~0|op~1|+|op~0|op~1|op~2|``."""

    name = "nas-bench-201"
    domain = "images"
    shape = _SHAPE
    kinds = ("cell",)
    operations = _OPERATIONS
    choices = tuple(Choice(f"{target}<-{source}", _OPERATIONS) for source, target in _SHAPE.edges)
    networks = {
        "evaluation": NetworkConfig(channels=16, depth=5),
        "search": NetworkConfig(channels=16, depth=5, affine=False, track_running_stats=False),
        "search-small": NetworkConfig(channels=8, depth=1, affine=False, track_running_stats=False),
        "score": NetworkConfig(channels=3, depth=5),
        "proxy": NetworkConfig(channels=8, depth=2),
        "ranking": NetworkConfig(channels=8, depth=1),
        "ranking-deep": NetworkConfig(channels=8, depth=5),
        "pruning": NetworkConfig(channels=8, depth=1),
        "regions": NetworkConfig(channels=1, depth=1, stages=1, stem_channels=0),
    }

    def format(self, architecture: Architecture) -> str:
        nodes = ["" for _ in range(self.shape.nodes)]
        for (source, target), operation in zip(self.shape.edges, architecture.answers, strict=True):
            nodes[target - 1] += f"{operation}~{source}|"
        return "+".join(f"|{node}" for node in nodes)

    def parse(self, text: str) -> Architecture:
        expected = "|op~0|+|op~0|op~1|+|op~0|op~1|op~2|"
        found = [re.findall(r"(?<![^|~+])([^|~+]+)~(\d+)", node) for node in text.strip().split("+")]
        sources = [[source for _, source in node] for node in found]
        if sources != [["0"], ["0", "1"], ["0", "1", "2"]]:
            raise ArchitectureError(f"'{text}' is no cell of {self.name}; expected the form {expected}.")
        architecture = self.architecture([operation for node in found for operation, _ in node])
        if self.format(architecture) != text.strip():
            raise ArchitectureError(f"'{text}' is no cell of {self.name}; expected the form {expected}.")
        return architecture

    def index(self, architecture: Architecture) -> int:
        """The official index, 0..15624 (its shuffle is Python's ``random.Random(88)``)."""
        return _official_indices()[architecture.answers]

    def from_index(self, index: int) -> Architecture:
        """The cell with an official index. Raises :class:`ArchitectureError` outside 0..15624."""
        if not 0 <= index < self.size:
            raise ArchitectureError(f"{self.name} has indices 0 to {self.size - 1}, not {index}.")
        return Architecture(self.name, _official_order()[index])

    def canonical(self, architecture: Architecture) -> Architecture:
        """The first cell, in the order of :meth:`enumerate`, of the same normal form: 6,466 of them, as published."""
        return _representatives()[_graph(architecture.answers)]

    def edge_operations(self, architecture: Architecture) -> dict[str, dict[int, str]]:
        return {"cell": dict(enumerate(architecture.answers))}

    def from_edge_operations(self, chosen: Mapping[str, Mapping[int, str]]) -> Architecture:
        cell = chosen.get("cell", {})
        if sorted(cell) != list(range(len(self.shape.edges))):
            raise ArchitectureError(f"{self.name} needs an operation on each of its 6 edges, got edges {sorted(cell)}.")
        return self.architecture([cell[at] for at in range(len(self.shape.edges))])

    def stack(
        self,
        fill: Fill,
        network: NetworkConfig,
        in_channels: int,
        num_classes: int,
        cell: Callable[..., nn.Module] = Cell,
    ) -> nn.Module:
        network.refuse(self.name, "auxiliary")
        if network.stem_channels not in (None, 0, network.channels):
            raise SettingError(
                f"The stem of {self.name} is as wide as its first stage; set stem_channels to 0 for none, or leave it."
            )
        return _Network(partial(cell, self.shape), fill, network, in_channels, num_classes)


class ResidualReduction(nn.Module):
    """Halves the resolution: two 3 x 3 ReLU-convolution-normalisation blocks beside a pooled 1 x 1 shortcut."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            ReLUConvBN(in_channels, out_channels, 3, 2, NormConfig()),
            ReLUConvBN(out_channels, out_channels, 3, 1, NormConfig()),
        )
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(2, 2, ceil_mode=True), nn.Conv2d(in_channels, out_channels, 1, bias=False)
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return self.main(x_BCHW) + self.shortcut(x_BCHW)


class _Network(nn.Module):
    """Stem, ``stages`` stages of ``depth`` cells with a residual reduction between, BN-ReLU, pooling, classifier."""

    def __init__(
        self,
        cell: Callable[..., nn.Module],
        fill: Fill,
        network: NetworkConfig,
        in_channels: int,
        num_classes: int,
    ) -> None:
        super().__init__()
        norm = NormConfig(network.affine, network.track_running_stats)
        channels = network.channels
        if network.stem_channels == 0:
            if in_channels != channels:
                raise SettingError(
                    f"Without a stem the cell works on the input's own channels: set channels={in_channels}, "
                    f"not {channels}."
                )
            self.stem: nn.Module = nn.Identity()
        else:
            self.stem = nn.Sequential(
                nn.Conv2d(in_channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
            )
        blocks: list[nn.Module] = []
        for stage in range(network.stages):
            if stage:
                blocks.append(ResidualReduction(channels, 2 * channels))
                channels *= 2
            blocks += [cell("cell", channels, norm, fill) for _ in range(network.depth)]
        self.blocks = nn.ModuleList(blocks)
        self.last = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU())
        self.classifier = nn.Linear(channels, num_classes)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        x_BCHW = self.stem(x_BCHW)
        for block in self.blocks:
            x_BCHW = block(x_BCHW)
        return self.classifier(self.last(x_BCHW).mean(dim=(2, 3)))


@cache
def _official_order() -> list[tuple[str, ...]]:
    cells = [architecture.answers for architecture in NASBench201().enumerate()]
    random.Random(88).shuffle(cells)
    return cells


@cache
def _official_indices() -> dict[tuple[str, ...], int]:
    return {answers: index for index, answers in enumerate(_official_order())}


@cache
def _representatives() -> dict[str, Architecture]:
    first: dict[str, Architecture] = {}
    for architecture in NASBench201().enumerate():
        first.setdefault(_graph(architecture.answers), architecture)
    return first


def _graph(answers: tuple[str, ...]) -> str:
    """The benchmark's own normal form, an expression per cell: 6,466 different ones.

    The input is ``0`` and zero is ``#``: ``none``, and any operation on a node 1 that is zero, give ``#``;
    ``skip_connect`` gives its source's expression; sums are sorted as text, once, without re-sorting contracted sums.
    Cells of equal form compute the same function; the reverse does not hold (without zeros and with full sorting 4,930
    forms remain), but these are the classes that published results count.
    """
    nodes = ["0"]
    edges = iter(answers)
    for target in range(1, 4):
        terms = []
        for source in range(target):
            operation, value = next(edges), nodes[source]
            if operation == "none" or value == "#":
                terms.append("#")
            else:
                terms.append(value if operation == "skip_connect" else f"({value})@{operation}")
        nodes.append("+".join(sorted(terms)))
    return nodes[-1]


__all__ = ["NASBench201", "ResidualReduction"]
