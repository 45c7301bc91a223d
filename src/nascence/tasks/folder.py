"""A folder with one folder of images per class, or with ``train`` and ``test`` above these."""

from __future__ import annotations

from pathlib import Path

from nascence.errors import DataError
from nascence.tasks.assembling import LabelledImages, RawData
from nascence.tasks.decoding import decode_images
from nascence.tasks.sources import Request, part_named, three_parts

_SYSTEM_FILES = ("thumbs.db", "desktop.ini")
_IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")


def read_folder(path: Path, request: Request) -> RawData:
    """The class folders' names are the labels. Hidden files are passed over; any other must be an image.

    Raises :class:`DataError` when there is no class folder, an empty one, or images outside them.
    """
    tops = _folders(path)
    parts = [(part_named(folder.name), folder) for folder in tops]
    if any(part == "train" for part, _ in parts):
        odd = [folder.name for part, folder in parts if part is None]
        if odd:
            raise DataError(f"{path} has '{odd[0]}' beside its train folder; expected train, test or val only.")
        training, validating, testing = three_parts((part, folder) for part, folder in parts if part)
    else:
        training, validating, testing = [path], [], []
    train, test = _read(training, request), _read(testing, request) if testing else None
    return RawData(path.resolve().name, train, test, validation=_read(validating, request) if validating else None)


def is_image_file(path: Path) -> bool:
    """Whether the name says so."""
    return path.suffix.lower() in _IMAGE_SUFFIXES and not path.name.startswith(".")


def _read(roots: list[Path], request: Request) -> LabelledImages:
    sources: list[tuple[str, bytes | Path]] = []
    labels: list[int | str] = []
    for root in roots:
        loose = [file for file in _files(root) if is_image_file(file)]
        if loose:
            raise DataError(f"{loose[0]} lies outside the class folders; expected {root}/CLASS/{loose[0].name}.")
        classes = _folders(root)
        if not classes:
            raise DataError(f"{root} has no class folders; expected {root}/CLASS/IMAGE.")
        for folder in classes:
            files = [file for place in (folder, *_folders(folder, deep=True)) for file in _files(place)]
            if not files:
                raise DataError(f"The class folder {folder} is empty; add images or remove it.")
            sources += [(str(file), file) for file in files]
            labels += [folder.name] * len(files)
    return LabelledImages(decode_images(sources, request.image_size), labels)


def _folders(path: Path, deep: bool = False) -> list[Path]:
    found = path.rglob("*") if deep else path.iterdir()
    return sorted(entry for entry in found if entry.is_dir() and not entry.name.startswith("."))


def _files(path: Path) -> list[Path]:
    return sorted(
        entry
        for entry in path.iterdir()
        if entry.is_file() and not entry.name.startswith(".") and entry.name.lower() not in _SYSTEM_FILES
    )
