"""Which files of a folder are data: one rule for all readers.

Passed over, at any depth, and counted: what is hidden (its name begins with a dot, as that of AppleDouble does), what
operating systems and storage devices leave behind, the runs and tables of Nascence itself, and what is no file (pipes,
sockets, devices). Links are followed, to files and folders, also out of the data folder; one that leads nowhere or back
to itself is an error, since what was behind it is missing.
"""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from nascence.errors import DataError

_SYSTEM_FILES = frozenset(
    ("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon", "icon\r", "icon_", "picasa.ini")
)
_SYSTEM_FOLDERS = frozenset(
    (
        "__macosx",
        "@eadir",
        "@recycle",
        "@recently-snapshot",
        "@__thumb",
        "#recycle",
        "#snapshot",
        "$recycle.bin",
        "system volume information",
        "lost+found",
        "__pycache__",
    )
)
# what Windows keeps beside a file, as it arrives on other systems: cat.jpg:Zone.Identifier
_STREAM = re.compile(r"[:\uf03a.](zone\.identifier|smartscreen|encryptable|com\.dropbox\.attrs)$", re.IGNORECASE)
_RECORDS = {
    "config.json": (b'"nascence":', b'"format":'),
    "plan.json": (b'"space":', b'"trained":', b'"settings":'),
}
_SCORES = b"nascence.scores"
_HEAD = 2**16
_WORDS = {
    "hidden": "hidden",
    "system": "of the operating system or a storage device",
    "run": "written by Nascence",
    "special": "pipes, sockets or devices",
}


@final
@dataclass
class Passed:
    """How many files and folders were passed over, by kind."""

    counts: Counter[str] = field(default_factory=Counter)

    def note(self, root: Path) -> str | None:
        """One sentence, None where nothing was."""
        total = self.counts.total()
        if not total:
            return None
        kinds = ", ".join(f"{self.counts[kind]} {words}" for kind, words in _WORDS.items() if self.counts[kind])
        what = "1 file or folder was" if total == 1 else f"{total:,} files and folders were"
        return f"{what} passed over in {root} ({kinds})."


@final
@dataclass(frozen=True)
class Folder:
    """What counts as data directly in a folder, both sorted."""

    path: Path
    folders: tuple[Path, ...]
    files: tuple[Path, ...]


def look(path: Path, passed: Passed | None = None, above: tuple[tuple[int, int], ...] = ()) -> Folder:
    """``above``: identities of the folders that ``path`` lies in. Raises :class:`DataError` for a link to nothing or
    back, ``OSError`` when the folder cannot be read."""
    folders, files = [], []
    passed = passed or Passed()
    with os.scandir(path) as entries:
        for entry in entries:
            kind = _junk(entry)
            if kind is not None:
                passed.counts[kind] += 1
                continue
            place = path / entry.name
            if entry.is_symlink():
                _check_link(place, above)
            if entry.is_dir():
                if _is_run(place):
                    passed.counts["run"] += 1
                else:
                    folders.append(place)
            elif entry.is_file():
                if _is_table(place):
                    passed.counts["run"] += 1
                else:
                    files.append(place)
            else:
                passed.counts["special"] += 1
    return Folder(path, tuple(sorted(folders)), tuple(sorted(files)))


def walk(path: Path, passed: Passed | None = None, above: tuple[tuple[int, int], ...] = ()) -> Iterator[Folder]:
    """:func:`look` of a folder and of all below it."""
    passed = passed or Passed()
    waiting = [(path, above)]  # no recursion: folders may lie deeper in each other than Python's calls
    while waiting:
        folder, outer = waiting.pop()
        outer = (*outer, _identity(folder))
        here = look(folder, passed, outer)
        yield here
        waiting += [(below, outer) for below in reversed(here.folders)]


def files_below(path: Path, passed: Passed | None = None) -> list[Path]:
    """All files that count as data, folder by folder."""
    return [file for folder in sorted(walk(path, passed), key=lambda found: found.path) for file in folder.files]


def _junk(entry: os.DirEntry[str]) -> str | None:
    name = entry.name
    if name.startswith("."):
        return "hidden"
    lower = name.lower()
    if lower in _SYSTEM_FILES or lower in _SYSTEM_FOLDERS or _STREAM.search(name):
        return "system"
    return None


def _check_link(link: Path, above: tuple[tuple[int, int], ...]) -> None:
    try:
        found = os.stat(link)
    except FileNotFoundError:
        raise DataError(
            f"{link} is a link to {os.readlink(link)}, which is not there; bring it back or remove the link."
        ) from None
    except OSError as error:
        target = os.readlink(link)
        raise DataError(f"{link} is a link to {target}, which cannot be read ({error.strerror}).") from None
    if (found.st_dev, found.st_ino) in above:
        raise DataError(f"{link} is a link to {os.readlink(link)}, a folder that it lies in itself; remove the link.")


def _identity(path: Path) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino


def _is_run(folder: Path) -> bool:
    """Whether it is a run directory, or the folder of a comparison."""
    return any(
        head.lstrip().startswith(b"{") and all(word in head for word in words)
        for name, words in _RECORDS.items()
        if (head := _part(folder / name, 0))
    )


def _is_table(file: Path) -> bool:
    """Whether it is a table of scores."""
    return file.suffix == ".parquet" and _SCORES in _part(file, -_HEAD)


def _part(file: Path, start: int) -> bytes:
    """Up to 64 KiB of a plain file from ``start``, or from its end; nothing where it cannot be read."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return b""
        return os.pread(descriptor, _HEAD, start if start >= 0 else max(0, found.st_size + start))
    except OSError:
        return b""
    finally:
        os.close(descriptor)


__all__ = ["Folder", "Passed", "files_below", "look", "walk"]
