"""The task of telling images of K classes apart, all its data in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, final

import torch
import torch.nn.functional as F
from torch import Tensor

from nascence.errors import DataError, SettingError
from nascence.seeding import derive_seed
from nascence.seeding import generator as seeded_generator
from nascence.tasks.augmentation import cutout, random_crop, random_flip, shrink
from nascence.tasks.base import Batch, Batches, Metric, Part, Signature, Split, Task
from nascence.tasks.box import Box
from nascence.tasks.calibration import calibration_error, calibration_sums, differing
from nascence.tasks.class_weights import balanced_weights, weights_in_order
from nascence.tasks.combining import mean_probability
from nascence.tasks.cycling import CyclingBatches
from nascence.tasks.histogram import histogram
from nascence.tasks.image_set import ImageSet, batch_sizes, stratified_split
from nascence.tasks.policy import Policy

SMALL_IMAGES = 16
FEW_IMAGES = 5_000
ON_DEVICE = 2**31
"""Bytes of images that a device is given to keep; more of them are sent there batch by batch."""


@final
@dataclass(frozen=True, eq=False)
class ImageClassification(Task):
    """Training and test images of K classes, and how they become batches.

    ``mean``, ``std``: per channel, of the training pixels in [0, 1]. ``flip``: whether a mirrored image still belongs
    to its class (photographs: yes; digits: no). ``label_mapping``: from each label as it stands in the data to 0..K-1.
    ``digest``: of all that was read, empty where nothing was.
    """

    name: str
    class_names: tuple[str, ...]
    train: ImageSet
    test: ImageSet
    mean: tuple[float, ...]
    std: tuple[float, ...]
    flip: bool = True
    label_mapping: Mapping[int | str, int] = field(default_factory=dict)
    validation: ImageSet | None = None
    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] | None = None
    policy: Policy | None = None
    digest: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def loss_name(self) -> str:
        return "cross_entropy"

    @property
    def metric(self) -> Metric:
        return Metric("accuracy", "%")

    @property
    def watched(self) -> Metric:
        """With class weights, the mean of the classes' accuracies."""
        return self.metric if self.class_weights is None else Metric("balanced_accuracy", "%")

    @property
    def examples(self) -> str:
        return "images"

    @property
    def signature(self) -> Signature:
        return Signature("images", self.in_channels, self.num_classes, self.image_size)

    def part(self, split: Split) -> ImagePart:
        if split == "validation":
            if self.validation is None:
                raise DataError(f"'{self.name}' has no validation images of its own.")
            return ImagePart(self, self.validation)
        return ImagePart(self, self.train if split == "train" else self.test)

    def divided(self, share: float, seed: int) -> tuple[ImagePart, ImagePart]:
        first, second = self.split_train(share, seed)
        return ImagePart(self, first), ImagePart(self, second)

    def narrowed(self, part: Part) -> ImageClassification:
        assert isinstance(part, ImagePart)
        return replace(self, train=part.examples)

    def union(self, parts: Sequence[Part]) -> ImagePart:
        sets = [part.examples for part in parts if isinstance(part, ImagePart)]
        return ImagePart(self, ImageSet.union(sets))

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        """The mean of -log softmax(logits)[label], in nats; with weights w of the classes, sum w[label] x that over
        sum w[label]."""
        weights = None if self.class_weights is None else torch.tensor(self.class_weights, device=output.device)
        return F.cross_entropy(output.float(), batch.target, weight=weights, label_smoothing=self.label_smoothing)

    def smoothed(self, amount: float) -> ImageClassification:
        """``amount`` of the target's probability is spread over all classes."""
        return replace(self, label_smoothing=amount)

    def weighted(self, weights: Mapping[str, float] | Sequence[float] | Literal["balanced"]) -> ImageClassification:
        """``balanced``: N / (K n_k) for a class of n_k among N training images of K classes."""
        if weights == "balanced":
            chosen = balanced_weights(self.train.labels, self.class_names)
        else:
            assert not isinstance(weights, str)
            chosen = weights_in_order(weights, self.class_names, self.name)
        return replace(self, class_weights=chosen)

    def holding_out(self, share: float, seed: int) -> ImageClassification:
        """``share`` of every class, rounded."""
        if self.validation is not None:
            raise DataError(f"'{self.name}' has validation images of its own; leave --validation out.")
        if not 0 < share < 1:
            raise SettingError(f"The validation part must lie between 0 and 1, not {share}.")
        held_out, train = self.split_train(share, derive_seed(seed, "validation"))
        for part, what in ((held_out, "validation"), (train, "training")):
            counts = part.labels.bincount(minlength=self.num_classes)
            if not bool(counts.all()):
                empty = self.class_names[int(counts.argmin())]
                raise DataError(
                    f"A validation part of {share:g} leaves the class '{empty}' of '{self.name}' without {what} "
                    "images; add images of it, or choose another part."
                )
        return replace(self, train=train, validation=held_out)

    def sums(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        right = (output.detach().argmax(1) == batch.target).sum()
        return {"count": right.new_full((), len(batch.target)), "right": right}

    def judge(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        """With ``confusion`` [K, K], how many images of a class (row) were called a class (column), and the loss
        without weights or smoothing."""
        logits, classes = output.detach().float(), self.num_classes
        pairs = batch.target * classes + logits.argmax(1)
        confusion = histogram(pairs, classes**2).view(classes, classes)
        count = confusion.new_full((), len(batch.target))
        loss = F.cross_entropy(logits, batch.target, reduction="sum")
        return {"count": count, "right": confusion.diagonal().sum(), "confusion": confusion, "loss": loss}

    def measures(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """``accuracy`` in percent; of :meth:`judge` also ``confusion``, ``per_class_accuracy`` (which is the recall of
        each class, None where there are no images of it) and ``balanced_accuracy``, its mean."""
        accuracy = 100 * float(sums["right"]) / float(sums["count"])
        if "confusion" not in sums:
            return {"accuracy": accuracy}
        confusion = torch.as_tensor(sums["confusion"])
        pairs = zip(confusion.diagonal().tolist(), confusion.sum(1).tolist(), strict=True)
        recalls = [100 * right / count if count else None for right, count in pairs]
        known = [recall for recall in recalls if recall is not None]
        return {
            "accuracy": accuracy,
            "balanced_accuracy": sum(known) / len(known),
            "confusion": confusion.tolist(),
            "per_class_accuracy": recalls,
        }

    def report(self, measures: Mapping[str, Any]) -> dict[str, Any]:
        """``accuracy``, ``balanced_accuracy``, ``per_class`` (recall by class), ``confusion``, ``class_names``."""
        told = {name: measures[name] for name in ("accuracy", "balanced_accuracy") if name in measures}
        per_class = dict(zip(self.class_names, measures["per_class_accuracy"], strict=True))
        confusion = measures["confusion"]
        return {**told, "per_class": per_class, "confusion": confusion, "class_names": list(self.class_names)}

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
        return mean_probability(outputs)

    def judge_together(self, outputs: Sequence[Tensor], batch: Batch) -> dict[str, Tensor]:
        every = [*outputs, self.combine(outputs)]
        losses = [F.cross_entropy(output.detach().double(), batch.target, reduction="sum") for output in every]
        return {
            "count": batch.target.new_full((), len(batch.target)),
            "losses": torch.stack(losses),
            "calibration": torch.stack([calibration_sums(output, batch.target) for output in every]),
            "differing": differing(outputs),
        }

    def together(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """``nll``: of the mean of probabilities, in nats; ``ece``: its expected calibration error in percent;
        ``disagreement``: how many images a pair of networks calls differently, the mean over pairs, in percent;
        ``members``: ``accuracy``, ``nll`` and ``ece`` of each."""
        count = float(sums["count"])
        rows = [
            {"accuracy": 100 * float(bins[2].sum()) / count, "nll": float(loss) / count, "ece": calibration_error(bins)}
            for loss, bins in zip(sums["losses"], sums["calibration"], strict=True)
        ]
        whole = {name: rows[-1][name] for name in ("nll", "ece")}
        return {**whole, "disagreement": 100 * float(sums["differing"]) / count, "members": rows[:-1]}

    def describe(self) -> dict[str, Any]:
        """Class names, the labels they had, shape (channels, height, width), counts, and mean and deviation per channel
        of the training images in [0, 1], and a digest of all images."""
        return {
            "class_names": list(self.class_names),
            "labels": list(self.label_mapping),
            "input_shape": list(self.signature.input_shape),
            "train_images": len(self.train),
            **({} if self.validation is None else {"validation_images": len(self.validation)}),
            "test_images": len(self.test),
            "mean": list(self.mean),
            "std": list(self.std),
            **({"digest": self.digest} if self.digest else {}),
        }

    @property
    def in_channels(self) -> int:
        return self.train.shape[0]

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.train.shape[1:]

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
        own = ((1 / (255 * std)).float(), (mean / std).float())
        factor, offset = (value.to(images_BCHW.device, non_blocking=True) for value in own)
        return images_BCHW.float().mul_(factor).sub_(offset)

    def augmented(self, images_BCHW: Tensor, generator: torch.Generator, cutout_length: int = 0) -> Tensor:
        """uint8 images shifted, mirrored where :attr:`flip` allows, changed by the :attr:`policy` where there is one,
        normalised, and cut out if asked: float32."""
        x_BCHW = random_crop(images_BCHW, self.padding, generator)
        if self.flip:
            x_BCHW = random_flip(x_BCHW, generator)
        if self.policy is not None:
            x_BCHW = 255 * self.policy(x_BCHW.float() / 255, generator)
        x_BCHW = self.normalise(x_BCHW)
        return cutout(x_BCHW, cutout_length, generator) if cutout_length else x_BCHW

    def on(self, device: torch.device) -> ImageClassification:
        """Its images on the device, where they are changed and normalised as they are on the CPU, if all together are
        at most :data:`ON_DEVICE` bytes and not mapped from a file. Labels stay on the CPU."""
        sets = [part for part in (self.train, self.validation, self.test) if part is not None]
        if any(part.mapped for part in sets) or sum(part.bytes for part in sets) > ON_DEVICE:
            return self
        validation = None if self.validation is None else self.validation.on(device)
        return replace(self, train=self.train.on(device), validation=validation, test=self.test.on(device))

    def shrunk(self, image_size: int | None) -> ImageClassification:
        """The same task on images averaged down to ``image_size`` pixels square; None, or no smaller, for no change.

        Mean and deviation stay those of the full pixels.
        """
        if image_size is None or image_size >= max(self.image_size):
            return self

        def smaller(images: ImageSet) -> ImageSet:
            parts = [shrink(part.float(), image_size).round().to(torch.uint8) for part in images.pieces(4096)]
            return ImageSet(torch.cat(parts), images.labels)

        validation = None if self.validation is None else smaller(self.validation)
        return replace(self, train=smaller(self.train), test=smaller(self.test), validation=validation)

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
        patches = self.normalise(self.train.windows(image_N, size, y_N, x_N))
        return patches[:, kept.to(patches.device)]

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
        yield from self._shuffled(images, generator, batch_size, augment, cutout_length)

    def _shuffled(
        self, images: ImageSet, generator: torch.Generator, batch_size: int, augment: bool, cutout_length: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        order_N = torch.randperm(len(images), generator=generator)
        for at_B in order_N.split(batch_sizes(len(images), batch_size)):
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

    def drawn(self, count: int, random: torch.Generator) -> Batch:
        x_BCHW, target_B = self.batch(count, random, augment=True)
        return Batch((x_BCHW,), target_B)

    def check_batch(self, size: int, split: Split = "train") -> None:
        """Raises :class:`DataError` when no batch of ``size`` images can be drawn from a split; a method asks this of
        its setting ``images`` before a search begins."""
        available = len(self.part(split))
        self._enough(size, split, f"choose a smaller batch, such as --set images={available}")

    def _enough(self, size: int, split: Split, advice: str = "add images, or take what looks at fewer") -> ImageSet:
        images: ImageSet = getattr(self, split)
        if size < 1:
            raise DataError(f"A batch has at least 1 image, not {size}.")
        if size > len(images):
            raise DataError(
                f"A batch of {size} needs as many {split} images, but '{self.name}' has {len(images)}; {advice}."
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
        return ImagePart(self.task, self.examples.first(count))

    def batches(self, size: int, seed: int, name: str, *, image_size: int | None = None) -> Batches:
        return CyclingBatches(self.task, self.examples, size, seed, name, image_size)

    def check(self, size: int, *, augment: bool = True, cutout: int = 0) -> None:
        if len(self) < size:
            raise DataError(
                f"A batch of {size} needs as many training images, but '{self.task.name}' has {len(self)}; choose a "
                f"smaller batch, such as --batch-size {len(self)}."
            )
        height, width = self.task.image_size
        if cutout >= min(height, width):
            raise SettingError(
                f"A cutout of {cutout} hides the whole of {height} x {width} images; choose a smaller one, or 0."
            )

    def steps(self, size: int) -> int:
        return len(batch_sizes(len(self), size))

    def epoch(self, size: int, seed: int, number: int, *, augment: bool = True, cutout: int = 0) -> Iterator[Batch]:
        random = seeded_generator(seed, "training", "batches", number)
        for x_BCHW, labels_B in self.task._shuffled(self.examples, random, size, augment, cutout):
            yield Batch((x_BCHW,), labels_B)

    def passing(self, size: int = 256, *, image_size: int | None = None) -> Iterator[Batch]:
        for x_BCHW, y_B in zip(self.examples.pieces(size), self.examples.labels.split(size), strict=True):
            yield Batch((shrink(self.task.normalise(x_BCHW), image_size),), y_B)
