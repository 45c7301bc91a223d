"""A folder with one folder of images per class, or with ``train`` and ``test`` above these."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from nascence.errors import DataError
from nascence.tasks.decoding import Source, decode_images
from nascence.tasks.labelled import LabelledImages, RawData
from nascence.tasks.listing import Folder, Passed, files_below, look
from nascence.tasks.sources import Request, part_named, three_parts

_IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")


def read_folder(path: Path, request: Request) -> RawData:
    """The class folders' names are the labels. What counts as data: :mod:`nascence.tasks.listing`; any other file must
    be an image.

    Raises :class:`DataError` when there is no class folder, an empty one, or images outside them.
    """
    training, validating, testing = _parts(path)
    train, test = _read(training, request, "training"), _read(testing, request, "test") if testing else None
    watched = _read(validating, request, "validation") if validating else None
    return RawData(os.path.basename(os.path.realpath(path)), train, test, validation=watched)


def is_image_file(path: Path) -> bool:
    """Whether the name says so."""
    return path.suffix.lower() in _IMAGE_SUFFIXES and not path.name.startswith(".")


def class_folders(path: Path, passed: Passed | None = None) -> list[tuple[Path, list[Path]]]:
    """The folders directly in ``path``, each with the files below it; those with nothing but runs are left out."""
    found = []
    for folder in look(path, passed).folders:
        own = Passed()
        files = files_below(folder, own)
        if passed is not None:
            passed.counts.update(own.counts)
        if files or not own.counts["run"]:
            found.append((folder, files))
    return found


def _parts(path: Path) -> tuple[list[Path], list[Path], list[Path]]:
    """The folders of classes for training, validation and testing.

    Ways: folders that are called ``train``, ``test`` and the like and hold class folders, and no other ones; else
    ``path`` itself, where such a name may also be that of a class, whose pictures lie directly in it.
    """
    tops = [folder for folder, _ in class_folders(path)]
    named = {folder: part for folder in tops if (part := part_named(folder.name)) is not None}
    above = {folder for folder in named if _holds_classes(look(folder))}
    train = [folder for folder in above if named[folder] == "train"]
    others = [folder for folder in tops if folder not in above]
    if train and not others:
        return three_parts((named[folder], folder) for folder in tops)
    if named and all(folder.name.lower() in _WHOLE for folder in tops) and not train:
        raise DataError(
            f"{path} has {_listed(tops)} but no class folders in a train folder; expected {path}/train/CLASS/IMAGE."
        )
    whole = [folder for folder in above if folder.name.lower() in _WHOLE]
    if whole:
        raise DataError(
            f"{path} has '{others[0].name}' beside its {whole[0].name} folder; expected train, test or val only. If"
            f" '{whole[0].name}' is a class, its images must lie directly in it."
            if others
            else f"{path} has {_listed(tops)} but no train folder; expected {path}/train/CLASS/IMAGE."
        )
    return [path], [], []


_WHOLE = frozenset(("train", "training", "val", "valid", "validation", "test", "testing"))


def _holds_classes(folder: Folder) -> bool:
    return not any(is_image_file(file) for file in folder.files) and bool(folder.folders)


def _listed(folders: Sequence[Path]) -> str:
    names = [f"'{folder.name}'" for folder in folders]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _read(roots: list[Path], request: Request, part: str) -> LabelledImages:
    sources: list[Source] = []
    labels: list[int | str] = []
    names: dict[str, bytes] = {}
    for root in roots:
        loose = [file for file in look(root).files if is_image_file(file)]
        if loose:
            raise DataError(f"{loose[0]} lies outside the class folders; expected {root}/CLASS/{loose[0].name}.")
        classes = class_folders(root, request.passed)
        if not classes:
            raise DataError(f"{root} has no class folders; expected {root}/CLASS/IMAGE.")
        if part == "training" and len(roots) == len(classes) == 1:
            _check_not_one_deeper(root, classes[0][0])
        for folder, files in classes:
            if not files:
                raise DataError(f"The class folder {folder} is empty; add images or remove it.")
            name = readable(folder.name)
            if names.setdefault(name, os.fsencode(folder.name)) != os.fsencode(folder.name):
                raise DataError(f"Two class folders in {root} have names that read '{name}'; rename one.")
            sources += [(readable(str(file)), file) for file in files]
            labels += [name] * len(files)
    keep = f"{part} images in {[os.path.realpath(root) for root in roots]}"
    return LabelledImages(decode_images(sources, request.image_size, keep=keep, told=request.told), labels)


def _check_not_one_deeper(root: Path, only: Path) -> None:
    """Raises :class:`DataError` where the ``only`` class folder seems to be one above the class folders, as archives
    are often packed."""
    inside = look(only)
    if len(inside.folders) > 1 and not any(is_image_file(file) for file in inside.files):
        raise DataError(
            f"{root} has only the folder '{readable(only.name)}', which would be a single class; if its folders are the"
            f" classes, give --data {shlex.quote(str(only))}"
        )


def readable(name: str) -> str:
    r"""A name of the file system as text for any file: bytes that are not UTF-8 become ``\xe9``."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


__all__ = ["class_folders", "is_image_file", "read_folder", "readable"]
