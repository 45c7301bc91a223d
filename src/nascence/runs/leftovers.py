"""Directories that a killed command left half made or half removed, beside the run they belong to.

A run ``a`` comes into being as ``.a.new-<pid>`` and disappears as ``.a.deleted-<pid>``; where one replaces another, the
two change places in one move. A process holds a lock on such a directory while it works on it, so that the next command
on ``a`` knows what nobody works on any more, and removes it. Earlier versions, and file systems that cannot exchange,
move the old run aside as ``.a.old-<pid>`` before the new one takes its place: an end between the two moves is undone.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nascence.runs import files

_NEW, _DELETED, _OLD = "new", "deleted", "old"
_FORM = re.compile(rf"\.({_NEW}|{_DELETED}|{_OLD})-\d+$")
_EXCHANGE = 2  # RENAME_EXCHANGE of renameat2(2)
_AT_FDCWD = -100


@contextmanager
def half_made(path: Path) -> Iterator[Path]:
    """A fresh directory beside ``path``, locked; whatever is at its name when the block ends is removed."""
    fresh = files.hidden(path, f"{_NEW}-{os.getpid()}")
    fresh.mkdir()
    descriptor = _lock(fresh)
    try:
        yield fresh
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        if descriptor is not None:
            os.close(descriptor)


def exchange(one: Path, other: Path) -> None:
    """Let two directories change places. Raises ``OSError``."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is not None:
        names = os.fsencode(one), os.fsencode(other)
        if rename(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _EXCHANGE) == 0:
            return
        number = ctypes.get_errno()
        if number not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
            raise OSError(number, os.strerror(number), str(other))
    aside = files.hidden(other, f"{_OLD}-{os.getpid()}")
    os.rename(other, aside)
    try:
        os.rename(one, other)
    except OSError:
        os.rename(aside, other)
        raise
    os.rename(aside, one)


def put_aside(path: Path) -> Path:
    """Move a directory that is to be removed out of the way, in one move."""
    aside = files.hidden(path, f"{_DELETED}-{os.getpid()}")
    os.rename(path, aside)
    return aside


def recover(path: Path) -> None:
    """Bring back the run that a killed command moved aside, if nothing took its place, and remove what else such
    commands left of ``path``. What a living process works on stays."""
    for found in files.siblings(path, ""):
        kind = _kind(path, found)
        if kind is None or found.is_symlink() or not found.is_dir():
            continue
        descriptor = _lock(found)
        if descriptor is None:
            continue
        try:
            with suppress(OSError):
                if kind == _OLD and not os.path.lexists(path):
                    os.rename(found, path)
                else:
                    shutil.rmtree(found, ignore_errors=True)
        finally:
            os.close(descriptor)


def moved_aside(folder: Path) -> set[Path]:
    """Runs of ``folder`` that a killed command moved aside, by the names that they had."""
    with suppress(OSError):
        names = [entry.name for entry in os.scandir(folder) if entry.name.startswith(".")]
        ends = [(name, found) for name in names if (found := _FORM.search(name))]
        return {folder / name[1 : found.start()] for name, found in ends if found.start() > 1}
    return set()


def _kind(path: Path, found: Path) -> str | None:
    """Which kind of leftover of ``path`` it is, None for anything else."""
    form = _FORM.fullmatch(found.name.removeprefix(files.hidden(path, "").name.removesuffix(".")))
    if form is None or (form[1] == _OLD and not (found / "config.json").is_file()):
        return None
    return form[1]


def _lock(directory: Path) -> int | None:
    """A descriptor that holds the lock of a directory, None where another process holds it."""
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
        else:
            return descriptor
    return None


__all__ = ["exchange", "half_made", "moved_aside", "put_aside", "recover"]
