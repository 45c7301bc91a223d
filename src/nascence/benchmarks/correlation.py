"""How well scores rank architectures: rank correlations, the quality of the top, and what is left given size.

One rule for all scores: a value that is not finite ranks below every finite one. Values are turned so that larger is
better before anything else. Equal scores are equal: what depends on the order within them is its expectation over
random orders, so that no result depends on the order of the rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nascence.errors import DataError

Floats = NDArray[np.float64]
TOPS = (1, 10, 100)
NDCG_AT = 1000
RESAMPLES = 200


def oriented(values: ArrayLike, larger_is_better: bool) -> Floats:
    """Values [N] of which larger is better; those that are not finite are minus infinity."""
    array = np.asarray(values, dtype=np.float64)
    turned = array if larger_is_better else -array
    return np.where(np.isfinite(turned), turned, -np.inf)


def kendall(x: Floats, y: Floats) -> float | None:
    """Kendall's tau-b (Kendall 1945, ties in both); None where either is constant."""
    from scipy.stats import kendalltau

    return _known(kendalltau(_ranks(x), _ranks(y), variant="b").statistic) if _varies(x) and _varies(y) else None


def spearman(x: Floats, y: Floats) -> float | None:
    """Spearman's rho: Pearson's correlation of mid-ranks; None where either is constant."""
    return _weighted_spearman(_Ties(x), _Ties(y), np.ones(len(x)))


def partial(xy: float | None, xz: float | None, yz: float | None) -> float | None:
    """The partial correlation of x and y given z, from the three (Kendall 1942; the same form for Spearman's rho)."""
    if xy is None or xz is None or yz is None:
        return None
    rest = (1 - xz**2) * (1 - yz**2)
    return (xy - xz * yz) / math.sqrt(rest) if rest > 1e-12 else None


def intervals(
    x: Floats, y: Floats, *, seed: int, resamples: int = RESAMPLES, level: float = 0.95
) -> dict[str, tuple[float, float] | None]:
    """Percentile bootstrap intervals (Efron 1979) of ``kendall`` and ``spearman``, over architectures."""
    random = np.random.default_rng(seed % 2**64)  # as it is, but for negative ones
    found: dict[str, list[float]] = {"kendall": [], "spearman": []}
    x_ties, y_ties = _Ties(x), _Ties(y)
    for _ in range(resamples):
        drawn = random.integers(len(x), size=len(x))
        weights = np.bincount(drawn, minlength=len(x)).astype(np.float64)
        for name, value in (
            ("kendall", kendall(x[drawn], y[drawn])),
            ("spearman", _weighted_spearman(x_ties, y_ties, weights)),
        ):
            if value is not None:
                found[name].append(value)
    ends = [(1 - level) / 2, (1 + level) / 2]
    return {
        name: (float(np.quantile(values, ends[0])), float(np.quantile(values, ends[1]))) if values else None
        for name, values in found.items()
    }


def ndcg(scores: Floats, truth_percent: Floats, top: int = NDCG_AT) -> float | None:
    """Normalised discounted cumulative gain of the ``top`` best-ranked: gain 2^t - 1, t the truth in percent,
    discount log2(1 + position), divided by the same sum of the true order.

    This is the definition of VKDNW (arXiv 2502.04975; table 1 takes the first 1,000), except that equal scores share
    the mean of their gains, which does not depend on the order of the rows. None for numbers outside 0..100.
    """
    if truth_percent.min() < 0 or truth_percent.max() > 100:
        return None
    gain = np.exp2(truth_percent) - 1
    discount = np.where(np.arange(len(gain)) < top, 1 / np.log2(np.arange(len(gain)) + 2.0), 0.0)
    _, group, count = np.unique(-scores, return_inverse=True, return_counts=True)
    mean_gain = np.bincount(group, weights=gain) / count
    ends = np.cumsum(count)
    sums = np.concatenate([[0.0], np.cumsum(discount)])
    ideal = float(np.sort(gain)[::-1] @ discount)
    return float(mean_gain @ (sums[ends] - sums[ends - count])) / ideal if ideal > 0 else None


def best_ranked(scores: Floats, truth: Floats, top: int) -> dict[str, float]:
    """Of the ``top`` best-ranked (all, if there are fewer): ``mean`` and ``best`` truth, and ``regret``, by how much
    ``best`` falls short of the best there is. Expectations over random orders of equal scores."""
    top = min(top, len(scores))
    threshold = np.sort(scores)[::-1][top - 1]
    sure, tied = truth[scores > threshold], np.sort(truth[scores == threshold])
    open_places = top - len(sure)
    mean = (sure.sum() + open_places * tied.mean()) / top
    # the largest of r of m tied ones is the i-th smallest with probability C(i-1, r-1) / C(m, r)
    chance = np.zeros(len(tied))
    chance[-1] = open_places / len(tied)
    for at in range(len(tied) - 2, open_places - 2, -1):
        chance[at] = chance[at + 1] * (at + 2 - open_places) / (at + 1)
    best = float(chance @ np.maximum(tied, sure.max(initial=-np.inf)))
    return {"mean": float(mean), "best": best, "regret": float(truth.max()) - best}


def best_tenth(truth: Floats) -> NDArray[np.bool_]:
    """Which architectures are in the best tenth by truth, ties with the last one included."""
    place = math.ceil(len(truth) / 10)
    return truth >= np.sort(truth)[::-1][place - 1]


def judge(
    columns: Mapping[str, tuple[ArrayLike, bool]],
    truth: ArrayLike,
    *,
    params: ArrayLike,
    draws: Mapping[str, ArrayLike] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> list[dict[str, Any]]:
    """A row of numbers for every column, given as (values [N], whether larger is better), best Kendall first.

    ``truth``: [N], what they are judged by, finite, larger is better, in percent or (where none exceeds 1) as a
    fraction. ``draws``: of some columns the values [D, N] at D > 1 draws; their rows tell under ``single_draws`` how
    one draw by itself does, mean and standard deviation. Raises :class:`DataError` below three architectures.
    """
    truth = np.asarray(truth, dtype=np.float64)
    if len(truth) < 3:
        raise DataError(f"Correlations need at least three architectures, got {len(truth)}.")
    percent = truth * 100 if truth.max() <= 1 else truth
    size = oriented(params, True)
    size_kendall, size_spearman = kendall(size, truth), spearman(size, truth)
    upper = best_tenth(truth)

    def measures(x: Floats) -> dict[str, float | None]:
        return {
            "kendall": kendall(x, truth),
            "spearman": spearman(x, truth),
            "ndcg": ndcg(x, percent),
            "kendall_best_tenth": kendall(x[upper], truth[upper]),
        }

    rows = []
    for name, (values, larger) in columns.items():
        x = oriented(values, larger)
        found = measures(x)
        tau, rho = found["kendall"], found["spearman"]
        ends = intervals(x, truth, seed=seed, resamples=resamples)
        single = [measures(oriented(draw, larger)) for draw in np.asarray((draws or {}).get(name, ()))]
        rows.append(
            {
                "score": name,
                "larger_is_better": larger,
                "non_finite": int(np.isneginf(x).sum()),
                **found,
                "kendall_interval": ends["kendall"],
                "spearman_interval": ends["spearman"],
                "kendall_given_params": partial(tau, kendall(x, size), size_kendall),
                "spearman_given_params": partial(rho, spearman(x, size), size_spearman),
                "best_ranked": {str(top): best_ranked(x, truth, top) for top in TOPS if top <= len(x)},
                "single_draws": {key: _mean_and_std([one[key] for one in single]) for key in found} if single else None,
            }
        )
    return sorted(rows, key=lambda row: -(row["kendall"] if row["kendall"] is not None else -2))


def _mean_and_std(values: list[float | None]) -> tuple[float, float] | None:
    known = [value for value in values if value is not None]
    return (float(np.mean(known)), float(np.std(known, ddof=1))) if len(known) == len(values) > 1 else None


class _Ties:
    """Values sorted once, so that the mid-ranks of any resample cost no sorting."""

    def __init__(self, values: Floats) -> None:
        _, self.group = np.unique(values, return_inverse=True)

    def ranks(self, weights: Floats) -> Floats:
        """Mid-ranks [N] in the multiset that holds each value ``weights`` times."""
        count = np.bincount(self.group, weights=weights)
        return (np.cumsum(count) - (count - 1) / 2)[self.group]


def _weighted_spearman(x: _Ties, y: _Ties, weights: Floats) -> float | None:
    total = weights.sum()
    a, b = x.ranks(weights), y.ranks(weights)
    a, b = a - weights @ a / total, b - weights @ b / total
    spread = (weights @ a**2) * (weights @ b**2)
    return float(weights @ (a * b) / math.sqrt(spread)) if spread > 1e-9 else None


def _ranks(values: Sequence[float] | Floats) -> NDArray[np.int64]:
    """Positions among the distinct values: the same order and ties as whole numbers."""
    return np.unique(values, return_inverse=True)[1]


def _varies(values: Floats) -> bool:
    return bool((values != values[0]).any())


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


__all__ = [
    "NDCG_AT",
    "RESAMPLES",
    "TOPS",
    "best_ranked",
    "best_tenth",
    "intervals",
    "judge",
    "kendall",
    "ndcg",
    "oriented",
    "partial",
    "spearman",
]
