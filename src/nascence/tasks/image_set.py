"""Images with a class each, and how a set of them is divided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor


@final
@dataclass(frozen=True, eq=False)
class ImageSet:
    """``images``: uint8 [N, C, H, W]; ``labels``: int64 [N], each in 0..K-1."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, at_N: Tensor) -> ImageSet:
        """The images at the positions ``at_N``, a copy."""
        return ImageSet(self.images[at_N], self.labels[at_N])


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
