"""Decoded images kept in the user's cache folder, in files that are mapped into memory instead of read.

A store holds the images of a data set in chunks. Beside every chunk stands a digest of the encoded images that it was
made from and one of its pixels; both are compared whenever it is used, so that neither changed data nor a damaged store
goes unnoticed, whatever size and time the files have. A store is never changed in its place: a search that has it
mapped keeps what it began with. What a kill leaves unfinished is continued.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import numpy as np

from nascence.cache import cache_folder

CHUNK = 256
"""Images in a chunk."""
_VERSION = 3
_MAGIC = b"nascence decoded images\n"
_TAIL = 8 + len(_MAGIC)
_PATIENCE = 3600.0

Contents = Callable[[int], list[bytes]]
_Identity = tuple[int, int]
Decode = Callable[[int, list[bytes]], list[np.ndarray]]


class StoreUnusableError(Exception):
    """There is no place for a store: no folder, no permission, a full disk."""


class Coloured(Exception):
    """A coloured image came up in a store of grey ones."""


class _Overtaken(Exception):
    """Another process has finished the store in the meantime."""


@final
@dataclass(frozen=True)
class Record:
    """Of a chunk: digests of the encoded images and of their pixels, and whether all of them are grey."""

    sources: str
    pixels: str
    grey: bool


@final
@dataclass
class _File:
    """An open store: ``shape`` [N, C, H, W], and the chunks that are in it by number."""

    descriptor: int
    shape: tuple[int, int, int, int]
    records: dict[int, Record] = field(default_factory=dict)

    @property
    def grey(self) -> bool:
        return all(record.grey for record in self.records.values())

    def read(self, at: int) -> bytes:
        start, length = self.place(at)
        return os.pread(self.descriptor, length, start)

    def place(self, at: int) -> tuple[int, int]:
        """Where chunk ``at`` begins, and its bytes."""
        each = int(np.prod(self.shape[1:]))
        return at * CHUNK * each, min(CHUNK, self.shape[0] - at * CHUNK) * each

    def holds(self, at: int, sources: str) -> Record | None:
        """The record of chunk ``at`` if it was made from ``sources`` and is undamaged."""
        record = self.records.get(at)
        if record is None or record.sources != sources or _digest(self.read(at)) != record.pixels:
            return None
        return record


@final
@dataclass(frozen=True)
class Store:
    """The place of a store, under a digest of what it is of; ``size``: (height, width)."""

    path: Path
    count: int
    size: tuple[int, int]

    @classmethod
    def of(cls, key: str, count: int, size: tuple[int, int]) -> Store:
        """Raises :class:`StoreUnusableError` when the folder cannot be made."""
        name = hashlib.blake2b(key.encode("utf-8", "surrogateescape"), digest_size=12).hexdigest()
        folder = cache_folder()
        if folder is None:
            raise StoreUnusableError("there is no home folder; set XDG_CACHE_HOME")
        try:
            (folder / "decoded").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreUnusableError(f"{error.filename}: {error.strerror}") from None
        return cls(folder / "decoded" / name, count, size)

    @property
    def chunks(self) -> int:
        return -(-self.count // CHUNK)

    def fill(
        self, channels: int, contents: Contents, decode: Decode, told: Callable[[int, int], None] | None = None
    ) -> np.ndarray:
        """uint8 [N, H, W, C], a private view of the file, once every chunk is the one of ``contents(number)``, the
        encoded images; ``decode`` makes the pixels of those that are missing.

        ``channels``: 3, or 1 as long as all are grey, else it raises :class:`Coloured`. ``told`` hears how many images
        are ready. Raises :class:`StoreUnusableError` where the disk is full or cannot be written.
        """
        try:
            with self._finished() as (old, there):
                if old is not None and old.shape[1:] == (3, *self.size) and not old.grey:
                    channels = 3  # its first image is grey, others were not
                built = self._fill(channels, old, there, contents, decode, told)
                if built is None:
                    assert old is not None
                    return self._mapped(old)
            if channels == 3 and built.grey:
                return self.fill(1, contents, decode, told)
            with self._finished() as (new, _):
                if new is None:
                    raise StoreUnusableError(f"{self.path}.pixels cannot be read back")
                return self._mapped(new)
        except _Overtaken:  # by another process that reads the same data
            return self.fill(channels, contents, decode, told)
        except OSError as error:
            raise StoreUnusableError(f"{error.filename or self.path}: {error.strerror or error}") from None

    def _fill(
        self,
        channels: int,
        old: _File | None,
        there: _Identity | None,
        contents: Contents,
        decode: Decode,
        told: Callable[[int, int], None] | None,
    ) -> _File | None:
        """The new file, finished and in its place; None where ``old`` is what is wanted."""
        shape = (self.count, channels, *self.size)
        usable = old if old is not None and old.shape[1:] == shape[1:] else None
        verified: list[Record] = []
        with contextlib.ExitStack() as stack:
            new: _File | None = None
            if usable is None or usable.shape != shape:
                new = stack.enter_context(self._building(shape, there))
            for at in range(self.chunks):
                found = contents(at)
                sources = _digest(*found)
                record = usable.holds(at, sources) if usable is not None and _whole(usable, at, shape) else None
                if record is None and new is None:
                    assert usable is not None
                    new = stack.enter_context(self._building(shape, there))
                    for earlier, kept in enumerate(verified):
                        self._add(new, earlier, kept, usable.read(earlier))
                if record is not None and new is None:
                    verified.append(record)
                elif new is not None and new.holds(at, sources) is None:
                    if record is not None:
                        assert usable is not None
                        self._add(new, at, record, usable.read(at))
                    else:
                        pixels, grey = _joined(decode(at, found), channels)
                        self._add(new, at, Record(sources, _digest(pixels), grey), pixels)
                if told is not None:
                    told(min((at + 1) * CHUNK, self.count), self.count)
            if new is not None:
                self._finish(new)
            return new

    # Files ------------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _finished(self) -> Iterator[tuple[_File | None, _Identity | None]]:
        """The finished store, None where its index is damaged, and which file it is in; None where there is none."""
        try:
            descriptor = os.open(f"{self.path}.pixels", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            yield None, None
            return
        try:
            yield _read_index(descriptor), _identity(descriptor)
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def _building(self, shape: tuple[int, int, int, int], there: _Identity | None) -> Iterator[_File]:
        """The unfinished store, of this process alone, with what a stopped one left in it. ``there``: the finished one
        that was found before; raises :class:`_Overtaken` when there is another one now."""
        descriptor = self._locked()
        try:
            if _identity(f"{self.path}.pixels") != there:
                os.unlink(f"{self.path}.part")
                raise _Overtaken
            needed = int(np.prod(shape))
            file = _File(descriptor, shape, self._journal(shape))
            if os.fstat(descriptor).st_size != needed:
                free = os.statvfs(self.path.parent)
                if free.f_bavail * free.f_frsize < 1.05 * needed:
                    raise OSError(28, f"no space for {needed / 1e9:.1f} GB of decoded images", str(self.path.parent))
                os.ftruncate(descriptor, 0)
                os.ftruncate(descriptor, needed)
                file.records.clear()
            if not file.records:
                self._write_journal(shape)
            yield file
        except OSError:
            for ending in (".part", ".journal"):
                with contextlib.suppress(OSError):
                    os.unlink(f"{self.path}{ending}")
            raise
        finally:
            os.close(descriptor)

    def _locked(self) -> int:
        part, until = f"{self.path}.part", time.monotonic() + _PATIENCE
        while True:
            descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.stat(part).st_ino == os.fstat(descriptor).st_ino:  # else the other one finished in between
                    return descriptor
            except (BlockingIOError, FileNotFoundError):
                pass
            os.close(descriptor)
            if time.monotonic() > until:
                raise OSError(11, "another process has been writing it for an hour", part)
            time.sleep(0.05)

    def _journal(self, shape: tuple[int, int, int, int]) -> dict[int, Record]:
        """The chunks that an unfinished store of this shape holds."""
        records: dict[int, Record] = {}
        try:
            head, *lines = Path(f"{self.path}.journal").read_text().split("\n")[:-1]
            if json.loads(head) != [_VERSION, *shape]:
                return {}
            for line in lines:
                at, *record = json.loads(line)
                records[at] = Record(*record)
        except (OSError, ValueError, TypeError):
            return {}
        return records

    def _write_journal(self, shape: tuple[int, int, int, int]) -> None:
        self._append(json.dumps([_VERSION, *shape]), os.O_TRUNC)

    def _append(self, line: str, flags: int = os.O_APPEND) -> None:
        flags |= os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(f"{self.path}.journal", flags, 0o600)
        try:
            os.write(descriptor, line.encode() + b"\n")
        finally:
            os.close(descriptor)

    def _add(self, file: _File, at: int, record: Record, pixels: bytes) -> None:
        """Written, not mapped: a full disk is an error here, and not the end of the process."""
        _write_at(file.descriptor, pixels, file.place(at)[0])
        file.records[at] = record
        self._append(json.dumps([at, record.sources, record.pixels, record.grey]))

    def _finish(self, file: _File) -> None:
        """The index behind the pixels, and the file in its place."""
        records = [file.records[at] for at in range(self.chunks)]
        index = json.dumps(
            {"version": _VERSION, "shape": file.shape, "chunks": [[r.sources, r.pixels, r.grey] for r in records]}
        ).encode()
        end = int(np.prod(file.shape))
        os.ftruncate(file.descriptor, end)
        _write_at(file.descriptor, index + len(index).to_bytes(8, "little") + _MAGIC, end)
        os.fsync(file.descriptor)
        os.replace(f"{self.path}.part", f"{self.path}.pixels")
        with contextlib.suppress(OSError):
            os.unlink(f"{self.path}.journal")
        for outdated in self.path.parent.glob("*.npy"):  # of earlier versions, which trusted size and time
            with contextlib.suppress(OSError):
                outdated.unlink()

    def _mapped(self, file: _File) -> np.ndarray:
        """[N, H, W, C]; pages are private, so that nothing done to the array reaches the file."""
        with os.fdopen(os.dup(file.descriptor), "rb") as opened:
            pixels_NCHW = np.memmap(opened, np.uint8, mode="c", shape=file.shape)
        return pixels_NCHW.transpose(0, 2, 3, 1)


def _whole(file: _File, at: int, shape: tuple[int, int, int, int]) -> bool:
    """Whether chunk ``at`` has as many images in ``file`` as in a store of ``shape``."""
    return min(CHUNK, file.shape[0] - at * CHUNK) == min(CHUNK, shape[0] - at * CHUNK)


def _joined(pictures: list[np.ndarray], channels: int) -> tuple[bytes, bool]:
    """The pixels [N, C, H, W] of pictures [H, W, 1 or 3], and whether all are grey."""
    grey = all(picture.shape[2] == 1 for picture in pictures)
    if channels == 1 and not grey:
        raise Coloured
    height, width, _ = pictures[0].shape
    pixels = np.empty((len(pictures), channels, height, width), np.uint8)
    for at, picture in enumerate(pictures):
        pixels[at] = picture.transpose(2, 0, 1)
    return pixels.tobytes(), grey


def _read_index(descriptor: int) -> _File | None:
    """What is in a finished store; None when it is damaged, which the digests of its chunks do not tell."""
    try:
        size = os.fstat(descriptor).st_size
        tail = os.pread(descriptor, _TAIL, max(0, size - _TAIL))
        length = int.from_bytes(tail[:8], "little")
        if tail[8:] != _MAGIC or length > size:
            return None
        index: Any = json.loads(os.pread(descriptor, length, size - _TAIL - length))
        shape = tuple(index["shape"])
        if index["version"] != _VERSION or int(np.prod(shape)) != size - _TAIL - length or len(shape) != 4:
            return None
        return _File(descriptor, shape, {at: Record(*record) for at, record in enumerate(index["chunks"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _identity(file: str | int) -> _Identity | None:
    try:
        found = os.stat(file)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _digest(*parts: bytes) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def _write_at(descriptor: int, content: bytes, place: int) -> None:
    view = memoryview(content)
    while view:
        written = os.pwrite(descriptor, view, place)
        view, place = view[written:], place + written


__all__ = ["CHUNK", "Coloured", "Record", "Store", "StoreUnusableError"]
