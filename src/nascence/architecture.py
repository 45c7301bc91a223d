"""The value that everything passes around: one answer per choice of a space."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nascence.errors import ArchitectureError, NascenceError
from nascence.reading import parse_json, read_bytes, without_checksum

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, order=True)
class Architecture:
    """A space's name and one answer (an option's name) per choice of that space, in the space's order.

    Immutable, hashable and JSON-serialisable. :meth:`nascence.spaces.base.Space.architecture` makes checked ones.
    """

    space: str
    answers: tuple[str, ...]

    @classmethod
    def from_string(cls, text: str, space: str) -> Architecture:
        """Parse the canonical string of the space called ``space``. Raises :class:`ArchitectureError`."""
        return _space(space).parse(text)

    @classmethod
    def from_dict(cls, value: Any) -> Architecture:
        """The inverse of :meth:`to_dict`; other keys are ignored. Raises :class:`ArchitectureError`."""
        if not isinstance(value, dict) or not isinstance(value.get("space"), str):
            raise ArchitectureError(
                "This is not an architecture: expected a JSON object with 'space' and 'architecture'."
            )
        if not isinstance(value.get("architecture"), str):
            raise ArchitectureError("This architecture has no 'architecture' string.")
        return cls.from_string(value["architecture"], value["space"])

    @classmethod
    def load(cls, path: str | Path) -> Architecture:
        """Read an ``architecture.json``. Raises :class:`ArchitectureError` when it is missing, corrupt or foreign."""
        content = read_bytes(path, ArchitectureError)
        try:
            value = without_checksum(parse_json(content))
        except ValueError as reason:
            raise ArchitectureError(f"{path} is no architecture.json of a run: {reason}.") from None
        try:
            return cls.from_dict(value)
        except NascenceError as error:
            raise ArchitectureError(f"{path}: {error}") from None

    def to_dict(self) -> dict[str, Any]:
        """``{"space", "architecture", "choices"}``, ready for JSON."""
        space = _space(self.space)
        names = [choice.name for choice in space.choices]
        return {
            "space": self.space,
            "architecture": str(self),
            "choices": dict(zip(names, self.answers, strict=True)),
        }

    def build(self, **network: Any) -> nn.Module:
        """A plain, freshly initialised network; ``network`` goes to the space's ``build``."""
        return _space(self.space).build(self, **network)

    def __str__(self) -> str:
        return _space(self.space).format(self)


Spaces = Callable[[str], Any]
"""A space's name -> what parses, formats and builds its architectures."""

_sources: list[Spaces] = []


def known_by(spaces: Spaces) -> None:
    """Say who knows the spaces: the value itself knows nobody, and asks for them by name."""
    _sources[:] = [spaces]


def _space(name: str) -> Any:
    if not _sources:
        importlib.import_module("nascence.spaces")  # which makes itself known
    return _sources[0](name)


__all__ = ["Architecture", "Spaces", "known_by"]
