"""What networks of FBNetV2's space are made of: blocks, the grid of widths and expansions, sizes, layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from nascence.errors import SettingError
from nascence.operations import NormConfig
from nascence.operations.mobile_blocks import Activation, ConvNormAct, MobileBlock, make_divisible
from nascence.supernets import Extent
from nascence.supernets.extents import joined
from nascence.tasks.base import Signature

STEM, HEAD, _LEAST_PIXELS = 16, 1984, 4
SKIP = "skip"


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
OPTIONS = (*BLOCKS, SKIP)
RESOLUTIONS = {"4/7": 4 / 7, "5/7": 5 / 7, "6/7": 6 / 7, "1": 1.0}
"""128, 160, 192 and 224 pixels of 224."""


@dataclass(frozen=True)
class FBNetStage:
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
    FBNetStage("stage1", 1, 1, _widths(12, 16, 4), (1.0,)),
    FBNetStage("stage2", 2, 3, _widths(16, 24, 4), _steps(0.75, 3.25, 0.5)),
    FBNetStage("stage3", 2, 3, _widths(16, 40, 8), _steps(0.75, 3.25, 0.5)),
    FBNetStage("stage4", 2, 3, _widths(48, 80, 8), _steps(0.75, 3.75, 0.5)),
    FBNetStage("stage5", 1, 4, _widths(72, 112, 8), _steps(0.75, 4.5, 0.75)),
    FBNetStage("stage6", 2, 4, _widths(112, 184, 8), _steps(0.75, 4.5, 0.75)),
)


@final
@dataclass(frozen=True, kw_only=True)
class FBNetV2Size:
    """``channels``: width of the stem, 16 in the paper; a multiple of 4, by which all widths scale. ``halvings``: how
    many of the five strides are 2, the last ones; None for as many as leave 4 pixels of the task's images."""

    channels: int = STEM
    halvings: int | None = None

    def __post_init__(self) -> None:
        if self.channels < 4 or self.channels % 4:
            raise SettingError(f"Widths of fbnetv2 scale by quarters; {self.channels} is no multiple of 4.")
        if self.halvings is not None and not 0 <= self.halvings <= 5:
            raise SettingError(f"Networks of fbnetv2 halve the resolution 0 to 5 times, not {self.halvings}.")

    def width(self, full: float) -> int:
        return round(full * self.channels / STEM)

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


@dataclass(frozen=True)
class Layer:
    """Layer number ``number`` of ``stage``, behind ``previous``; ``stride`` as it is for a task."""

    stage: FBNetStage
    number: int
    previous: FBNetStage | None
    stride: int

    @property
    def name(self) -> str:
        return f"{self.stage.name}/{self.number + 1}"

    @property
    def first(self) -> bool:
        return self.number == 0

    def extents(self, network: FBNetV2Size) -> tuple[Extent, Extent, Extent, Extent]:
        """Channels that come in, go out, are hidden, and are within squeeze-and-excitation."""
        width = width_of(self.stage, network)
        source = self.previous if self.first else self.stage
        before = Extent.fixed(network.width(STEM)) if source is None else width_of(source, network)
        hidden = before
        if self.stage.expands:
            row = (f"{self.stage.name}/expansion", self.number)
            hidden = _joined(network.hidden, before, Extent.of(row, list(self.stage.expansions)))
        return before, width, hidden, _joined(network.squeezed, hidden)


def width_of(stage: FBNetStage, network: FBNetV2Size) -> Extent:
    return Extent.of((f"{stage.name}/width", 0), [float(network.width(width)) for width in stage.widths])


def _joined(function: Callable[..., int], *parts: Extent) -> Extent:
    """``function`` of numbers, for every combination of options."""

    def each(*tables: Tensor) -> Tensor:
        full = torch.broadcast_tensors(*tables)
        values = [float(function(*entry)) for entry in zip(*(table.flatten().tolist() for table in full), strict=True)]
        return torch.tensor(values, dtype=torch.float64).view(full[0].shape)

    return joined(each, *parts)


def layers_of(network: FBNetV2Size, signature: Signature) -> list[Layer]:
    strides = [stage.stride for stage in STAGES]
    whole = 5 - network.halved(signature.size)  # the first of the five, the stem's among them, do not halve
    layers, seen = [], 1
    for number, stage in enumerate(STAGES):
        stride = strides[number]
        if stride == 2:
            seen += 1
            stride = 2 if seen > whole else 1
        previous = STAGES[number - 1] if number else None
        layers += [Layer(stage, at, previous, stride if at == 0 else 1) for at in range(stage.layers)]
    return layers


def block_of(
    block: Block,
    before: int,
    hidden: int,
    squeezed: int,
    width: int,
    layer: Layer,
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


def skip_of(before: int, width: int, layer: Layer, norm: NormConfig, mask: nn.Module | None = None) -> nn.Module:
    if not layer.first:
        return nn.Identity()
    return ConvNormAct(before, width, 1, layer.stride, norm, "relu", mask=mask)


class FBNetV2Network(nn.Module):
    def __init__(
        self,
        resize: nn.Module,
        layers: Sequence[nn.Module],
        last: int,
        network: FBNetV2Size,
        signature: Signature,
    ) -> None:
        super().__init__()
        norm, features = NormConfig(), network.width(HEAD)
        self.resize = resize
        stride = 2 if network.halved(signature.size) == 5 else 1
        self.stem = ConvNormAct(signature.features, network.width(STEM), 3, stride, norm, "hswish")
        self.blocks = nn.Sequential(*layers)
        self.head = ConvNormAct(last, features, 1, 1, norm, "hswish")
        self.classifier = nn.Linear(features, signature.outputs)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        features = self.head(self.blocks(self.stem(self.resize(x_BCHW))))
        return self.classifier(features.mean(dim=(2, 3)))


__all__ = [
    "BLOCKS",
    "HEAD",
    "OPTIONS",
    "RESOLUTIONS",
    "SKIP",
    "STAGES",
    "STEM",
    "Block",
    "FBNetStage",
    "FBNetV2Network",
    "FBNetV2Size",
    "Layer",
    "block_of",
    "layers_of",
    "skip_of",
    "width_of",
]
