"""Decoded images kept in the user's cache folder, since decoding tens of thousands takes long."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

_VERSION = 2

# what NumPy, zipfile and zlib raise on an .npz that is damaged or none at all
DAMAGED_ARCHIVE = (
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    RuntimeError,
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
)


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME/nascence``, or ``~/.cache/nascence``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nascence"


def cached_array(files: Sequence[Path], settings: str, compute: Callable[[], np.ndarray]) -> np.ndarray:
    """``compute()``, or what it gave the last time for the same ``settings`` and the same size and age of ``files``.

    A cache that cannot be read or written is done without.
    """
    paths = [file.resolve() for file in files]
    key = hashlib.blake2b(repr((settings, [str(path) for path in paths])).encode(), digest_size=12).hexdigest()
    stamp = repr((_VERSION, [(path.stat().st_size, path.stat().st_mtime_ns) for path in paths]))
    target = cache_folder() / "decoded" / f"{key}.npy"
    try:
        with target.open("rb") as file:  # two arrays, one behind the other: quicker to read than an archive
            if str(np.load(file)) == stamp:
                return np.load(file)
    except (OSError, *DAMAGED_ARCHIVE):
        pass
    array = compute()
    with contextlib.suppress(OSError):
        _write(target, stamp, array)
    return array


def _write(target: Path, stamp: str, array: np.ndarray) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            np.save(file, np.array(stamp))
            np.save(file, array)
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise
