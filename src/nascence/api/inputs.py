"""What a search and a training both start from: data that can be found again, a network size, compute threads."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from nascence.configuration import at_most, to_json
from nascence.errors import DataError, RunError, SettingError
from nascence.runs import RunDirectory
from nascence.runs.progress import show_progress, tell
from nascence.spaces import Size, Space
from nascence.tasks import Task, at_home, find_data_dir, is_named, load_task
from nascence.tasks.base import REMEMBERED, Signature
from nascence.tasks.loading import loading
from nascence.tasks.sizes import SeveralSizesError

SMALL_CHANNELS = 16
PATIENCE = 1.0
"""Seconds that reading may take before its progress is shown."""
MOST_CHANNELS, MOST_DEPTH = 16_384, 1_000
"""Beyond these a number is a slip, and would take all memory before anything else could be said."""


def data_text(data: object) -> str:
    """A name or a path, also one of pathlib, as text. Raises :class:`DataError` for anything else: a run finds its
    data again, so they have to lie somewhere."""
    if isinstance(data, os.PathLike):
        data = os.fspath(data)
    if isinstance(data, str):
        return data
    more = ""
    if hasattr(data, "edge_index"):
        more = " (nascence.tasks.graphs.geometric.write_graph writes a graph like this one)"
    raise DataError(f"data is a name or a path, since a run reads it again, not a {type(data).__name__}{more}.")


def data_source(
    data: str | Path,
    data_dir: str | Path | None,
    image_size: int | None,
    task: str | None = None,
    task_settings: Mapping[str, Any] | Iterable[str] = (),
) -> dict[str, Any]:
    """``data``, ``data_dir``, ``image_size`` for a run's configuration, so that they mean the same from any folder; and
    ``loading``, where they are not image classes read as usual: the kind of ``task`` and all its settings."""
    data = data_text(data)
    if not data.strip():
        raise DataError("The name of the data is empty; 'nascence datasets' lists names, or give a path.")
    folder = Path(os.path.realpath(find_data_dir(data_dir)))
    path = at_home(data)
    absolute = os.path.realpath(path) if not is_named(data, folder) and path.exists() else data
    read = loading(absolute, folder, task, task_settings)
    return {
        "data": absolute,
        "data_dir": str(folder),
        "image_size": image_size,
        **({"loading": read} if read else {}),
    }


def load_source(source: Mapping[str, Any], download: bool = False, remarks: bool = True) -> Task:
    """The task that :func:`data_source` describes; other entries of ``source`` are ignored.

    Where reading takes long, stderr shows how far it is; with ``remarks``, it tells what is worth knowing of the data.
    """
    read = source.get("loading") or {}
    with _reading() as told:
        task = load_task(
            source["data"],
            source["data_dir"],
            task=read.get("task"),
            settings=read.get("settings", {}),
            image_size=source["image_size"],
            download=download,
            told=told,
        )
    if remarks:
        for remark in task.remarks:
            tell(f"Note: {remark}")
    return task


@contextmanager
def _reading() -> Iterator[Callable[[int, int], None]]:
    """A callable that shows progress from when it has taken a while."""
    shown = None
    began = time.monotonic()

    def told(done: int, total: int) -> None:
        nonlocal shown
        if shown is None and time.monotonic() - began > PATIENCE and done < total:
            shown = show_progress("Reading the data", "images")
            shown.begin(total, 0)
        if shown is not None:
            shown.update(total, done, {})

    try:
        yield told
    finally:
        if shown is not None:
            shown.end()


def settled(source: Mapping[str, Any], download: bool = False) -> tuple[dict[str, Any], Task]:
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


def describe_task(task: Task) -> dict[str, Any]:
    """What a run remembers of its data (:meth:`nascence.tasks.Task.describe`), and the signature, which image classes
    do without."""
    described = task.describe()
    return {**described, "signature": task.signature.to_dict()} if "kind" in described else described


def described_signature(described: Mapping[str, Any]) -> Signature:
    """The signature in what :func:`describe_task` gave. Raises :class:`RunError` when it is not there."""
    try:
        if "signature" in described:
            return Signature.from_dict(described["signature"])
        channels, height, width = described["input_shape"]
        return Signature.images((channels, height, width), len(described["class_names"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunError(f"config.json is damaged: its 'task' does not say what the data look like ({error}).") from None


def reload_task(run: RunDirectory) -> Task:
    """The data of a run. Raises :class:`RunError` when they are not what they were when it began."""
    task = load_source(run.config, remarks=False)
    before, now = run.config["task"], describe_task(task)
    if "validation_images" in now and "validation_images" not in before:  # earlier versions trained on them
        own = {"task": "classify", "settings": {"validation": "train"}}
        task = load_source({**run.config, "loading": own}, remarks=False)
    changed = changes(before, task)
    if changed:
        raise RunError(
            f"The data '{run.config['data']}' changed since {run.path} began ({changed}); bring them back, or start a"
            " new run."
        )
    return task


def changes(before: Mapping[str, Any], task: Task) -> str:
    """In which way ``task`` differs from what a run remembers, in words; nothing where it is the same."""
    now = to_json(describe_task(task))
    for name in [*REMEMBERED, *now]:
        if name in now and name not in _ROUNDED and before.get(name) != now[name]:
            if name == "digest" and name not in before:  # by an earlier version
                continue
            return REMEMBERED.get(name, name)
    return ""


_ROUNDED = ("mean", "std")


def network_size(space: Space, task: Task, channels: int | None = None, depth: int | None = None) -> Size:
    """The size of the network to be trained in the end.

    By default the space's ``evaluation`` size (nas-bench-201: 16 channels, 5 cells a stage). Where the task is modest
    (images of at most 16 pixels, or fewer than 5,000 training images), a fifth of its depth and at most 16 channels.
    ``channels`` and ``depth`` replace either. Raises :class:`SettingError` as :func:`sized`, and when networks of the
    space cannot read the task's data.
    """
    space.check_signature(task.signature)
    size = space.networks["evaluation"]
    if task.modest:
        least = {"channels": lambda own: min(SMALL_CHANNELS, own), "depth": lambda own: max(1, own // 5)}
        size = replace(size, **{name: make(getattr(size, name)) for name, make in least.items() if hasattr(size, name)})
    return sized(space, size, channels, depth)


def sized(space: Space, network: Size, channels: int | None, depth: int | None) -> Size:
    """``network`` with what the user says instead. Raises :class:`SettingError` below 1, beyond what anybody means, or
    where sizes of the space have no such field."""
    for name, value in (("channels", channels), ("depth", depth)):
        if value is not None and value < 1:
            raise SettingError(f"The {name} of the network must be at least 1, got {value}.")
    at_most(MOST_CHANNELS, channels=channels)
    at_most(MOST_DEPTH, depth=depth)
    return space.resized(network, channels=channels, depth=depth)


def slug(data: str) -> str:
    """A data set's name, or the last part of its path, as a part of a folder's name."""
    path = Path(data)
    name = path.stem if path.suffix in (".npz", ".parquet") else path.name
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "data"


__all__ = [
    "changes",
    "data_source",
    "data_text",
    "describe_task",
    "described_signature",
    "load_source",
    "network_size",
    "reload_task",
    "settled",
    "sized",
    "slug",
]
