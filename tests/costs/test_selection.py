import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nascence.costs import selection
from nascence.costs.selection import Group, choose


def brute_force(groups, limits):
    """(score, negative costs) of the best combination, or None."""
    best = None
    for picks in itertools.product(*(range(len(group.scores)) for group in groups)):
        costs = sum((group.costs[at] for group, at in zip(groups, picks, strict=True)), np.zeros(len(limits)))
        score = sum(group.scores[at] for group, at in zip(groups, picks, strict=True))
        if np.all(costs <= limits) and (best is None or (score, *(-costs)) > best):
            best = (score, *(-costs))
    return best


def value(groups, picks):
    costs = sum(group.costs[at] for group, at in zip(groups, picks, strict=True))
    return (sum(group.scores[at] for group, at in zip(groups, picks, strict=True)), *(-costs))


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(0, 3), st.floats(0.1, 1.0))
def test_equals_brute_force(seed, count, costs, tightness):
    random = np.random.default_rng(seed)
    groups = [
        Group(random.integers(0, 6, (n, costs)).astype(float), random.integers(-4, 5, n).astype(float))
        for n in random.integers(1, 6, count)
    ]
    limits = np.floor(tightness * sum(group.costs.max(axis=0) for group in groups))
    found, expected = choose(groups, limits), brute_force(groups, limits)
    assert (found is None) == (expected is None)
    if found is not None:
        assert value(groups, found) == expected


def test_a_group_without_options_has_no_solution():
    full, empty = Group(np.zeros((2, 1)), np.zeros(2)), Group(np.zeros((0, 1)), np.zeros(0))
    assert choose([full, empty], np.array([1.0])) is None


def test_joint_limits_can_be_impossible_where_each_alone_is_possible():
    groups = [Group(np.array([[0.0, 2.0], [2.0, 0.0]]), np.zeros(2))]
    assert choose(groups, np.array([1.0, 2.0])) == [0]
    assert choose(groups, np.array([2.0, 1.0])) == [1]
    assert choose(groups, np.array([1.0, 1.0])) is None


def test_ties_go_to_the_cheapest_then_the_first():
    groups = [Group(np.array([[3.0], [1.0], [1.0]]), np.ones(3))] * 2
    assert choose(groups, np.array([10.0])) == [1, 1]


def test_limits_are_inclusive():
    assert choose([Group(np.array([[5.0]]), np.zeros(1))], np.array([5.0])) == [0]
    assert choose([Group(np.array([[5.0]]), np.zeros(1))], np.array([4.999])) is None


@pytest.mark.parametrize("states", [1, 3, 20])
def test_too_many_states_stay_within_the_limits(monkeypatch, states):
    monkeypatch.setattr(selection, "MAX_STATES", states)
    random = np.random.default_rng(0)
    for _ in range(6):
        groups = [Group(random.random((5, 2)), random.random(5)) for _ in range(5)]
        limits = np.array([2.0, 2.0])
        found, expected = choose(groups, limits), brute_force(groups, limits)
        if found is not None:
            assert np.all(sum(group.costs[at] for group, at in zip(groups, found, strict=True)) <= limits)
            assert value(groups, found)[0] <= expected[0]
        assert found is not None or expected is None or states < 20
