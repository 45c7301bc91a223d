"""Names that the user types, and the objects behind them, imported when first asked for.

Third parties add a name in their own package through an entry point of the group ``nascence.<kind>s`` (for example
``nascence.scores``), or at run time with :meth:`Registry.register`.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from importlib.metadata import entry_points
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
        """Add a name. Raises :class:`NascenceError` when it is taken."""
        if name in self._entries:
            raise NascenceError(f"There is a {self.kind} called '{name}' already; choose another name.")
        self._entries[name] = entry

    def _find_plugins(self) -> None:
        if self._searched_plugins:
            return
        self._searched_plugins = True
        for point in entry_points(group=f"nascence.{self.kind.replace(' ', '_')}s"):
            self._entries.setdefault(point.name, point.value)
