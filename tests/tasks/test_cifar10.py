from __future__ import annotations

import os
from pathlib import Path

import pytest

from nascence.errors import DataError
from nascence.tasks import load_task
from nascence.tasks.cifar10 import CLASSES


def test_a_missing_cifar10_says_where_it_was_looked_for_and_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        load_task("cifar10", tmp_path)
    for words in (str(tmp_path / "cifar10"), "train.parquet", "--data-dir", "--download"):
        assert words in str(caught.value)


@pytest.fixture
def real_data() -> Path:
    beside = Path(__file__).parents[3] / "shared" / "data"
    folder = Path(os.environ.get("NASCENCE_DATA_FOR_TESTS") or beside)
    if not (folder / "cifar10" / "train.parquet").is_file():
        pytest.skip("CIFAR-10 is neither in NASCENCE_DATA nor in ../shared/data")
    return folder


@pytest.mark.data
@pytest.mark.slow
def test_the_real_cifar10(real_data: Path) -> None:
    task = load_task("cifar10", real_data)
    assert task.train.images.shape == (50_000, 3, 32, 32)
    assert task.test.images.shape == (10_000, 3, 32, 32)
    assert task.class_names == CLASSES
    assert task.train.labels.bincount().tolist() == [5000] * 10
    assert task.test.labels.bincount().tolist() == [1000] * 10
    published = zip((125.3, 123.0, 113.9, 63.0, 62.1, 66.7), (*task.mean, *task.std), strict=True)
    assert all(abs(value / 255 - found) < 0.003 for value, found in published)
    assert task.flip
