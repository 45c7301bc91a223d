"""From what the user types after ``--data`` to a task."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nascence.errors import DataError, UnknownNameError
from nascence.registry import Registry
from nascence.tasks.arrays import read_npz
from nascence.tasks.assembling import RawData, assemble
from nascence.tasks.cache import cache_folder
from nascence.tasks.decoding import header_size
from nascence.tasks.folder import is_image_file, read_folder
from nascence.tasks.image_classification import ImageClassification
from nascence.tasks.parquet import is_image_table, read_parquet
from nascence.tasks.sources import Request

# A data set is a function from a Request to RawData.
DATASETS = Registry(
    "data set",
    {"digits": "nascence.tasks.digits:read_digits", "cifar10": "nascence.tasks.cifar10:read_cifar10"},
)
_SUFFIXES = (".parquet", ".npz")


def find_data_dir(data_dir: Path | str | None = None) -> Path:
    """The argument, else the environment variable NASCENCE_DATA, else the user's cache folder."""
    return Path(data_dir or os.environ.get("NASCENCE_DATA") or cache_folder()).expanduser()


def load_task(
    data: str,
    data_dir: Path | str | None = None,
    *,
    test_fraction: float = 0.2,
    seed: int = 0,
    image_size: int | None = None,
    flip: bool | None = None,
    download: bool = False,
    progress: Callable[[int, int | None], None] | None = None,
) -> ImageClassification:
    """The task called ``data``: a name in :data:`DATASETS`, a name found in the data folder, or a path.

    A path is a folder of class folders, a parquet file or a folder of them, or an ``.npz``. Without test images of its
    own, ``test_fraction`` of every class is set aside by ``seed``. ``image_size`` brings all images to that many pixels
    square; ``flip`` says whether mirrored images keep their class (None: what the data set says, True for one's own).
    ``download`` fetches a missing CIFAR-10, telling ``progress`` the bytes so far and in all.
    Raises :class:`DataError`, and :class:`UnknownNameError` for a name that is nowhere.
    """
    if image_size is not None and image_size < 1:
        raise DataError(f"The image size must be at least 1 pixel, got {image_size}.")
    request = Request(data_dir=find_data_dir(data_dir), image_size=image_size, download=download, progress=progress)
    try:
        raw = _read(data, request)
    except OSError as error:
        raise DataError(f"{error.filename or data} cannot be read ({error.strerror or error}).") from None
    return assemble(raw, test_fraction=test_fraction, seed=seed, flip=flip)


def is_named(data: str, data_dir: Path) -> bool:
    """Whether ``data`` means something by its name: it is built in, or lies in the data folder."""
    return data in DATASETS.names() or _named_path(data, data_dir) is not None


def describe_datasets(data_dir: Path | str | None = None) -> list[dict[str, Any]]:
    """``{"name", "kind", "path", "available", "note"}`` of every data set by name: built in, or in the data folder.

    Nothing is decoded: a folder counts when it has images below two class folders, or parquet files with the columns.
    ``note`` says what more may have to be typed, such as ``--image-size`` where the first images of the classes differ
    in size; it is empty for most.
    """
    folder = find_data_dir(data_dir)
    described: list[dict[str, Any]] = []
    for name in DATASETS.names():
        path = folder / name if name == "cifar10" else None
        available = path is None or (path / "train.parquet").is_file()
        described.append(
            {
                "name": name,
                "kind": "built in",
                "path": str(path) if path else None,
                "available": available,
                "note": "" if available else "add --download to fetch it",
            }
        )
    for name, path in _found(folder).items():
        if name not in DATASETS.names() and _promising(path):
            note = "images of several sizes: --image-size N says what to bring them to" if _several_sizes(path) else ""
            described.append({"name": name, "kind": _kind(path), "path": str(path), "available": True, "note": note})
    return described


def _read(data: str, request: Request) -> RawData:
    if data in DATASETS.names():
        raw = DATASETS.get(data)(request)
        assert isinstance(raw, RawData)
        return raw
    path = _named_path(data, request.data_dir) or Path(data).expanduser()
    if not path.exists():
        if data == path.name and not path.suffix:  # a bare name
            raise UnknownNameError("data set", data, {*DATASETS.names(), *_found(request.data_dir)})
        raise DataError(
            f"There is nothing at {path}; expected a folder of class folders, a parquet file or folder, or an .npz."
        )
    kind = _kind(path)
    if kind == "parquet":
        return read_parquet(path, request)
    if kind == "npz":
        return read_npz(path, request)
    if kind == "class folders":
        return read_folder(path, request)
    if path.is_dir():
        raise DataError(f"{path} has neither class folders nor parquet files in it; expected {path}/CLASS/IMAGE.")
    raise DataError(f"{path} is no data set; expected a folder of class folders, a parquet file or folder, or an .npz.")


def _named_path(data: str, data_dir: Path) -> Path | None:
    """Where the data set of a bare name lies in the data folder, if it does."""
    if data != Path(data).expanduser().name:
        return None
    candidates = (data_dir / (data + suffix) for suffix in ("", *_SUFFIXES))
    return next((candidate for candidate in candidates if candidate.exists()), None)


def _kind(path: Path) -> str | None:
    """``parquet``, ``npz``, ``class folders`` or None, from names alone."""
    if path.is_file():
        return path.suffix[1:].lower() if path.suffix.lower() in _SUFFIXES else None
    if next(path.rglob("*.parquet"), None) is not None:
        return "parquet"
    return "class folders" if any(entry.is_dir() and entry.name[0] != "." for entry in path.iterdir()) else None


def _promising(path: Path) -> bool:
    if _kind(path) == "parquet":
        return is_image_table(path if path.is_file() else next(path.rglob("*.parquet")))
    if _kind(path) == "class folders":
        return (
            sum(any(is_image_file(file) for file in entry.rglob("*")) for entry in path.iterdir() if entry.is_dir()) > 1
        )
    return True


def _several_sizes(path: Path) -> bool:
    """Whether the first images of the class folders differ in size, from their headers alone."""
    if _kind(path) != "class folders":
        return False
    firsts = (next(filter(is_image_file, entry.rglob("*")), None) for entry in path.iterdir() if entry.is_dir())
    return len({header_size(first) for first in firsts if first is not None} - {None}) > 1


def _found(folder: Path) -> dict[str, Path]:
    """What lies in the data folder and may be a data set, by name."""
    if not folder.is_dir():
        return {}
    entries = sorted(entry for entry in folder.iterdir() if entry.name[0] != "." and _kind(entry))
    return {entry.stem if entry.is_file() else entry.name: entry for entry in entries}
