from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from nascence.errors import DataError
from nascence.tasks import npz
from nascence.tasks.npz import array_names, load_arrays


def member(header: str, data: bytes = b"", version: int = 1) -> bytes:
    """An ``.npy`` whose header says what it likes."""
    text = header.encode()
    length = len(text).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + data


def archive(path: Path, compression: int = zipfile.ZIP_STORED, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", compression) as opened:
        for name, content in members.items():
            opened.writestr(f"{name}.npy", content)
    return path


def test_what_is_wanted_is_loaded_and_all_is_named(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", x=np.arange(6).reshape(2, 3), y=np.array(["a", "b"]), z=np.ones(3))
    found, names = load_arrays(tmp_path / "a.npz", "anything", {"x", "y", "w"})
    assert set(found) == {"x", "y"}
    assert names == ["x", "y", "z"]
    assert found["x"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert set(load_arrays(tmp_path / "a.npz", "anything")[0]) == {"x", "y", "z"}
    assert array_names(tmp_path / "a.npz") == {"x", "y", "z"}


HUGE = "{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000, 1000), }"


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (
            HUGE,
            r"its header says \[1000000000000, 1000\] of type uint8, which is 1,000,000,000,000,000 bytes, but there",
        ),
        (HUGE.replace("1000)", "-3)"), "is damaged: its header says"),
        (HUGE.replace("1000)", "0)"), "is damaged: its header says"),
        (HUGE.replace("|u1", "|O"), "no valid .npz file of plain arrays"),
        (HUGE.replace("|u1", "rubbish"), "no valid .npz file of plain arrays"),
        ("{" * 5000, "no valid .npz file of plain arrays"),
        ("__import__('os')", "no valid .npz file of plain arrays"),
        (HUGE.replace("1000000000000", "10" * 40), "is damaged: its header says"),
        (HUGE.replace("(1000000000000, 1000)", "'many'"), "no valid .npz file of plain arrays"),
    ],
)
@pytest.mark.parametrize("version", [1, 2])
def test_absurd_headers_are_refused_before_anything_is_allocated(
    tmp_path: Path, header: str, message: str, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(npz, "_array", lambda *_: pytest.fail("was allocated"))
    path = archive(tmp_path / "a.npz", x=member(header, b"12345", version))
    with pytest.raises(DataError, match=message):
        load_arrays(path, "anything")


def test_more_than_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros(1000, np.uint8))
    monkeypatch.setattr(npz, "memory_limit", lambda: 1500)
    with pytest.raises(DataError, match="more than half of this machine's memory"):
        load_arrays(tmp_path / "a.npz", "anything")


def test_what_only_grows_is_refused(tmp_path: Path) -> None:
    zeros = io.BytesIO()
    np.save(zeros, np.zeros(2**28, np.uint8))
    path = archive(tmp_path / "a.npz", zipfile.ZIP_BZIP2, x=zeros.getvalue())
    with pytest.raises(DataError, match=r"grows 2,000 times when it is unpacked"):
        load_arrays(path, "anything")


def test_two_arrays_of_one_name_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as opened:
        opened.writestr("x.npy", b"")
        with pytest.warns(UserWarning, match="Duplicate"):
            opened.writestr("x.npy", b"")
    with pytest.raises(DataError, match="two arrays of one name"):
        load_arrays(tmp_path / "a.npz", "anything")


def test_other_files_are_named(tmp_path: Path) -> None:
    np.save(tmp_path / "single.npz.npy", np.zeros(3))
    (tmp_path / "single.npz.npy").rename(tmp_path / "single.npz")
    with pytest.raises(DataError, match=r"holds a single array; expected an \.npz with cats and dogs"):
        load_arrays(tmp_path / "single.npz", "cats and dogs")
    os.mkfifo(tmp_path / "pipe.npz")
    with pytest.raises(DataError, match="it is a pipe, not a file"):
        load_arrays(tmp_path / "pipe.npz", "anything")
    with pytest.raises(DataError, match=r"Cannot read .*missing\.npz: No such file"):
        load_arrays(tmp_path / "missing.npz", "anything")
    assert array_names(tmp_path / "single.npz") == array_names(tmp_path / "pipe.npz") == set()
