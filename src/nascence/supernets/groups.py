"""Choices as relaxations see them: groups of rows with the same options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor

MixingWeights = Mapping[str, Tensor]
"""Per choice group: weights [R, O] of every option in every row, or [M, R, O] for M networks side by side."""

Role = Literal["operation", "input", "width", "exit", "skip", "fusion", "path", "depth", "resolution", "policy"]


@final
@dataclass(frozen=True)
class ChoiceGroup:
    """R rows, each with a choice among the same O options: the unit that relaxations work on.

    ``name``: its key among mixing weights. ``rows``: a name for each row; in spaces where a row is a choice, that
    choice's name. ``possible``: per row the options that an architecture can have; None for all (a supernet may have
    more, as ``none`` on darts). ``nodes``: per row the node that it enters, where rows are edges (for edge
    normalisation, topologies and the two best inputs of a node).
    """

    name: str
    rows: tuple[str, ...]
    options: tuple[str, ...]
    role: Role = "operation"
    possible: tuple[tuple[str, ...], ...] | None = None
    nodes: tuple[int, ...] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(R, O)."""
        return len(self.rows), len(self.options)

    def allowed(self) -> Tensor:
        """Booleans [R, O]: what an architecture can have."""
        if self.possible is None:
            return torch.ones(self.shape, dtype=torch.bool)
        return torch.tensor([[option in row for option in self.options] for row in self.possible])


@final
class PlacedWeights(dict[str, Tensor]):
    """Mixing weights on a device, and the ones on the CPU that they are copies of (``source``): whoever wants to know
    which of them are zero need not ask the device, which would have to finish all it was given first."""

    def __init__(self, there: Mapping[str, Tensor], source: MixingWeights) -> None:
        super().__init__(there)
        self.source = source


def placed(weights: MixingWeights, device: torch.device) -> MixingWeights:
    """On ``device``, all in one transfer; themselves where they are there. Gradients go back the same way."""
    if all(value.device.type == device.type for value in weights.values()):
        return weights
    return PlacedWeights(_moved(weights, device), weights)


def on_cpu(weights: MixingWeights) -> MixingWeights:
    """On the CPU: what they were made of, where that is known, else in one transfer."""
    if isinstance(weights, PlacedWeights):
        return weights.source
    if all(value.device.type == "cpu" for value in weights.values()):
        return weights
    return _moved(weights, torch.device("cpu"))


def _moved(weights: MixingWeights, device: torch.device) -> dict[str, Tensor]:
    """What is one tensor under two names stays one."""
    distinct = {id(value): value for value in weights.values()}
    flat = torch.cat([value.reshape(-1) for value in distinct.values()]).to(device, non_blocking=device.type != "cpu")
    parts = flat.split([value.numel() for value in distinct.values()])
    moved = {
        key: part.view(value.shape).to(value.dtype) for (key, value), part in zip(distinct.items(), parts, strict=True)
    }
    return {name: moved[id(value)] for name, value in weights.items()}


__all__ = ["ChoiceGroup", "MixingWeights", "PlacedWeights", "Role", "on_cpu", "placed"]
