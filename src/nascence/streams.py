"""What is written for people: streams that may be closed, full or read by nobody.

Words on stderr are dropped where they cannot be written, since the work matters more than its progress. What goes to
stdout is the result, so there a failure is an error, except that a reader who has gone away is none.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

_CONTROLS = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"}
_CONTROLS |= {0x7F: 0x2421} | dict.fromkeys(range(0x80, 0xA0), 0xFFFD)
"""Control characters, and the pictures that stand for them: a terminal must not obey the name of a file."""


def plain(text: str) -> str:
    """``text`` without anything that a terminal would obey, one character for one."""
    return text.translate(_CONTROLS)


def open_standard_streams() -> None:
    """Where a standard stream is closed, nothing is opened in its place later and written into by mistake."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            with suppress(OSError):
                os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115 (as long as the process lives)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            with suppress(ValueError, OSError):
                stream.reconfigure(errors="backslashreplace")


@contextmanager
def forgiving_stderr() -> Iterator[None]:
    """Whatever cannot be written to stderr is dropped for a while."""
    before = sys.stderr
    sys.stderr = Forgiving(before)
    try:
        yield
    finally:
        sys.stderr = before


def drop(stream: Any) -> None:
    """Let what is left in a broken stream go nowhere, or Python complains once more at its end."""
    with suppress(OSError, ValueError):
        descriptor = os.open(os.devnull, os.O_WRONLY)
        os.dup2(descriptor, stream.fileno())
        os.close(descriptor)
    with suppress(OSError, ValueError):
        stream.flush()


def drop_if_broken(stream: Any) -> None:
    """:func:`drop` where the stream takes nothing any more."""
    try:
        stream.flush()
    except (OSError, ValueError):
        drop(stream)


class Forgiving:
    """A stream that loses what it cannot write; None, as Python has it for a closed one, loses everything."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return len(text) if self._stream is None else self._stream.write(text)
        except (OSError, ValueError):
            drop(self._stream)
            return len(text)

    def flush(self) -> None:
        try:
            if self._stream is not None:
                self._stream.flush()
        except (OSError, ValueError):
            drop(self._stream)

    def isatty(self) -> bool:
        return self._stream is not None and self._stream.isatty()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


__all__ = ["Forgiving", "drop", "drop_if_broken", "forgiving_stderr", "open_standard_streams", "plain"]
