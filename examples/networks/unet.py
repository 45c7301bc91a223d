"""A small U-Net (Ronneberger et al., MICCAI 2015) that restores pictures of any size: it predicts what to take away."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def double(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.Conv2d(outputs, outputs, 3, padding=1), nn.ReLU()
    )


class UNet(nn.Module):
    def __init__(self, channels: int, width: int = 16) -> None:
        super().__init__()
        self.down1, self.down2 = double(channels, width), double(width, 2 * width)
        self.bottom = double(2 * width, 4 * width)
        self.up2 = nn.Conv2d(4 * width, 2 * width, 3, padding=1)
        self.join2 = double(4 * width, 2 * width)
        self.up1 = nn.Conv2d(2 * width, width, 3, padding=1)
        self.join1 = double(2 * width, width)
        self.last = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        first = self.down1(x)
        second = self.down2(F.avg_pool2d(first, 2, ceil_mode=True))
        third = self.bottom(F.avg_pool2d(second, 2, ceil_mode=True))
        y = self.up2(F.interpolate(third, size=second.shape[-2:]))
        y = self.join2(torch.cat([y, second], dim=1))
        y = self.up1(F.interpolate(y, size=first.shape[-2:]))
        y = self.join1(torch.cat([y, first], dim=1))
        return x - self.last(y)


def build(channels: int = 3) -> nn.Module:
    return UNet(channels)
