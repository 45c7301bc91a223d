"""Latencies of parts that were measured on this machine before, and how calm it was: the calmest measurement counts.

A search, and ``nascence plan`` before it, ask for the same latencies again and again, on a machine that is busy at some
moments and quiet at others. Measured anew each time, a share of a space within a limit would change with the moment.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from nascence.cache import cache_folder
from nascence.errors import NascenceError
from nascence.reading import read_json, with_checksum
from nascence.schema import Name, Text
from nascence.writing import write_bytes

Floats = NDArray[np.float64]

CALM = 1.15
"""Up to this unrest (1 where nothing disturbs) a measurement is not repeated."""
CALMER = 0.15
"""A measurement is made anew when the machine is so much calmer than it was then."""


class _Schema(BaseModel):
    what: str
    shapes: list[list[Annotated[int, Field(ge=0, le=10_000)]]]
    numbers: list[float]
    interrupted: Annotated[float, Field(ge=0, le=1)]
    slowdown: Annotated[float, Field(ge=1)]
    least_ms: Annotated[float, Field(gt=0)]
    disturbed: list[Name | Text]


@final
@dataclass(frozen=True)
class Kept:
    """Milliseconds as arrays, the part of passes that were interrupted, how many times its quickest the reference took
    meanwhile, that quickest time as it was known then, and what disturbed the measurement, in words."""

    arrays: tuple[Floats, ...]
    interrupted: float
    slowdown: float
    least_ms: float
    disturbed: tuple[str, ...]

    def unrest(self, least_ms: float) -> float:
        """1 where nothing disturbed, by what is known of the reference now."""
        return self.interrupted + self.slowdown * self._quicker(least_ms)

    def scaled(self, least_ms: float) -> list[Floats]:
        """The milliseconds, scaled back by what is known of the reference now."""
        return [array / self._quicker(least_ms) for array in self.arrays]

    def _quicker(self, least_ms: float) -> float:
        return max(1.0, self.least_ms / least_ms) if 0 < least_ms < math.inf else 1.0


def usual_folder() -> Path | None:
    folder = cache_folder()
    return None if folder is None else folder / "latencies"


@final
class KeptLatencies:
    """Measurements in one small file each of a folder; nothing is kept where there is none, or where it cannot be
    written. Damaged files are as good as none."""

    def __init__(self, folder: Callable[[], Path | None] = lambda: usual_folder()) -> None:
        self._folder = folder

    def read(self, what: str) -> Kept | None:
        """``what`` names all that the times depend on."""
        path = self._path(what)
        with suppress(OSError, NascenceError, ValueError):
            if path is not None and path.exists():
                found = read_json(path, _Schema)
                if found["what"] == what:
                    about = {name: float(found[name]) for name in ("interrupted", "slowdown", "least_ms")}
                    arrays = _arrays(found["numbers"], found["shapes"])
                    return Kept(arrays=arrays, **about, disturbed=tuple(found["disturbed"]))
        return None

    def write(self, what: str, kept: Kept) -> None:
        path = self._path(what)
        if path is None:
            return
        values = {name: value for name, value in asdict(kept).items() if name != "arrays"}
        numbers: list[float] = [float(value) for array in kept.arrays for value in array.ravel()]
        shapes = [list(array.shape) for array in kept.arrays]
        with suppress(OSError, NascenceError):
            path.parent.mkdir(parents=True, exist_ok=True)
            told = with_checksum({"what": what, "shapes": shapes, "numbers": numbers, **values})
            write_bytes(path, json.dumps(told).encode())

    def _path(self, what: str) -> Path | None:
        folder = self._folder()
        if folder is None:
            return None
        return folder / f"{hashlib.blake2b(what.encode(errors='replace'), digest_size=12).hexdigest()}.json"


def _arrays(numbers: list[float], shapes: list[list[int]]) -> tuple[Floats, ...]:
    """Raises ``ValueError`` where there are not as many numbers as the shapes say."""
    found: list[Any] = []
    at = 0
    for shape in shapes:
        count = math.prod(shape)
        found.append(np.array(numbers[at : at + count], dtype=np.float64).reshape(shape))
        at += count
    if at != len(numbers):
        raise ValueError("there are more numbers than the shapes say")
    return tuple(found)


__all__ = ["CALM", "CALMER", "Kept", "KeptLatencies", "usual_folder"]
