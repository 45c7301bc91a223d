"""Images with a class each, from whatever they are kept in: built in, class folders, parquet, NumPy's npz."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, final

from nascence.declaring import Settings, setting
from nascence.errors import DataError, UnknownNameError
from nascence.registry import Registry
from nascence.tasks.arrays import read_npz
from nascence.tasks.decoding import header_size
from nascence.tasks.folder import class_folders, is_image_file, read_folder
from nascence.tasks.labelled import RawData
from nascence.tasks.listing import look
from nascence.tasks.loaders import Loader
from nascence.tasks.parquet import is_image_table, parquet_files, read_parquet
from nascence.tasks.predicting import Columns, Question
from nascence.tasks.sources import Request

if TYPE_CHECKING:
    from torch import Tensor

    from nascence.tasks.base import Task

# A data set is a function from a Request to RawData.
DATASETS = Registry(
    "data set",
    {"digits": "nascence.tasks.digits:read_digits", "cifar10": "nascence.tasks.cifar10:read_cifar10"},
)
SUFFIXES = (".parquet", ".npz")
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")


@final
@dataclass(frozen=True, kw_only=True)
class ClassifySettings(Settings):
    """How images with a class each are read."""

    test_fraction: float = setting(
        0.2, "Of every class, set aside for testing where the data have no test images of their own."
    )
    flip: bool | None = setting(
        None, "Whether mirrored images keep their class; none for what the data set says, true for one's own."
    )
    validation: Literal["own", "train"] = setting(
        "own",
        "What becomes of validation images that the data have beside test images: own for a part of their own, by "
        "which epochs are watched, train for training images.",
    )


@final
class ClassifyLoader(Loader):
    """The kind that is taken when no other recognises the data."""

    kind: ClassVar[str] = "classify"
    settings: ClassVar[type] = ClassifySettings

    def recognises(self, path: Path) -> bool:
        try:
            return kind_of(path) is not None
        except (OSError, DataError):
            return False

    def load(self, data: str, path: Path | None, settings: Any, request: Request) -> Task:
        from nascence.tasks.assembling import assemble

        raw = read_built_in(data, request) if path is None else read_path(path, request)
        passed = request.passed.note(Path(data))
        return assemble(
            raw,
            test_fraction=settings.test_fraction,
            seed=request.seed,
            flip=settings.flip,
            validation=settings.validation,
            remarks=[*([passed] if passed else []), *request.remarks],
        )

    def predict(self, question: Question) -> Columns:
        """See :func:`nascence.tasks.class_predictions.predict_classes`."""
        from nascence.tasks.class_predictions import predict_classes

        return predict_classes(question)

    def combine(self, outputs: Sequence[Tensor]) -> Tensor:
        from nascence.tasks.combining import mean_probability

        return mean_probability(outputs)


def read_built_in(data: str, request: Request) -> RawData:
    """One of :data:`DATASETS`."""
    raw = DATASETS.get(data)(request)
    assert isinstance(raw, RawData)
    return raw


def read_path(path: Path, request: Request) -> RawData:
    """A folder of class folders, a parquet file or a folder of them, or an ``.npz``. Raises :class:`DataError`."""
    kind = kind_of(path)
    if kind == "parquet":
        return read_parquet(path, request)
    if kind == "npz":
        return read_npz(path, request)
    if kind == "class folders":
        return read_folder(path, request)
    if path.is_dir():
        raise DataError(f"{path} has neither class folders nor parquet files in it; expected {path}/CLASS/IMAGE.")
    unpack = " Unpack an archive first." if path.suffix.lower() in _ARCHIVES else ""
    raise DataError(
        f"{path} is no data set; expected a folder of class folders, a parquet file or folder, or an .npz.{unpack}"
    )


def missing(data: str, path: Path, known: set[str]) -> DataError | UnknownNameError:
    """What to say where there is nothing at ``path``."""
    if data == path.name and not path.suffix:  # a bare name
        return UnknownNameError("data set", data, known)
    return DataError(
        f"There is nothing at {path}; expected a folder of class folders, a parquet file or folder, or an .npz."
    )


def kind_of(path: Path) -> str | None:
    """``parquet``, ``npz``, ``class folders`` or None.

    From names alone, but where there are parquet files beside class folders: they count if they hold images.
    """
    if path.is_file():
        return path.suffix[1:].lower() if path.suffix.lower() in SUFFIXES else None
    tables = parquet_files(path)
    folders = bool(look(path).folders)
    if tables and (not folders or not _class_images(path) or any(is_image_table(table) for table in tables)):
        return "parquet"
    return "class folders" if folders else None


def promising(path: Path, kind: str) -> bool:
    """Whether there seem to be images with classes in it; nothing is decoded."""
    if kind == "parquet":
        return is_image_table(path if path.is_file() else parquet_files(path)[0])
    return kind != "class folders" or _class_images(path) > 1


def several_sizes(path: Path, kind: str) -> bool:
    """Whether the first images of the class folders differ in size, from their headers alone."""
    if kind != "class folders":
        return False
    firsts = (next(filter(is_image_file, files), None) for _, files in class_folders(path))
    return len({header_size(first) for first in firsts if first is not None} - {None}) > 1


def _class_images(path: Path) -> int:
    """In how many folders directly below ``path`` there are images, at any depth."""
    return sum(any(map(is_image_file, files)) for _, files in class_folders(path))


__all__ = [
    "DATASETS",
    "SUFFIXES",
    "ClassifyLoader",
    "ClassifySettings",
    "kind_of",
    "missing",
    "promising",
    "read_built_in",
    "read_path",
    "several_sizes",
]
