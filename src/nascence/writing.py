"""Writing files so that they are whole at every moment, and through no link.

A file is made under a fresh name beside its place and takes it, whatever was there; what grows is opened without
following links. A fresh file is locked while it is written, so that one which a kill left behind is told from one at
work, and is removed by whoever writes there next.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from nascence import reading
from nascence.errors import RunError, describe_os_error

_KEPT_OF_NAME = 150
"""Bytes of a name that stay in that of its temporary sibling; a file's name may have 255."""


def hidden(path: Path, ending: str) -> Path:
    """A hidden sibling of ``path``, whose name begins with that of ``path`` and ends with ``ending``."""
    name = os.fsdecode(os.fsencode(path.name)[:_KEPT_OF_NAME])
    return path.with_name(f".{name}.{ending}")


def siblings(path: Path, ending: str) -> list[Path]:
    """What :func:`hidden` made for ``path``, whatever token stood before ``ending``: ``.<name>.<token><ending>``."""
    start = hidden(path, "").name
    with suppress(OSError):
        return [
            Path(entry.path)
            for entry in os.scandir(path.parent)
            if entry.name.startswith(start) and entry.name.endswith(ending)
        ]
    return []


@contextmanager
def replacing(path: Path, ending: str = ".tmp") -> Iterator[tuple[BinaryIO, Path]]:
    """A fresh file and its name, which takes the place of ``path`` when the block ends, and is gone when it fails.

    At every moment, a power cut included, ``path`` is the old file or the new one. Raises ``OSError``, also where
    something else than a file or a link is there: to take the place of ``/dev/null`` would harm the whole system.
    """
    check_file(path)
    remove_abandoned(path, ending)
    fresh = hidden(path, secrets.token_hex(4) + ending)
    descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        with open(descriptor, "wb") as file:
            with suppress(OSError):  # where files cannot be locked, leftovers stay
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield file, fresh
            file.flush()
            os.fsync(file.fileno())
            os.replace(fresh, path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def check_file(path: Path) -> None:
    """Raises ``OSError`` where there is a device, a pipe or a socket, which a file must not take the place of."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return  # nothing is there, or whoever writes will be told why not
    if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode) or stat.S_ISDIR(mode)):
        raise OSError(errno.EINVAL, f"it is {reading.kind(mode)}, not a file", str(path))


def check_writable(path: Path) -> None:
    """Raises ``OSError`` where no file can be made beside ``path``, before work whose result would be lost. The folder
    is made where it is missing."""
    check_file(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = hidden(path, secrets.token_hex(4) + ".tmp")
    os.close(os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666))
    fresh.unlink()


def check_out(path: Path, overwrite: bool) -> None:
    """Raises :class:`RunError` where ``--out`` names what must not be replaced: a file without ``overwrite``, and
    anything that is no file with it."""
    if os.path.isdir(path):
        raise RunError(f"{path} is a directory; name a file with --out.")
    with explained(path):
        check_file(path)
    if path.exists() and not overwrite:
        raise RunError(f"{path} exists already; choose another --out, or replace it with --overwrite.")


def write_bytes(path: Path, content: bytes) -> None:
    """:func:`replacing` with ``content``. Raises ``OSError``; the old file is whole then."""
    with replacing(path) as (file, _):
        file.write(content)


def open_growing(path: Path, flags: int = os.O_WRONLY | os.O_APPEND) -> int:
    """A descriptor of a file that grows, made where it is missing. Raises ``OSError`` when it is a link, or no file.

    A file that is also known by another name (a hard link) is replaced by a copy first.
    """
    flags |= os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o666)
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
        return descriptor
    os.close(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is no plain file", str(path))
    write_bytes(path, reading.read_bytes(path, largest=found.st_size))
    return os.open(path, flags, 0o666)


@contextmanager
def growing_alone(path: Path) -> Iterator[int]:
    """A descriptor of :func:`open_growing`, locked for this process, whom a kill frees it from; a file that is still
    empty in the end is gone. Raises ``OSError``, and :class:`RunError` when another process holds it."""
    descriptor = open_growing(path, os.O_RDWR)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(f"{path} is being written by another process; wait for it or stop it.") from None
        try:
            yield descriptor
        finally:
            if os.fstat(descriptor).st_size == 0:
                path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def remove_abandoned(path: Path, ending: str = ".tmp") -> None:
    """Remove the temporary siblings of ``path`` that no process is writing."""
    for fresh in siblings(path, ending):
        remove_unless_locked(fresh)


def remove_unless_locked(path: Path) -> None:
    """Remove a file that a killed process left; one that a living one writes is locked and stays, and so does what is
    no plain file, which was not ours."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(path)
        finally:
            os.close(descriptor)


def sync_directory(path: Path) -> None:
    """Make renames in ``path`` survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def explained(path: Path, resume: str | None = None) -> Iterator[None]:
    """Turn an ``OSError`` while writing under ``path`` into a :class:`RunError` that says how to go on."""
    try:
        yield
    except OSError as error:
        how = f" Once that is mended, continue with: {resume}" if resume else ""
        raise RunError(f"{describe_os_error(error, path)}; nothing that was there is damaged.{how}") from error


__all__ = [
    "check_file",
    "check_out",
    "check_writable",
    "explained",
    "growing_alone",
    "hidden",
    "open_growing",
    "remove_abandoned",
    "remove_unless_locked",
    "replacing",
    "siblings",
    "sync_directory",
    "write_bytes",
]
