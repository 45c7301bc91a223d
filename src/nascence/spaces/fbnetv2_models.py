"""The released FBNetV2 networks F1 to F4, L1 and L2, as a space of one choice: to be measured, trained and compared.

Widths, kernels and expansions are those of the official model repository; the expansions lie off the grid that was
searched, so they are no architectures of the space ``fbnetv2``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, final

from torch import Tensor, nn

from nascence.architecture import Architecture
from nascence.operations import NormConfig
from nascence.operations.mobile_blocks import (
    Activation,
    ConvNormAct,
    MobileBlock,
    PooledHead,
    make_divisible,
)
from nascence.spaces.base import Choice, Space
from nascence.tasks.base import Signature

_R: Activation = "relu"
_H: Activation = "hswish"


class ReleasedLayer(NamedTuple):
    """An inverted residual; ``kernel`` 0: a skip, which changes the width by a 1 x 1 convolution."""

    kernel: int
    squeeze: bool
    activation: Activation
    width: int
    stride: int = 1
    expansion: float = 1.0


def _skip(width: int) -> ReleasedLayer:
    return ReleasedLayer(0, False, _R, width)


@dataclass(frozen=True)
class Released:
    """``resolution``: of the images it was trained on, in pixels. ``mflops``, ``mparams``: millions of multiply-adds
    and parameters, and ``top1`` percent on ImageNet, as published with the official models."""

    resolution: int
    stem: int
    layers: tuple[ReleasedLayer, ...]
    features: int
    mflops: float
    mparams: float
    top1: float


_F1 = (
    ReleasedLayer(5, False, _R, 8),
    ReleasedLayer(5, False, _R, 24, 2, 5.4566),
    ReleasedLayer(5, False, _R, 24, 1, 4.7912),
    ReleasedLayer(5, True, _R, 32, 2, 5.3501),
    ReleasedLayer(5, True, _R, 24, 1, 4.5379),
    ReleasedLayer(5, False, _H, 56, 2, 5.7133),
    ReleasedLayer(3, False, _H, 56, 1, 4.1212),
    ReleasedLayer(3, True, _H, 56, 1, 5.1246),
    _skip(80),
    ReleasedLayer(5, True, _H, 80, 1, 4.507),
    ReleasedLayer(5, True, _H, 80, 1, 1.7712),
    ReleasedLayer(3, True, _H, 144, 2, 4.5685),
    ReleasedLayer(5, True, _H, 144, 1, 5.84),
    ReleasedLayer(5, True, _H, 144, 1, 6.8754),
    _skip(224),
)
_F4 = (
    ReleasedLayer(3, False, _H, 16),
    ReleasedLayer(5, False, _H, 24, 2, 5.4566),
    *[ReleasedLayer(5, False, _H, 24, 1, 1.7912)] * 2,
    ReleasedLayer(5, True, _R, 32, 2, 5.3501),
    ReleasedLayer(5, True, _R, 32, 1, 3.5379),
    *[ReleasedLayer(5, True, _R, 32, 1, 4.5379)] * 2,
    ReleasedLayer(5, False, _H, 64, 2, 5.7133),
    ReleasedLayer(3, False, _H, 64, 1, 2.1212),
    _skip(64),
    ReleasedLayer(3, False, _H, 104, 1, 5.0333),
    ReleasedLayer(5, True, _H, 104, 1, 2.507),
    ReleasedLayer(5, True, _H, 104, 1, 1.7712),
    ReleasedLayer(5, True, _H, 112, 1, 3.7712),
    ReleasedLayer(3, True, _H, 184, 2, 5.5685),
    ReleasedLayer(5, True, _H, 184, 1, 2.84),
    ReleasedLayer(5, True, _H, 184, 1, 4.8754),
    _skip(224),
)
_L1 = (
    ReleasedLayer(3, False, _H, 16),
    ReleasedLayer(5, False, _H, 24, 2, 5.4566),
    *[ReleasedLayer(kernel, False, _H, 24, 1, 1.7912) for kernel in (5, 3, 5)],
    ReleasedLayer(5, True, _H, 40, 2, 5.3501),
    ReleasedLayer(5, True, _H, 32, 1, 3.5379),
    *[ReleasedLayer(5, True, _H, 32, 1, 4.5379)] * 2,
    ReleasedLayer(5, False, _H, 64, 2, 5.7133),
    ReleasedLayer(3, False, _H, 64, 1, 2.1212),
    _skip(64),
    ReleasedLayer(3, False, _H, 64, 1, 3.1246),
    ReleasedLayer(3, False, _H, 112, 1, 5.0333),
    *[ReleasedLayer(5, True, _H, 112, 1, expansion) for expansion in (2.507, 1.7712, 2.7712, 3.7712, 3.7712)],
    ReleasedLayer(3, True, _H, 184, 2, 5.5685),
    *[ReleasedLayer(5, True, _H, 184, 1, expansion) for expansion in (2.84, 2.84, 4.8754, 4.8754)],
    _skip(224),
)
MODELS = {
    "F1": Released(128, 8, _F1, 1600, 56.4, 6.00, 68.28),
    "F2": Released(160, 8, _F1, 1600, 85.4, 6.00, 70.98),
    "F3": Released(192, 8, _F1, 1984, 121.8, 6.90, 73.03),
    "F4": Released(224, 16, _F4, 1984, 238.4, 6.99, 75.82),
    "L1": Released(224, 16, _L1, 1984, 326.0, 8.50, 77.04),
    "L2": Released(256, 16, _L1, 1984, 423.9, 8.50, 78.24),
}


@final
@dataclass(frozen=True, kw_only=True)
class ReleasedSize:
    """``divisor``: all widths are divided by it (rounded to multiples of 8), 1 for the released networks."""

    divisor: int = 1

    def width(self, full: int) -> int:
        return full if self.divisor == 1 else make_divisible(full / self.divisor)


@final
class FBNetV2Models(Space):
    """Six networks; the text is the name of one. They take images of any size and halve it five times."""

    name = "fbnetv2-models"
    domain = "images"
    size_class: ClassVar[type] = ReleasedSize
    choices = (Choice("model", tuple(MODELS)),)
    networks: Mapping[str, ReleasedSize] = {
        "evaluation": ReleasedSize(),
        "score": ReleasedSize(divisor=4),
        "ranking": ReleasedSize(divisor=2),
        "ranking-deep": ReleasedSize(divisor=2),
    }

    def format(self, architecture: Architecture) -> str:
        return architecture.answers[0]

    def parse(self, text: str) -> Architecture:
        return self.architecture([text.strip()])

    def assemble(self, architecture: Architecture, network: ReleasedSize, signature: Signature) -> nn.Module:
        return _Network(MODELS[architecture.answers[0]], network, signature)


class _Network(nn.Module):
    def __init__(self, model: Released, network: ReleasedSize, signature: Signature) -> None:
        super().__init__()
        norm, before = NormConfig(), network.width(model.stem)
        self.stem = ConvNormAct(signature.features, before, 3, 2, norm, "hswish")
        self.blocks = nn.Sequential()
        for layer in model.layers:
            width = network.width(layer.width)
            self.blocks.append(_layer(layer, before, width))
            before = width
        self.head = PooledHead(before, make_divisible(6 * before), network.width(model.features), norm)
        self.classifier = nn.Linear(network.width(model.features), signature.outputs)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return self.classifier(self.head(self.blocks(self.stem(x_BCHW))))


def _layer(layer: ReleasedLayer, before: int, width: int) -> nn.Module:
    norm = NormConfig()
    if not layer.kernel:
        return nn.Identity() if before == width else ConvNormAct(before, width, 1, layer.stride, norm, "relu")
    hidden = before if layer.expansion == 1 else make_divisible(before * layer.expansion)
    return MobileBlock(
        before,
        hidden,
        width,
        layer.kernel,
        layer.stride,
        norm,
        layer.activation,
        expand=layer.expansion != 1,
        squeezed=make_divisible(hidden / 4) if layer.squeeze else None,
        residual=layer.stride == 1 and before == width,
    )


__all__ = ["MODELS", "FBNetV2Models", "Released", "ReleasedLayer", "ReleasedSize"]
