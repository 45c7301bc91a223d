"""Rankings made of several scores: sums over ranks within a population, so defined only relative to it.

An aggregate works on columns of a table of scores, one value an architecture. A value that is not finite is the worst;
equal values share the average of their ranks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nascence.errors import SettingError
from nascence.registry import Registry

Floats = NDArray[np.float64]


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
class Part:
    """One score of an aggregate, by its name."""

    score: str
    larger_is_better: bool = True


@final
@dataclass(frozen=True)
class RankSum:
    """sum over ``parts`` of ``of_rank(rank / m)``, m the size of the population; larger is better.

    ``of_rank`` is the logarithm (a bad rank in one part is not made up for by a good one in another) or the identity.
    """

    name: str
    parts: tuple[Part, ...]
    of_rank: Callable[[Floats], Floats]
    description: str
    source: str

    def __call__(self, columns: Mapping[str, Sequence[float] | Floats]) -> Floats:
        """One value [m] an architecture, from a column [m] per part; other columns are left alone.

        Raises :class:`SettingError` when a part's column is missing or of another length.
        """
        missing = [part.score for part in self.parts if part.score not in columns]
        if missing:
            raise SettingError(f"{self.name} needs a column '{missing[0]}'; there are {', '.join(columns) or 'none'}.")
        lengths = {part.score: len(columns[part.score]) for part in self.parts}
        if len(set(lengths.values())) > 1:
            raise SettingError(f"The columns that {self.name} adds up differ in length: {lengths}.")
        return np.sum(
            [
                self.of_rank(ranks(columns[part.score], part.larger_is_better) / lengths[part.score])
                for part in self.parts
            ],
            axis=0,
        )


def _identity(share: Floats) -> Floats:
    return share


_AZ_NAS = (Part("flops"), Part("az-expressivity"), Part("az-progressivity"), Part("az-trainability"))

AGGREGATES = Registry(
    "aggregate",
    {
        "nascence": RankSum(
            "nascence",
            (
                Part("nascence-expressivity"),
                Part("nascence-activations"),
                Part("nascence-patterns"),
                Part("nascence-separability"),
                Part("nascence-trainability"),
                Part("flops"),
            ),
            np.log,
            "our own: how features, activations and gradients of images spread, trainability and size",
            "this project; docs/methods/rank.md",
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
            (Part("flops"), Part("az-expressivity"), Part("az-trainability"), Part("jacob-cov"), Part("vkdnw")),
            np.log,
            "VKDNW_agg, as published for NAS-Bench-201: FLOPs, expressivity, trainability, jacob-cov and VKDNW_single",
            "arXiv 2502.04975",
        ),
        "vkdnw-agg-mobile": RankSum(
            "vkdnw-agg-mobile",
            (*_AZ_NAS, Part("vkdnw-entropy")),
            np.log,
            "VKDNW_agg of the mobile search code: the parts of AZ-NAS and the entropy of the Fisher spectrum",
            "arXiv 2502.04975",
        ),
        "te-nas-ranks": RankSum(
            "te-nas-ranks",
            (Part("ntk-condition", larger_is_better=False), Part("linear-regions")),
            _identity,
            "TE-NAS: the rank of the condition number plus the rank of the number of linear regions",
            "arXiv 2102.11535",
        ),
    },
)

__all__ = ["AGGREGATES", "Part", "RankSum", "ranks"]
