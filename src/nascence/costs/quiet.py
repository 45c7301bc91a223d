"""The quietest time of a call ever seen on this machine: what its times on a busy machine are compared with."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import final

from pydantic import BaseModel

from nascence.cache import cache_folder
from nascence.errors import NascenceError
from nascence.reading import read_json, with_checksum
from nascence.writing import write_bytes

_WORTH = 0.99
"""A time is written down when it is below so much of the one that is there."""


class _Seen(BaseModel):
    what: str
    ms: float


def _usual_folder() -> Path | None:
    folder = cache_folder()
    return None if folder is None else folder / "quiet"


@final
class QuietTimes:
    """The least milliseconds of each of some calls, in one small file each of a folder; in memory alone where there is
    none, or where it cannot be written."""

    def __init__(self, folder: Callable[[], Path | None] = _usual_folder) -> None:
        self._folder = folder
        self._seen: dict[str, float] = {}

    def least(self, what: str, ms: float) -> float:
        """The least of ``ms`` and all that was heard before of ``what``, which names the call, its runtime, the
        processor and all else that a time depends on."""
        path = self._path(what)
        known = min(self._seen.get(what, math.inf), self._read(path, what))
        self._seen[what] = min(known, ms)
        if path is not None and ms < known * _WORTH:
            with suppress(OSError, NascenceError):
                path.parent.mkdir(parents=True, exist_ok=True)
                write_bytes(path, json.dumps(with_checksum({"what": what, "ms": ms})).encode())
        return self._seen[what]

    def _path(self, what: str) -> Path | None:
        folder = self._folder()
        if folder is None:
            return None
        return folder / f"{hashlib.blake2b(what.encode(errors='replace'), digest_size=12).hexdigest()}.json"

    @staticmethod
    def _read(path: Path | None, what: str) -> float:
        """Infinity where nothing is known: a file that is damaged is as good as none."""
        with suppress(OSError, NascenceError):
            if path is not None and path.exists():
                found = read_json(path, _Seen)
                if found["what"] == what and found["ms"] > 0:
                    return float(found["ms"])
        return math.inf


ON_THIS_MACHINE = QuietTimes()

__all__ = ["ON_THIS_MACHINE", "QuietTimes"]
