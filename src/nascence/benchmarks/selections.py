"""Which architectures to score: all, a random sample, those of a file, or given ones."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch

from nascence.architecture import Architecture
from nascence.errors import ArchitectureError, DataError, SettingError
from nascence.reading import read_text
from nascence.seeding import generator
from nascence.spaces import Space

ALL_LIMIT = 200_000
"""The largest space that is scored whole."""


@final
@dataclass(frozen=True)
class Selection:
    """Distinct ``architectures`` of one space, in the order of the rows; ``repeated`` were asked for again."""

    description: str
    architectures: tuple[Architecture, ...]
    repeated: int = 0

    def to_json(self) -> dict[str, Any]:
        """What a scores file remembers: the description, the number, a digest of all of them."""
        texts = "\n".join("\t".join(architecture.answers) for architecture in self.architectures)
        digest = hashlib.blake2b(texts.encode(), digest_size=8).hexdigest()
        return {"selection": self.description, "count": len(self.architectures), "digest": digest}

    @classmethod
    def all(cls, space: Space) -> Selection:
        """Raises :class:`SettingError` above :data:`ALL_LIMIT`."""
        if space.size > ALL_LIMIT:
            raise SettingError(
                f"{space.name} has {space.size:.3g} architectures, too many to score all of them (the limit is "
                f"{ALL_LIMIT:,}); score a random sample with --sample N."
            )
        return cls("all", tuple(space.enumerate()))

    @classmethod
    def sample(cls, space: Space, count: int, seed: int) -> Selection:
        """``count`` distinct architectures, uniformly; a larger sample of the same seed begins with the smaller one.

        Raises :class:`SettingError` when the space has fewer, or above :data:`ALL_LIMIT`.
        """
        if not 1 <= count <= space.size:
            raise SettingError(f"A sample of {space.name} has 1 to {space.size:,} architectures, not {count}.")
        if space.size <= ALL_LIMIT:
            everything = list(space.enumerate())
            order = torch.randperm(len(everything), generator=generator(seed, "score", "sample"))
            return cls(f"sample {count} of seed {seed}", tuple(everything[at] for at in order[:count].tolist()))
        if count > ALL_LIMIT:
            raise SettingError(f"A sample has at most {ALL_LIMIT:,} architectures, not {count:,}.")
        random = generator(seed, "score", "sample")
        found: dict[Architecture, None] = {}
        while len(found) < count:
            found[space.sample(random)] = None
        return cls(f"sample {count} of seed {seed}", tuple(found))

    @classmethod
    def file(cls, space: Space, path: Path) -> Selection:
        """One architecture a line; empty lines and those that begin with # are passed over.

        Raises :class:`DataError`, with the number of the first line that is no architecture of the space.
        """
        lines = read_text(path, DataError, what="the architectures in", pipe=True).splitlines()
        found = []
        for number, line in enumerate(lines, start=1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            try:
                found.append(space.parse(line))
            except ArchitectureError as error:
                raise DataError(f"Line {number} of {path} is wrong: {error}") from None
        if not found:
            raise DataError(f"{path} has no architectures; expected one of {space.name} a line.")
        return cls._distinct("list", found)

    @classmethod
    def given(cls, architectures: Iterable[Architecture]) -> Selection:
        return cls._distinct("list", list(architectures))

    @classmethod
    def _distinct(cls, description: str, found: list[Architecture]) -> Selection:
        distinct = tuple(dict.fromkeys(found))
        return cls(description, distinct, len(found) - len(distinct))


__all__ = ["ALL_LIMIT", "Selection"]
