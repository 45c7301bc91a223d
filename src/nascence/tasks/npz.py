"""Arrays of an ``.npz`` file, which is not ours to trust: headers are looked at before anything is allocated."""

from __future__ import annotations

import lzma
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Container
from pathlib import Path

import numpy as np

from nascence.errors import DataError
from nascence.reading import check_plain
from nascence.tasks.decoding import memory_limit

_RATIO = 2000
"""Deflate makes at most about a thousandth of a file."""
# what NumPy, zipfile and zlib raise on an .npz that is damaged or none at all
_DAMAGED = (
    ValueError,
    LookupError,
    TypeError,
    EOFError,
    RuntimeError,
    SyntaxError,
    AttributeError,
    OverflowError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
)


def array_names(path: Path) -> set[str]:
    """What the arrays in a file are called; nothing where it is none."""
    try:
        check_plain(path, DataError)
        with zipfile.ZipFile(path) as archive:
            return {name.removesuffix(".npy") for name in archive.namelist()}
    except (OSError, *_DAMAGED):
        return set()


def load_arrays(path: Path, what: str, wanted: Container[str] | None = None) -> tuple[dict[str, np.ndarray], list[str]]:
    """The arrays, those in ``wanted`` alone where it is given, and the names of all. Pickled objects are never loaded.

    Raises :class:`DataError` for a file that is none, is damaged, holds more than memory does or has a header that does
    not fit its bytes; ``what``: is expected in such a file.
    """
    check_plain(path, DataError)
    try:
        with zipfile.ZipFile(path) as archive:
            members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
            if len(members) < len(archive.infolist()):
                raise DataError(f"{path} holds two arrays of one name.")
            chosen = {name: member for name, member in members.items() if wanted is None or name in wanted}
            needed = sum(_bytes(archive, member, path) for member in chosen.values())
            if needed > memory_limit() / 2:
                raise DataError(
                    f"{path} holds {needed / 1e9:.1f} GB of arrays, more than half of this machine's memory."
                )
            return {name: _array(archive, member) for name, member in chosen.items()}, list(members)
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}).") from None
    except MemoryError:
        raise DataError(f"{path} needs more memory than there is.") from None
    except _DAMAGED:
        if _is_array(path):
            raise DataError(f"{path} holds a single array; expected an .npz with {what}.") from None
        raise DataError(f"{path} is no valid .npz file of plain arrays.") from None


def _bytes(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> int:
    """Of an array, from its header. Raises :class:`DataError` when that says something else than the file has."""
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
        if dtype.hasobject or dtype.itemsize == 0:
            raise ValueError(dtype)
        needed, there = math.prod(shape) * dtype.itemsize, member.file_size - file.tell()
        if any(side < 0 for side in shape) or needed != there:
            raise DataError(
                f"'{member.filename}' in {path} is damaged: its header says {list(shape)} of type {dtype}, which is "
                f"{needed:,} bytes, but there are {there:,}."
            )
        if member.file_size > _RATIO * max(member.compress_size, 2**16):
            raise DataError(f"'{member.filename}' in {path} grows {_RATIO:,} times when it is unpacked; save it anew.")
        return needed


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _is_array(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(6) == b"\x93NUMPY"


__all__ = ["array_names", "load_arrays"]
