"""Networks that nobody searched, to compare found ones with."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import torch
from torch import Tensor, nn

from nascence.costs import params
from nascence.errors import SettingError
from nascence.initialisation import initialise
from nascence.operations import ConvBN, InvertedResidual, NormConfig
from nascence.seeding import derive_seed, generator, seeded_globally


class _Block(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut, which is a 1 x 1 convolution where the shape changes."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return torch.relu(self.main(x_BCHW) + self.shortcut(x_BCHW))


@final
class PlainResNet(nn.Module):
    """The residual network for small images (He et al., CVPR 2016, section 4.2): a stem, three stages of ``blocks``
    basic blocks of width w, 2w and 4w, pooling, a classifier. Depth 6 x blocks + 2; projections as shortcuts."""

    def __init__(self, width: int, in_channels: int = 3, num_classes: int = 10, blocks: int = 3) -> None:
        super().__init__()
        self.width = width
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        layers: list[nn.Module] = []
        channels = width
        for stage in range(3):
            for block in range(blocks):
                wide = width * 2**stage
                layers.append(_Block(channels, wide, 2 if stage and not block else 1))
                channels = wide
        self.blocks = nn.Sequential(*layers)
        self.classifier = nn.Linear(channels, num_classes)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return self.classifier(self.blocks(self.stem(x_BCHW)).mean(dim=(2, 3)))


def plain_resnet(
    params_target: float, in_channels: int = 3, num_classes: int = 10, *, blocks: int = 3, seed: int = 0
) -> PlainResNet:
    """The :class:`PlainResNet` whose number of parameters is closest to ``params_target``.

    Raises :class:`SettingError` when the target is not positive.
    """
    if not params_target > 0:
        raise SettingError(f"A network needs a positive number of parameters, not {params_target}.")

    width = _closest(params_target, lambda width: PlainResNet(width, in_channels, num_classes, blocks))
    with seeded_globally(derive_seed(seed, "construction")):
        network = PlainResNet(width, in_channels, num_classes, blocks)
    initialise(network, "kaiming-fan-out", generator(seed, "weights"))
    return network


@final
class MobileNetV2(nn.Module):
    """MobileNetV2 (Sandler et al., CVPR 2018, table 2) for small images: the stem and the first stage that would halve
    the resolution keep it. ``width``: percent of the published channels, here of all layers, the last one included.
    ReLU stands for ReLU6."""

    def __init__(self, width: int, in_channels: int = 3, num_classes: int = 10) -> None:
        super().__init__()
        self.width = width
        norm = NormConfig()

        def scaled(channels: int) -> int:
            return max(1, round(channels * width / 100))

        channels = scaled(32)
        self.stem = ConvBN(in_channels, channels, 3, 1, norm)
        blocks: list[nn.Module] = []
        for expansion, out_channels, repeats, stride in _MOBILENET_V2:
            for repeat in range(repeats):
                wide = scaled(out_channels)
                at = stride if not repeat else 1
                if expansion == 1:
                    depthwise = ConvBN(channels, channels, 3, at, norm, groups=channels)
                    blocks.append(nn.Sequential(depthwise, ConvBN(channels, wide, 1, 1, norm, relu=False)))
                else:
                    blocks.append(InvertedResidual(channels, expansion * channels, wide, 3, at, norm))
                channels = wide
        self.blocks = nn.Sequential(*blocks)
        self.head = ConvBN(channels, scaled(1280), 1, 1, norm)
        self.classifier = nn.Linear(scaled(1280), num_classes)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return self.classifier(self.head(self.blocks(self.stem(x_BCHW))).mean(dim=(2, 3)))


# expansion, channels, blocks, stride
_MOBILENET_V2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 1),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def mobilenet_v2(params_target: float, in_channels: int = 3, num_classes: int = 10, *, seed: int = 0) -> MobileNetV2:
    """The :class:`MobileNetV2` whose number of parameters is closest to ``params_target``.

    Raises :class:`SettingError` when the target is not positive.
    """
    if not params_target > 0:
        raise SettingError(f"A network needs a positive number of parameters, not {params_target}.")
    width = _closest(params_target, lambda width: MobileNetV2(width, in_channels, num_classes))
    with seeded_globally(derive_seed(seed, "construction")):
        network = MobileNetV2(width, in_channels, num_classes)
    initialise(network, "kaiming-fan-out", generator(seed, "weights"))
    return network


def _closest(params_target: float, build: Callable[[int], nn.Module]) -> int:
    """The width, from 1, whose network has the number of parameters closest to the target; it grows with the width."""

    def count(width: int) -> int:
        with torch.device("meta"):
            return params(build(width))

    low, high = 1, 2
    while count(high) < params_target:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) < params_target else (low, middle)
    return min((low, high), key=lambda width: abs(count(width) - params_target))


__all__ = ["MobileNetV2", "PlainResNet", "mobilenet_v2", "plain_resnet"]
