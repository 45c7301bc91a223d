from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nascence.tasks.cache import cache_folder, cached_array


class Counter:
    """Counts how often it had to compute."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> np.ndarray:
        self.calls += 1
        return np.arange(12).reshape(3, 4) + self.calls


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "data.parquet"
    path.write_bytes(b"one")
    return path


def test_the_second_time_is_free(file: Path) -> None:
    compute = Counter()
    first, second = (cached_array([file], "a", compute) for _ in range(2))
    assert compute.calls == 1
    assert np.array_equal(first, second)


def test_other_settings_other_array(file: Path) -> None:
    compute = Counter()
    first, second = (cached_array([file], settings, compute) for settings in "ab")
    assert compute.calls == 2
    assert not np.array_equal(first, second)


def test_a_changed_file_is_read_anew_and_leaves_no_old_copy(file: Path) -> None:
    compute = Counter()
    cached_array([file], "a", compute)
    file.write_bytes(b"three")
    cached_array([file], "a", compute)
    os.utime(file, ns=(1, 1))
    cached_array([file], "a", compute)
    assert compute.calls == 3
    assert len(list((cache_folder() / "decoded").iterdir())) == 1


@pytest.mark.parametrize("damage", [lambda _: b"", lambda _: b"rubbish", lambda whole: whole[:-8]])
def test_a_damaged_copy_is_replaced(file: Path, damage: Callable[[bytes], bytes]) -> None:
    compute = Counter()
    cached_array([file], "a", compute)
    (copy,) = (cache_folder() / "decoded").iterdir()
    copy.write_bytes(damage(copy.read_bytes()))
    assert cached_array([file], "a", compute)[0, 0] == 2
    assert cached_array([file], "a", compute)[0, 0] == 2


def test_a_folder_that_cannot_be_written_is_done_without(file: Path) -> None:
    cache_folder().parent.mkdir()
    cache_folder().write_text("a file where the folder should be")
    compute = Counter()
    assert cached_array([file], "a", compute)[0, 0] == 1
    assert cached_array([file], "a", compute)[0, 0] == 2


def test_a_full_disk_leaves_nothing_half_written(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(target: object, array: np.ndarray) -> None:
        target.write(b"half")  # type: ignore[attr-defined]
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    assert cached_array([file], "a", Counter())[0, 0] == 1
    assert list((cache_folder() / "decoded").iterdir()) == []
