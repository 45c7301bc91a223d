"""Convolutions without normalisation, as networks that restore pictures have them. All keep height and width.

A convolution is followed by a ReLU; ``sep`` is a depthwise convolution and a 1 x 1 one. The first has no bias, so that
channels that a width masks out stay zero in between.
"""

from __future__ import annotations

from torch import nn

from nascence.errors import UnknownNameError

PLAIN = ("conv3x3", "conv5x5", "sep3x3", "sep5x5", "dil3x3", "skip")


def plain_operation(name: str, channels: int) -> nn.Module:
    """The operation called ``name``, from ``channels`` to as many. Raises :class:`UnknownNameError`."""
    if name not in PLAIN:
        raise UnknownNameError("operation", name, PLAIN)
    if name == "skip":
        return nn.Identity()
    kernel, dilation = int(name[-1]), 2 if name.startswith("dil") else 1
    padding = dilation * (kernel // 2)
    if name.startswith("sep"):
        return nn.Sequential(
            nn.Conv2d(channels, channels, kernel, padding=padding, groups=channels, bias=False),
            nn.Conv2d(channels, channels, 1),
            nn.ReLU(),
        )
    return nn.Sequential(nn.Conv2d(channels, channels, kernel, padding=padding, dilation=dilation), nn.ReLU())


def plain_amounts(name: str) -> dict[str, tuple[int, int]]:
    """What :func:`plain_operation` costs with c channels: ``params`` and ``macs`` (multiply-adds a pixel), each as
    (a, b) of a c^2 + b c."""
    if name == "skip":
        return {"params": (0, 0), "macs": (0, 0)}
    taps = int(name[-1]) ** 2
    if name.startswith("sep"):
        return {"params": (1, taps + 1), "macs": (1, taps)}
    return {"params": (taps, 1), "macs": (taps, 0)}


__all__ = ["PLAIN", "plain_amounts", "plain_operation"]
