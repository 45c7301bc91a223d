"""What a source of images with a class each has read, before it is a task; known without PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """``images``: uint8 [N, H, W, C] with 1 or 3 channels; ``labels``: N numbers or texts."""

    images: np.ndarray
    labels: Sequence[int | str]


@dataclass(frozen=True, eq=False)
class RawData:
    """What a source has read: training images, test and validation images where it has them, names of labels where it
    knows them."""

    name: str
    train: LabelledImages
    test: LabelledImages | None = None
    label_names: Mapping[int | str, str] | None = None
    flip: bool = True
    validation: LabelledImages | None = None


__all__ = ["LabelledImages", "RawData"]
