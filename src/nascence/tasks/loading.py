"""From what the user types after ``--data`` to a task."""

from __future__ import annotations

import os
from pathlib import Path

from nascence.errors import UnknownNameError
from nascence.tasks.assembling import RawData, assemble
from nascence.tasks.cache import cache_folder
from nascence.tasks.image_classification import ImageClassification


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
) -> ImageClassification:
    """The task called ``data``: a built-in name, a name found in the data folder, or a path."""
    raw = _read(data, find_data_dir(data_dir), image_size, download)
    return assemble(raw, test_fraction=test_fraction, seed=seed, flip=flip)


def _read(data: str, data_dir: Path, image_size: int | None, download: bool) -> RawData:
    if data == "digits":
        from nascence.tasks.digits import read_digits

        return read_digits()
    if data == "cifar10":
        from nascence.tasks.cifar10 import read_cifar10

        return read_cifar10(data_dir, image_size)
    raise UnknownNameError("data set", data, ["digits", "cifar10"])
