"""What every source of images shares: what it is asked, and which of its parts are for testing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

from nascence.tasks.listing import Passed

Part = Literal["train", "valid", "test"]
T = TypeVar("T")

_WORDS: dict[str, Part] = {
    "train": "train",
    "training": "train",
    "val": "valid",
    "valid": "valid",
    "validation": "valid",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True, kw_only=True)
class Request:
    """``image_size``: the side of the square that every image is brought to, None to leave them.

    ``download``: whether a missing built-in data set may be fetched; ``progress`` is then told the bytes so far and in
    all (None if unknown). ``seed``: of what is drawn. ``told``
    hears how many images are decoded, of how many; ``passed`` counts what is passed over; ``remarks`` takes sentences
    that the user is to see.
    """

    data_dir: Path
    image_size: int | None = None
    download: bool = False
    progress: Callable[[int, int | None], None] | None = None
    seed: int = 0
    told: Callable[[int, int], None] | None = None
    passed: Passed = field(default_factory=Passed)
    remarks: list[str] = field(default_factory=list)


def part_named(name: str) -> Part | None:
    """Which part a file's or folder's name speaks of, if any: ``test-00000-of-00001.parquet`` is ``test``."""
    found = [_WORDS[word] for word in re.split(r"[^a-z]+", name.lower()) if word in _WORDS]
    return found[-1] if found else None


def three_parts(items: Iterable[tuple[Part, T]]) -> tuple[list[T], list[T], list[T]]:
    """(training items, validation items, test items). Validation items are the test where there is no other."""
    parts: dict[Part, list[T]] = {"train": [], "valid": [], "test": []}
    for part, item in items:
        parts[part].append(item)
    if parts["test"]:
        return parts["train"], parts["valid"], parts["test"]
    return parts["train"], [], parts["valid"]


def divide(items: Iterable[tuple[Part, T]]) -> tuple[list[T], list[T]]:
    """(training items, test items). Validation items are the test where there is no other, else belong to training."""
    parts: dict[Part, list[T]] = {"train": [], "valid": [], "test": []}
    for part, item in items:
        parts[part].append(item)
    if parts["test"]:
        return parts["train"] + parts["valid"], parts["test"]
    return parts["train"], parts["valid"]
