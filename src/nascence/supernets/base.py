"""What every supernet offers: all options of a space in one module, evaluated under mixing weights."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from nascence.errors import SettingError
from nascence.schedules import Moment, Schedule
from nascence.supernets.groups import ChoiceGroup, MixingWeights


class Supernet(nn.Module, ABC):
    """All options of the choice groups ``groups``.

    At one-hot mixing weights it computes what the derived network of that architecture computes with the same weights.
    """

    groups: tuple[ChoiceGroup, ...]

    @abstractmethod
    def forward(self, *inputs: Tensor, weights: MixingWeights, sparse: bool = False) -> Any:
        """The network's output under ``weights`` (one entry per group).

        ``sparse``: options of weight zero do not run, and their weight gets no gradient.
        """

    def prepare(self, moment: Moment, random: torch.Generator) -> None:
        """Before the forward passes of a step: what is dropped follows from ``random``."""

    @contextlib.contextmanager
    def undropped(self) -> Iterator[None]:
        """Inside, nothing is dropped."""
        yield

    def drop_identities(self, rate: Schedule, block: int = 3) -> None:
        """Drop blocks of features after every skip connection, at a rate that :meth:`prepare` sets. Raises
        :class:`SettingError` where the network has no such connections."""
        raise SettingError("This supernet has no skip connections whose features could be dropped.")

    def expected(self, cost: str, weights: MixingWeights) -> Tensor:
        """The differentiable mean of ``params`` or ``flops`` under mixing weights, where the supernet knows it itself.

        Raises :class:`SettingError` where it does not.
        """
        raise SettingError(f"This supernet does not know its expected {cost}.")


__all__ = ["Supernet"]
