import itertools
import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import ndcg_score

from nascence.benchmarks.correlation import (
    best_ranked,
    best_tenth,
    intervals,
    judge,
    kendall,
    ndcg,
    oriented,
    partial,
    spearman,
)
from nascence.errors import DataError


def pair(count=200, seed=0, levels=None):
    random = np.random.default_rng(seed)
    truth = random.normal(size=count)
    score = truth + random.normal(size=count)
    return (np.round(score * levels) / levels if levels else score), 25 + 5 * truth


@pytest.mark.parametrize("levels", [None, 2])
def test_rank_correlations_are_scipys(levels):
    x, y = pair(levels=levels)
    assert kendall(x, y) == pytest.approx(stats.kendalltau(x, y).statistic, abs=1e-12)
    assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)


def test_tau_b_by_hand():
    # pairs: 4 concordant, 1 discordant, 1 tied in x; tau-b = 3 / sqrt(5 * 6)
    assert kendall(np.array([1.0, 2, 2, 3]), np.array([1.0, 3, 4, 2])) == pytest.approx(1 / math.sqrt(30))
    assert kendall(np.array([1.0, 2, 2, 3]), np.array([1.0, 2, 3, 4])) == pytest.approx(5 / math.sqrt(30))


def test_constant_values_have_no_correlation():
    x, y = pair(10)
    for function in (kendall, spearman):
        assert function(np.ones(10), y) is None
        assert function(x, np.full(10, -np.inf)) is None


def test_one_rule_for_what_is_not_finite():
    values = [1.0, math.nan, math.inf, -math.inf, 2.0]
    assert oriented(values, True).tolist() == [1, -math.inf, -math.inf, -math.inf, 2]
    assert oriented(values, False).tolist() == [-1, -math.inf, -math.inf, -math.inf, -2]
    y = np.array([3.0, 1, 1.5, 0.5, 4])
    assert kendall(oriented(values, True), y) == pytest.approx(stats.kendalltau([1, 0, 0, 0, 2], y).statistic)


def test_partial_spearman_is_the_correlation_of_residuals():
    random = np.random.default_rng(1)
    z = random.normal(size=300)
    x, y = z + random.normal(size=300), z + random.normal(size=300)
    rx, ry, rz = (stats.rankdata(v) for v in (x, y, z))
    residuals = [r - np.polyval(np.polyfit(rz, r, 1), rz) for r in (rx, ry)]
    expected = np.corrcoef(*residuals)[0, 1]
    assert partial(spearman(x, y), spearman(x, z), spearman(y, z)) == pytest.approx(expected, abs=1e-12)
    assert abs(expected) < 0.2 < spearman(x, y)  # what they share is z
    assert partial(0.5, 1.0, 0.5) is None
    assert partial(None, 0.1, 0.1) is None


def test_intervals_are_bootstrap_quantiles():
    x, y = pair(60, levels=3)
    found = intervals(x, y, seed=5, resamples=100)
    random = np.random.default_rng(5)
    draws = [random.integers(60, size=60) for _ in range(100)]
    for name, function in (("kendall", stats.kendalltau), ("spearman", stats.spearmanr)):
        values = [function(x[draw], y[draw]).statistic for draw in draws]
        assert found[name] == pytest.approx(np.quantile(values, [0.025, 0.975]), abs=1e-9)
    assert found == intervals(x, y, seed=5, resamples=100)
    assert intervals(x, y, seed=-1, resamples=20) == intervals(x, y, seed=-1, resamples=20)  # as all seeds may be
    assert intervals(np.ones(60), y, seed=5)["kendall"] is None


def test_ndcg_is_sklearns_with_exponential_gain():
    x, y = pair(100)
    for top in (1, 10, 1000):
        expected = ndcg_score([np.exp2(y) - 1], [x], k=top)
        assert ndcg(x, y, top) == pytest.approx(expected, rel=1e-12)
    x, y = pair(100, levels=1)
    assert ndcg(x, y, 30) == pytest.approx(ndcg_score([np.exp2(y) - 1], [x], k=30), rel=1e-12)
    assert ndcg(y, y) == pytest.approx(1)


def test_ndcg_by_hand():
    # gains 1, 3, 7; ranked 3, 1, 2 of them
    expected = (7 + 1 / math.log2(3) + 3 / 2) / (7 + 3 / math.log2(3) + 1 / 2)
    assert ndcg(np.array([2.0, 1, 3]), np.array([1.0, 2, 3])) == pytest.approx(expected)
    assert ndcg(np.array([2.0, 1]), np.array([-1.0, 2])) is None
    assert ndcg(np.array([2.0, 1]), np.array([1.0, 200])) is None


def test_best_ranked_by_hand():
    scores, accuracy = np.array([5.0, 4, 3, 2]), np.array([80.0, 91, 95, 70])
    assert best_ranked(scores, accuracy, 1) == {"mean": 80, "best": 80, "regret": 15}
    assert best_ranked(scores, accuracy, 2) == {"mean": 85.5, "best": 91, "regret": 4}
    assert best_ranked(scores, accuracy, 9) == {"mean": 84, "best": 95, "regret": 0}


@pytest.mark.parametrize("top", range(1, 8))
def test_best_ranked_with_ties_is_the_mean_over_all_orders(top):
    scores = np.array([3.0, 1, 2, 2, 2, 2, 1])
    accuracy = np.array([40.0, 99, 60, 30, 60, 80, 10])
    means, bests = [], []
    for order in itertools.permutations(range(7)):
        if all(scores[a] >= scores[b] for a, b in itertools.pairwise(order)):
            picked = accuracy[list(order[:top])]
            means.append(picked.mean())
            bests.append(picked.max())
    found = best_ranked(scores, accuracy, top)
    assert found["mean"] == pytest.approx(np.mean(means))
    assert found["best"] == pytest.approx(np.mean(bests))
    assert found["regret"] == pytest.approx(99 - np.mean(bests))


def test_best_tenth():
    accuracy = np.arange(50.0)
    assert accuracy[best_tenth(accuracy)].tolist() == [45, 46, 47, 48, 49]
    assert best_tenth(np.array([1.0, 2, 2, 2])).tolist() == [False, True, True, True]


def test_judge():
    x, y = pair(300)
    noise = np.random.default_rng(9).normal(size=300)
    noise[:4] = math.nan
    rows = judge({"noise": (noise, True), "down": (-x, False), "size": (y, True)}, y, params=y, resamples=20)
    assert [row["score"] for row in rows] == ["size", "down", "noise"]  # by Kendall
    best, down, worst = rows
    assert best["kendall"] == pytest.approx(1)
    assert best["ndcg"] == pytest.approx(1)
    assert best["kendall_given_params"] is None
    assert best["best_ranked"]["100"]["regret"] == 0
    assert down["kendall"] == pytest.approx(stats.kendalltau(x, y).statistic)
    upper = y >= np.sort(y)[-30]
    assert down["kendall_best_tenth"] == pytest.approx(stats.kendalltau(x[upper], y[upper]).statistic)
    assert worst["non_finite"] == 4
    assert worst["spearman_interval"][0] < worst["spearman"] < worst["spearman_interval"][1]
    assert list(down["best_ranked"]) == ["1", "10", "100"]


def test_single_draws_are_judged_one_by_one():
    x, y = pair(60)
    draws = np.stack([x, y, -x])
    columns = {"good": (draws.mean(0), True), "bad": (-draws.mean(0), False), "once": (x, True)}
    rows = judge(columns, y, params=y, draws={"good": draws, "bad": -draws}, resamples=1)
    found = {row["score"]: row["single_draws"] for row in rows}
    assert found["once"] is None
    assert found["good"] == found["bad"]  # directions are heeded
    taus = [kendall(draw, y) for draw in draws]
    assert taus[0] == pytest.approx(-taus[2])
    assert found["good"]["kendall"] == pytest.approx((np.mean(taus), np.std(taus, ddof=1)))
    constant = judge({"s": (x, True)}, y, params=y, draws={"s": np.stack([x, np.zeros(60)])}, resamples=1)
    assert constant[0]["single_draws"]["kendall"] is None


def test_no_number_depends_on_the_order_of_rows():
    x, y = pair(80, levels=1)
    order = np.random.default_rng(2).permutation(80)
    sizes = np.round(y / 10)
    rows = [judge({"s": (x[at], True)}, y[at], params=sizes[at], resamples=1)[0] for at in (slice(None), order)]
    for row in rows:
        del row["kendall_interval"], row["spearman_interval"]
    for name, value in rows[0].items():
        assert rows[1][name] == (pytest.approx(value) if isinstance(value, float) else value) or name == "best_ranked"
    for top, values in rows[0]["best_ranked"].items():
        assert rows[1]["best_ranked"][top] == pytest.approx(values)


def test_fractions_are_judged_as_percent_and_few_rows_are_refused():
    x, y = pair(50)
    whole, part = (judge({"s": (x, True)}, values, params=x, resamples=1)[0] for values in (y, y / 100))
    assert part["ndcg"] == pytest.approx(whole["ndcg"])
    with pytest.raises(DataError, match="at least three"):
        judge({"s": (x[:2], True)}, y[:2], params=x[:2])
