"""The task of telling images of K classes apart, all its data in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, final

import torch
from torch import Tensor

from nascence.errors import DataError
from nascence.seeding import generator as seeded_generator
from nascence.tasks.augmentation import cutout, random_crop, random_flip, shrink

Split = Literal["train", "test"]


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


@final
@dataclass(frozen=True, eq=False)
class ImageClassification:
    """Training and test images of K classes, and how they become batches.

    ``mean``, ``std``: per channel, of the training pixels in [0, 1]. ``flip``: whether a mirrored image still belongs
    to its class (photographs: yes; digits: no). ``label_mapping``: from each label as it stands in the data to 0..K-1.
    """

    name: str
    class_names: tuple[str, ...]
    train: ImageSet
    test: ImageSet
    mean: tuple[float, ...]
    std: tuple[float, ...]
    flip: bool = True
    label_mapping: Mapping[int | str, int] = field(default_factory=dict)

    @property
    def in_channels(self) -> int:
        return self.train.images.shape[1]

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.train.images.shape[2], self.train.images.shape[3]

    @property
    def padding(self) -> int:
        """By how many pixels the augmentation shifts: 4 at 32 x 32, in proportion elsewhere, at least 1."""
        return max(1, min(self.image_size) // 8)

    def normalise(self, images_BCHW: Tensor) -> Tensor:
        """uint8 images as float32 of about zero mean and unit variance per channel."""
        mean, std = torch.tensor([self.mean, self.std], dtype=torch.float64)[:, :, None, None]
        return images_BCHW.float().mul_((1 / (255 * std)).float()).sub_((mean / std).float())

    def augmented(self, images_BCHW: Tensor, generator: torch.Generator, cutout_length: int = 0) -> Tensor:
        """uint8 images shifted, mirrored where :attr:`flip` allows, normalised, and cut out if asked: float32."""
        x_BCHW = random_crop(images_BCHW, self.padding, generator)
        if self.flip:
            x_BCHW = random_flip(x_BCHW, generator)
        x_BCHW = self.normalise(x_BCHW)
        return cutout(x_BCHW, cutout_length, generator) if cutout_length else x_BCHW

    def shrunk(self, image_size: int | None) -> ImageClassification:
        """The same task on images averaged down to ``image_size`` pixels square; None, or no smaller, for no change.

        Mean and deviation stay those of the full pixels.
        """
        if image_size is None or image_size >= max(self.image_size):
            return self

        def smaller(images: ImageSet) -> ImageSet:
            parts = [shrink(part.float(), image_size).round().to(torch.uint8) for part in images.images.split(4096)]
            return ImageSet(torch.cat(parts), images.labels)

        return replace(self, train=smaller(self.train), test=smaller(self.test))

    def batch(
        self, size: int, generator: torch.Generator, *, split: Split = "train", augment: bool = False
    ) -> tuple[Tensor, Tensor]:
        """``size`` distinct random images, normalised float32 [size, C, H, W], and their labels [size].

        Raises :class:`DataError` when there are fewer images.
        """
        images = self._enough(size, split)
        chosen = images[torch.randperm(len(images), generator=generator)[:size]]
        x_BCHW = self.augmented(chosen.images, generator) if augment else self.normalise(chosen.images)
        return x_BCHW, chosen.labels

    def patches(self, count: int, size: int, channels: int, generator: torch.Generator) -> Tensor:
        """Random normalised crops [count, channels, size, size] of training images, drawn with replacement.

        The same ``channels`` random channels are kept for all crops. Raises :class:`DataError` when the images have
        fewer channels or pixels.
        """
        height, width = self.image_size
        if size > min(height, width) or channels > self.in_channels:
            raise DataError(
                f"Patches of {channels} x {size} x {size} do not fit into the {self.in_channels} x {height} x {width} "
                f"images of '{self.name}'."
            )
        image_N = torch.randint(len(self.train), (count,), generator=generator)
        y_N = torch.randint(height - size + 1, (count,), generator=generator)
        x_N = torch.randint(width - size + 1, (count,), generator=generator)
        kept = torch.randperm(self.in_channels, generator=generator)[:channels]
        windows = self.train.images.unfold(2, size, 1).unfold(3, size, 1)
        return self.normalise(windows[image_N, :, y_N, x_N])[:, kept]

    def epoch(
        self,
        generator: torch.Generator,
        batch_size: int,
        *,
        split: Split = "train",
        augment: bool = True,
        cutout_length: int = 0,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """All images of a split once, shuffled, in batches as :meth:`batch` gives them.

        The last batch holds what is left over; a single left-over image joins the batch before it, since batch
        normalisation cannot work on one. Raises :class:`DataError` when there are fewer images than a batch.
        """
        images = self._enough(batch_size, split)
        order_N = torch.randperm(len(images), generator=generator)
        sizes = batch_sizes(len(images), batch_size)
        for at_B in order_N.split(sizes):
            chosen = images[at_B]
            if augment:
                yield self.augmented(chosen.images, generator, cutout_length), chosen.labels
            else:
                yield self.normalise(chosen.images), chosen.labels

    def split_train(self, fraction: float, seed: int) -> tuple[ImageSet, ImageSet]:
        """The training images in two parts, the first holding ``fraction`` of every class (rounded)."""
        first_N, second_N = stratified_split(self.train.labels, fraction, seeded_generator(seed, "split"))
        return self.train[first_N], self.train[second_N]

    def halves(self, seed: int) -> tuple[ImageSet, ImageSet]:
        """The training images in two halves, class by class: weights and architecture of a bilevel search."""
        return self.split_train(0.5, seed)

    def check_batch(self, size: int, split: Split = "train") -> None:
        """Raises :class:`DataError` when no batch of ``size`` images can be drawn from a split; a method asks this of
        its settings before a search begins."""
        self._enough(size, split)

    def _enough(self, size: int, split: Split) -> ImageSet:
        images: ImageSet = getattr(self, split)
        if size < 1:
            raise DataError(f"A batch has at least 1 image, not {size}.")
        if size > len(images):
            raise DataError(
                f"A batch of {size} needs as many {split} images, but '{self.name}' has {len(images)}; "
                "choose a smaller batch."
            )
        return images


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
