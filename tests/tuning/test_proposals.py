"""What to try next follows from what was tried, and gets better."""

import math
import sys

import pytest

from nascence.errors import MissingExtraError
from nascence.spaces.ranges import LogUniform, Values
from nascence.tuning import propose

RANGES = {"rate": LogUniform(1e-4, 1.0), "kind": Values(("a", "b", "c"))}


def worth(values):
    """Best at 0.01 and b."""
    return -abs(math.log10(values["rate"]) + 2) - (values["kind"] != "b")


def tried(count, seed=0):
    trials = []
    for _ in range(count):
        values = propose(RANGES, trials, seed=seed, startup=5)
        trials.append((values, worth(values)))
    return trials


def test_proposals_are_within_the_ranges_and_follow_from_the_seed():
    first, again, other = tried(6), tried(6), tried(6, seed=1)
    assert first == again
    assert first != other
    assert all(values[name] in one for values, _ in first for name, one in RANGES.items())
    assert len({values["rate"] for values, _ in first}) == 6


def test_trials_are_learned_from():
    late, early = tried(30)[-10:], tried(30)[:5]
    assert sum(value for _, value in late) / 10 > sum(value for _, value in early) / 5


def test_smaller_may_be_better():
    known = [({"rate": 10 ** -(at / 5), "kind": "a"}, at / 5) for at in range(20)]  # best at 1
    small = propose(RANGES, known, larger_is_better=False, startup=5)
    large = propose(RANGES, known, larger_is_better=True, startup=5)
    assert small["rate"] > large["rate"]


def test_trials_outside_the_ranges_are_left_out():
    assert propose(RANGES, [({"rate": 7.0, "kind": "b"}, 1.0)])["rate"] <= 1


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"\[tuning\]"):
        propose(RANGES, [])


def test_ranges():
    assert 1e-3 in LogUniform(1e-4, 1.0)
    assert "d" not in RANGES["kind"]
    assert "x" not in RANGES["rate"]
