"""FBNetV2: block, expansion and width of every layer and the input's resolution (Wan et al., CVPR 2020, table 1).

1.2e35 networks. The grid of widths and strides is that of a published re-implementation for ImageNet, the columns of
expansions and repeats are from memory of the paper (unconfirmed); that widths are shared within a stage, so that
residuals can be added, is a reconstruction, which gives the paper's number of candidates (10^35).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, final

import torch
from torch import Tensor, nn

from nascence.architecture import Architecture
from nascence.errors import ArchitectureError, SettingError
from nascence.initialisation import initialise
from nascence.operations import NormConfig
from nascence.operations.mobile_blocks import Activation, ConvNormAct, MobileBlock, make_divisible
from nascence.operations.resizing import Resize, at_share
from nascence.seeding import generator
from nascence.spaces.base import Choice
from nascence.spaces.relaxable import RowwiseSpace
from nascence.supernets import ChoiceGroup, Extent, MaskedWidth, MixedOperation, MixedResolution, MixedSupernet
from nascence.supernets.extents import joined
from nascence.supernets.tally import Tally
from nascence.tasks.base import Signature

_STEM, _HEAD, _LEAST_PIXELS = 16, 1984, 4
_SKIP = "skip"


class Block(NamedTuple):
    kernel: int
    squeeze: bool
    activation: Activation


BLOCKS: dict[str, Block] = {
    f"k{kernel}{'-se' if squeeze else ''}-{activation}": Block(kernel, squeeze, activation)
    for kernel in (3, 5)
    for squeeze in (False, True)
    for activation in ("relu", "hswish")
}
"""Inverted residuals; ``skip`` comes on top."""
_OPTIONS = (*BLOCKS, _SKIP)
_RESOLUTIONS = {"4/7": 4 / 7, "5/7": 5 / 7, "6/7": 6 / 7, "1": 1.0}
"""128, 160, 192 and 224 pixels of 224."""


@dataclass(frozen=True)
class Stage:
    """``layers`` of one width, the first with ``stride``."""

    name: str
    stride: int
    layers: int
    widths: tuple[int, ...]
    expansions: tuple[float, ...]

    @property
    def expands(self) -> bool:
        """Whether the expansion is a choice; else there is none."""
        return self.expansions != (1.0,)


def _steps(first: float, last: float, step: float) -> tuple[float, ...]:
    return tuple(first + step * number for number in range(round((last - first) / step) + 1))


def _widths(first: int, last: int, step: int) -> tuple[int, ...]:
    return tuple(range(first, last + 1, step))


STAGES = (
    Stage("stage1", 1, 1, _widths(12, 16, 4), (1.0,)),
    Stage("stage2", 2, 3, _widths(16, 24, 4), _steps(0.75, 3.25, 0.5)),
    Stage("stage3", 2, 3, _widths(16, 40, 8), _steps(0.75, 3.25, 0.5)),
    Stage("stage4", 2, 3, _widths(48, 80, 8), _steps(0.75, 3.75, 0.5)),
    Stage("stage5", 1, 4, _widths(72, 112, 8), _steps(0.75, 4.5, 0.75)),
    Stage("stage6", 2, 4, _widths(112, 184, 8), _steps(0.75, 4.5, 0.75)),
)


@final
@dataclass(frozen=True, kw_only=True)
class FBNetV2Size:
    """``channels``: width of the stem, 16 in the paper; a multiple of 4, by which all widths scale. ``halvings``: how
    many of the five strides are 2, the last ones; None for as many as leave 4 pixels of the task's images."""

    channels: int = _STEM
    halvings: int | None = None

    def __post_init__(self) -> None:
        if self.channels < 4 or self.channels % 4:
            raise SettingError(f"Widths of fbnetv2 scale by quarters; {self.channels} is no multiple of 4.")
        if self.halvings is not None and not 0 <= self.halvings <= 5:
            raise SettingError(f"Networks of fbnetv2 halve the resolution 0 to 5 times, not {self.halvings}.")

    def width(self, full: float) -> int:
        return round(full * self.channels / _STEM)

    def divisible(self, channels: float) -> int:
        return make_divisible(channels, self.channels // 2)

    def hidden(self, inputs: int, expansion: float) -> int:
        """Channels of an expanded tensor."""
        return self.divisible(inputs * expansion)

    def squeezed(self, hidden: int) -> int:
        """Channels within squeeze-and-excitation."""
        return self.divisible(hidden / 4)

    def halved(self, size: tuple[int, int]) -> int:
        """How many strides are 2 for images of ``size``."""
        if self.halvings is not None:
            return self.halvings
        return max(0, min(5, int(math.log2(min(size) / _LEAST_PIXELS)))) if min(size) >= _LEAST_PIXELS else 0


def _groups() -> tuple[ChoiceGroup, ...]:
    blocks = tuple(f"{stage.name}/{layer + 1}/block" for stage in STAGES for layer in range(stage.layers))
    groups = [
        ChoiceGroup("resolution", ("resolution",), tuple(_RESOLUTIONS), "resolution"),
        ChoiceGroup("block", blocks, _OPTIONS),
    ]
    for stage in STAGES:
        name = f"{stage.name}/width"
        groups.append(ChoiceGroup(name, (name,), tuple(map(str, stage.widths)), "width"))
    for stage in STAGES:
        if stage.expands:
            layers = tuple(f"{stage.name}/{layer + 1}/expansion" for layer in range(stage.layers))
            expansions = tuple(f"{expansion:g}" for expansion in stage.expansions)
            groups.append(ChoiceGroup(f"{stage.name}/expansion", layers, expansions, "width"))
    return tuple(groups)


def _choices(groups: Sequence[ChoiceGroup]) -> tuple[Choice, ...]:
    """In the order of the network from its input to its output."""
    by_row = {row: group for group in groups for row in group.rows}
    return tuple(Choice(row, by_row[row].options, by_row[row].role == "width") for row in _rows())


def _rows() -> Iterator[str]:
    """The choices in their order: the network from its input to its output."""
    yield "resolution"
    for stage in STAGES:
        yield f"{stage.name}/width"
        for layer in range(stage.layers):
            yield f"{stage.name}/{layer + 1}/block"
            if stage.expands:
                yield f"{stage.name}/{layer + 1}/expansion"


@final
class FBNetV2(RowwiseSpace):
    """The space. Its text is the resolution and then the stages, such as ``1|16:k3-relu|24:k5-relu*2.75,skip*0.75,...``
    (width, colon, block and expansion of each layer).

    ``skip`` passes the features on; in the first layer of a stage, where width or resolution change, it is a 1 x 1
    convolution with normalisation and ReLU. A block adds its input unless it is the first of its stage: residuals are
    where they are residuals for every width, whatever is chosen.
    """

    name = "fbnetv2"
    size_class: ClassVar[type] = FBNetV2Size
    networks: Mapping[str, FBNetV2Size] = {
        "evaluation": FBNetV2Size(),
        "search": FBNetV2Size(),
        "search-small": FBNetV2Size(channels=8),
        "score": FBNetV2Size(channels=4),
        "ranking": FBNetV2Size(channels=8),
        "ranking-deep": FBNetV2Size(channels=8),
    }
    groups = _groups()
    choices = _choices(groups)

    def format(self, architecture: Architecture) -> str:
        answers = self._answers(architecture)
        parts = [answers["resolution"]]
        for stage in STAGES:
            layers = [
                answers[f"{stage.name}/{layer + 1}/block"]
                + (f"*{answers[f'{stage.name}/{layer + 1}/expansion']}" if stage.expands else "")
                for layer in range(stage.layers)
            ]
            parts.append(f"{answers[f'{stage.name}/width']}:{','.join(layers)}")
        return "|".join(parts)

    def parse(self, text: str) -> Architecture:
        resolution, *stages = text.strip().split("|")
        if len(stages) != len(STAGES):
            raise ArchitectureError(
                f"'{text.strip()[:200]}' is no architecture of {self.name}; expected a resolution and {len(STAGES)} "
                "stages, separated by |."
            )
        answers = [resolution]
        for stage, part in zip(STAGES, stages, strict=True):
            width, _, layers = part.partition(":")
            answers.append(width)
            for layer in layers.split(","):
                answers += re.split(r"\*", layer, maxsplit=1) if stage.expands else [layer]
        return self.architecture(answers)

    def canonical(self, architecture: Architecture) -> Architecture:
        """The expansion of a skip does nothing; here it is the first."""
        answers = self._answers(architecture)
        for row, answer in answers.items():
            expansion = f"{row.removesuffix('/block')}/expansion"
            if answer == _SKIP and expansion in answers:
                answers[expansion] = next(choice.options[0] for choice in self.choices if choice.name == expansion)
        return Architecture(self.name, tuple(answers.values()))

    def _answers(self, architecture: Architecture) -> dict[str, str]:
        return dict(zip((choice.name for choice in self.choices), architecture.answers, strict=True))

    def assemble(self, architecture: Architecture, network: FBNetV2Size, signature: Signature) -> nn.Module:
        answers = self._answers(architecture)
        layers = []
        before = network.width(_STEM)
        for layer in _layers(network, signature):
            width = network.width(float(answers[f"{layer.stage.name}/width"]))
            name, norm = answers[f"{layer.name}/block"], NormConfig()
            expansion = float(answers.get(f"{layer.name}/expansion", 1))
            if name == _SKIP:
                layers.append(_skip(before, width, layer, norm))
            else:
                hidden = network.hidden(before, expansion) if layer.stage.expands else before
                layers.append(_block(BLOCKS[name], before, hidden, network.squeezed(hidden), width, layer, norm))
            before = width
        share = _RESOLUTIONS[answers["resolution"]]
        resize = nn.Identity() if share == 1 else Resize(share)
        return _Network(resize, layers, before, network, signature)

    def supernet(self, network: object, signature: Signature, *, seed: int = 0) -> MixedSupernet:
        """All blocks of every layer at their largest, masks for widths and expansions, and the resolution around all.

        A block's hidden width is its expansion times the width that comes in, rounded: a mask that depends on both."""
        assert isinstance(network, FBNetV2Size)
        with torch.random.fork_rng(devices=[]):
            layers = [
                self._mixed_layer(number, layer, network) for number, layer in enumerate(_layers(network, signature))
            ]
            last = int(_width(STAGES[-1], network).largest)
            body = _Network(nn.Identity(), layers, last, network, signature)
            mixed = MixedResolution("resolution", 0, tuple(_RESOLUTIONS.values()), body, pooled=True)
            module = initialise(mixed, "default", generator(seed, "weights"))
        return MixedSupernet(self.groups, module, _costs(network, signature))

    @staticmethod
    def _mixed_layer(number: int, layer: _Layer, network: FBNetV2Size) -> MixedOperation:
        before, width, hidden, squeezed = layer.extents(network)
        mask = MaskedWidth.of(width)
        hidden_mask, squeeze_mask = (MaskedWidth.of(each) if each.rows else None for each in (hidden, squeezed))
        inputs, outputs, inner, squeezed_to = (int(each.largest) for each in (before, width, hidden, squeezed))
        masks = (hidden_mask, squeeze_mask, mask)
        blocks = [
            _block(block, inputs, inner, squeezed_to, outputs, layer, NormConfig(), masks) for block in BLOCKS.values()
        ]
        return MixedOperation("block", number, [*blocks, _skip(inputs, outputs, layer, NormConfig(), mask)])

    def cost_terms(self, network: FBNetV2Size, signature: Signature) -> dict[str, list[Extent]]:
        return self.by_choice(_costs(network, signature))


@dataclass(frozen=True)
class _Layer:
    """Layer number ``number`` of ``stage``, behind ``previous``; ``stride`` as it is for a task."""

    stage: Stage
    number: int
    previous: Stage | None
    stride: int

    @property
    def name(self) -> str:
        return f"{self.stage.name}/{self.number + 1}"

    @property
    def first(self) -> bool:
        return self.number == 0

    def extents(self, network: FBNetV2Size) -> tuple[Extent, Extent, Extent, Extent]:
        """Channels that come in, go out, are hidden, and are within squeeze-and-excitation."""
        width = _width(self.stage, network)
        source = self.previous if self.first else self.stage
        before = Extent.fixed(network.width(_STEM)) if source is None else _width(source, network)
        hidden = before
        if self.stage.expands:
            row = (f"{self.stage.name}/expansion", self.number)
            hidden = _joined(network.hidden, before, Extent.of(row, list(self.stage.expansions)))
        return before, width, hidden, _joined(network.squeezed, hidden)


def _width(stage: Stage, network: FBNetV2Size) -> Extent:
    return Extent.of((f"{stage.name}/width", 0), [float(network.width(width)) for width in stage.widths])


def _joined(function: Callable[..., int], *parts: Extent) -> Extent:
    """``function`` of numbers, for every combination of options."""

    def each(*tables: Tensor) -> Tensor:
        full = torch.broadcast_tensors(*tables)
        values = [float(function(*entry)) for entry in zip(*(table.flatten().tolist() for table in full), strict=True)]
        return torch.tensor(values, dtype=torch.float64).view(full[0].shape)

    return joined(each, *parts)


def _costs(network: FBNetV2Size, signature: Signature) -> dict[str, list[Extent]]:
    """Parameters and FLOPs, layer by layer."""
    tally, halvings = Tally(), network.halved(signature.size)
    sizes = [at_share(signature.size, share) for share in _RESOLUTIONS.values()]

    def pixels(halved: int) -> Extent:
        areas = [math.prod(-(-extent // 2**halved) for extent in size) for size in sizes]
        return Extent.of(("resolution", 0), [float(area) for area in areas])

    level = 1 if halvings == 5 else 0
    tally.convolution(signature.features, network.width(_STEM), 3, pixels(level))
    for number, layer in enumerate(_layers(network, signature)):
        row = ("block", number)
        before, width, hidden, squeezed = layer.extents(network)
        inside = Extent.of(row, [*(1.0 for _ in BLOCKS), 0.0])
        kernel = Extent.of(row, [*(float(block.kernel) for block in BLOCKS.values()), 0.0])
        squeeze = Extent.of(row, [*(float(block.squeeze) for block in BLOCKS.values()), 0.0])
        after = level + (layer.stride == 2)
        if layer.stage.expands:
            tally.convolution(before, hidden, 1, pixels(level), where=inside)
        tally.convolution(hidden, hidden, kernel, pixels(after), depthwise=True, where=inside)
        tally.convolution(hidden, squeezed, 1, 1, bias=True, norm=False, where=squeeze)
        tally.convolution(squeezed, hidden, 1, 1, bias=True, norm=False, where=squeeze)
        tally.convolution(hidden, width, 1, pixels(after), where=inside)
        if layer.first:
            skip = Extent.chosen(row, len(_OPTIONS), len(_OPTIONS) - 1)
            tally.convolution(before, width, 1, pixels(after), where=skip)
        level = after
    features = network.width(_HEAD)
    tally.convolution(width, features, 1, pixels(level))
    tally.linear(features, signature.outputs)
    return tally.costs


def _layers(network: FBNetV2Size, signature: Signature) -> list[_Layer]:
    strides = [stage.stride for stage in STAGES]
    whole = 5 - network.halved(signature.size)  # the first of the five, the stem's among them, do not halve
    layers, seen = [], 1
    for number, stage in enumerate(STAGES):
        stride = strides[number]
        if stride == 2:
            seen += 1
            stride = 2 if seen > whole else 1
        previous = STAGES[number - 1] if number else None
        layers += [_Layer(stage, at, previous, stride if at == 0 else 1) for at in range(stage.layers)]
    return layers


def _block(
    block: Block,
    before: int,
    hidden: int,
    squeezed: int,
    width: int,
    layer: _Layer,
    norm: NormConfig,
    masks: Sequence[nn.Module | None] = (None, None, None),
) -> MobileBlock:
    return MobileBlock(
        before,
        hidden,
        width,
        block.kernel,
        layer.stride,
        norm,
        block.activation,
        expand=layer.stage.expands,
        squeezed=squeezed if block.squeeze else None,
        residual=not layer.first,
        hidden_mask=masks[0],
        squeeze_mask=masks[1],
        out_mask=masks[2],
    )


def _skip(before: int, width: int, layer: _Layer, norm: NormConfig, mask: nn.Module | None = None) -> nn.Module:
    if not layer.first:
        return nn.Identity()
    return ConvNormAct(before, width, 1, layer.stride, norm, "relu", mask=mask)


class _Network(nn.Module):
    def __init__(
        self,
        resize: nn.Module,
        layers: Sequence[nn.Module],
        last: int,
        network: FBNetV2Size,
        signature: Signature,
    ) -> None:
        super().__init__()
        norm, features = NormConfig(), network.width(_HEAD)
        self.resize = resize
        stride = 2 if network.halved(signature.size) == 5 else 1
        self.stem = ConvNormAct(signature.features, network.width(_STEM), 3, stride, norm, "hswish")
        self.blocks = nn.Sequential(*layers)
        self.head = ConvNormAct(last, features, 1, 1, norm, "hswish")
        self.classifier = nn.Linear(features, signature.outputs)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        features = self.head(self.blocks(self.stem(self.resize(x_BCHW))))
        return self.classifier(features.mean(dim=(2, 3)))


__all__ = ["BLOCKS", "STAGES", "FBNetV2", "FBNetV2Size"]
