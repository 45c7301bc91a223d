"""Fronts: what is left of many valued architectures when whatever another one beats is taken away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from nascence.architecture import Architecture

Floats = NDArray[np.float64]


@final
@dataclass(frozen=True)
class Criterion:
    """A number that an architecture has, with its unit and how it came about; smaller is better unless said.
    ``examples``: of how many examples, each right or wrong, it is the share in percent; 0 for any other number."""

    name: str
    unit: str
    description: str
    larger_is_better: bool = False
    examples: int = 0

    @property
    def sign(self) -> float:
        """What turns a value into one to minimise."""
        return -1.0 if self.larger_is_better else 1.0


def non_dominated(values_NM: Floats) -> NDArray[np.intp]:
    """Positions, ascending, of the rows that no other row dominates; all columns are minimised.

    A row dominates another when it is nowhere larger and somewhere smaller. Of equal rows the first is kept.
    """
    kept = []
    for at, row in enumerate(values_NM):
        no_larger = (values_NM <= row).all(axis=1)
        equal = (values_NM == row).all(axis=1)
        if not (no_larger & ~equal).any() and not equal[:at].any():
            kept.append(at)
    return np.array(kept, dtype=np.intp)


def knee(values_NM: Floats) -> int:
    """The row of a front with the smallest sum of columns, each scaled to [0, 1] by the front; all are minimised.

    With two objectives this is the point farthest from the line through the front's two ends (Das 1999), on the side
    of the better values. Among equals the first.
    """
    low = values_NM.min(axis=0)
    span = values_NM.max(axis=0) - low
    scaled = (values_NM - low) / np.where(span > 0, span, 1.0)
    return int(scaled.sum(axis=1).argmin())


def hypervolume(values_NM: Floats, reference_M: Sequence[float]) -> float:
    """The volume of what at least one row dominates and the reference point bounds; all columns are minimised."""
    from pymoo.indicators.hv import HV

    return float(HV(ref_point=np.asarray(reference_M, dtype=np.float64))(values_NM))


def indistinct(shares_N: Sequence[float], examples: int) -> list[tuple[int, int]]:
    """Neighbours, by position, whose shares in percent of ``examples`` differ by less than two standard errors of their
    difference: on other examples either may be the better one. Each is taken as drawn on its own; errors on the same
    examples are alike, so that this is on the careful side."""
    parts = [share / 100 for share in shares_N]
    order = sorted(range(len(parts)), key=parts.__getitem__)
    pairs = []
    for first, second in pairwise(order):
        a, b = parts[first], parts[second]
        deviation = ((a * (1 - a) + b * (1 - b)) / examples) ** 0.5
        if b - a < 2 * deviation or a == b:
            pairs.append((first, second))
    return pairs


def told_apart(front: Mapping[str, Any]) -> str | None:
    """A sentence about members of a ``front.json`` that cannot be told apart; None where there are none."""
    found = front.get("indistinct") or {}
    pairs = found.get("pairs") or []
    if not pairs:
        return None
    examples = next((one.get("examples") for one in front["objectives"] if one["name"] == found["objective"]), None)
    return (
        f"By {found['objective']}, {len(pairs)} of {len(front['front']) - 1} pairs of neighbours cannot be told apart "
        f"(less than two standard errors on {examples:,} examples): train several, or let more examples take part."
    )


@final
@dataclass(frozen=True)
class Front:
    """Architectures of which none beats another in every objective, best first by the first objective.

    ``values`` [N, M]: each objective's value as it is, whether small or large is better. Made by :meth:`of`.
    """

    objectives: tuple[Criterion, ...]
    architectures: tuple[Architecture, ...]
    values: tuple[tuple[float, ...], ...]

    @classmethod
    def of(
        cls, objectives: Sequence[Criterion], architectures: Sequence[Architecture], values: Sequence[Sequence[float]]
    ) -> Front:
        """The non-dominated among ``architectures`` with their ``values``, one per objective."""
        signed = _signed(objectives, values)
        kept = non_dominated(signed)
        order = kept[np.lexsort(signed[kept].T[::-1])]
        rows = tuple(tuple(float(value) for value in values[at]) for at in order)
        return cls(tuple(objectives), tuple(architectures[at] for at in order), rows)

    def __len__(self) -> int:
        return len(self.architectures)

    def best(self) -> dict[str, float | None]:
        """``best_NAME`` of every objective; None on an empty front."""
        columns = zip(*self.values, strict=True) if self.values else ((),) * len(self.objectives)
        return {
            f"best_{one.name}": (max(column) if one.larger_is_better else min(column)) if column else None
            for one, column in zip(self.objectives, columns, strict=True)
        }

    @property
    def knee(self) -> int:
        """The position that :func:`knee` finds. Raises ``ValueError`` on an empty front."""
        return knee(_signed(self.objectives, self.values))


def _signed(objectives: Sequence[Criterion], values: Sequence[Sequence[float]]) -> Floats:
    """Values [N, M] to minimise."""
    table = np.asarray(values, dtype=np.float64).reshape(len(values), len(objectives))
    return table * np.array([objective.sign for objective in objectives])


__all__ = ["Criterion", "Front", "hypervolume", "indistinct", "knee", "non_dominated", "told_apart"]
