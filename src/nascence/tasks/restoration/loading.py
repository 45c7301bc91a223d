"""From a folder of pictures to a task."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, final

import torch
from numpy.typing import NDArray

from nascence.errors import DataError, SettingError
from nascence.seeding import generator
from nascence.tasks.folder import is_image_file
from nascence.tasks.listing import Passed, files_below, look
from nascence.tasks.restoration.colours import in_colours
from nascence.tasks.restoration.decoding import decode_picture
from nascence.tasks.restoration.degradations import Degradation, GaussianNoise, Given, Shrunk
from nascence.tasks.restoration.task import Loss, Picture, Restoration
from nascence.tasks.sources import divide, part_named

Colours = Literal["auto", "grey", "rgb"]
_TARGETS = re.compile(r"target|clean|high|hr|gt|truth|ground_?truth", re.IGNORECASE)
_INPUTS = re.compile(r"input|noisy|low|lr|lq|degraded", re.IGNORECASE)
_SCALED = re.compile(r"(?:input|low|lr|lq)_?x(\d)", re.IGNORECASE)


@final
@dataclass(frozen=True)
class _Files:
    """A picture's files; its name is the path below the folder that was asked for."""

    name: str
    target: Path
    degraded: Path | None = None


def load_restoration(
    data: str | Path,
    *,
    kind: Literal["denoise", "super-resolve"],
    sigma: str | float | None = None,
    scale: int | None = None,
    test: Sequence[str | Path] = (),
    colours: Colours = "auto",
    patch: int = 40,
    loss: Loss | None = None,
    test_fraction: float = 0.1,
    seed: int = 0,
    crop: bool = False,
    skip_damaged: bool = False,
) -> Restoration:
    """The pictures below ``data``, which may have folders ``train`` and ``test``, and in any of them a pair of folders
    for degraded and true pictures of the same names (``input`` and ``target``, ``noisy`` and ``clean``, ``LR_x2`` and
    ``HR`` and the like).

    ``test``: folders to test on; without any, and without one below ``data``, ``test_fraction`` of the pictures is set
    aside by ``seed``. ``kind`` denoise needs ``sigma``, a level or a range, unless there are pairs; super-resolve needs
    ``scale``. ``colours``: ``auto`` takes grey if any training picture is. ``loss``: None for the mean squared error
    when denoising, else the mean absolute one. ``crop``: pictures that ``scale`` does not divide lose pixels at the
    bottom and at the right. ``skip_damaged``: files that cannot be read are left out and counted.
    Raises :class:`DataError` and :class:`SettingError`.
    """
    root = Path(os.path.expanduser(data))
    training, testing = _find(root, scale)
    for folder in test:
        more = [file for part in _find(Path(os.path.expanduser(folder)), scale) for file in part]
        testing = [*testing, *more]
    degradation = _degradation(kind, sigma, scale, any(file.degraded for file in (*training, *testing)))
    if not testing:
        training, testing = _set_aside(training, test_fraction, seed, root)
    reader = _Reader(degradation, crop, skip_damaged)
    read = {part: reader.read(files) for part, files in (("train", training), ("test", testing))}
    for part, raw in read.items():
        if not raw:
            raise DataError(f"{root} has no readable {part} pictures; add some, or name a folder of them.")
    channels = {"grey": 1, "rgb": 3, "auto": min(len(target) for _, target, _ in read["train"])}[colours]
    found = {part: tuple(reader.finished(raw, channels)) for part, raw in read.items()}
    loss = loss or ("mse" if kind == "denoise" else "l1")
    passed = Passed()
    for folder in (root, *(Path(os.path.expanduser(name)) for name in test)):
        files_below(folder, passed)
    told = passed.note(root)
    if patch < 1:
        raise SettingError(f"patch must be at least 1 pixel, not {patch}.")
    return Restoration(
        os.path.basename(os.path.realpath(root)),
        degradation,
        found["train"],
        found["test"],
        patch,
        loss,
        dict(reader.notes),
        (told,) if told else (),
    )


def _degradation(kind: str, sigma: str | float | None, scale: int | None, pairs: bool) -> Degradation:
    if kind == "denoise":
        if scale not in (None, 1):
            raise SettingError("scale is for super-resolve; denoise leaves the size as it is.")
        if pairs and sigma is not None:
            raise SettingError("These are pairs, which bring their own noise; leave sigma out.")
        if pairs:
            return Given("denoise", 1)
        if sigma is None:
            raise SettingError("denoise needs the level of the noise, such as --sigma 25, or a range such as 0-50.")
        return GaussianNoise.parse(str(sigma))
    if kind != "super-resolve":
        raise SettingError(f"There is no task '{kind}' on pictures; expected denoise or super-resolve.")
    if sigma is not None:
        raise SettingError("sigma is for denoise; leave it out.")
    if scale is None:
        raise SettingError("super-resolve needs --scale 2, 3 or 4.")
    return Given("super-resolve", scale) if pairs else Shrunk(scale)


def _set_aside(files: list[_Files], share: float, seed: int, root: Path) -> tuple[list[_Files], list[_Files]]:
    if len(files) < 2:
        raise DataError(f"{root} has {len(files)} pictures, too few to train and to test on; add some.")
    if not 0 < share < 1:
        raise SettingError(f"The share of pictures to test on must be between 0 and 1, not {share:g}.")
    order = torch.randperm(len(files), generator=generator(seed, "test pictures")).tolist()
    aside = set(order[: max(1, min(round(share * len(files)), len(files) - 1))])
    return [f for at, f in enumerate(files) if at not in aside], [f for at, f in enumerate(files) if at in aside]


# Finding ------------------------------------------------------------------------------------------------------------


def _find(root: Path, scale: int | None) -> tuple[list[_Files], list[_Files]]:
    """(training files, test files)."""
    if not root.is_dir():
        raise DataError(f"There is no folder {root}; expected a folder of pictures.")
    folders = look(root).folders
    parts = [(part_named(folder.name), folder) for folder in folders]
    if any(part == "train" for part, _ in parts):
        odd = [folder.name for part, folder in parts if part is None]
        if odd:
            raise DataError(f"{root} has '{odd[0]}' beside its train folder; expected train, test or val only.")
        training, testing = divide((part, folder) for part, folder in parts if part)
    else:
        training, testing = [root], []
    one, other = ([file for folder in part for file in _files(folder, root, scale)] for part in (training, testing))
    return one, other


def _files(folder: Path, root: Path, scale: int | None) -> list[_Files]:
    pair = _pair(folder, scale)
    if pair is None:
        files = sorted(file for file in files_below(folder) if is_image_file(file))
        if not files:
            raise DataError(f"{folder} has no pictures in it.")
        return [_Files(str(file.relative_to(root)), file) for file in files]
    below = [{file.stem: file for file in look(side).files if is_image_file(file)} for side in pair]
    for side, own, others in ((pair[0], below[0], below[1]), (pair[1], below[1], below[0])):
        alone = sorted(own.keys() - others.keys())
        if alone:
            other = pair[1] if side is pair[0] else pair[0]
            raise DataError(f"{own[alone[0]]} has no picture of the same name in {other}; expected pairs.")
    return [_Files(str(file.relative_to(root)), file, below[0][stem]) for stem, file in below[1].items()]


def _pair(folder: Path, scale: int | None) -> tuple[Path, Path] | None:
    """The folders of degraded and true pictures, where there are both."""
    folders = look(folder).folders
    targets = [entry for entry in folders if _TARGETS.fullmatch(entry.name)]
    plain = [entry for entry in folders if _INPUTS.fullmatch(entry.name)]
    scaled = {int(match[1]): entry for entry in folders if (match := _SCALED.fullmatch(entry.name))}
    if not targets or not (plain or scaled):
        return None
    inputs = [scaled[scale]] if scale in scaled else plain
    if len(targets) > 1 or len(inputs) != 1:
        names = ", ".join(entry.name for entry in folders)
        raise DataError(
            f"{folder} has the folders {names}, which are no pair for scale {scale}; expected such as LR_x2."
        )
    return inputs[0], targets[0]


# Reading ------------------------------------------------------------------------------------------------------------

_Raw = tuple[str, "NDArray", "NDArray | None"]


@final
class _Reader:
    """Reads files for one degradation; ``notes`` counts what was done to odd ones."""

    def __init__(self, degradation: Degradation, crop: bool, skip_damaged: bool) -> None:
        self.degradation, self.crop, self.skip_damaged = degradation, crop, skip_damaged
        self.notes: Counter[str] = Counter()
        self._bytes = 0

    def read(self, files: Sequence[_Files]) -> list[_Raw]:
        found: list[_Raw] = []
        for file in files:
            try:
                pair = [None if path is None else self._decoded(path) for path in (file.target, file.degraded)]
            except DataError as error:
                if not self.skip_damaged:
                    raise DataError(f"{error} Or leave such files out with --task-set skip_damaged=true.") from None
                self.notes["left out, since it could not be read"] += 1
                continue
            target, degraded = pair
            assert target is not None
            found.append((file.name, *self._fitting(file.name, target, degraded)))
        return found

    def finished(self, raw: Sequence[_Raw], channels: int) -> Iterator[Picture]:
        studio = self.degradation.scale > 1
        for name, target, degraded in raw:
            target = in_colours(target, channels, studio=studio)
            if degraded is None:
                degraded = self.degradation.fixed(target)
            else:
                degraded = in_colours(degraded, channels, studio=studio)
            yield Picture(name, target, degraded)

    def _decoded(self, path: Path) -> NDArray:
        pixels, notes = decode_picture(path)
        self.notes.update(notes)
        self._bytes += 2 * pixels.nbytes
        _check_memory(self._bytes)
        return pixels

    def _fitting(self, name: str, target: NDArray, degraded: NDArray | None) -> tuple[NDArray, NDArray | None]:
        """Raises :class:`DataError` where sizes do not fit each other or the scale."""
        scale = self.degradation.scale
        height, width = target.shape[-2:]
        if degraded is None and isinstance(self.degradation, Given):
            raise DataError(f"{name} has no degraded partner, but other pictures do; expected pairs throughout.")
        inner = (height // scale, width // scale) if degraded is None else degraded.shape[-2:]
        short = (height // scale, width // scale)
        if inner != short:
            raise DataError(
                f"The pair {name} has {width} x {height} and {inner[1]} x {inner[0]} pixels; expected "
                f"{short[1]} x {short[0]} of the second for scale {scale}."
            )
        if (height % scale or width % scale) and not self.crop:
            raise DataError(
                f"{name} has {width} x {height} pixels, which {scale} does not divide; add --task-set "
                "crop=true to cut it at the bottom and at the right."
            )
        if height % scale or width % scale:
            self.notes["cut to a multiple of the scale"] += 1
        return target[:, : short[0] * scale, : short[1] * scale], degraded


def _check_memory(needed: int) -> None:
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not every system can say
        return
    if needed > memory / 2:
        raise DataError("These pictures need more than half of this machine's memory; take fewer or smaller ones.")


__all__ = ["Colours", "load_restoration"]
