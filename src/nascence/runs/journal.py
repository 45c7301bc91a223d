"""An append-only file of JSON records that no kill can spoil."""

from __future__ import annotations

import fcntl
import json
import os
import zlib
from pathlib import Path
from typing import Any, final

from nascence.errors import RunError
from nascence.reading import parse_json
from nascence.runs import files


@final
class Journal:
    """Records in ``path``, one a line behind its checksum; the first is the header.

    A record is in the file as soon as :meth:`append` returns, whatever happens to the process then. Lines that do not
    fit their checksum (the torn end that a kill in the middle of a write leaves) are passed over, and appending goes on
    behind them. The file is locked for this process as long as the journal is open; the system frees it after a kill.

    Numbers come back to the bit, infinite ones included. Raises :class:`RunError` when the file is in use by another
    process, or is something else than a journal.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        descriptor = files.open_growing(path, os.O_RDWR | os.O_APPEND)
        self._file = open(descriptor, "a+b", buffering=0)  # noqa: SIM115 (closed by close)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise RunError(f"{path} is being written by another process; wait for it or stop it.") from None
        self.header: Any = None
        """The first record; None in a fresh journal, whose first :meth:`append` makes it."""
        self.records: list[Any] = []
        """What stood in the file behind the header when it was opened."""
        try:
            self._recover()
        except RunError:
            self._file.close()
            raise

    def append(self, record: Any) -> None:
        """Raises ``OSError`` when the disk is full."""
        text = json.dumps(record)
        line = f"{_checksum(text)} {text}\n".encode()
        written = 0
        while written < len(line):  # an unbuffered write may take a part only
            written += self._file.write(line[written:]) or 0
        if self.header is None:
            self.header = record
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Bring everything to the disk and free the file."""
        os.fsync(self._file.fileno())
        self._file.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _recover(self) -> None:
        self._file.seek(0)
        content = self._file.read()
        assert content is not None
        if b"\n" not in content:  # killed while the header was being written, or new
            if content[:8].strip(b"0123456789abcdef"):
                raise self._foreign()
            self._file.truncate(0)
            return
        first, *others = [_record(line) for line in content.split(b"\n")]
        if first is None:
            raise self._foreign()
        self.header = first
        self.records = [record for record in others if record is not None]
        if not content.endswith(b"\n"):
            self._file.write(b"\n")

    def _foreign(self) -> RunError:
        return RunError(f"{self.path} is damaged or no journal of Nascence; move it away to begin anew.")


def _checksum(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"


def _record(line: bytes) -> Any:
    """The record of a line, or None when the line is not whole."""
    checksum, _, text = line.decode("utf-8", "replace").partition(" ")
    if checksum != _checksum(text) or not text:
        return None
    try:
        return parse_json(text, infinite=True)
    except ValueError:
        return None


__all__ = ["Journal"]
