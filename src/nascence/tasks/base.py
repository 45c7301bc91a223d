"""What every task offers: data in parts, batches by number, a loss, a metric; and what a space may know of it.

A task is the only place that knows what a target is (a class, a picture) and what a good output is. Everything else
handles :class:`Batch` and :class:`Signature`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self, final

import torch
from torch import Tensor

from nascence.errors import DataError, SettingError
from nascence.tasks.box import Box

Split = Literal["train", "validation", "test"]
Domain = Literal["images", "graph"]


@final
@dataclass(frozen=True)
class Signature:
    """All that a space may know of a task; networks are built for a signature.

    ``domain``: what the inputs are. ``features``: channels of an image, features of a node. ``outputs``: classes, or
    channels of a picture. ``size``: (height, width) of images, (nodes, directed edges) of a graph. ``dense``: an output
    for every pixel, of ``scale`` times the input's height and width.
    """

    domain: Domain
    features: int
    outputs: int
    size: tuple[int, int]
    dense: bool = False
    scale: int = 1

    @classmethod
    def images(cls, input_shape: tuple[int, int, int] = (3, 32, 32), outputs: int = 10) -> Self:
        """Of images of ``input_shape`` (channels, height, width), each with one of ``outputs`` classes."""
        return cls("images", input_shape[0], outputs, (input_shape[1], input_shape[2]))

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`to_dict`."""
        return cls(**{**value, "size": tuple(value["size"])})

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {**asdict(self), "size": list(self.size)}

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one image, (features, nodes, directed edges) of a graph."""
        return (self.features, *self.size)

    @property
    def classes(self) -> bool:
        """Whether networks tell images apart: one class for each."""
        return self.domain == "images" and not self.dense

    def example(self, count: int = 1) -> tuple[Tensor, ...]:
        """Inputs of the right shapes, all zero: ``count`` images, or one graph (a node's edges come from the nodes
        before it), so that FLOPs, memory and latency can be found without any data."""
        return _EXAMPLES[self.domain](self, count)


def _images(signature: Signature, count: int) -> tuple[Tensor, ...]:
    return (torch.zeros(count, signature.features, *signature.size),)


def _graph(signature: Signature, count: int) -> tuple[Tensor, ...]:
    nodes, edges = signature.size
    at = torch.arange(edges)
    sources, targets = (at + at // nodes + 1) % nodes, at % nodes
    return torch.zeros(nodes, signature.features), torch.stack([sources, targets])


_EXAMPLES: dict[str, Callable[[Signature, int], tuple[Tensor, ...]]] = {"images": _images, "graph": _graph}


IMAGES = Signature.images()
"""CIFAR-10's."""


@final
@dataclass(frozen=True)
class Metric:
    """``name``: its key in events and metrics, such as ``accuracy``; ``unit``: such as ``%`` or ``dB``."""

    name: str
    unit: str = ""
    larger_is_better: bool = True

    def better(self, value: float, than: float) -> bool:
        return value > than if self.larger_is_better else value < than


@final
@dataclass(frozen=True, eq=False)
class Batch:
    """``inputs``: what the network is called with. ``target``: what it should say. ``mask``: booleans over the outputs,
    those that count; None for all. ``part``: which part of a whole batch its mean stands for, where several processes
    share one; ``counts``: whether what is summed over it counts. ``counted``: the positions that the mask is true at,
    where they are known, which a device would have to be asked for."""

    inputs: tuple[Tensor, ...]
    target: Tensor
    mask: Tensor | None = None
    part: float = 1.0
    counts: bool = True
    counted: Tensor | None = None

    def share(self, rank: int, world: int) -> Batch:
        """What process ``rank`` of ``world`` computes of it: one of ``world`` parts, as equal as can be, one after the
        other. A batch of fewer than two examples for each is computed by all, and counts with the first.

        For inputs that have an entry for every example.
        """
        count = len(self.target)
        if count < 2 * world:
            return replace(self, part=1 / world, counts=rank == 0)
        mine = slice(count * rank // world, count * (rank + 1) // world)
        mask = None if self.mask is None else self.mask[mine]
        part = (mine.stop - mine.start) / count
        return Batch(tuple(x[mine] for x in self.inputs), self.target[mine], mask, part)

    def to(self, device: torch.device, *, channels_last: bool = False) -> Batch:
        """On ``device``; with ``channels_last``, inputs of four dimensions in that layout."""
        moved = [x.to(device, non_blocking=True) for x in self.inputs]
        if channels_last:
            moved = [x.to(memory_format=torch.channels_last) if x.dim() == 4 else x for x in moved]
        mask = None if self.mask is None else self.mask.to(device, non_blocking=True)
        counted = None if self.counted is None else self.counted.to(device, non_blocking=True)
        target = self.target.to(device, non_blocking=True)
        return replace(self, inputs=tuple(moved), target=target, mask=mask, counted=counted)


class Batches(ABC):
    """An endless sequence of training batches, pass after pass; any can be asked for by its number.

    Batch ``n`` depends on seed, name and n alone, so that a resumed search sees what an undisturbed one sees.
    """

    @abstractmethod
    def __len__(self) -> int:
        """Batches in a pass."""

    @abstractmethod
    def __call__(self, number: int) -> Batch:
        """Batch ``number``, from 0; it may be on the CPU yet."""


class Part(ABC):
    """Some of a task's examples: the training ones, a half of them, the test ones."""

    @abstractmethod
    def __len__(self) -> int:
        """Examples: images, nodes, pictures."""

    @abstractmethod
    def first(self, count: int | None) -> Part:
        """Its first ``count`` examples; all if None."""

    @abstractmethod
    def batches(self, size: int, seed: int, name: str, *, image_size: int | None = None) -> Batches:
        """Augmented training batches. ``image_size``: larger images are averaged down to it. Raises
        :class:`nascence.errors.DataError` when there are fewer examples than a batch."""

    @abstractmethod
    def passing(self, size: int = 256, *, image_size: int | None = None) -> Iterator[Batch]:
        """All examples once, in order, as they are evaluated."""

    def check(self, size: int, *, augment: bool = True, cutout: int = 0) -> None:
        """Raise :class:`nascence.errors.NascenceError` where :meth:`epoch` could not give batches of ``size``. Only
        images with classes can be left as they are, or cut out."""
        if not augment or cutout:
            raise SettingError("augment and cutout are about images with classes; leave them out.")
        self.batches(size, 0, "training")

    def steps(self, size: int) -> int:
        """Batches of ``size`` in an epoch."""
        return len(self.batches(size, 0, "training"))

    def epoch(self, size: int, seed: int, number: int, *, augment: bool = True, cutout: int = 0) -> Iterator[Batch]:
        """The batches of epoch ``number``, from 0, of a training; :meth:`check` has been asked."""
        batches = self.batches(size, seed, "training")
        for at in range(len(batches)):
            yield batches(number * len(batches) + at)


class Task(ABC):
    """Data, loss and metric. ``name``: of the data."""

    name: str
    remarks: tuple[str, ...] = ()
    """Sentences about the data that the user is to see."""

    @property
    @abstractmethod
    def loss_name(self) -> str:
        """Such as ``cross_entropy``."""

    @property
    @abstractmethod
    def metric(self) -> Metric: ...

    @property
    @abstractmethod
    def signature(self) -> Signature: ...

    @property
    def examples(self) -> str:
        """What its examples are called, several of them: ``images``, ``nodes``."""
        return "examples"

    @property
    def watched(self) -> Metric:
        """By what the best epoch of a training is told."""
        return self.metric

    @property
    def suggestions(self) -> Mapping[str, Any]:
        """Settings of a training (:class:`nascence.training.TrainingConfig`) that suit these data, where those that
        follow from the number of examples do not."""
        return {}

    @property
    def modest(self) -> bool:
        """Whether the data call for networks of a fraction of the usual depth; more would only take longer."""
        return False

    @abstractmethod
    def part(self, split: Split) -> Part:
        """Raises :class:`nascence.errors.DataError` where there is none (``validation``)."""

    def on(self, device: torch.device) -> Task:
        """The same task with its data kept on ``device`` where they are small; by default batches are sent there one by
        one."""
        return self

    def drawn(self, count: int, random: torch.Generator) -> Batch:
        """A batch of ``count`` training examples, of fewer where there are fewer (or of the whole, where a batch is
        always that), as networks are looked at that are not trained."""
        train, seed = self.part("train"), int(torch.randint(2**62, (), generator=random))
        return train.batches(min(count, len(train)), seed, "looking at networks")(0)

    def check_batch(self, size: int) -> None:
        """Raise :class:`nascence.errors.DataError` where no batch of ``size`` can be :meth:`drawn`."""
        self.part("train")

    @abstractmethod
    def divided(self, share: float, seed: int) -> tuple[Part, Part]:
        """The training part in two; the first has ``share`` of it (of every class, where there are classes)."""

    @abstractmethod
    def narrowed(self, part: Part) -> Task:
        """The same task with ``part``, some of its training examples, as its training part."""

    @abstractmethod
    def union(self, parts: Sequence[Part]) -> Part:
        """The examples of several parts, one after the other."""

    @abstractmethod
    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        """A scalar to be minimised: the mean over the outputs that count."""

    @abstractmethod
    def sums(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        """What :meth:`measures` needs, so that sums over batches can be added up on the device; one of them is
        ``count``, how many outputs counted."""

    @abstractmethod
    def measures(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """From added-up sums: the metric by its name, and whatever else tells how good the outputs are."""

    def judge(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        """As :meth:`sums`, with whatever more the evaluation of a trained network tells, and ``loss``, a sum over the
        outputs that count."""
        sums = self.sums(output, batch)
        return {**sums, "loss": self.loss(output, batch).detach() * sums["count"]}

    def report(self, measures: Mapping[str, Any]) -> dict[str, Any]:
        """What the metrics of a trained network say, from what :meth:`measures` gave of :meth:`judge`."""
        return dict(measures)

    def smoothed(self, amount: float) -> Task:
        """The task with its targets' certainty lowered by ``amount``. Raises :class:`SettingError` where there are no
        classes."""
        raise SettingError(f"label_smoothing is about classes, and '{self.name}' has none; leave it out.")

    def weighted(self, weights: Mapping[str, float] | Sequence[float] | Literal["balanced"]) -> Task:
        """The task with a weight for every class in its loss. Raises :class:`SettingError` where there are no classes,
        or when the weights do not fit them."""
        raise SettingError(f"Class weights are about classes, and '{self.name}' has none; leave them out.")

    def holding_out(self, share: float, seed: int) -> Task:
        """The task with ``share`` of its training part as its validation part. Raises :class:`DataError` where it has
        one already, or where the training part cannot be divided like this."""
        raise DataError(f"No part of '{self.name}' can be set aside for validation; leave --validation out.")

    @abstractmethod
    def distance(self, output: Tensor, teacher: Tensor, batch: Batch, temperature: float = 1.0) -> Tensor:
        """How far outputs are from those of a teacher: a scalar, 0 where both agree; no gradient reaches the
        teacher."""

    @abstractmethod
    def combine(self, outputs: Sequence[Tensor]) -> Tensor:
        """One output from those of several networks, on the same scale as theirs."""

    def judge_together(self, outputs: Sequence[Tensor], batch: Batch) -> dict[str, Tensor]:
        """Sums for :meth:`together`, from the outputs of several networks."""
        return {}

    def together(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """What there is to say of networks that answer together beside what :meth:`measures` says of their combined
        output; nothing for most tasks. ``members``: what is said of each, in their order."""
        return {}

    def box(self) -> Box:
        """Where the pixels of normalised inputs can lie. Raises :class:`SettingError` where inputs have none."""
        raise SettingError(f"'{self.name}' has no pixels that could be attacked; attacks are for classes of images.")

    def each(self, output: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Of every example the loss [B], and whether the output is right [B]. Raises :class:`SettingError` where an
        example is not simply right or wrong."""
        raise SettingError(f"No output of '{self.name}' is simply wrong; attacks are for classes of images.")

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """What a run remembers of its data, ready for JSON: ``kind`` (none for image classes), ``input_shape`` and
        whatever must be the same when the run goes on."""


REMEMBERED = {
    "class_names": "the names of the classes",
    "labels": "the labels",
    "input_shape": "the size or the colours of the images",
    "train_images": "the number of training images",
    "test_images": "the number of test images",
    "digest": "images, their labels or their order",
}
"""What entries of :meth:`Task.describe` are called in sentences."""

__all__ = ["IMAGES", "REMEMBERED", "Batch", "Batches", "Domain", "Metric", "Part", "Signature", "Split", "Task"]
