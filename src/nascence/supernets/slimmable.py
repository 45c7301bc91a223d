"""Operations of one kernel for all widths: narrow networks use the first channels of every tensor (Yu et al., slimmable
networks, ICLR 2019), as in the cells of the Trilevel NAS for super-resolution (Wu et al., arXiv 2101.06658).

No biases and no normalisation, so that the count of parameters is that of the kernels' slices alone.
"""

from __future__ import annotations

from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

OPERATIONS = ("skip", "conv3x3", "residual", "dws")
EXPANSION = 4


@final
class SlimConv(nn.Conv2d):
    """A k x k convolution without bias of which the first ``outputs`` kernels and their first channels are used.
    Depthwise ones have one channel each."""

    def __init__(self, inputs: int, outputs: int, kernel: int, depthwise: bool = False) -> None:
        groups = inputs if depthwise else 1
        super().__init__(inputs, outputs, kernel, padding=kernel // 2, bias=False, groups=groups)

    def forward(self, x_BCHW: Tensor, outputs: int) -> Tensor:  # type: ignore[override]
        depthwise = self.groups > 1
        weight = self.weight[:outputs] if depthwise else self.weight[:outputs, : x_BCHW.shape[1]]
        return F.conv2d(x_BCHW, weight, padding=self.padding, groups=outputs if depthwise else 1)


@final
class SlimOperation(nn.Module):
    """One of :data:`OPERATIONS`, followed by a ReLU, from any width up to ``inputs`` to any up to ``outputs``.

    ``skip``: 1 x 1, no identity. ``conv3x3``. ``residual``: two 3 x 3 with a ReLU between, plus the input. ``dws``:
    1 x 1 to four times as many channels, depthwise 3 x 3, 1 x 1, ReLUs between, plus the input. The input is added
    through a 1 x 1 convolution where the widths differ; ``fixed`` leaves that out where they are known to be equal.
    """

    def __init__(self, name: str, inputs: int, outputs: int, *, fixed: bool = False) -> None:
        super().__init__()
        self.name = name
        if name == "skip":
            self.first = SlimConv(inputs, outputs, 1)
        elif name == "conv3x3":
            self.first = SlimConv(inputs, outputs, 3)
        elif name == "residual":
            self.first, self.second = SlimConv(inputs, outputs, 3), SlimConv(outputs, outputs, 3)
        else:
            assert name == "dws"
            hidden = EXPANSION * inputs
            self.first = SlimConv(inputs, hidden, 1)
            self.second, self.third = SlimConv(hidden, hidden, 3, depthwise=True), SlimConv(hidden, outputs, 1)
        self.shortcut: SlimConv | None = None
        if name in ("residual", "dws") and not (fixed and inputs == outputs):
            self.shortcut = SlimConv(inputs, outputs, 1)

    def forward(self, x_BCHW: Tensor, outputs: int) -> Tensor:
        inputs = x_BCHW.shape[1]
        if self.name in ("skip", "conv3x3"):
            return F.relu(self.first(x_BCHW, outputs))
        if self.name == "residual":
            inner = self.second(F.relu(self.first(x_BCHW, outputs)), outputs)
        else:
            hidden = EXPANSION * inputs
            inner = F.relu(self.second(F.relu(self.first(x_BCHW, hidden)), hidden))
            inner = self.third(inner, outputs)
        if inputs == outputs:
            return F.relu(inner + x_BCHW)
        assert self.shortcut is not None
        return F.relu(inner + self.shortcut(x_BCHW, outputs))


def amount(name: str, inputs: int, outputs: int) -> int:
    """Parameters of an operation, and its multiply-adds a pixel: the same number, as there are no biases."""
    shortcut = inputs * outputs if inputs != outputs else 0
    hidden = EXPANSION * inputs
    return {
        "skip": inputs * outputs,
        "conv3x3": 9 * inputs * outputs,
        "residual": 9 * inputs * outputs + 9 * outputs * outputs + shortcut,
        "dws": inputs * hidden + 9 * hidden + hidden * outputs + shortcut,
    }[name]


def pad_channels(x_BCHW: Tensor, channels: int) -> Tensor:
    """With zeros up to ``channels``."""
    missing = channels - x_BCHW.shape[1]
    return x_BCHW if not missing else torch.cat([x_BCHW, x_BCHW.new_zeros(len(x_BCHW), missing, *x_BCHW.shape[2:])], 1)


__all__ = ["EXPANSION", "OPERATIONS", "SlimConv", "SlimOperation", "amount", "pad_channels"]
