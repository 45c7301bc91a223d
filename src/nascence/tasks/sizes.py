"""Images of several sizes, which photographs usually have: which one size to bring them to."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nascence.errors import DataError

USUAL_SIZES = (16, 24, 32, 48, 64)
"""What is suggested: what most images have without being enlarged, and no more than an ordinary computer trains on."""
Size = tuple[int, int]


class SeveralSizesError(DataError):
    """Images that differ in size, where one is needed. ``suggested``: pixels of a square to bring them to."""

    def __init__(self, counts: Mapping[Size, int], described: str = "The images have") -> None:
        """``counts``: how many images were seen of each size (height, width)."""
        self.suggested = suggested_size(counts)
        first, second = sorted(counts)[:2]
        self.found = (
            f"{described} {len(counts)} different sizes, such as {first[0]} x {first[1]} and {second[0]} x {second[1]}"
        )
        super().__init__(f"{self.found}; add --image-size N to bring all to N x N, such as {self.suggested}.")


def suggested_size(counts: Mapping[Size, int]) -> int:
    """The largest of :data:`USUAL_SIZES` that is not above the median of the shorter sides; that itself below all."""
    sides = np.repeat([min(size) for size in counts], list(counts.values()))
    middle = int(np.median(sides))
    return max((size for size in USUAL_SIZES if size <= middle), default=max(1, middle))


__all__ = ["USUAL_SIZES", "SeveralSizesError", "suggested_size"]
