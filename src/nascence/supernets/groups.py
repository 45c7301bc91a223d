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


__all__ = ["ChoiceGroup", "MixingWeights", "Role"]
