from __future__ import annotations

from typing import Any

import pytest

from nascence.api.inputs import data_source, load_source, network_size
from nascence.api.searching import method_of, search_config
from nascence.api.step_clock import time_steps
from nascence.costs import Budget
from nascence.errors import SettingError
from nascence.spaces import get_space


def config(method: str = "nasi", *settings: str) -> dict[str, Any]:
    source = data_source("digits", None, None)
    task = load_source(source)
    size = network_size(get_space("nas-bench-201"), task, 2, 1)
    return search_config(method_of(method, settings)[1], "nas-bench-201", source, task, size, Budget(), 0, 1)


def test_all_steps_of_a_short_search() -> None:
    steps, expected, seconds = time_steps(config("nasi", "steps=3", "images=4", "channels=2", "depth=2"), 250)
    assert steps == len(seconds) == 3
    assert expected is None
    assert all(second > 0 for second in seconds)


def test_a_search_that_cannot_begin_says_why_in_its_own_words() -> None:
    with pytest.raises(SettingError) as refusal:
        time_steps(config("te-nas", "images=100000"), 250)
    assert "choose a smaller batch" in str(refusal.value)
    assert "Error" not in str(refusal.value)
    assert "nascence.errors" not in str(refusal.value)


def test_a_long_search_is_ended() -> None:
    """It would take days. Whether its first step ends before it is ended, the machine decides."""
    steps, expected, seconds = time_steps(config("nasi", "steps=1000000", "images=4", "channels=2", "depth=2"), 6)
    assert steps in (0, 1_000_000)
    assert expected is None
    assert len(seconds) < 1_000_000
