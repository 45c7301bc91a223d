"""Networks of stacked cells that read the outputs of the one or two cells before them (NASNet's and DARTS's form)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from torch import Tensor, nn

from nascence.operations import FactorizedReduce, NormConfig, ReLUConvBN, build_operation
from nascence.spaces.base import NetworkConfig
from nascence.spaces.cells import CellShape, Fill
from nascence.tasks.base import Signature


@dataclass(frozen=True)
class Place:
    """One cell of a stack: its kind, its width, and whether it halves the resolution."""

    kind: str
    channels: int
    reduction: bool = False


def thirds(network: NetworkConfig) -> list[Place]:
    """``depth`` cells, of which those at one and two thirds reduce and double the width; a network of two cells has one
    of each kind (TE-NAS's scoring network)."""
    reductions = {1} if network.depth == 2 else {network.depth // 3, 2 * network.depth // 3}
    places, channels = [], network.channels
    for position in range(network.depth):
        reduction = position in reductions
        channels *= 2 if reduction else 1
        places.append(Place("reduce" if reduction else "normal", channels, reduction))
    return places


class Piece(NamedTuple):  # of which plans hash hundreds of thousands
    """A part of a network that costs the same wherever it stands: how it is built, and its input [C, H, W]."""

    kind: str
    in_channels: int
    out_channels: int
    stride: int
    norm: NormConfig
    input_shape: tuple[int, ...]

    def build(self) -> nn.Module:
        """``stem``, ``adapt`` (to a cell's width), ``adapt-reduced`` (and half the resolution), ``classifier``, or an
        operation's name."""
        if self.kind == "classifier":
            return nn.Linear(self.in_channels, self.out_channels)
        if self.kind == "stem":
            return _stem(self.in_channels, self.out_channels)
        if self.kind == "adapt":
            return ReLUConvBN(self.in_channels, self.out_channels, 1, 1, self.norm)
        if self.kind == "adapt-reduced":
            return FactorizedReduce(self.in_channels, self.out_channels, self.norm)
        return build_operation(self.kind, self.in_channels, self.out_channels, self.stride, self.norm)


def stack_pieces(
    places: Sequence[Place],
    shape: CellShape,
    chosen: Mapping[str, Mapping[int, str]],
    network: NetworkConfig,
    signature: Signature,
) -> Iterator[Piece]:
    """Everything in the :class:`CellStack` of these arguments that has parameters or multiplies, piece by piece;
    ``chosen``: the operations by kind of cell and edge. Without an auxiliary head."""
    norm = NormConfig(network.affine, network.track_running_stats)
    in_channels, height, width = signature.input_shape
    stem_channels = _stem_channels(places, network)
    if stem_channels:
        yield Piece("stem", in_channels, stem_channels, 1, norm, signature.input_shape)
    before: tuple[int, ...] = (stem_channels or in_channels, height, width)
    last = before
    reduced = False
    for place in places:
        channels, size = place.channels, last[1:]
        if shape.inputs == 2:
            yield Piece("adapt-reduced" if reduced else "adapt", before[0], channels, 1, norm, before)
        yield Piece("adapt", last[0], channels, 1, norm, last)
        halved = tuple(-(-extent // 2) for extent in size) if place.reduction else size
        for at, operation in chosen[place.kind].items():
            from_input = shape.edges[at][0] < shape.inputs
            stride = 2 if place.reduction and from_input else 1
            yield Piece(operation, channels, channels, stride, norm, (channels, *(size if from_input else halved)))
        before, last, reduced = last, (shape.nodes * channels, *halved), place.reduction
    yield Piece("classifier", last[0], signature.outputs, 1, norm, last[:1])


class CellStack(nn.Module):
    """Stem, the cells of ``places``, global pooling, classifier.

    Every cell concatenates its inner nodes and brings its inputs to its own width first. With ``network.auxiliary`` a
    second classifier stands behind the last reduction; in training mode the output is then the pair (output, auxiliary
    output). ``stem_channels``: None for three times the first width, 0 for no stem.
    """

    def __init__(
        self,
        places: Sequence[Place],
        shape: CellShape,
        cell: Callable[..., nn.Module],
        fill: Fill,
        network: NetworkConfig,
        in_channels: int,
        num_classes: int,
    ) -> None:
        super().__init__()
        norm = NormConfig(network.affine, network.track_running_stats)
        build = partial(cell, shape)
        stem_channels = _stem_channels(places, network)
        self.inputs = shape.inputs
        self.stem = _stem(in_channels, stem_channels) if stem_channels else nn.Identity()
        before = last = stem_channels or in_channels
        self.cells = nn.ModuleList()
        self.auxiliary: nn.Module | None = None
        reduced = False
        for position, place in enumerate(places):
            inputs: list[nn.Module] = [ReLUConvBN(last, place.channels, 1, 1, norm)]
            if shape.inputs == 2 and reduced:
                inputs.insert(0, FactorizedReduce(before, place.channels, norm))
            elif shape.inputs == 2:
                inputs.insert(0, ReLUConvBN(before, place.channels, 1, 1, norm))
            self.cells.append(
                build(place.kind, place.channels, norm, fill, preprocess=inputs, reduction=place.reduction)
            )
            before, last, reduced = last, shape.nodes * place.channels, place.reduction
            if network.auxiliary and place.reduction and not any(later.reduction for later in places[position + 1 :]):
                self.auxiliary = AuxiliaryHead(last, num_classes)
                self.auxiliary_after = position
        self.classifier = nn.Linear(last, num_classes)

    def forward(self, x_BCHW: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        before = last = self.stem(x_BCHW)
        auxiliary = None
        for position, cell in enumerate(self.cells):
            if self.inputs == 2:
                before, last = last, cell(before, last)
            else:
                last = cell(last)
            if self.training and self.auxiliary is not None and position == self.auxiliary_after:
                auxiliary = self.auxiliary(last)
        output = self.classifier(last.mean(dim=(2, 3)))
        return output if auxiliary is None else (output, auxiliary)


def _stem_channels(places: Sequence[Place], network: NetworkConfig) -> int:
    return 3 * places[0].channels if network.stem_channels is None else network.stem_channels


def _stem(in_channels: int, out_channels: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False), nn.BatchNorm2d(out_channels))


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


__all__ = ["AuxiliaryHead", "CellStack", "Piece", "Place", "stack_pieces", "thirds"]
