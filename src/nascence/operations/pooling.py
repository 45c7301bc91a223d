"""3 x 3 pooling as the cell spaces use it: padding 1, padded pixels not counted, no normalisation."""

from __future__ import annotations

from typing import Literal

from torch import nn


class Pooling(nn.Sequential):
    """Average or maximum over 3 x 3 pixels."""

    def __init__(self, kind: Literal["avg", "max"], stride: int) -> None:
        super().__init__(
            nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)
            if kind == "avg"
            else nn.MaxPool2d(3, stride, padding=1)
        )
