"""CIFAR-10 (Krizhevsky 2009): 50,000 + 10,000 photographs of 32 x 32 in ten classes."""

from __future__ import annotations

from pathlib import Path

from nascence.errors import DataError
from nascence.tasks.assembling import RawData
from nascence.tasks.parquet import read_parquet

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def read_cifar10(data_dir: Path, image_size: int | None = None) -> RawData:
    """``<data_dir>/cifar10/train.parquet`` and ``test.parquet``. Raises :class:`DataError` when they are not there."""
    folder = data_dir / "cifar10"
    if not (folder / "train.parquet").is_file() or not (folder / "test.parquet").is_file():
        raise DataError(
            f"CIFAR-10 was looked for as train.parquet and test.parquet in {folder}; add --data-dir DIR to say "
            "where it is, or --download to fetch it (170 MB)."
        )
    return read_parquet(folder, image_size, "cifar10", CLASSES)
