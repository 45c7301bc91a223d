"""An endless sequence of shuffled batches in which every batch can be asked for by its number."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import torch

from nascence.errors import DataError
from nascence.seeding import generator
from nascence.tasks.augmentation import shrink
from nascence.tasks.base import Batch, Batches
from nascence.tasks.image_set import ImageSet, batch_sizes

if TYPE_CHECKING:
    from nascence.tasks.image_classification import ImageClassification


@final
class CyclingBatches(Batches):
    """Augmented batches of ``images``, pass after pass, each pass in an order of its own.

    Batch ``n`` depends on ``seed``, ``name`` and n alone, so that a search that goes on in the middle of a pass sees
    what an undisturbed one sees. ``image_size``: larger images are averaged down to it.
    Raises :class:`DataError` when there are fewer images than a batch.
    """

    def __init__(
        self,
        task: ImageClassification,
        images: ImageSet,
        batch_size: int,
        seed: int,
        name: str,
        image_size: int | None = None,
    ) -> None:
        if batch_size > len(images):
            raise DataError(
                f"A batch of {batch_size} is larger than the {len(images)} images of '{task.name}' that are set aside "
                f"for one half of the search ({name}); choose a smaller batch_size, or use more images."
            )
        self.task, self.images, self.seed, self.name, self.image_size = task, images, seed, name, image_size
        self._sizes = batch_sizes(len(images), batch_size)
        self._pass, self._order = -1, ()  # type: tuple[int, tuple[torch.Tensor, ...]]

    def __len__(self) -> int:
        """Batches in a pass."""
        return len(self._sizes)

    def __call__(self, number: int) -> Batch:
        """Batch ``number``, from 0: images float32 [B, C, H, W], labels [B]."""
        at_pass, at = divmod(number, len(self))
        if at_pass != self._pass:
            order_N = torch.randperm(len(self.images), generator=generator(self.seed, "batches", self.name, at_pass))
            self._pass, self._order = at_pass, order_N.split(self._sizes)
        chosen = self.images[self._order[at]]
        x_BCHW = self.task.augmented(chosen.images, generator(self.seed, "augmentation", self.name, number))
        return Batch((shrink(x_BCHW, self.image_size),), chosen.labels)


__all__ = ["CyclingBatches"]
