"""CIFAR-10 from its official archive, when the user asks for it."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import io
import os
import pickle
import tarfile
import tempfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from nascence.errors import DataError

CIFAR10_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
CIFAR10_SHA256 = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
_TIMEOUT_S = 60
_BLOCK = 1 << 18

# what tarfile, gzip and pickle raise on bytes that are not theirs
_DAMAGED = (
    tarfile.TarError,
    zlib.error,
    pickle.UnpicklingError,
    EOFError,
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
)

Progress = Callable[[int, int | None], None]


def download_cifar10(
    folder: Path, *, url: str = CIFAR10_URL, sha256: str | None = CIFAR10_SHA256, progress: Progress | None = None
) -> None:
    """Fetch the archive and leave ``train.parquet`` and ``test.parquet`` in ``folder``; nothing half-done stays behind.

    Raises :class:`DataError`.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _temporary(folder) as archive:
            download(url, archive, sha256=sha256, progress=progress)
            for name, batches in _read_archive(archive, url).items():
                with _temporary(folder) as part:
                    _write_parquet(part, batches)
                    os.replace(part, folder / f"{name}.parquet")
    except OSError as error:
        raise DataError(f"CIFAR-10 cannot be stored in {folder}: {error.strerror or error}.") from None


def download(url: str, target: Path, *, sha256: str | None = None, progress: Progress | None = None) -> None:
    """Fetch ``url`` into the file ``target``. Raises :class:`DataError` when it fails or differs from ``sha256``."""
    digest = hashlib.sha256()
    done = 0
    with target.open("wb") as file:
        for block, total in _blocks(url):
            file.write(block)
            digest.update(block)
            done += len(block)
            if progress is not None:
                progress(done, total)
    if sha256 is not None and digest.hexdigest() != sha256:
        raise DataError(f"What {url} sent is not the expected file (its SHA-256 differs); try again later.")


def _blocks(url: str) -> Iterator[tuple[bytes, int | None]]:
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response:
            length = response.headers.get("Content-Length")
            total = int(length) if length else None
            done = 0
            while block := response.read(_BLOCK):
                done += len(block)
                yield block, total
    except urllib.error.HTTPError as error:
        with error:
            raise DataError(f"{url} answered {error.code} {error.reason}; check the address or try later.") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise DataError(f"{url} cannot be fetched ({reason}); check the connection and try again.") from None
    if total is not None and done < total:
        raise DataError(f"{url} ended after {done} of {total} bytes; try again.")


@contextlib.contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    handle, name = tempfile.mkstemp(dir=folder, suffix=".part")
    os.close(handle)
    path = Path(name)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _read_archive(archive: Path, url: str) -> dict[str, list[dict[bytes, Any]]]:
    """The official batches: ``data`` uint8 [N, 3072] (channels, rows, columns) and ``labels``."""
    found: dict[str, list[dict[bytes, Any]]] = {"train": [], "test": []}
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in sorted(tar.getmembers(), key=lambda member: member.name):
                stem = Path(member.name).name
                if member.isfile() and (stem.startswith("data_batch_") or stem == "test_batch"):
                    file = tar.extractfile(member)
                    assert file is not None
                    batch = _PlainUnpickler(file, encoding="bytes").load()
                    if np.asarray(batch[b"data"]).shape != (len(batch[b"labels"]), 3072):
                        raise KeyError("data")
                    found["test" if stem == "test_batch" else "train"].append(batch)
    except (*_DAMAGED, OSError) as error:
        raise DataError(f"What {url} sent is not the CIFAR-10 archive ({type(error).__name__}: {error}).") from None
    if not found["train"] or not found["test"]:
        raise DataError(f"What {url} sent is not the CIFAR-10 archive: it lacks data_batch_1 or test_batch.")
    return found


class _PlainUnpickler(pickle.Unpickler):
    """Reads numbers, bytes, lists, dictionaries and NumPy arrays, and refuses everything else."""

    def find_class(self, module: str, name: str) -> Any:
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return np.zeros(0).__reduce__()[0]
        if module == "numpy" and name in ("ndarray", "dtype"):
            return getattr(np, name)
        if (module, name) == ("_codecs", "encode"):  # how Python 3 writes bytes for Python 2
            return _latin1
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed")


def _latin1(text: str, encoding: str = "latin1") -> bytes:
    return text.encode("latin1")


def _write_parquet(path: Path, batches: list[dict[bytes, Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    images = np.concatenate([np.asarray(batch[b"data"], np.uint8) for batch in batches])
    encoded = [_png(image) for image in images.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)]
    labels = [int(label) for batch in batches for label in batch[b"labels"]]
    table = pa.table(
        {
            "img": pa.array([{"bytes": png, "path": f"{row}.png"} for row, png in enumerate(encoded)]),
            "label": pa.array(labels, pa.int64()),
        }
    )
    pq.write_table(table, path)


def _png(image_HWC: np.ndarray) -> bytes:
    from PIL import Image

    buffer: IO[bytes] = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image_HWC)).save(buffer, "PNG", compress_level=1)
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue()
