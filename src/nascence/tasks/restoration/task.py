"""The tasks whose output is a picture: noise taken away, or more pixels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, final

import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from nascence.errors import DataError
from nascence.seeding import generator
from nascence.tasks.base import Batch, Batches, Metric, Part, Signature, Split, Task
from nascence.tasks.digests import digest_of
from nascence.tasks.numbered import NumberedBatches
from nascence.tasks.restoration.colours import as_unit, luma_of_output
from nascence.tasks.restoration.degradations import Degradation
from nascence.tasks.restoration.metrics import WINDOW, cut_border, psnr, rounded, ssim
from nascence.tasks.restoration.resizing import enlarge_batch

Loss = Literal["mse", "l1"]
_MOST_PIXELS = 1 << 19  # of a batch that is evaluated
_BATCH = 16


@final
@dataclass(frozen=True, eq=False)
class Picture:
    """``target`` [C, H, W] of 8 or 16 bits; ``degraded``: what it is restored from, None where that is drawn."""

    name: str
    target: NDArray
    degraded: NDArray | None = None


@final
@dataclass(frozen=True, eq=False)
class Restoration(Task):
    """Pictures, and what happened to them (``degradation``). ``patch``: side of the training patches, in pixels of the
    degraded picture. ``train_loss``: mean squared or absolute error. ``notes``: how odd files were read.

    Denoising is measured on the output as it is: neither clipped nor rounded. Super-resolution is measured as its
    tables do it: on luma, rounded to 8 bits, without a border of ``scale`` pixels. Both are means over pictures.
    """

    name: str
    degradation: Degradation
    train: tuple[Picture, ...]
    test: tuple[Picture, ...]
    patch: int = 40
    train_loss: Loss = "mse"
    notes: Mapping[str, int] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    @cached_property
    def digest(self) -> str:
        """Of all pictures as they were read, and of their order."""
        arrays = [array for part in (self.train, self.test) for one in part for array in (one.target, one.degraded)]
        return digest_of([len(self.train), *arrays])

    @property
    def loss_name(self) -> str:
        return self.train_loss

    @property
    def metric(self) -> Metric:
        return Metric("psnr", "dB")

    @property
    def examples(self) -> str:
        return "pictures"

    @property
    def suggestions(self) -> Mapping[str, Any]:
        """Adam on patches: 2,000 steps, in passes that see about every pixel once."""
        steps = max(1, self.part("train").steps(_BATCH))
        return {
            "optimizer": "adam",
            "learning_rate": 4e-3,
            "weight_decay": 0.0,
            "nesterov": False,
            "batch_size": _BATCH,
            "epochs": max(1, round(2000 / steps)),
            "warmup_epochs": 0,
        }

    @property
    def channels(self) -> int:
        return len(self.train[0].target)

    @property
    def signature(self) -> Signature:
        """Of a training patch, so that costs are those of ``patch`` x ``patch`` pixels."""
        size = (self.patch, self.patch)
        return Signature("images", self.channels, self.channels, size, dense=True, scale=self.degradation.scale)

    def part(self, split: Split) -> PicturePart:
        if split == "validation":
            raise DataError(f"'{self.name}' has no validation pictures of its own.")
        return PicturePart(self, self.train if split == "train" else self.test)

    def divided(self, share: float, seed: int) -> tuple[PicturePart, PicturePart]:
        """By pictures; either part has one at least."""
        if len(self.train) < 2:
            raise DataError(f"'{self.name}' has 1 training picture, which cannot be divided; add more.")
        order = torch.randperm(len(self.train), generator=generator(seed, "split")).tolist()
        cut = min(max(round(share * len(order)), 1), len(order) - 1)
        first, second = order[:cut], order[cut:]
        return (
            PicturePart(self, tuple(self.train[at] for at in first)),
            PicturePart(self, tuple(self.train[at] for at in second)),
        )

    def narrowed(self, part: Part) -> Restoration:
        assert isinstance(part, PicturePart)
        return replace(self, train=part.pictures)

    def union(self, parts: Sequence[Part]) -> PicturePart:
        pictures = [picture for part in parts if isinstance(part, PicturePart) for picture in part.pictures]
        return PicturePart(self, tuple(pictures))

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        """The mean over pixels and channels, of values in [0, 1]."""
        measured = F.mse_loss if self.train_loss == "mse" else F.l1_loss
        return measured(output.float(), batch.target)

    def sums(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        found = self._scored(output.detach().float(), batch.target, also_ssim=False)
        return {"count": batch.target.new_full((), len(batch.target)), "psnr": found["psnr"].sum()}

    def judge(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Also of what the pictures were restored from, as a network has to be better than that."""
        output, target = output.detach().float(), batch.target
        before = enlarge_batch(batch.inputs[0], self.degradation.scale) if self._enlarges else batch.inputs[0]
        sums = {f"input_{name}": value.sum() for name, value in self._scored(before, target).items()}
        sums |= {name: value.sum() for name, value in self._scored(output, target).items()}
        count = target.new_full((), len(target))
        return {"count": count, **sums, "loss": self.loss(output, batch) * count}

    def measures(self, sums: Mapping[str, Any]) -> dict[str, Any]:
        """``psnr`` in dB and, from :meth:`judge`, ``ssim`` of the output, ``input_psnr`` and ``input_ssim`` of what it
        was restored from (enlarged bicubically); no SSIM where a picture is smaller than its window."""
        count = float(sums["count"])
        return {name: float(value) / count for name, value in sums.items() if name != "count"}

    def scores(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        """PSNR and SSIM of each picture, [B]."""
        return self._scored(output.detach().float(), target)

    def distance(self, output: Tensor, teacher: Tensor, batch: Batch, temperature: float = 1.0) -> Tensor:
        """The task's own loss, with the teacher's pictures as the target; a picture has no temperature."""
        return self.loss(output, Batch(batch.inputs, teacher.detach().float()))

    def combine(self, outputs: Sequence[Tensor]) -> Tensor:
        """The mean of the networks' pictures."""
        return torch.stack([output.float() for output in outputs]).mean(0)

    def describe(self) -> dict[str, Any]:
        return {
            "kind": self.degradation.kind,
            "input_shape": list(self.signature.input_shape),
            "outputs": self.signature.outputs,
            **self.degradation.describe(),
            "patch": self.patch,
            "loss": self.train_loss,
            "train_pictures": len(self.train),
            "test_pictures": len(self.test),
            "measured": "luma, rounded, border cut" if self._enlarges else "as it is",
            "notes": dict(self.notes),
            "digest": self.digest,
        }

    @property
    def _enlarges(self) -> bool:
        return self.degradation.scale > 1

    def _scored(self, output: Tensor, target: Tensor, also_ssim: bool = True) -> dict[str, Tensor]:
        if self._enlarges:
            border = self.degradation.scale
            output, target = (cut_border(rounded(luma_of_output(x)), border) for x in (output, target))
        found = {"psnr": psnr(output, target).to(output)}
        if also_ssim and min(output.shape[-2:]) >= WINDOW:
            found["ssim"] = ssim(output, target).to(output)
        return found


@final
@dataclass(frozen=True, eq=False)
class PicturePart(Part):
    """Some pictures of a task."""

    task: Restoration
    pictures: tuple[Picture, ...]

    def __len__(self) -> int:
        return len(self.pictures)

    def first(self, count: int | None) -> PicturePart:
        return PicturePart(self.task, self.pictures[:count])

    def batches(self, size: int, seed: int, name: str, *, image_size: int | None = None) -> Batches:
        """Patches, each flipped and turned at random: of every picture as many in a pass as fit side by side, so that a
        pass sees about every pixel once. ``image_size``: smaller patches. A picture is as likely as it is large."""
        side = min(self.task.patch, image_size or self.task.patch)
        scale = self.task.degradation.scale
        owners: list[int] = []
        for at, picture in enumerate(self.pictures):
            height, width = (length // scale for length in picture.target.shape[-2:])
            if min(height, width) < side:
                raise DataError(
                    f"{picture.name} has {width} x {height} pixels to cut patches of {side} x {side} from; choose a "
                    f"smaller one (--task-set patch=N), or remove it."
                )
            owners += [at] * max(1, round(height * width / side**2))
        if size > len(owners):
            owners = owners * -(-size // len(owners))

        def make(places_B: Tensor, random: torch.Generator) -> Batch:
            return self._patches([self.pictures[owners[at]] for at in places_B.tolist()], side, random)

        return NumberedBatches(len(owners), size, seed, name, make)

    def passing(self, size: int = 256, *, image_size: int | None = None) -> Iterator[Batch]:
        """Whole pictures, those of one shape that follow each other together, or with ``image_size`` the middle of
        each. The noise of a picture follows from its name."""
        waiting: list[Batch] = []
        for at, picture in enumerate(self.pictures):
            batch = self._whole(picture, at, image_size)
            full = len(waiting) >= max(1, min(size, _MOST_PIXELS // batch.target[0, 0].numel()))
            if waiting and (full or waiting[0].inputs[0].shape != batch.inputs[0].shape):
                yield _joined(waiting)
                waiting = []
            waiting.append(batch)
        if waiting:
            yield _joined(waiting)

    def _patches(self, pictures: Sequence[Picture], side: int, random: torch.Generator) -> Batch:
        scale = self.task.degradation.scale
        draws = torch.rand(len(pictures), 2, generator=random, dtype=torch.float64).tolist()
        turns = torch.randint(8, (len(pictures),), generator=random).tolist()
        targets, inputs = [], []
        for picture, (down, right), turn in zip(pictures, draws, turns, strict=True):
            height, width = (length // scale for length in picture.target.shape[-2:])
            y, x = int(down * (height - side + 1)), int(right * (width - side + 1))
            targets.append(_turned(as_unit(_window(picture.target, y, x, side, scale)), turn))
            if picture.degraded is not None:
                inputs.append(_turned(as_unit(_window(picture.degraded, y, x, side, 1)), turn))
        target = torch.stack(targets)
        return Batch((self.task.degradation.drawn(torch.stack(inputs) if inputs else target, random),), target)

    def _whole(self, picture: Picture, at: int, image_size: int | None) -> Batch:
        scale = self.task.degradation.scale
        target, degraded = picture.target, picture.degraded
        if image_size is not None:
            height, width = (length // scale for length in target.shape[-2:])
            side = min(image_size, height, width)
            y, x = (height - side) // 2, (width - side) // 2
            target = _window(target, y, x, side, scale)
            degraded = None if degraded is None else _window(degraded, y, x, side, 1)
        clean = as_unit(target)[None]
        start = clean if degraded is None else as_unit(degraded)[None]
        share = (at + 0.5) / len(self.pictures)
        noise = generator(0, "test noise", picture.name)
        return Batch((self.task.degradation.drawn(start, noise, share),), clean)


def _window(picture_CHW: NDArray, y: int, x: int, side: int, scale: int) -> NDArray:
    return picture_CHW[:, scale * y : scale * (y + side), scale * x : scale * (x + side)]


def _turned(x_CHW: Tensor, turn: int) -> Tensor:
    """One of the eight ways to lay a square: mirrored if ``turn`` is 4 or more, then turned by quarters."""
    return torch.rot90(x_CHW.flip(-1) if turn >= 4 else x_CHW, turn % 4, (-2, -1))


def _joined(batches: Sequence[Batch]) -> Batch:
    return Batch((torch.cat([b.inputs[0] for b in batches]),), torch.cat([b.target for b in batches]))


__all__ = ["Loss", "Picture", "PicturePart", "Restoration"]
