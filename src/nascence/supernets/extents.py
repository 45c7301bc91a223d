"""Numbers that depend on choices: widths, heights, whether an operation stands there, and the costs they make together.

A layer's cost is a sum of products of such numbers, such as k^2 h w C_in C_out. Each product is kept as a table over
the rows it depends on, so its mean under mixing weights is exact, also where a number enters twice (both sides of a
convolution whose input and output share a width) or was rounded. This is the effective-shape propagation of FBNetV2
(Wan et al., CVPR 2020, section 3.3) without the assumption that everything is independent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from nascence.supernets.groups import MixingWeights

Row = tuple[str, int]
"""(group, row of it)."""


@final
@dataclass(frozen=True, eq=False)
class Extent:
    """A number for every combination of the options of ``rows``: ``values`` [O1, ..., On], double precision.

    Sums and products of two are over the union of their rows: a row that both depend on stays one and the same choice.
    """

    rows: tuple[Row, ...]
    values: Tensor

    @classmethod
    def of(cls, row: Row, values: Sequence[float]) -> Extent:
        """One number per option of a row."""
        return cls((row,), torch.tensor(values, dtype=torch.float64))

    @classmethod
    def fixed(cls, value: float) -> Extent:
        """A number that no choice changes."""
        return cls((), torch.tensor(float(value), dtype=torch.float64))

    @classmethod
    def chosen(cls, row: Row, options: int, option: int) -> Extent:
        """1 where the row's answer is number ``option`` of ``options``, else 0."""
        return cls.of(row, [float(number == option) for number in range(options)])

    def __mul__(self, other: Extent | float) -> Extent:
        return joined(lambda one, two: one * two, self, _extent(other))

    def __add__(self, other: Extent | float) -> Extent:
        return joined(lambda one, two: one + two, self, _extent(other))

    __rmul__, __radd__ = __mul__, __add__

    def mean(self, weights: MixingWeights) -> Tensor:
        """The mean [] over options drawn row by row with ``weights`` as probabilities; differentiable in them, in
        double precision, so that one-hot weights give the value itself."""
        rows = [weights[group][row].double() for group, row in self.rows]
        device = rows[0].device if rows else self.values.device
        left = self.values.to(device)
        for row in reversed(rows):
            left = left @ row
        return left

    def value(self, options: Mapping[Row, int]) -> float:
        """The number at one option (its position) per row."""
        return float(self.values[tuple(options[row] for row in self.rows)])

    @property
    def largest(self) -> float:
        return float(self.values.max())


def joined(function: Callable[..., Tensor], *parts: Extent) -> Extent:
    """``function`` of numbers, entry by entry over all their rows."""
    rows = tuple(dict.fromkeys(row for part in parts for row in part.rows))
    return Extent(rows, _filled(function(*(_spread(part, rows) for part in parts)), parts, rows))


def mean(parts: Iterable[Extent], weights: MixingWeights) -> Tensor:
    """The mean [] of a sum, each part on its own."""
    return torch.stack([part.mean(weights) for part in parts]).sum()


def _extent(value: Extent | float) -> Extent:
    return value if isinstance(value, Extent) else Extent.fixed(value)


def _spread(part: Extent, rows: Sequence[Row]) -> Tensor:
    """``values`` with one axis for each of ``rows``, in their order; of length 1 where the part does not depend."""
    order = sorted(range(len(part.rows)), key=lambda axis: rows.index(part.rows[axis]))
    values = part.values.permute(order)
    lengths = iter(values.shape)
    return values.reshape([next(lengths) if row in part.rows else 1 for row in rows])


def _filled(values: Tensor, parts: Sequence[Extent], rows: Sequence[Row]) -> Tensor:
    lengths = {row: length for part in parts for row, length in zip(part.rows, part.values.shape, strict=True)}
    return values.expand([lengths[row] for row in rows])


__all__ = ["Extent", "Row", "joined", "mean"]
