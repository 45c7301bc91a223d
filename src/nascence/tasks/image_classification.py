"""The task of telling images of K classes apart, all its data in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, final

import torch
import torch.nn.functional as F
from torch import Tensor

from nascence.errors import DataError, SettingError
from nascence.seeding import generator as seeded_generator
from nascence.tasks.augmentation import cutout, random_crop, random_flip, shrink
from nascence.tasks.base import Batch, Batches, Metric, Part, Signature, Split, Task
from nascence.tasks.box import Box
from nascence.tasks.cycling import CyclingBatches
from nascence.tasks.image_set import ImageSet, batch_sizes, stratified_split

SMALL_IMAGES = 16
FEW_IMAGES = 5_000


@final
@dataclass(frozen=True, eq=False)
class ImageClassification(Task):
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
    def loss_name(self) -> str:
        return "cross_entropy"

    @property
    def metric(self) -> Metric:
        return Metric("accuracy", "%")

    @property
    def signature(self) -> Signature:
        return Signature("images", self.in_channels, self.num_classes, self.image_size)

    def part(self, split: Split) -> ImagePart:
        if split == "validation":
            raise DataError(f"'{self.name}' has no validation images of its own.")
        return ImagePart(self, self.train if split == "train" else self.test)

    def divided(self, share: float, seed: int) -> tuple[ImagePart, ImagePart]:
        first, second = self.split_train(share, seed)
        return ImagePart(self, first), ImagePart(self, second)

    def union(self, parts: Sequence[Part]) -> ImagePart:
        sets = [part.examples for part in parts if isinstance(part, ImagePart)]
        return ImagePart(
            self, ImageSet(torch.cat([part.images for part in sets]), torch.cat([part.labels for part in sets]))
        )

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        """The mean of -log softmax(logits)[label], in nats."""
        return F.cross_entropy(output.float(), batch.target)

    def sums(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        right = (output.detach().argmax(1) == batch.target).sum()
        return {"count": right.new_tensor(len(batch.target)), "right": right}

    def measures(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """``accuracy`` in percent."""
        return {"accuracy": 100 * float(sums["right"]) / float(sums["count"])}

    def distance(self, output: Tensor, teacher: Tensor, batch: Batch, temperature: float = 1.0) -> Tensor:
        """T^2 KL(softmax(teacher / T) || softmax(logits / T)), the mean over the batch; T^2 keeps the gradient's size
        whatever T is (Hinton, Vinyals & Dean, arXiv 1503.02531)."""
        exact = torch.promote_types(output.dtype, torch.float32)
        target = (teacher.detach().to(exact) / temperature).log_softmax(-1)
        student = (output.to(exact) / temperature).log_softmax(-1)
        return temperature**2 * F.kl_div(student, target, log_target=True, reduction="batchmean")

    def box(self) -> Box:
        return Box.normalised(self.mean, self.std)

    def each(self, output: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        losses = F.cross_entropy(output.float(), batch.target, reduction="none")
        return losses, output.detach().argmax(1) == batch.target

    def combine(self, outputs: Sequence[Tensor]) -> Tensor:
        """The logarithm of the mean of the networks' probabilities."""
        return torch.stack([output.float().log_softmax(-1) for output in outputs]).exp().mean(0).log()

    def describe(self) -> dict[str, Any]:
        """Class names, the labels they had, shape (channels, height, width), counts, and mean and deviation per channel
        of the training images in [0, 1]."""
        return {
            "class_names": list(self.class_names),
            "labels": list(self.label_mapping),
            "input_shape": list(self.signature.input_shape),
            "train_images": len(self.train),
            "test_images": len(self.test),
            "mean": list(self.mean),
            "std": list(self.std),
        }

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
    def modest(self) -> bool:
        """Images of at most 16 pixels, or fewer than 5,000 of them."""
        return min(self.image_size) <= SMALL_IMAGES or len(self.train) < FEW_IMAGES

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


def image_classes(task: Task, who: str) -> ImageClassification:
    """``task``, where it is of images with a class each, in memory.

    Raises :class:`SettingError`, saying that ``who`` works on nothing else.
    """
    if not isinstance(task, ImageClassification):
        raise SettingError(f"{who} works on images with a class each, and '{task.name}' is other data.")
    return task


@final
@dataclass(frozen=True, eq=False)
class ImagePart(Part):
    """Some images of a task."""

    task: ImageClassification
    examples: ImageSet

    def __len__(self) -> int:
        return len(self.examples)

    def first(self, count: int | None) -> ImagePart:
        if count is None:
            return self
        return ImagePart(self.task, ImageSet(self.examples.images[:count], self.examples.labels[:count]))

    def batches(self, size: int, seed: int, name: str, *, image_size: int | None = None) -> Batches:
        return CyclingBatches(self.task, self.examples, size, seed, name, image_size)

    def passing(self, size: int = 256, *, image_size: int | None = None) -> Iterator[Batch]:
        images, labels = self.examples.images.split(size), self.examples.labels.split(size)
        for x_BCHW, y_B in zip(images, labels, strict=True):
            yield Batch((shrink(self.task.normalise(x_BCHW), image_size),), y_B)
