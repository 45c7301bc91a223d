"""CIFAR-10 (Krizhevsky 2009): 50,000 + 10,000 photographs of 32 x 32 in ten classes."""

from __future__ import annotations

from nascence.errors import DataError
from nascence.tasks.labelled import RawData
from nascence.tasks.parquet import read_parquet
from nascence.tasks.sources import Request

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def read_cifar10(request: Request) -> RawData:
    """``cifar10/train.parquet`` and ``test.parquet`` in the data folder, fetched if asked.

    Raises :class:`DataError` when they are not there.
    """
    folder = request.data_dir / "cifar10"
    if not all((folder / name).is_file() for name in ("train.parquet", "test.parquet")):
        if not request.download:
            raise DataError(
                f"CIFAR-10 was looked for as train.parquet and test.parquet in {folder}; add --data-dir DIR to say "
                "where it is, or --download to fetch it (170 MB)."
            )
        from nascence.tasks.download import download_cifar10

        download_cifar10(folder, progress=request.progress)
    return read_parquet(folder, request, name="cifar10", class_names=CLASSES)
