"""From decoded images with labels of any kind to a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch

from nascence.errors import DataError
from nascence.seeding import generator
from nascence.tasks.digests import digest_of
from nascence.tasks.image_classification import ImageClassification, ImageSet, stratified_split
from nascence.tasks.labelled import LabelledImages, RawData
from nascence.tasks.sizes import SeveralSizesError

_PIECE = 4096
"""Images that are looked at together."""
_LABEL = 2**64
"""Whole numbers from here on no record of a run could hold."""

Validation = Literal["own", "train"]


def assemble(
    raw: RawData,
    *,
    test_fraction: float = 0.2,
    seed: int = 0,
    flip: bool | None = None,
    validation: Validation = "own",
    remarks: Sequence[str] = (),
) -> ImageClassification:
    """A checked task. Without test images, ``test_fraction`` of every class becomes the test set. ``validation``: what
    becomes of validation images: a part of their own, or training images.

    Raises :class:`DataError` when there are fewer than two classes or no test images, when parts differ in size or when
    test or validation images have a class that no training image has.
    """
    if raw.validation is not None and validation == "train":
        raw = replace(raw, train=_together(raw.train, raw.validation), validation=None)
    classes = _ordered(set(raw.train.labels))
    if any(isinstance(label, int) and abs(label) >= _LABEL for label in classes):
        raise DataError(f"'{raw.name}' has a label of more than 64 bits; number the classes otherwise, or name them.")
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
    mean, std = _statistics(train)
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
        digest=digest(raw),
        remarks=(*remarks, *_small_classes(names, train, test), *_alike_throughout(train)),
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
    if both[0].shape != both[1].shape:
        counts = {s.shape[1:]: len(s) for s in both}
        raise SeveralSizesError(counts, f"The training and the {what} images of '{name}' have")
    return both


def digest(raw: RawData) -> str:
    """Of all that was read, before it was divided: pixels and labels, in their order, and the names of labels."""
    parts: list[Any] = []
    for part in (raw.train, raw.validation, raw.test):
        if part is not None:
            parts += [list(part.labels), part.images.transpose(0, 3, 1, 2)]
    names = {} if raw.label_names is None else {str(label): name for label, name in raw.label_names.items()}
    return digest_of([*parts, sorted(names.items())])


def _small_classes(names: Sequence[str], train: ImageSet, test: ImageSet) -> list[str]:
    """Sentences about classes that cannot be trained or judged."""
    remarks = []
    for labels, what, why in (
        (train.labels, "training", "it can hardly be learned"),
        (test.labels, "test", "its accuracy cannot be told, and is null"),
    ):
        counts = labels.bincount(minlength=len(names)).tolist()
        limit = 1 if what == "training" else 0
        few = [name for name, count in zip(names, counts, strict=True) if count <= limit]
        if few:
            more = f" and {len(few) - 3} more" if len(few) > 3 else ""
            listed = ", ".join(f"'{name}'" for name in few[:3]) + more
            number = {1: "a single", 0: "no"}[limit]
            class_ = "The class" if len(few) == 1 else "The classes"
            verb = "has" if len(few) == 1 else "have"
            remarks.append(f"{class_} {listed} {verb} {number} {what} image: {why}.")
    return remarks


def _alike_throughout(images: ImageSet) -> list[str]:
    """A sentence where all training images are the same."""
    first = images.first(1).images
    same = all(bool((piece == first).all()) for piece in images.pieces(_PIECE))
    return ["All training images are the same: nothing can be learned from them."] if same else []


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
    labels = torch.tensor([mapping[label] for label in raw.labels])
    images = torch.from_numpy(raw.images).permute(0, 3, 1, 2)
    if getattr(raw.images, "_mmap", None) is not None:  # a view of a file, in which they have the right order
        return ImageSet(images, labels, mapped=True)
    return ImageSet(images.clone(memory_format=torch.contiguous_format), labels)


def _same_channels(*sets: ImageSet) -> list[ImageSet]:
    """Grey images beside coloured ones get three equal channels."""
    channels = max(s.shape[0] for s in sets)
    return [s if s.shape[0] == channels else s.expanded(channels) for s in sets]


def _statistics(images: ImageSet) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel, exact, of pixels in [0, 1]; a constant channel counts as deviation 1."""
    values = torch.arange(256, dtype=torch.float64) / 255
    means, deviations = [], []
    counts_C256 = torch.zeros(images.shape[0], 256, dtype=torch.float64)
    for part_NCHW in images.pieces(_PIECE):
        for counts_256, channel_NHW in zip(counts_C256, part_NCHW.unbind(1), strict=True):
            counts_256 += channel_NHW.reshape(-1).bincount(minlength=256).double()
    for counts_256 in counts_C256:
        share = counts_256 / counts_256.sum()
        mean = float(share @ values)
        means.append(mean)
        deviations.append(float(share @ (values - mean).square()) ** 0.5 or 1.0)
    return tuple(means), tuple(deviations)
