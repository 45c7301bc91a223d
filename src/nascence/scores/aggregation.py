"""Rankings made of several scores: sums over ranks within a population, so defined only relative to it.

An aggregate works on columns of a table of scores, one value an architecture. A value that is not finite is the worst;
equal values share the average of their ranks. Where there are several draws of weights and images, ranks are taken draw
by draw and averaged: what one draw says and the next denies then counts for little, while ranks of averages would
stretch the differences that are left, luck or not, over the whole scale again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nascence.errors import SettingError
from nascence.registry import Registry

Floats = NDArray[np.float64]

OWN = "nascence"
"""The name of this project's own ranking."""

BEST = 0.05
"""The share of a population among which an aggregate's deciding parts decide."""


def ranks(values: ArrayLike, larger_is_better: bool = True) -> Floats:
    """Ranks [m] from 1 (worst) to m (best) of values [m]."""
    from scipy.stats import rankdata

    column = np.asarray(values, dtype=np.float64)
    if column.ndim != 1 or not len(column):
        raise SettingError(f"Ranks need a column of one value or more, got the shape {column.shape}.")
    upward = column if larger_is_better else -column
    return np.asarray(rankdata(np.where(np.isfinite(column), upward, -math.inf)), dtype=np.float64)


@final
@dataclass(frozen=True)
class RankingPart:
    """One score of an aggregate, by its name; ``weight``: how many votes it has."""

    score: str
    larger_is_better: bool = True
    weight: float = 1.0


@final
@dataclass(frozen=True)
class RankSum:
    """sum over ``parts`` of ``weight * of_rank(rank / m)``, m the size of the population; larger is better.

    The rank is the mean of those of all draws. ``of_rank`` is the logarithm (a bad rank in one part is not made up for
    by a good one in another) or the identity. Where there are ``deciding`` parts, the best of the population
    (:data:`BEST` of it) change places: they share out anew the values that they have, in the order of the sum over
    those parts.
    """

    name: str
    parts: tuple[RankingPart, ...]
    of_rank: Callable[[Floats], Floats]
    description: str
    source: str
    deciding: tuple[RankingPart, ...] = ()

    def __call__(
        self, columns: Mapping[str, Sequence[float] | Floats], measured: NDArray[np.bool_] | None = None
    ) -> Floats:
        """One value [m] an architecture, from a column [m] or, of D draws, [D, m] per part; others are left alone.

        ``measured`` [D, m]: which architectures had which draw, None for all; the first has all. In a later draw those
        that had it are ranked among each other, and share out anew the ranks of the population that they had first.

        Raises :class:`SettingError` when a part's column is missing or of another shape.
        """
        whole = self._sum(self.parts, columns, measured)
        if not self.deciding:
            return whole
        best = np.flatnonzero(whole >= np.sort(whole)[-math.ceil(BEST * len(whole))])
        _, place, size = np.unique(
            self._sum(self.deciding, columns, measured)[best], return_inverse=True, return_counts=True
        )
        whole[best] = (np.bincount(np.repeat(np.arange(len(size)), size), weights=np.sort(whole[best])) / size)[place]
        return whole

    def of(self, applies: Callable[[str], bool]) -> RankSum:
        """The sum over the parts whose score, by its name, ``applies``."""
        parts, deciding = (tuple(p for p in ps if applies(p.score)) for ps in (self.parts, self.deciding))
        return replace(self, parts=parts, deciding=deciding)

    def over_all(self) -> RankSum:
        """The sum over all parts, the best in their places."""
        return replace(self, deciding=())

    def among_the_best(self) -> RankSum:
        """The sum by which the best are told apart. Ranks stay those in the whole population, of which it wants all."""
        return replace(self, parts=self.deciding or self.parts, deciding=())

    def _sum(
        self,
        parts: tuple[RankingPart, ...],
        columns: Mapping[str, Sequence[float] | Floats],
        measured: NDArray[np.bool_] | None,
    ) -> Floats:
        missing = [part.score for part in parts if part.score not in columns]
        if missing:
            raise SettingError(f"{self.name} needs a column '{missing[0]}'; there are {', '.join(columns) or 'none'}.")
        values = {part: np.atleast_2d(np.asarray(columns[part.score], dtype=np.float64)) for part in parts}
        lengths = {part.score: column.shape[1] for part, column in values.items()}
        if len(set(lengths.values())) > 1:
            raise SettingError(f"The columns that {self.name} adds up differ in length: {lengths}.")
        shares = {part: _mean_ranks(part, column, measured) / column.shape[1] for part, column in values.items()}
        return np.sum([part.weight * self.of_rank(share) for part, share in shares.items()], axis=0)


def _mean_ranks(part: RankingPart, values_DM: Floats, measured_DM: NDArray[np.bool_] | None) -> Floats:
    """Ranks [M] among M architectures, the mean over D draws; see :meth:`RankSum.__call__`."""
    count = values_DM.shape[1]
    first = ranks(values_DM[0], part.larger_is_better)
    total, draws = first.copy(), np.ones(count)
    for draw, values in enumerate(values_DM[1:], start=1):
        at = np.arange(count) if measured_DM is None else np.flatnonzero(measured_DM[draw])
        if not len(at):
            continue
        found = ranks(values[at], part.larger_is_better)
        if len(at) < count:
            found = np.interp(found, np.arange(1, len(at) + 1), np.sort(first[at]))
        total[at] += found
        draws[at] += 1
    return total / draws


def _identity(share: Floats) -> Floats:
    return share


def _nascence(layers: float) -> tuple[RankingPart, ...]:
    """The parts of ``nascence``, with so many votes for how many layers learn."""
    return (
        RankingPart("nascence-expressivity"),
        RankingPart("nascence-activations"),
        RankingPart("nascence-patterns"),
        RankingPart("nascence-separability"),
        RankingPart("nascence-trainability"),
        RankingPart("nascence-layers", weight=layers),
        RankingPart("flops"),
    )


_AZ_NAS = (
    RankingPart("flops"),
    RankingPart("az-expressivity"),
    RankingPart("az-progressivity"),
    RankingPart("az-trainability"),
)

AGGREGATES = Registry(
    "aggregate",
    {
        "nascence": RankSum(
            "nascence",
            _nascence(layers=2),
            np.log,
            "our own: how features, activations and gradients of images spread, how many layers learn, and size",
            "this project; docs/methods/rank.md",
            deciding=_nascence(layers=6),  # as many as all others together
        ),
        "az-nas": RankSum(
            "az-nas",
            _AZ_NAS,
            np.log,
            "AZ-NAS: complexity, expressivity, progressivity and trainability",
            "arXiv 2403.19232",
        ),
        "vkdnw-agg": RankSum(
            "vkdnw-agg",
            (
                RankingPart("flops"),
                RankingPart("az-expressivity"),
                RankingPart("az-trainability"),
                RankingPart("jacob-cov"),
                RankingPart("vkdnw"),
            ),
            np.log,
            "VKDNW_agg, as published for NAS-Bench-201: FLOPs, expressivity, trainability, jacob-cov and VKDNW_single",
            "arXiv 2502.04975",
        ),
        "vkdnw-agg-mobile": RankSum(
            "vkdnw-agg-mobile",
            (*_AZ_NAS, RankingPart("vkdnw-entropy")),
            np.log,
            "VKDNW_agg of the mobile search code: the parts of AZ-NAS and the entropy of the Fisher spectrum",
            "arXiv 2502.04975",
        ),
        "te-nas-ranks": RankSum(
            "te-nas-ranks",
            (RankingPart("ntk-condition", larger_is_better=False), RankingPart("linear-regions")),
            _identity,
            "TE-NAS: the rank of the condition number plus the rank of the number of linear regions",
            "arXiv 2102.11535",
        ),
    },
)

__all__ = ["AGGREGATES", "RankSum", "RankingPart", "ranks"]
