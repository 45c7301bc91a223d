"""Restoring pictures of any size in bounded memory: tile by tile, with a margin as wide as the network sees."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nascence.errors import NascenceError
from nascence.seeding import generator
from nascence.tasks.restoration.colours import as_unit

TILE = 256
_LARGEST = 1024


def restore(
    network: nn.Module,
    picture_CHW: NDArray,
    channels: int,
    scale: int = 1,
    *,
    tile: int = TILE,
    margin: int | None = None,
    dtype: torch.dtype = torch.float64,
) -> NDArray:
    """The restored picture [C, scale H, scale W], of as many bits as ``picture_CHW``.

    ``channels``: of the network. One for grey pictures restores each channel of a coloured one by itself; one for
    coloured pictures sees a grey one three times, and its outputs are averaged. ``tile``: side of the squares that are
    restored at a time, in pixels of the input. ``margin``: what the network gets around each, None for
    :func:`receptive_radius`: then the result is that of the whole picture at once, whatever the tile. ``dtype``: what
    is computed in; in float32, which is twice as quick, a pixel in some thousands may differ by one level from tile
    size to tile size, since libraries sum in another order.
    """
    network = copy.deepcopy(network).eval().to(dtype)
    margin = receptive_radius(network, channels, scale) if margin is None else margin
    if channels == 1 and len(picture_CHW) > 1:
        options: dict[str, Any] = {"tile": tile, "margin": margin, "dtype": dtype}
        return np.concatenate([restore(network, plane[None], 1, scale, **options) for plane in picture_CHW])
    height, width = picture_CHW.shape[-2:]
    top = np.iinfo(picture_CHW.dtype).max
    restored = np.empty((len(picture_CHW), scale * height, scale * width), picture_CHW.dtype)
    with torch.no_grad():
        for rows in _tiles(height, tile):
            for columns in _tiles(width, tile):
                (y0, y1), (x0, x1) = (_widened(span, margin, end) for span, end in ((rows, height), (columns, width)))
                seen = as_unit(picture_CHW[:, y0:y1, x0:x1])[None].to(dtype)
                output = _run(network, seen.expand(-1, channels, -1, -1) if channels > len(picture_CHW) else seen)
                output = output.mean(1, keepdim=True) if channels > len(picture_CHW) else output
                if output.shape[-2:] != (scale * (y1 - y0), scale * (x1 - x0)):
                    raise NascenceError(f"This network does not enlarge pictures {scale} times.")
                inner = output[
                    0,
                    :,
                    scale * (rows[0] - y0) : scale * (rows[1] - y0),
                    scale * (columns[0] - x0) : scale * (columns[1] - x0),
                ]
                values = (inner * top + 0.5).floor().clamp(0, top).cpu().numpy().astype(picture_CHW.dtype)
                restored[:, scale * rows[0] : scale * rows[1], scale * columns[0] : scale * columns[1]] = values
    return restored


def receptive_radius(network: nn.Module, channels: int, scale: int = 1) -> int:
    """How many pixels of the input to either side an output pixel depends on, at most.

    From gradients of a copy with positive weights, in which nothing cancels and every ReLU is open. Raises
    :class:`NascenceError` where it is larger than 500 pixels (a network that sees the whole picture cannot be tiled).
    """
    probe = _positive(network).cpu().double()
    side = 64
    while side <= _LARGEST:
        x_BCHW = torch.ones(1, channels, side, side, dtype=torch.float64, requires_grad=True)
        centre = scale * (side // 2)
        probe(x_BCHW)[..., centre : centre + scale, centre : centre + scale].sum().backward()
        assert x_BCHW.grad is not None
        seen = x_BCHW.grad[0].abs().amax(0).nonzero() - side // 2
        radius = int(seen.abs().max()) if len(seen) else 0
        if radius < side // 2 - 1:
            return radius
        side *= 2
    raise NascenceError("An output pixel of this network depends on the whole picture, so it cannot be done in tiles.")


def _positive(network: nn.Module) -> nn.Module:
    probe = copy.deepcopy(network).eval()
    random = generator(0, "receptive field")
    with torch.no_grad():
        for module in probe.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                fan = max(1, module.weight[0].numel())
                drawn = torch.rand(module.weight.shape, generator=random) + 0.5
                module.weight.copy_(drawn / math.sqrt(fan))
                if module.bias is not None:
                    module.bias.fill_(0.1)
    return probe


def _run(network: nn.Module, x_BCHW: Tensor) -> Tensor:
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    return network(x_BCHW.to(device))


def _tiles(length: int, tile: int) -> Iterator[tuple[int, int]]:
    """(first, last + 1) of pieces of about the same length, none longer than ``tile``."""
    count = max(1, -(-length // tile))
    edges = [round(at * length / count) for at in range(count + 1)]
    return itertools.pairwise(edges)


def _widened(span: tuple[int, int], margin: int, end: int) -> tuple[int, int]:
    return max(0, span[0] - margin), min(end, span[1] + margin)


__all__ = ["TILE", "receptive_radius", "restore"]
