"""The DARTS space: a normal and a reduction cell, two incoming operations per inner node (Liu et al., ICLR 2019)."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import final

from torch import Tensor, nn

from nascence.architecture import Architecture
from nascence.errors import ArchitectureError
from nascence.operations import FactorizedReduce, NormConfig, ReLUConvBN
from nascence.spaces.base import Choice, NetworkConfig
from nascence.spaces.cells import Cell, CellShape, CellSpace, Fill

_OPERATIONS = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
_SHAPE = CellShape(inputs=2, nodes=4, output="concat", edges_per_node=2)
_KINDS = ("normal", "reduce")
_CONCAT = r"(?:range\(2,6\)|\[2,3,4,5\])"
_PAIRS = r"(?:\(['\"]\w+['\"],[0-9]\),?)*"
_GENOTYPE = (
    rf"(?:\w+=)?Genotype\(normal=\[(?P<normal>{_PAIRS})\],(?:normal_concat={_CONCAT},)?"
    rf"reduce=\[(?P<reduce>{_PAIRS})\],?(?:reduce_concat={_CONCAT},?)?\)"
)
_FORM = "normal:|op~0|op~1|+|op~i|op~j|+|op~i|op~j|+|op~i|op~j|;reduce:(likewise)"


def _choices() -> tuple[Choice, ...]:
    """Per cell and node: the two predecessors, the operation on the lower-numbered one, and on the other."""
    choices = []
    for kind, target in itertools.product(_KINDS, range(2, 6)):
        pairs = tuple(f"{a}+{b}" for a, b in itertools.combinations(range(target), 2))
        choices.append(Choice(f"{kind}/{target}/inputs", pairs))
        choices += [Choice(f"{kind}/{target}/{which}", _OPERATIONS[1:]) for which in ("first", "second")]
    return tuple(choices)


@final
class DARTS(CellSpace):
    """The space. Supernets know eight operations; architectures never use ``none``, and a node's two predecessors
    differ. Also reads a ``Genotype(normal=[('op', i), ...], ..., reduce=[...], ...)`` as the field's code prints it."""

    name = "darts"
    shape = _SHAPE
    kinds = _KINDS
    operations = _OPERATIONS
    choices = _choices()
    networks = {
        "evaluation": NetworkConfig(channels=36, depth=20),
        "imagenet": NetworkConfig(channels=48, depth=14),
        "search": NetworkConfig(channels=16, depth=8, affine=False),
        "search-small": NetworkConfig(channels=4, depth=3, affine=False, track_running_stats=False),
        "score": NetworkConfig(channels=1, depth=2, stem_channels=1),
        "proxy": NetworkConfig(channels=4, depth=5),
        "ranking": NetworkConfig(channels=4, depth=3),
        "ranking-deep": NetworkConfig(channels=4, depth=8),
        "pruning": NetworkConfig(channels=1, depth=2, stem_channels=1),
        "regions": NetworkConfig(channels=1, depth=2, stem_channels=0),
    }

    def format(self, architecture: Architecture) -> str:
        cells = self.edge_operations(architecture)
        return ";".join(f"{kind}:{self._format_cell(cells[kind])}" for kind in self.kinds)

    def _format_cell(self, cell: Mapping[int, str]) -> str:
        nodes = []
        for target in range(2, 6):
            kept = [at for at in self.shape.edges_into(target) if at in cell]
            nodes.append("".join(f"|{cell[at]}~{self.shape.edges[at][0]}" for at in kept) + "|")
        return "+".join(nodes)

    def parse(self, text: str) -> Architecture:
        chosen = {}
        for kind, pairs in self._pairs(text).items():
            cell: dict[int, str] = {}
            for place, (operation, source) in enumerate(pairs):
                edge = (int(source), 2 + place // 2)
                if edge not in self.shape.edges or self.shape.edges.index(edge) in cell:
                    raise ArchitectureError(
                        f"In '{text}', node {edge[1]} of the {kind} cell cannot take input {source}; it needs two "
                        f"different ones below {edge[1]}."
                    )
                cell[self.shape.edges.index(edge)] = operation
            chosen[kind] = cell
        return self.from_edge_operations(chosen)

    def _pairs(self, text: str) -> dict[str, list[tuple[str, str]]]:
        """Per kind of cell the eight (operation, source) pairs of either form, in the order of the text."""
        genotype = re.fullmatch(_GENOTYPE, re.sub(r"\s", "", text))
        plain = re.fullmatch(r"normal:(?P<normal>[^;]*);reduce:(?P<reduce>[^;]*)", text.strip())
        if genotype:
            found = {kind: re.findall(r"['\"](\w+)['\"],([0-9])", genotype[kind]) for kind in self.kinds}
        elif plain:
            found = {kind: re.findall(r"([^|~+]+)~([0-9])\|", plain[kind]) for kind in self.kinds}
        else:
            found = {}
        for kind in self.kinds:
            pairs = found.get(kind, [])
            nodes = zip(pairs[::2], pairs[1::2], strict=False)
            again = "+".join("".join(f"|{operation}~{source}" for operation, source in node) + "|" for node in nodes)
            if len(pairs) != 8 or (plain and again != plain[kind]):
                raise ArchitectureError(f"'{text}' is no architecture of {self.name}; expected the form {_FORM}.")
        return found

    def edge_operations(self, architecture: Architecture) -> dict[str, dict[int, str]]:
        answers = iter(architecture.answers)
        cells: dict[str, dict[int, str]] = {kind: {} for kind in self.kinds}
        for kind, target in itertools.product(self.kinds, range(2, 6)):
            for source in next(answers).split("+"):
                cells[kind][self.shape.edges.index((int(source), target))] = next(answers)
        return cells

    def from_edge_operations(self, chosen: Mapping[str, Mapping[int, str]]) -> Architecture:
        answers: list[str] = []
        for kind in self.kinds:
            unknown = set(chosen.get(kind, {})) - set(range(len(self.shape.edges)))
            if unknown:
                raise ArchitectureError(f"The {kind} cell of {self.name} has edges 0 to 13, not {sorted(unknown)}.")
        for kind, target in itertools.product(self.kinds, range(2, 6)):
            kept = [at for at in self.shape.edges_into(target) if at in chosen.get(kind, {})]
            if len(kept) != 2:
                raise ArchitectureError(
                    f"Node {target} of the {kind} cell needs two incoming edges in {self.name}, got {len(kept)}."
                )
            answers.append("+".join(str(self.shape.edges[at][0]) for at in kept))
            answers += [chosen[kind][at] for at in kept]
        return self.architecture(answers)

    def stack(
        self,
        fill: Fill,
        network: NetworkConfig,
        in_channels: int,
        num_classes: int,
        cell: Callable[..., nn.Module] = Cell,
    ) -> nn.Module:
        network.refuse(self.name, "stages")
        return _Network(partial(cell, self.shape), fill, network, in_channels, num_classes)


class _Network(nn.Module):
    """Stem, ``depth`` cells of which those at one and two thirds reduce, global pooling, classifier.

    A network of two cells has one of each kind (TE-NAS's scoring network). In training mode with an auxiliary head the
    output is the pair (logits, auxiliary logits).
    """

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
        channels, depth = network.channels, network.depth
        stem_channels = 3 * channels if network.stem_channels is None else network.stem_channels
        self.stem: nn.Module = nn.Identity()
        if stem_channels:
            self.stem = nn.Sequential(
                nn.Conv2d(in_channels, stem_channels, 3, padding=1, bias=False), nn.BatchNorm2d(stem_channels)
            )
        before, last = stem_channels or in_channels, stem_channels or in_channels
        reductions = {1} if depth == 2 else {depth // 3, 2 * depth // 3}
        self.cells = nn.ModuleList()
        self.auxiliary: nn.Module | None = None
        reduced = False
        for position in range(depth):
            reduction = position in reductions
            channels *= 2 if reduction else 1
            first = FactorizedReduce(before, channels, norm) if reduced else ReLUConvBN(before, channels, 1, 1, norm)
            self.cells.append(
                cell(
                    "reduce" if reduction else "normal",
                    channels,
                    norm,
                    fill,
                    preprocess=[first, ReLUConvBN(last, channels, 1, 1, norm)],
                    reduction=reduction,
                )
            )
            before, last, reduced = last, _SHAPE.nodes * channels, reduction
            if network.auxiliary and position == 2 * depth // 3:
                self.auxiliary = AuxiliaryHead(last, num_classes)
                self.auxiliary_after = position
        self.classifier = nn.Linear(last, num_classes)

    def forward(self, x_BCHW: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        before = last = self.stem(x_BCHW)
        auxiliary = None
        for position, cell in enumerate(self.cells):
            before, last = last, cell(before, last)
            if self.training and self.auxiliary is not None and position == self.auxiliary_after:
                auxiliary = self.auxiliary(last)
        logits = self.classifier(last.mean(dim=(2, 3)))
        return logits if auxiliary is None else (logits, auxiliary)


class AuxiliaryHead(nn.Module):
    """A second classifier at two thirds of the depth, for training only (DARTS, CIFAR version).

    On the paper's 8 x 8 features the pooling windows are 5 pixels wide at stride 3, so that they overlap; other
    resolutions are pooled adaptively to the same 2 x 2.
    """

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 128, 1, bias=False),
            nn.BatchNorm2d(128),
            nn.ReLU(),
            nn.Conv2d(128, 768, 2, bias=False),
            nn.BatchNorm2d(768),
            nn.ReLU(),
        )
        self.classifier = nn.Linear(768, num_classes)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        x_BCHW = nn.functional.relu(x_BCHW)
        if x_BCHW.shape[-2:] == (8, 8):
            x_BCHW = nn.functional.avg_pool2d(x_BCHW, 5, stride=3)
        else:
            x_BCHW = nn.functional.adaptive_avg_pool2d(x_BCHW, 2)
        return self.classifier(self.features(x_BCHW).flatten(1))


__all__ = ["DARTS", "AuxiliaryHead"]
