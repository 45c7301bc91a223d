"""Batches by number: every batch is full, a pass sees everything, and nothing but seed, name and number matters."""

import pytest
import torch

from nascence.errors import DataError
from nascence.tasks.base import Batch
from nascence.tasks.numbered import NumberedBatches


def make(places_B, random):
    return Batch((torch.rand(len(places_B), generator=random),), places_B)


def test_a_pass_sees_every_example_once():
    batches = NumberedBatches(10, 5, 0, "weights", make)
    assert len(batches) == 2
    for first in (0, 2, 6):
        seen = torch.cat([batches(first).target, batches(first + 1).target])
        assert sorted(seen.tolist()) == list(range(10))
    assert not torch.equal(batches(0).target, batches(2).target), "each pass has an order of its own"


def test_left_overs_wait():
    batches = NumberedBatches(10, 4, 0, "weights", make)
    assert len(batches) == 2
    assert all(len(batches(number).target) == 4 for number in range(6))


def test_a_batch_depends_on_seed_name_and_number_alone():
    one = NumberedBatches(10, 4, 0, "weights", make)
    one(7)
    one(1)
    jumped = one(5)
    fresh = NumberedBatches(10, 4, 0, "weights", make)(5)
    assert torch.equal(jumped.target, fresh.target)
    assert torch.equal(jumped.inputs[0], fresh.inputs[0])
    for other in (NumberedBatches(10, 4, 1, "weights", make), NumberedBatches(10, 4, 0, "architecture", make)):
        assert not torch.equal(other(5).inputs[0], fresh.inputs[0])


@pytest.mark.parametrize("size", [0, 11])
def test_a_batch_must_fit(size):
    with pytest.raises(DataError, match=str(size)):
        NumberedBatches(10, size, 0, "weights", make)
