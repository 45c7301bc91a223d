"""Names that the user types, and the objects behind them, imported when first asked for.

Third parties add a name in their own package through an entry point of the group ``nascence.<kind>s`` (for example
``nascence.scores``), or at run time with :meth:`Registry.register`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from nascence.errors import NascenceError, UnknownNameError


class Registry:
    """A mapping from a name to an object given as ``"module:attribute"`` or as the object itself.

    Nothing is imported before :meth:`get` asks for it, so that listing names stays cheap.
    """

    def __init__(self, kind: str, entries: Mapping[str, Any]) -> None:
        self.kind = kind
        self._entries: dict[str, Any] = dict(entries)
        self._searched_plugins = False

    def names(self) -> list[str]:
        """All known names, in the order of registration."""
        self._find_plugins()
        return list(self._entries)

    def get(self, name: str) -> Any:
        """The object called ``name``. Raises :class:`UnknownNameError` with the known names."""
        if name not in self._entries:
            self._find_plugins()
        if name not in self._entries:
            raise UnknownNameError(self.kind, name, self._entries)
        entry = self._entries[name]
        if isinstance(entry, str):
            module, _, attribute = entry.partition(":")
            entry = self._entries[name] = getattr(importlib.import_module(module), attribute)
        return entry

    def register(self, name: str, entry: Any) -> None:
        """Add a name; once more for the same object, which an entry point may have named before, is nothing. Raises
        :class:`NascenceError` when it is taken by something else."""
        known = self._entries.get(name)
        if name in self._entries and not (known is entry or _place(known) == _place(entry) is not None):
            raise NascenceError(f"There is a {self.kind} called '{name}' already; choose another name.")
        self._entries[name] = entry

    def _find_plugins(self) -> None:
        if self._searched_plugins:
            return
        self._searched_plugins = True
        for point in entry_points(group=f"nascence.{self.kind.replace(' ', '_')}s"):
            self._entries.setdefault(point.name, point.value)


def _place(entry: Any) -> str | None:
    """``module:attribute`` of an entry that names it, or of a class or function; None for any other object. A program
    that is run as a file counts as the module that the file would be."""
    if isinstance(entry, str):
        return entry
    module, attribute = getattr(entry, "__module__", None), getattr(entry, "__qualname__", None)
    if module == "__main__":
        module = Path(getattr(sys.modules[module], "__file__", None) or module).stem
    return f"{module}:{attribute}" if module and attribute else None
