"""What a search and a training both start from: data that can be found again, a network size, compute threads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from nascence.errors import DataError, RunError, SettingError
from nascence.runs import RunDirectory
from nascence.runs.progress import tell
from nascence.spaces import NetworkConfig, Space
from nascence.tasks import ImageClassification, find_data_dir, is_named, load_task
from nascence.tasks.sizes import SeveralSizesError

SMALL_IMAGES = 16
FEW_IMAGES = 5_000
SMALL_CHANNELS = 16


def data_source(data: str, data_dir: str | Path | None, image_size: int | None) -> dict[str, Any]:
    """``data``, ``data_dir``, ``image_size`` for a run's configuration, so that they mean the same from any folder."""
    if not data.strip():
        raise DataError("The name of the data is empty; 'nascence datasets' lists names, or give a path.")
    folder = find_data_dir(data_dir).resolve()
    path = Path(data).expanduser()
    absolute = str(path.resolve()) if not is_named(data, folder) and path.exists() else data
    return {"data": absolute, "data_dir": str(folder), "image_size": image_size}


def load_source(source: Mapping[str, Any], download: bool = False) -> ImageClassification:
    """The task that :func:`data_source` describes; other entries of ``source`` are ignored."""
    return load_task(source["data"], source["data_dir"], image_size=source["image_size"], download=download)


def settled(source: Mapping[str, Any], download: bool = False) -> tuple[dict[str, Any], ImageClassification]:
    """The source and the task that it describes. Where the images have several sizes and no ``image_size`` says what to
    bring them to, one is taken that suits most of them, stands in the source, and is told on stderr."""
    try:
        return dict(source), load_source(source, download)
    except SeveralSizesError as error:
        if source["image_size"] is not None:
            raise
        size = error.suggested
        tell(
            f"{error.found}; all are brought to {size} x {size}: the shorter side to {size} pixels, and the centre "
            "square is kept. For another size, give --image-size N."
        )
        taken = {**source, "image_size": size}
        return taken, load_source(taken, download)


def describe_task(task: ImageClassification) -> dict[str, Any]:
    """What a run remembers of its data: class names, the labels they had, shape (channels, height, width), counts, and
    mean and deviation per channel of the training images in [0, 1]."""
    return {
        "class_names": list(task.class_names),
        "labels": list(task.label_mapping),
        "input_shape": list(input_shape(task)),
        "train_images": len(task.train),
        "test_images": len(task.test),
        "mean": list(task.mean),
        "std": list(task.std),
    }


def reload_task(run: RunDirectory) -> ImageClassification:
    """The data of a run. Raises :class:`RunError` when they are not what they were when it began."""
    task = load_source(run.config)
    before, now = run.config["task"], describe_task(task)
    if any(before.get(name) != now[name] for name in now if name not in ("mean", "std")):  # sums may round differently
        raise RunError(f"The data '{run.config['data']}' changed since {run.path} began; start a new run.")
    return task


def input_shape(task: ImageClassification) -> tuple[int, int, int]:
    """(channels, height, width)."""
    height, width = task.image_size
    return task.in_channels, height, width


def network_size(
    space: Space, task: ImageClassification, channels: int | None = None, depth: int | None = None
) -> NetworkConfig:
    """The size of the network to be trained in the end.

    By default the space's ``evaluation`` size (nas-bench-201: 16 channels, 5 cells a stage). For images of at most 16
    pixels, or fewer than 5,000 training images, a fifth of its depth and at most 16 channels: more would only take
    longer. ``channels`` and ``depth`` replace either. Raises :class:`SettingError` when one is below 1.
    """
    for name, value in (("channels", channels), ("depth", depth)):
        if value is not None and value < 1:
            raise SettingError(f"The {name} of the network must be at least 1, got {value}.")
    size = space.networks["evaluation"]
    if min(task.image_size) <= SMALL_IMAGES or len(task.train) < FEW_IMAGES:
        size = replace(size, channels=min(SMALL_CHANNELS, size.channels), depth=max(1, size.depth // 5))
    return replace(size, channels=channels or size.channels, depth=depth or size.depth)


def slug(data: str) -> str:
    """A data set's name, or the last part of its path, as a part of a folder's name."""
    path = Path(data)
    name = path.stem if path.suffix in (".npz", ".parquet") else path.name
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "data"


@contextmanager
def compute_threads(threads: int | None) -> Iterator[int]:
    """Let PyTorch use ``threads`` threads (None: as many as it does now) for a while; gives the number in effect."""
    if threads is not None and threads < 1:
        raise SettingError(f"The number of threads must be at least 1, got {threads}.")
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield threads or before
    finally:
        torch.set_num_threads(before)


__all__ = [
    "compute_threads",
    "data_source",
    "describe_task",
    "input_shape",
    "load_source",
    "network_size",
    "reload_task",
    "settled",
    "slug",
]
