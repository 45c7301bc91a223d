from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nascence.cache import cache_folder
from nascence.errors import DataError
from nascence.tasks import decoding, store
from nascence.tasks.decoding import decode_images
from nascence.tasks.store import Store, StoreUnusableError

Encode = Callable[..., bytes]


@pytest.fixture(autouse=True)
def small_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store for ten images or more, in chunks of four."""
    monkeypatch.setattr(decoding, "STORED_FROM", 10)
    for module in (decoding, store):
        monkeypatch.setattr(module, "CHUNK", 4)


class Pictures:
    """Files, and how many of them were decoded, apart from the first, whose size is asked for each time."""

    def __init__(self, folder: Path, encode: Encode, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.encode, self.decoded = folder, encode, 0
        folder.mkdir()
        real = decoding.decode_picture

        def counted(*arguments: object) -> np.ndarray:
            self.decoded += 1
            return real(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(decoding, "decode_picture", counted)

    def write(self, at: int, value: int, mode: str = "L") -> None:
        (self.folder / f"{at:02}.png").write_bytes(self.encode(value, mode=mode))

    def read(self, told: Callable[[int, int], None] | None = None) -> tuple[np.ndarray, int]:
        """The images, and how many were decoded for them."""
        self.decoded = 0
        files = sorted(self.folder.iterdir())
        found = decode_images([(file.name, file) for file in files], keep="these", told=told)
        return found, self.decoded - 1


@pytest.fixture
def pictures(tmp_path: Path, encode: Encode, monkeypatch: pytest.MonkeyPatch) -> Pictures:
    found = Pictures(tmp_path / "pictures", encode, monkeypatch)
    for at in range(10):
        found.write(at, 100 + at)
    return found


def files() -> list[str]:
    folder = cache_folder()
    assert folder is not None
    return sorted(path.suffix for path in (folder / "decoded").iterdir())


def values(images: np.ndarray) -> list[int]:
    return images[:, 3, 3, 0].tolist()


def test_the_second_time_nothing_is_decoded(pictures: Pictures) -> None:
    told: list[tuple[int, int]] = []
    first, decoded = pictures.read(lambda done, total: told.append((done, total)))
    assert isinstance(first, np.memmap)
    assert first.shape == (10, 6, 6, 1)
    assert (values(first), decoded) == (list(range(100, 110)), 10)
    assert told == [(4, 10), (8, 10), (10, 10)]
    second, decoded = pictures.read()
    assert (values(second), decoded) == (values(first), 0)
    assert np.array_equal(first, second)
    assert files() == [".pixels"]


def test_few_images_are_in_memory(pictures: Pictures) -> None:
    (pictures.folder / "00.png").unlink()
    assert not isinstance(pictures.read()[0], np.memmap)


def test_few_but_large_images_are_kept_too(pictures: Pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    (pictures.folder / "00.png").unlink()
    monkeypatch.setattr(decoding, "memory_limit", lambda: 7_000)
    assert isinstance(pictures.read()[0], np.memmap)


def test_what_changed_is_noticed_whatever_size_and_time_say(pictures: Pictures) -> None:
    before, _ = pictures.read()
    file = pictures.folder / "05.png"
    found = file.stat()
    pictures.write(5, 205)
    assert file.stat().st_size == found.st_size
    os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))
    after, decoded = pictures.read()
    assert values(after) == [205 if at == 5 else 100 + at for at in range(10)]
    assert decoded == 4  # its chunk
    assert values(before) == list(range(100, 110))  # a search that is under way keeps what it began with


def test_added_and_removed_images(pictures: Pictures) -> None:
    pictures.read()
    pictures.write(10, 110)
    assert pictures.read()[0].shape[0] == 11
    (pictures.folder / "00.png").unlink()
    assert values(pictures.read()[0]) == list(range(101, 111))
    assert files() == [".pixels"]


def test_colours_come_up_and_go(pictures: Pictures) -> None:
    assert pictures.read()[0].shape[3] == 1
    pictures.write(7, 50, "RGB")
    assert pictures.read()[0].shape == (10, 6, 6, 3)
    assert pictures.read()[1] == 0
    pictures.write(7, 50)
    again, _ = pictures.read()
    assert again.shape[3] == 1
    assert values(again)[7] == 50
    pictures.write(0, 60, "RGB")
    pictures.write(1, 61, "RGB")
    assert values(pictures.read()[0])[:3] == [60, 61, 102]


@pytest.mark.parametrize("place", [0, 200, 361, -30])
def test_a_damaged_store_is_mended(pictures: Pictures, place: int) -> None:
    expected = values(pictures.read()[0])
    folder = cache_folder()
    assert folder is not None
    (copy,) = (folder / "decoded").iterdir()
    content = bytearray(copy.read_bytes())
    content[place] ^= 1
    copy.write_bytes(content)
    assert values(pictures.read()[0]) == expected
    assert pictures.read()[1] == 0
    copy.write_bytes(copy.read_bytes()[:-100])
    assert values(pictures.read()[0]) == expected


def test_a_stopped_reading_is_continued(pictures: Pictures) -> None:
    def stop(done: int, total: int) -> None:
        if done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pictures.read(stop)
    assert files() == [".journal", ".part"]
    found, decoded = pictures.read()
    assert (values(found), decoded) == (list(range(100, 110)), 2)
    assert files() == [".pixels"]


def test_what_a_stopped_reading_left_is_not_trusted(pictures: Pictures) -> None:
    def stop(done: int, total: int) -> None:
        if done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pictures.read(stop)
    pictures.write(1, 201)
    folder = cache_folder()
    assert folder is not None
    (part,) = (folder / "decoded").glob("*.part")
    content = bytearray(part.read_bytes())
    content[36 * 5] ^= 255
    part.write_bytes(content)
    (journal,) = (folder / "decoded").glob("*.journal")
    journal.write_text(journal.read_text() + "[2, 'torn")
    assert values(pictures.read()[0]) == [100, 201, *range(102, 110)]


def test_a_damaged_picture_is_named_and_the_rest_kept(pictures: Pictures) -> None:
    (pictures.folder / "09.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"09\.png is not an image"):
        pictures.read()
    pictures.write(9, 109)
    assert pictures.read()[1] == 2


def test_different_sizes_are_refused(pictures: Pictures, encode: Encode) -> None:
    (pictures.folder / "08.png").write_bytes(encode(size=(7, 6)))
    with pytest.raises(DataError, match=r"2 different sizes, such as 6 x 6 and 6 x 7; add --image-size N"):
        pictures.read()


def test_a_folder_that_cannot_be_written_is_done_without(pictures: Pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = cache_folder()
    assert folder is not None
    folder.parent.mkdir()
    folder.write_text("a file where the folder should be")
    assert not isinstance(pictures.read()[0], np.memmap)
    monkeypatch.setattr(decoding, "memory_limit", lambda: 100)
    with pytest.raises(DataError, match=r"more than half of this machine's memory, and they cannot be kept on disk"):
        pictures.read()


def test_no_home_is_done_without(pictures: Pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "cache_folder", lambda: None)
    assert not isinstance(pictures.read()[0], np.memmap)


def test_a_full_disk_leaves_nothing(pictures: Pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    assert values(pictures.read()[0]) == list(range(100, 110))
    assert files() == []


def test_the_array_does_not_reach_the_file(pictures: Pictures) -> None:
    found, _ = pictures.read()
    found[:] = 0
    assert values(pictures.read()[0]) == list(range(100, 110))


def test_another_process_that_was_quicker(pictures: Pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    real, raced = Store._locked, []

    def quicker(self: Store) -> int:
        if not raced:
            raced.append(True)
            pictures.read()
        return real(self)

    monkeypatch.setattr(Store, "_locked", quicker)
    found, _ = pictures.read()
    assert values(found) == list(range(100, 110))
    assert files() == [".pixels"]


def test_one_who_writes_for_ever(pictures: Pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Store.of("mine", 10, (6, 6))
    held = place._locked()
    monkeypatch.setattr(store, "_PATIENCE", 0.1)
    with pytest.raises(StoreUnusableError, match="another process"):
        place.fill(1, lambda at: [], lambda at, found: [])
    os.close(held)
