"""Images with a class each, and how a set of them is divided."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import final

import torch
from torch import Tensor


@final
class ImageSet:
    """Images with labels int64 [N], each in 0..K-1: all of ``images``, uint8 [N, C, H, W], or ``rows`` [N] of them.

    ``mapped``: the images are in a file that is mapped into memory, and may be more than memory holds; then parts of
    the set are rows of the same images, and only what is asked for is read. Otherwise they are copies, which is faster,
    and may be on another device than the labels.
    """

    def __init__(self, images: Tensor, labels: Tensor, rows: Tensor | None = None, *, mapped: bool = False) -> None:
        self._images, self.labels, self._rows, self.mapped = images, labels, rows, mapped

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        channels, height, width = self._images.shape[1:]
        return channels, height, width

    @property
    def images(self) -> Tensor:
        """uint8 [N, C, H, W]; of a mapped set, what is not the whole file is read into memory."""
        if self._rows is None:
            return self._images
        return self._images[self._rows].contiguous()

    def __getitem__(self, at_N: Tensor) -> ImageSet:
        """The images at the positions ``at_N``."""
        if self.mapped:
            rows = at_N if self._rows is None else self._rows[at_N]
            return ImageSet(self._images, self.labels[at_N], rows, mapped=True)
        return ImageSet(self._images[at_N.to(self._images.device, non_blocking=True)], self.labels[at_N])

    def first(self, count: int | None) -> ImageSet:
        """The first ``count`` images, all if None."""
        if count is None or count >= len(self):
            return self
        if self.mapped:
            return self[torch.arange(count)]
        return ImageSet(self._images[:count], self.labels[:count])

    def pieces(self, size: int) -> Iterator[Tensor]:
        """The images in their order, [size, C, H, W] at a time; the last piece holds what is left over."""
        if self._rows is None:
            yield from self._images.split(size)
        else:
            for rows in self._rows.split(size):
                yield self._images[rows].contiguous()

    def windows(self, at_N: Tensor, size: int, y_N: Tensor, x_N: Tensor) -> Tensor:
        """Squares [N, C, size, size] of the images at ``at_N``, whose upper left corners are at ``y_N``, ``x_N``."""
        windows = self._images.unfold(2, size, 1).unfold(3, size, 1)
        rows_N = at_N if self._rows is None else self._rows[at_N]
        rows_N, y_N, x_N = (place.to(windows.device, non_blocking=True) for place in (rows_N, y_N, x_N))
        return windows[rows_N, :, y_N, x_N]

    def on(self, device: torch.device) -> ImageSet:
        """The images on ``device``, labels and rows on the CPU; those of a mapped file stay there."""
        if self.mapped:
            return self
        return ImageSet(self._images.to(device), self.labels, self._rows)

    @property
    def bytes(self) -> int:
        """Of the images."""
        return self._images.numel()

    def expanded(self, channels: int) -> ImageSet:
        """Grey images as ``channels`` equal ones."""
        images = self._images.expand(-1, channels, -1, -1)
        return ImageSet(images if self.mapped else images.contiguous(), self.labels, self._rows, mapped=self.mapped)

    @staticmethod
    def union(sets: Sequence[ImageSet]) -> ImageSet:
        """The images of several sets, one set after the other."""
        labels = torch.cat([part.labels for part in sets])
        base = sets[0]._images
        if all(part.mapped and part._images is base and part._rows is not None for part in sets):
            rows = torch.cat([part._rows for part in sets if part._rows is not None])
            return ImageSet(base, labels, rows, mapped=True)
        return ImageSet(torch.cat([part.images for part in sets]), labels)


def batch_sizes(count: int, batch_size: int) -> list[int]:
    """How many images each batch of an epoch holds."""
    full, left = divmod(count, batch_size)
    sizes = [batch_size] * full
    if left == 1 and full:
        sizes[-1] += 1
    elif left:
        sizes.append(left)
    return sizes


def stratified_split(labels_N: Tensor, fraction: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Positions in random order, split so that the first part has ``fraction`` of every class (rounded).

    A class of two images or more keeps at least one in either part.
    """
    first, second = [], []
    for label in labels_N.unique().tolist():
        at = (labels_N == label).nonzero()[:, 0]
        at = at[torch.randperm(len(at), generator=generator)]
        cut = round(fraction * len(at))
        if len(at) > 1 and 0 < fraction < 1:
            cut = min(max(cut, 1), len(at) - 1)
        first.append(at[:cut])
        second.append(at[cut:])
    parts = torch.cat(first), torch.cat(second)
    shuffled = [part[torch.randperm(len(part), generator=generator)] for part in parts]
    return shuffled[0], shuffled[1]


__all__ = ["ImageSet", "batch_sizes", "stratified_split"]
