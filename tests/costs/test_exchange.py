"""Exchanges against brute force where costs are products of neighbouring choices."""

import itertools

import numpy as np
import pytest

from nascence.costs.exchange import exchange

CHOICES, OPTIONS = 6, 4
EVERYTHING = np.array(list(itertools.product(range(OPTIONS), repeat=CHOICES)))


def problem(seed, choices=CHOICES, options=OPTIONS):
    """Scores that mostly rise with the width, and a chain's costs: products of neighbouring widths, and their sum."""
    random = np.random.default_rng(seed)
    widths = np.cumsum(random.random((choices, options)) + 0.1, axis=1)

    def costs(positions):
        chosen = widths[np.arange(choices), positions]
        return np.stack([(chosen[:, :-1] * chosen[:, 1:]).sum(1), chosen.sum(1)], axis=1)

    scores = [np.sort(random.normal(size=options)) for _ in range(choices)]
    if seed % 3 == 0:
        scores = [random.permutation(row) for row in scores]
    return scores, costs


def score(scores, positions):
    return sum(row[at] for row, at in zip(scores, positions, strict=True))


def limits_at(costs, quantile):
    return np.quantile(costs(EVERYTHING), quantile, axis=0) * [1.0, 1.2]


def test_within_the_limits_and_mostly_the_best():
    gaps = []
    for seed in range(40):
        scores, costs = problem(seed)
        limits = limits_at(costs, 0.02 + 0.58 * seed / 40)
        found = exchange(scores, costs, limits)
        assert (costs(found[None]) <= limits).all()
        inside = EVERYTHING[(costs(EVERYTHING) <= limits).all(axis=1)]
        best = max(score(scores, positions) for positions in inside)
        gaps.append((best - score(scores, found)) / sum(np.ptp(row) for row in scores))
    assert np.mean(np.array(gaps) < 1e-9) >= 0.85
    assert np.mean(gaps) < 0.005
    assert max(gaps) < 0.08


def test_without_a_reason_to_exchange_the_best_options_stay():
    scores, costs = problem(1)
    found = exchange(scores, costs, np.array([np.inf, np.inf]))
    assert found.tolist() == [int(row.argmax()) for row in scores]


def test_nothing_fits():
    scores, costs = problem(1)
    assert exchange(scores, costs, costs(EVERYTHING).min(axis=0) * 0.9) is None


def test_the_one_that_fits_is_found():
    scores, costs = problem(2)
    cheapest = np.zeros(CHOICES, dtype=np.intp)
    found = exchange(scores, costs, costs(cheapest[None])[0] * (1 + 1e-9))
    assert found.tolist() == [0] * CHOICES


def test_forbidden_options_are_not_taken():
    scores, costs = problem(3)
    for row in scores:
        row[int(row.argmax())] = -np.inf
    scores[0][:] = [-np.inf, -np.inf, 0.0, -np.inf]
    found = exchange(scores, costs, limits_at(costs, 0.9))
    assert found[0] == 2
    assert score(scores, found) > -np.inf
    scores[0][:] = -np.inf
    assert exchange(scores, costs, limits_at(costs, 0.9)) is None


def test_without_preferences_whatever_fits_will_do():
    _, costs = problem(4)
    limits = limits_at(costs, 0.1)
    found = exchange([np.zeros(OPTIONS)] * CHOICES, costs, limits, start=np.full(CHOICES, OPTIONS - 1))
    assert (costs(found[None]) <= limits).all()


def test_no_exchange_of_one_or_two_answers_improves_it():
    scores, costs = problem(5)
    limits = limits_at(costs, 0.3)
    found = exchange(scores, costs, limits)
    near = EVERYTHING[(found != EVERYTHING).sum(axis=1) <= 2]
    inside = near[(costs(near) <= limits).all(axis=1)]
    assert max(score(scores, positions) for positions in inside) == pytest.approx(score(scores, found))


def test_few_exchanges_of_two_where_costs_are_slow():
    scores, costs = problem(5, choices=12)
    asked = []

    def counted(positions):
        asked.append(len(positions))
        return costs(positions)

    limits = costs(np.full((1, 12), 1))[0]
    few = exchange(scores, counted, limits, 0)
    fewest = sum(asked)
    asked.clear()
    many = exchange(scores, counted, limits)
    assert fewest < sum(asked)
    assert score(scores, few) <= score(scores, many) + 1e-9
