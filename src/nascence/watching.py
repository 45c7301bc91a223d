"""A process that ends when another one does, whatever it is computing."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable


def end_with(descriptor: int, end: Callable[[], None] | None = None) -> None:
    """End this process at once (or call ``end``) when the other end of its pipe or socket ``descriptor`` is closed:
    when the process that holds it ends, is killed included. Nothing is read from it."""
    watcher = threading.Thread(target=_watch, args=(descriptor, end or _end), daemon=True, name="watching")
    watcher.start()


def _watch(descriptor: int, end: Callable[[], None]) -> None:
    waiting = select.poll()
    waiting.register(descriptor, 0)  # nothing but that the other end is gone
    waiting.poll()
    end()


def _end() -> None:
    os._exit(1)


__all__ = ["end_with"]
