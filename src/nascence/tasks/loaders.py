"""Kinds of data: how each is recognised and read; the one place where a new kind is made known."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from nascence import configuration
from nascence.errors import DataError, SettingError, UnknownNameError
from nascence.registry import Registry
from nascence.tasks.predicting import Columns, Question
from nascence.tasks.sources import Request

if TYPE_CHECKING:
    from torch import Tensor

    from nascence.tasks.base import Task

TASKS = Registry(
    "task",
    {
        "classify": "nascence.tasks.classify:ClassifyLoader",
        "nodes": "nascence.tasks.graphs.loader:NodesLoader",
        "denoise": "nascence.tasks.restoration.loader:DenoiseLoader",
        "super-resolve": "nascence.tasks.restoration.loader:SuperResolveLoader",
    },
)
"""What ``--task`` takes, and a :class:`Loader` for each.

To add a kind of data, write a loader and name it here, in one line, such as
``"nodes": "nascence.tasks.graphs.loader:NodesLoader"`` (in another package: an entry point of the group
``nascence.tasks``). Then ``nascence search --data PATH`` finds it, or
``--task nodes`` asks for it; its settings come from ``--task-set NAME=VALUE`` (``--sigma``, ``--scale`` are short for
two of them); runs remember both and read the data again when they go on. A loader's module is imported to ask whether
it recognises a path, so it imports heavy or optional libraries, PyTorch among
them, inside its methods only."""


@dataclass(frozen=True, kw_only=True)
class NoSettings:
    """Of a task that has none."""


class Loader(ABC):
    """One kind of data. ``kind``: its name after ``--task``. ``settings``: a frozen dataclass of its settings, all with
    defaults, each with a sentence in its docstring."""

    kind: ClassVar[str]
    settings: ClassVar[type] = NoSettings

    @abstractmethod
    def recognises(self, path: Path) -> bool:
        """Whether a file or folder is surely data of this kind, so that nobody has to say ``--task``: from names and a
        few bytes, at once, without raising."""

    @abstractmethod
    def load(self, data: str, path: Path | None, settings: Any, request: Request) -> Task:
        """The task; ``path``: where the data lie, None for a built-in name. ``settings``: an object of
        :attr:`settings`. A source that cannot bring images to ``request.image_size`` calls :func:`no_image_size`.
        Raises :class:`nascence.errors.NascenceError`; OSError is told for it."""

    answers_in_files: ClassVar[bool] = False
    """Whether :meth:`predict` writes files into ``question.out`` by itself; elsewhere its columns are what is asked."""

    def predict(self, question: Question) -> Columns:
        """What a trained network says of new data, a value in every column for each thing that was asked about (with
        files, their names among them). Raises :class:`nascence.errors.NascenceError`."""
        raise SettingError(f"A network for --task {self.kind} cannot be asked by 'nascence predict'.")

    def combine(self, outputs: Sequence[Tensor]) -> Tensor:
        """As :meth:`nascence.tasks.Task.combine`, without the data."""
        raise SettingError(f"Networks for --task {self.kind} cannot answer together.")


def choose(kind: str | None, path: Path | None, settings: Mapping[str, Any] | Iterable[str] = ()) -> Loader:
    """The loader called ``kind``; without, the first that recognises ``path``, else the first that has all the
    ``settings``, else the one of image classes. Raises :class:`UnknownNameError`."""
    if kind is not None:
        return _loader(kind)
    others = [_loader(name) for name in TASKS.names() if name != "classify"]
    if path is not None and path.exists():
        found = next((loader for loader in others if _recognises(loader, path)), None)
        if found is not None:
            return found
    names = {text.partition("=")[0].strip().replace("-", "_") for text in settings}
    every = [_loader("classify"), *others]
    if names:
        for loader in every:
            if names <= {field.name for field in fields(loader.settings)}:
                return loader
        known = {field.name for loader in every for field in fields(loader.settings)}
        raise UnknownNameError("setting of a task", min(names - known or names), known)
    return every[0]


def _recognises(loader: Loader, path: Path) -> bool:
    """What cannot be looked into is not recognised; whoever reads it will be told why not."""
    try:
        return loader.recognises(path)
    except OSError:
        return False


def read_settings(loader: Loader, given: Mapping[str, Any] | Iterable[str]) -> Any:
    """An object of the loader's settings from a mapping or from ``name=value`` texts.

    Raises :class:`UnknownNameError` and :class:`SettingError`.
    """
    if isinstance(given, str):
        raise SettingError("A task's settings must be a mapping or a list of name=value texts, not one text.")
    if not isinstance(given, Mapping):
        return configuration.settings(loader.settings, given)
    texts = {name: value for name, value in given.items() if isinstance(value, str)}
    others = {name: value for name, value in given.items() if name not in texts}
    return configuration.settings(loader.settings, [f"{name}={value}" for name, value in texts.items()], others)


def loader_of(config: Mapping[str, Any]) -> tuple[Loader, Any]:
    """The loader of a run's data, from the run's configuration, and the settings that it had."""
    read = config.get("loading") or {}
    loader = _loader(read.get("task", "classify"))
    return loader, read_settings(loader, read.get("settings", {}))


def no_image_size(request: Request, kind: str) -> None:
    """Raise :class:`DataError` when images were to be brought to one size, which data of this kind are not."""
    if request.image_size is not None:
        raise DataError(f"--image-size does not go with --task {kind}; leave it out.")


def _loader(kind: str) -> Loader:
    entry = TASKS.get(kind)
    loader = entry() if isinstance(entry, type) else entry
    assert isinstance(loader, Loader)
    return loader


__all__ = ["TASKS", "Loader", "NoSettings", "choose", "loader_of", "no_image_size", "read_settings"]
