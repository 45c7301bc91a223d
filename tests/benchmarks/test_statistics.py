import math

import numpy as np
import pytest

from nascence.benchmarks import Summary, bootstrap_interval
from nascence.errors import DataError


def test_summary_by_hand():
    summary = Summary.of([1.0, 2.0, 6.0])
    assert summary == Summary(mean=3.0, std=math.sqrt(7), min=1.0, max=6.0, count=3)
    assert summary.to_dict() == {"mean": 3.0, "std": math.sqrt(7), "min": 1.0, "max": 6.0, "count": 3}


def test_a_single_value_has_no_deviation():
    assert Summary.of([4]) == Summary(4.0, None, 4.0, 4.0, 1)


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf]])
def test_nothing_to_summarise(values):
    with pytest.raises(DataError):
        Summary.of(values)


def test_bootstrap_interval_is_repeatable_and_close_to_the_normal_one():
    values = np.random.default_rng(0).normal(5, 2, 400)
    low, high = bootstrap_interval(values, seed=1)
    assert (low, high) == bootstrap_interval(values, seed=1)
    half = 1.96 * values.std(ddof=1) / 20
    assert low == pytest.approx(values.mean() - half, abs=0.03)
    assert high == pytest.approx(values.mean() + half, abs=0.03)
    narrow = bootstrap_interval(values, np.median, seed=1, level=0.5)
    assert narrow[0] <= np.median(values) <= narrow[1]


def test_bootstrap_of_a_constant_is_a_point():
    assert bootstrap_interval([2.0] * 5, seed=0) == (2.0, 2.0)
    assert bootstrap_interval([2.0] * 5, seed=-1) == (2.0, 2.0)


@pytest.mark.parametrize(("values", "level"), [([], 0.9), ([1.0], 0.0), ([1.0], 1.0)])
def test_bootstrap_refuses_nonsense(values, level):
    with pytest.raises(DataError):
        bootstrap_interval(values, seed=0, level=level)
