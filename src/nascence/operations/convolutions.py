"""Convolutions with their activation and normalisation, in the order ReLU - convolution - batch normalisation."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn


class NormConfig(NamedTuple):  # of which plans hash hundreds of thousands
    """Flags of batch normalisation: learnable scale and shift; running statistics."""

    affine: bool = True
    track_running_stats: bool = True

    def build(self, channels: int) -> nn.BatchNorm2d:
        return nn.BatchNorm2d(channels, affine=self.affine, track_running_stats=self.track_running_stats)


class ReLUConvBN(nn.Sequential):
    """ReLU, k x k convolution without bias, batch normalisation."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int, norm: NormConfig) -> None:
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False),
            norm.build(out_channels),
        )


class SeparableConv(nn.Sequential):
    """Twice: ReLU, depthwise k x k, pointwise 1 x 1, batch normalisation. The stride is in the first half (DARTS)."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int, norm: NormConfig) -> None:
        super().__init__(
            *_depthwise_separable(in_channels, in_channels, kernel, stride, 1, norm),
            *_depthwise_separable(in_channels, out_channels, kernel, 1, 1, norm),
        )


class LightSeparableConv(nn.Sequential):
    """ReLU, depthwise k x k, pointwise 1 x 1, batch normalisation: half a :class:`SeparableConv`."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int, norm: NormConfig) -> None:
        super().__init__(*_depthwise_separable(in_channels, out_channels, kernel, stride, 1, norm))


class DilatedConv(nn.Sequential):
    """ReLU, depthwise k x k with dilation 2, pointwise 1 x 1, batch normalisation (DARTS)."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int, norm: NormConfig) -> None:
        super().__init__(*_depthwise_separable(in_channels, out_channels, kernel, stride, 2, norm))


class FactorizedReduce(nn.Module):
    """Halves the resolution without pooling: two 1 x 1 stride-2 convolutions, the second on the input shifted by one
    pixel, each to half of the channels (DARTS). An odd resolution is rounded up."""

    def __init__(self, in_channels: int, out_channels: int, norm: NormConfig) -> None:
        super().__init__()
        first = out_channels // 2
        self.relu = nn.ReLU()
        self.even = nn.Conv2d(in_channels, first, 1, stride=2, bias=False)
        self.odd = nn.Conv2d(in_channels, out_channels - first, 1, stride=2, bias=False)
        self.norm = norm.build(out_channels)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        x_BCHW = self.relu(x_BCHW)
        shifted = nn.functional.pad(x_BCHW, (0, 1, 0, 1))[:, :, 1:, 1:]
        return self.norm(torch.cat([self.even(x_BCHW), self.odd(shifted)], dim=1))


def _depthwise_separable(
    in_channels: int, out_channels: int, kernel: int, stride: int, dilation: int, norm: NormConfig
) -> list[nn.Module]:
    padding = dilation * (kernel // 2)
    return [
        nn.ReLU(),
        nn.Conv2d(in_channels, in_channels, kernel, stride, padding, dilation, groups=in_channels, bias=False),
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        norm.build(out_channels),
    ]
