"""From decoded images with labels of any kind to a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from nascence.errors import DataError
from nascence.seeding import generator
from nascence.tasks.image_classification import ImageClassification, ImageSet, stratified_split
from nascence.tasks.sizes import SeveralSizesError


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


Validation = Literal["own", "train"]


def assemble(
    raw: RawData,
    *,
    test_fraction: float = 0.2,
    seed: int = 0,
    flip: bool | None = None,
    validation: Validation = "own",
) -> ImageClassification:
    """A checked task. Without test images, ``test_fraction`` of every class becomes the test set. ``validation``: what
    becomes of validation images: a part of their own, or training images.

    Raises :class:`DataError` when there are fewer than two classes or no test images, when parts differ in size or when
    test or validation images have a class that no training image has.
    """
    if raw.validation is not None and validation == "train":
        raw = replace(raw, train=_together(raw.train, raw.validation), validation=None)
    classes = _ordered(set(raw.train.labels))
    mapping = {label: position for position, label in enumerate(classes)}
    if len(classes) < 2:
        found = f"only the class '{classes[0]}'" if classes else "no images"
        raise DataError(f"The training images of '{raw.name}' have {found}; a classifier needs at least two classes.")
    names = tuple(str((raw.label_names or {}).get(label, label)) for label in classes)
    train = _image_set(raw.train, mapping, raw.name, "training")
    if raw.test is None:
        if not 0 < test_fraction < 1:
            raise DataError(f"The test fraction must lie between 0 and 1, got {test_fraction}.")
        test_N, train_N = stratified_split(train.labels, test_fraction, generator(seed, "test split"))
        if not len(test_N):
            raise DataError(
                f"No class of '{raw.name}' has two images, of which one could be set aside for testing; add images."
            )
        train, test = train[train_N], train[test_N]
    else:
        train, test = _alike("test", train, _image_set(raw.test, mapping, raw.name, "test"), raw.name)
    watched = None
    if raw.validation is not None:
        watched = _image_set(raw.validation, mapping, raw.name, "validation")
        train, watched = _alike("validation", train, watched, raw.name)
        train, test = _alike("test", train, test, raw.name)
    mean, std = _statistics(train.images)
    return ImageClassification(
        raw.name,
        names,
        train,
        test,
        mean,
        std,
        raw.flip if flip is None else flip,
        label_mapping=mapping,
        validation=watched,
    )


def _together(first: LabelledImages, second: LabelledImages) -> LabelledImages:
    """One after the other; grey images beside coloured ones get three equal channels."""
    channels = max(part.images.shape[-1] for part in (first, second))
    images = [np.broadcast_to(part.images, (*part.images.shape[:-1], channels)) for part in (first, second)]
    if images[0].shape[1:] != images[1].shape[1:]:
        counts = {(part.shape[1], part.shape[2]): len(part) for part in images}
        raise SeveralSizesError(counts, "The training and the validation images have")
    return LabelledImages(np.concatenate(images), [*first.labels, *second.labels])


def _alike(what: str, train: ImageSet, other: ImageSet, name: str) -> list[ImageSet]:
    """Both with the same channels. Raises :class:`DataError` where they differ in size."""
    both = _same_channels(train, other)
    if both[0].images.shape[1:] != both[1].images.shape[1:]:
        counts = {(s.images.shape[2], s.images.shape[3]): len(s) for s in both}
        raise SeveralSizesError(counts, f"The training and the {what} images of '{name}' have")
    return both


def _ordered(labels: set[int | str]) -> list[int | str]:
    """Numbers by value, texts by alphabet."""
    return sorted(labels, key=lambda label: (isinstance(label, str), label))


def _image_set(raw: LabelledImages, mapping: Mapping[int | str, int], name: str, what: str) -> ImageSet:
    unknown = _ordered(set(raw.labels) - set(mapping))
    if unknown:
        raise DataError(f"The {what} images of '{name}' have the class '{unknown[0]}', which no training image has.")
    if not len(raw.labels):
        raise DataError(f"'{name}' has no {what} images.")
    # a copy, not contiguous(): with one channel that would keep the strides of channels last, and with them PyTorch's
    # convolutions for that layout, whose backward pass damages memory where dilated kernels exceed tiny images
    images = torch.from_numpy(raw.images).permute(0, 3, 1, 2).clone(memory_format=torch.contiguous_format)
    return ImageSet(images, torch.tensor([mapping[label] for label in raw.labels]))


def _same_channels(*sets: ImageSet) -> list[ImageSet]:
    """Grey images beside coloured ones get three equal channels."""
    channels = max(s.images.shape[1] for s in sets)
    return [ImageSet(s.images.expand(-1, channels, -1, -1).contiguous(), s.labels) for s in sets]


def _statistics(images_NCHW: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel, exact, of pixels in [0, 1]; a constant channel counts as deviation 1."""
    values = torch.arange(256, dtype=torch.float64) / 255
    means, deviations = [], []
    for channel_NHW in images_NCHW.unbind(1):
        share = sum(part.reshape(-1).bincount(minlength=256).double() for part in channel_NHW.split(4096))
        assert isinstance(share, Tensor)
        share /= channel_NHW.numel()
        mean = float(share @ values)
        means.append(mean)
        deviations.append(float(share @ (values - mean).square()) ** 0.5 or 1.0)
    return tuple(means), tuple(deviations)
