"""Counts are those of torch.bincount."""

import pytest
import torch

from nascence.seeding import generator
from nascence.tasks.histogram import histogram


@pytest.mark.parametrize("size", [0, 1, 1000])
def test_it_counts(size):
    values = torch.randint(7, (size,), generator=generator(size))
    found = histogram(values, 9)
    assert found.dtype == torch.int64
    assert torch.equal(found, values.bincount(minlength=9))
