"""Batches by number, for tasks that make a batch from the places of its examples."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import torch
from torch import Tensor

from nascence.errors import DataError
from nascence.seeding import generator
from nascence.tasks.base import Batch, Batches

Make = Callable[[Tensor, torch.Generator], Batch]
"""(places of the examples [B], a generator of the batch's own) -> the batch."""


@final
class NumberedBatches(Batches):
    """``size`` of ``count`` examples a batch, pass after pass, each pass in an order of its own.

    Batch ``n`` depends on ``seed``, ``name`` and n alone. Every batch is full: what is left over at the end of a pass
    waits for another one. Raises :class:`DataError` when there are fewer examples than a batch.
    """

    def __init__(self, count: int, size: int, seed: int, name: str, make: Make) -> None:
        if not 1 <= size <= count:
            raise DataError(f"A batch of {size} does not fit into the {count} examples of '{name}'.")
        self.count, self.size, self.seed, self.name, self.make = count, size, seed, name, make
        self._pass, self._order_N = -1, torch.empty(0, dtype=torch.long)

    def __len__(self) -> int:
        return self.count // self.size

    def __call__(self, number: int) -> Batch:
        at_pass, at = divmod(number, len(self))
        if at_pass != self._pass:
            self._pass = at_pass
            self._order_N = torch.randperm(self.count, generator=generator(self.seed, "batches", self.name, at_pass))
        places_B = self._order_N[at * self.size : (at + 1) * self.size]
        return self.make(places_B, generator(self.seed, "augmentation", self.name, number))


__all__ = ["Make", "NumberedBatches"]
