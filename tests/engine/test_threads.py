"""Threads are set in one place, for a block, and come back."""

import pytest
import torch

from nascence.engine.threads import MOST_THREADS, compute_threads, one_thread
from nascence.errors import SettingError


def test_threads_come_back():
    before = torch.get_num_threads()
    with compute_threads(before + 1) as number:
        assert torch.get_num_threads() == number == before + 1
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
    with compute_threads(None) as number:
        assert number == before


@pytest.mark.parametrize(("wrong", "told"), [(0, "at least 1"), (-3, "at least 1"), (MOST_THREADS + 1, "at most")])
def test_impossible_numbers_change_nothing(wrong, told):
    before = torch.get_num_threads()
    with pytest.raises(SettingError, match=told), compute_threads(wrong):
        pass
    assert torch.get_num_threads() == before
