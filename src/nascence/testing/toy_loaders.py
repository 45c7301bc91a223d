"""The toy tasks as data after ``--data``: files that hold a seed, ``NAME.toy-pictures`` and ``NAME.toy-graph``.

How a package of one's own brings its tasks and spaces, in full: a :class:`nascence.tasks.loaders.Loader` for each kind
of data, and names in registries (:func:`register_toys`), or entry points of the groups ``nascence.tasks`` and
``nascence.spaces``.
"""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar, final

from nascence.errors import DataError
from nascence.tasks import Task
from nascence.tasks.loaders import TASKS, Loader, no_image_size
from nascence.tasks.sources import Request
from nascence.testing.toy_denoising import ToyDenoising, toy_denoiser_space
from nascence.testing.toy_graph import toy_graph_space, toy_graph_task


class _SeedFile(Loader):
    def recognises(self, path: Path) -> bool:
        return path.suffix == f".{self.kind}" and path.is_file()

    def load(self, data: str, path: Path | None, settings: Any, request: Request) -> Task:
        no_image_size(request, self.kind)
        text = "" if path is None else path.read_text(encoding="utf-8").strip()
        if not text.isdecimal():
            raise DataError(f"{data} should hold the seed of a toy task, a number such as 0.")
        return self.make(int(text))

    @abstractmethod
    def make(self, seed: int) -> Task: ...


@final
class ToyPicturesLoader(_SeedFile):
    """Noisy squares to be denoised."""

    kind: ClassVar[str] = "toy-pictures"

    def make(self, seed: int) -> Task:
        return ToyDenoising.make(seed=seed)


@final
class ToyGraphLoader(_SeedFile):
    """A graph whose nodes belong to classes."""

    kind: ClassVar[str] = "toy-graph"

    def make(self, seed: int) -> Task:
        return toy_graph_task(seed)


def register_toys() -> None:
    """From now on ``--space toy-denoiser`` and ``toy-graph`` are known, and so are files of the toy tasks."""
    toy_denoiser_space()
    toy_graph_space()
    for loader in (ToyPicturesLoader, ToyGraphLoader):
        if loader.kind not in TASKS.names():
            TASKS.register(loader.kind, loader)


__all__ = ["ToyGraphLoader", "ToyPicturesLoader", "register_toys"]
