"""The user's cache folder."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path | None:
    """``$XDG_CACHE_HOME/nascence``, or ``~/.cache/nascence``; None for a user who has no home."""
    chosen = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(chosen) if chosen else Path.home() / ".cache") / "nascence"
    except RuntimeError:
        return None


__all__ = ["cache_folder"]
