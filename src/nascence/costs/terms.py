"""Costs of many architectures at once, from tables over a few choices each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nascence.architecture import Architecture
from nascence.spaces import Space
from nascence.supernets.extents import Extent

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]


@final
class Terms:
    """Per cost the numbers that add up to it, each a table over some choices of ``space``: rows are (choice's name,
    0), as :meth:`nascence.spaces.base.Space.cost_terms` gives them."""

    def __init__(self, space: Space, terms: Mapping[str, Sequence[Extent]]) -> None:
        self.space = space
        self._places = {choice.name: place for place, choice in enumerate(space.choices)}
        self._terms = {name: _merged(parts) for name, parts in terms.items()}

    def __contains__(self, name: str) -> bool:
        return name in self._terms

    def at(self, name: str, positions: Positions) -> Floats:
        """The cost [N] of architectures given by the positions [N, C] of their options."""
        total = np.zeros(len(positions))
        for part in self._terms[name]:
            picked = tuple(positions[:, self._places[choice]] for choice, _ in part.rows)
            total += part.values.numpy()[picked]
        return total

    def cost(self, name: str, architecture: Architecture) -> float:
        return float(self.at(name, positions_of(self.space, architecture)[None])[0])

    def expected(self, name: str, weights: Mapping[str, Tensor]) -> Tensor:
        """The differentiable mean [] under weights [options] per choice."""
        rows = {choice: value[None] for choice, value in weights.items()}
        return torch.stack([part.mean(rows) for part in self._terms[name]]).sum()


def positions_of(space: Space, architecture: Architecture) -> Positions:
    """[C]"""
    pairs = zip(space.choices, architecture.answers, strict=True)
    return np.array([choice.options.index(answer) for choice, answer in pairs], dtype=np.intp)


def architecture_at(space: Space, positions: Positions) -> Architecture:
    """The inverse of :func:`positions_of`."""
    pairs = zip(space.choices, positions.tolist(), strict=True)
    return Architecture(space.name, tuple(choice.options[position] for choice, position in pairs))


def _merged(parts: Sequence[Extent]) -> tuple[Extent, ...]:
    """Fewer tables of the same sum: those over the same rows become one."""
    merged: dict[tuple[tuple[str, int], ...], Extent] = {}
    for part in parts:
        key = tuple(sorted(part.rows))
        merged[key] = merged[key] + part if key in merged else part
    return tuple(merged.values())


__all__ = ["Terms", "architecture_at", "positions_of"]
