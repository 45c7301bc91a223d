from __future__ import annotations

import pytest

from nascence.tasks.sources import divide, part_named, three_parts


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("train", "train"),
        ("Training", "train"),
        ("train-00000-of-00001.parquet", "train"),
        ("cifar_test.parquet", "test"),
        ("data/validation/0000.parquet", "valid"),
        ("val", "valid"),
        ("trains", None),
        ("contest", None),
        ("latest.parquet", None),
    ],
)
def test_the_part_a_name_speaks_of(name: str, part: str | None) -> None:
    assert part_named(name) == part


def test_validation_stands_in_for_a_missing_test() -> None:
    assert divide([("train", 1), ("valid", 2)]) == ([1], [2])
    assert divide([("valid", 2), ("test", 3), ("train", 1)]) == ([1, 2], [3])
    assert divide([("train", 1)]) == ([1], [])
    assert three_parts([("train", 1), ("valid", 2)]) == ([1], [], [2])
    assert three_parts([("valid", 2), ("test", 3), ("train", 1)]) == ([1], [2], [3])
