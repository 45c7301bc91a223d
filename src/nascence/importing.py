"""Names of a package that are imported when they are first asked for."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def later(package: str, places: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """A package's ``__getattr__``. ``places``: by module of the package, the names that the package has of it.

    None of the names may be a module's too: which of both the package has would depend on what was imported before.
    """
    modules = {name: module for module, names in places.items() for name in names}

    def __getattr__(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        return getattr(importlib.import_module(f"{package}.{modules[name]}"), name)

    return __getattr__


__all__ = ["later"]
