"""From what the user types after ``--data`` to a task."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nascence.cache import cache_folder
from nascence.configuration import to_json
from nascence.errors import DataError, SettingError
from nascence.tasks.classify import DATASETS, SUFFIXES, kind_of, missing, promising, several_sizes
from nascence.tasks.loaders import TASKS, Loader, choose, read_settings
from nascence.tasks.restoration.recognising import PICTURES, TO_RESTORE, sets_of_pictures
from nascence.tasks.sources import Request

if TYPE_CHECKING:
    from nascence.tasks.base import Task

LARGEST_SIDE = 16_384
"""Pixels of a side that images can be brought to."""


def find_data_dir(data_dir: Path | str | None = None) -> Path:
    """The argument, else the environment variable NASCENCE_DATA, else the user's cache folder, else (for a user
    without a home) ``nascence-data`` in the current one."""
    return at_home(data_dir or os.environ.get("NASCENCE_DATA") or cache_folder() or "nascence-data")


def at_home(path: Path | str) -> Path:
    """``path`` with ``~`` replaced. Raises :class:`DataError` where there is no such home."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise DataError(f"'{path}' begins in a home folder that does not exist; give the whole path.") from None


def load_task(
    data: str,
    data_dir: Path | str | None = None,
    *,
    task: str | None = None,
    settings: Mapping[str, Any] | Iterable[str] = (),
    seed: int = 0,
    image_size: int | None = None,
    download: bool = False,
    progress: Callable[[int, int | None], None] | None = None,
    told: Callable[[int, int], None] | None = None,
    **more_settings: Any,
) -> Task:
    """The task of the data called ``data``: a name in :data:`DATASETS`, a name found in the
    data folder, or a path.

    ``task``: the kind of data (:data:`nascence.tasks.loaders.TASKS`); without, what the data look like. Its
    ``settings``, a mapping or ``name=value`` texts, and ``more_settings``: those of its loader, for image classes
    :class:`nascence.tasks.classify.ClassifySettings`. ``seed``: of what is drawn, such as the test images of data that
    have none of their own. ``image_size`` brings all images to that many pixels square. ``download`` fetches a missing
    CIFAR-10, telling ``progress`` the bytes so far and in all. ``told`` hears how many images are decoded, of how many.
    What the user is to see stands in the task's ``remarks``. Raises :class:`DataError`, :class:`SettingError`, and
    :class:`UnknownNameError` for a name that is nowhere.
    """
    if image_size is not None and image_size < 1:
        raise DataError(f"The image size must be at least 1 pixel, got {image_size}.")
    if image_size is not None and image_size > LARGEST_SIDE:
        raise DataError(f"Images of {image_size:,} pixels a side need more memory than there is; name a smaller size.")
    settings = _together(settings, more_settings)
    folder = find_data_dir(data_dir)
    path = None if data in DATASETS.names() and task in (None, "classify") else locate(data, folder)
    loader = choose(task, path, settings)
    chosen = read_settings(loader, settings)
    if path is not None and not path.exists():
        if data in DATASETS.names():
            raise DataError(
                f"The built-in data '{data}' are images with classes, and --task {loader.kind} reads others; leave "
                "--task out, or give the path of other data."
            )
        raise missing(data, path, {*DATASETS.names(), *_found(folder)})
    request = Request(
        data_dir=folder, image_size=image_size, download=download, progress=progress, seed=seed, told=told
    )
    try:
        return loader.load(data, path, chosen, request)
    except OSError as error:
        raise DataError(f"{error.filename or data} cannot be read ({error.strerror or error}).") from None


def loading(
    data: str, data_dir: Path, task: str | None, settings: Mapping[str, Any] | Iterable[str] = ()
) -> dict[str, Any]:
    """``{"task", "settings"}``: how data are read, complete, for a run to remember; empty where ``data`` are image
    classes read as they are read by themselves. Raises as :func:`load_task` does."""
    settings = _together(settings, {})
    path = None if data in DATASETS.names() and task in (None, "classify") else locate(data, data_dir)
    loader = choose(task, path, settings)
    chosen = to_json(read_settings(loader, settings))
    if loader.kind == "classify" and chosen == to_json(loader.settings()):
        return {}
    return {"task": loader.kind, "settings": chosen}


def locate(data: str, data_dir: Path) -> Path:
    """Where data lie: in the data folder, for a bare name that is there or a path that is only there, else as typed."""
    typed = at_home(data)
    named = _named_path(data, data_dir)
    if named is not None and (data == typed.name or not typed.exists()):
        return named
    return typed


def is_named(data: str, data_dir: Path) -> bool:
    """Whether ``data`` means something by its name: it is built in, or lies in the data folder."""
    return data in DATASETS.names() or locate(data, data_dir) == _named_path(data, data_dir)


def describe_datasets(data_dir: Path | str | None = None) -> list[dict[str, Any]]:
    """``{"name", "kind", "path", "available", "note"}`` of every data set by name: built in, or in the data folder.

    Nothing is decoded: a folder, or one in it, counts when a task recognises it, or when it has images below two class
    folders, or parquet files with the columns. Folders that are called as well-known sets of pictures to restore are
    listed as such, and not as classes. ``note`` says what more may have to be typed, such as ``--image-size`` where the
    first images of the classes differ in size; it is empty for most.
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
    others = _recognised(folder)
    described += [_described(name, path, kind) for name, (kind, path) in others.items()]
    for name, (path, kind) in _found(folder).items():
        if name in DATASETS.names() or name in others:
            continue
        pictures = sets_of_pictures(path)
        inner = [] if pictures or not path.is_dir() or promising(path, kind) else _found(path).items()
        described += [
            _described(f"{name}/{below.relative_to(path)}", below, PICTURES, TO_RESTORE) for below in pictures
        ]
        described += [
            _described(f"{name}/{own}", below, its_kind, _sizes_note(below, its_kind))
            for own, (below, its_kind) in inner
            if f"{name}/{own}" not in others and promising(below, its_kind)
        ]
        if not pictures and promising(path, kind):
            described.append(_described(name, path, kind, _sizes_note(path, kind)))
    return described


def _described(name: str, path: Path, kind: str, note: str = "") -> dict[str, Any]:
    return {"name": name, "kind": kind, "path": str(path), "available": True, "note": note}


def _sizes_note(path: Path, kind: str) -> str:
    several = several_sizes(path, kind)
    return "images of several sizes: --image-size N says what to bring them to" if several else ""


def _together(settings: Mapping[str, Any] | Iterable[str], more: Mapping[str, Any]) -> dict[str, Any] | list[str]:
    """All settings in one form; those that are not set at all (None among ``more``) are left out."""
    if isinstance(settings, str):
        raise SettingError("A task's settings must be a mapping or a list of name=value texts, not one text.")
    if isinstance(settings, Mapping):
        return {**settings, **more}
    texts = list(settings)
    if not more:
        return texts
    return {**{name.strip().replace("-", "_"): value for name, _, value in (t.partition("=") for t in texts)}, **more}


def _named_path(data: str, data_dir: Path) -> Path | None:
    """Where the data set of a name lies in the data folder, if it does; also ``graphs/cora``, for one below it."""
    relative = Path(data)
    if relative.is_absolute() or data.startswith("~") or ".." in relative.parts or str(relative) != data:
        return None
    candidates = (data_dir / (data + suffix) for suffix in ("", *SUFFIXES))
    return next((candidate for candidate in candidates if candidate.exists()), None)


def _found(folder: Path) -> dict[str, tuple[Path, str]]:
    """What lies in the data folder and may be a data set of images, by name, and its kind; what cannot be looked into
    is left out."""
    found: dict[str, tuple[Path, str]] = {}
    for entry in _entries(folder):
        try:
            kind = kind_of(entry)
        except (OSError, DataError):
            continue
        if kind is not None:
            found[entry.stem if entry.is_file() else entry.name] = entry, kind
    return found


def _entries(folder: Path) -> list[Path]:
    """What is in a folder and not hidden; nothing where it cannot be read."""
    try:
        return sorted(entry for entry in folder.iterdir() if entry.name[0] != ".")
    except OSError:
        return []


def _recognised(folder: Path) -> dict[str, tuple[str, Path]]:
    """What other tasks recognise in the data folder and in its folders: by name, the kind and the place."""
    found: dict[str, tuple[str, Path]] = {}
    loaders = [_loader(kind) for kind in TASKS.names() if kind != "classify"]
    if not folder.is_dir() or not loaders:
        return found
    entries = _entries(folder)
    for entry in [*entries, *(inner for outer in entries if outer.is_dir() for inner in _entries(outer))]:
        loader = next((loader for loader in loaders if loader.recognises(entry)), None)
        if loader is not None:
            name = entry.relative_to(folder)
            found[str(name.with_suffix("") if name.suffix in SUFFIXES else name)] = (loader.kind, entry)
    return found


def _loader(kind: str) -> Loader:
    return choose(kind, None)


__all__ = ["DATASETS", "at_home", "describe_datasets", "find_data_dir", "is_named", "load_task", "loading", "locate"]
