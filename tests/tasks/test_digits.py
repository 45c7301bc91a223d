from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from nascence.tasks import digits, load_task


def test_digits_need_no_file_and_are_split_by_class() -> None:
    task = load_task("digits")
    assert task.train.images.shape == (1438, 1, 8, 8)
    assert len(task.test) == 359
    assert task.class_names == tuple("0123456789")
    shares = task.test.labels.bincount() / torch.cat([task.train.labels, task.test.labels]).bincount()
    assert ((shares - 0.2).abs() < 0.005).all()
    assert int(task.train.images.max()) == 255
    assert int(task.train.images.min()) == 0


def test_digits_are_the_same_each_time_and_not_to_be_mirrored() -> None:
    first, second = load_task("digits"), load_task("digits")
    assert torch.equal(first.train.images, second.train.images)
    assert not torch.equal(first.train.images, load_task("digits", seed=1).train.images)
    assert first.flip is False
    assert load_task("digits", flip=True).flip is True


def test_the_library_is_not_imported_and_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "sklearn.datasets", None)  # whoever imports it fails
        read = digits._table()
    monkeypatch.setattr(digits, "find_spec", lambda name: None)
    assert np.array_equal(read, digits._table())


@pytest.mark.parametrize("size", [8, 16])
def test_digits_can_be_enlarged(size: int) -> None:
    assert load_task("digits", image_size=size).image_size == (size, size)
