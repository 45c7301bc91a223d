"""``--task denoise`` and ``--task super-resolve``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, final

from nascence.declaring import Settings, setting
from nascence.errors import DataError, SettingError
from nascence.tasks.loaders import Loader, no_image_size
from nascence.tasks.predicting import Columns, Question
from nascence.tasks.sources import Request

if TYPE_CHECKING:
    from torch import Tensor

    from nascence.tasks.base import Task


@dataclass(frozen=True, kw_only=True)
class PictureSettings(Settings):
    """Of both tasks."""

    test: tuple[str, ...] = setting(
        (),
        "Folders to test on, separated by commas, each by its path or by its place in the data folder; without, the "
        "data's own test folder, else test_fraction of the pictures.",
    )
    test_fraction: float = setting(0.1, "Of the pictures, where there is no folder to test on.")
    colours: Literal["auto", "grey", "rgb"] = setting("auto", "auto is grey where any training picture is.")
    patch: int = setting(40, "Side of the training patches, in pixels of the degraded picture.")
    loss: Literal["auto", "mse", "l1"] = setting("auto", "auto is mse when denoising and l1 else.")
    skip_damaged: bool = setting(False, "Files that cannot be read are left out.")

    def __post_init__(self) -> None:
        """Folders mean the same from anywhere."""
        found = tuple(os.path.realpath(os.path.expanduser(name)) if Path(name).is_dir() else name for name in self.test)
        object.__setattr__(self, "test", found)


@final
@dataclass(frozen=True, kw_only=True)
class DenoiseSettings(PictureSettings):
    """Of denoising."""

    sigma: str | None = setting(
        None,
        "Level of the Gaussian noise in steps of 8 bits, such as 25, or a range such as 0-50; none for pairs of noisy "
        "and clean pictures.",
    )


@final
@dataclass(frozen=True, kw_only=True)
class SuperResolveSettings(PictureSettings):
    """Of super-resolution."""

    scale: int | None = setting(None, "How many times as high and as wide pictures become.")
    crop: bool = setting(False, "Pictures that scale does not divide lose pixels at the bottom and at the right.")


@final
class DenoiseLoader(Loader):
    """A folder of pictures, to which noise is added, or of pairs of noisy and clean ones."""

    kind: ClassVar[str] = "denoise"
    settings: ClassVar[type] = DenoiseSettings
    answers_in_files: ClassVar[bool] = True

    def recognises(self, path: Path) -> bool:
        return _has_pair(path, {"noisy", "clean"})

    def load(self, data: str, path: Path | None, settings: Any, request: Request) -> Task:
        return _load("denoise", data, path, settings, request, sigma=settings.sigma)

    def combine(self, outputs: Sequence[Tensor]) -> Tensor:
        return _mean(outputs)

    def predict(self, question: Question) -> Columns:
        return _predict(question, 1)


@final
class SuperResolveLoader(Loader):
    """A folder of pictures, which are shrunk, or of pairs of small and large ones."""

    kind: ClassVar[str] = "super-resolve"
    settings: ClassVar[type] = SuperResolveSettings
    answers_in_files: ClassVar[bool] = True

    def recognises(self, path: Path) -> bool:
        return _has_pair(path, {"lr", "hr"})

    def load(self, data: str, path: Path | None, settings: Any, request: Request) -> Task:
        return _load("super-resolve", data, path, settings, request, scale=settings.scale, crop=settings.crop)

    def combine(self, outputs: Sequence[Tensor]) -> Tensor:
        return _mean(outputs)

    def predict(self, question: Question) -> Columns:
        return _predict(question, question.settings.scale)


def _mean(outputs: Sequence[Tensor]) -> Tensor:
    from nascence.tasks.combining import mean

    return mean(outputs)


def _predict(question: Question, scale: int) -> Columns:
    from nascence.tasks.restoration.predicting import predict_pictures

    channels = question.described["input_shape"][0]
    paths = question.some_paths("pictures or folders of them")
    if question.out is None:
        raise SettingError("Restored pictures need a folder; name it with --out.")
    return predict_pictures(question.model, channels, paths, question.out, scale, skip_damaged=question.skip_damaged)


def _load(
    kind: Literal["denoise", "super-resolve"],
    data: str,
    path: Path | None,
    settings: PictureSettings,
    request: Request,
    **own: Any,
) -> Task:
    from nascence.tasks.loading import locate  # which knows all loaders
    from nascence.tasks.restoration.loading import load_restoration

    no_image_size(request, kind)
    if path is None:
        raise DataError(f"'{data}' is built in, and no folder of pictures; expected a folder for --task {kind}.")
    return load_restoration(
        path,
        kind=kind,
        test=[locate(name, request.data_dir) for name in settings.test],
        colours=settings.colours,
        patch=settings.patch,
        loss=None if settings.loss == "auto" else settings.loss,
        test_fraction=settings.test_fraction,
        seed=request.seed,
        skip_damaged=settings.skip_damaged,
        **own,
    )


def _has_pair(path: Path, names: set[str]) -> bool:
    """Whether a folder, or its ``train``, has these two folders (``lr_x2`` counts as ``lr``)."""
    for folder in (path, path / "train"):
        try:
            below = {entry.name.lower().partition("_x")[0] for entry in folder.iterdir() if entry.is_dir()}
        except OSError:
            continue
        if names <= below:
            return True
    return False


__all__ = ["DenoiseLoader", "DenoiseSettings", "PictureSettings", "SuperResolveLoader", "SuperResolveSettings"]
