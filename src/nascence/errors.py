"""Errors that a user can cause. Each message says what is wrong, what was expected and, where it helps, what to do."""

from __future__ import annotations

import difflib
import errno
import re
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires

FULL = {errno.ENOSPC, errno.EDQUOT}


class NascenceError(ValueError):
    """Base of every error that is the user's to mend. The command line prints its message and exits with 2.

    A message is one line, whatever it quotes.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(" ".join(str(message).splitlines()))


class UnknownNameError(NascenceError):
    """A name (method, space, score, data set, setting) that does not exist."""

    def __init__(self, kind: str, name: object, known: Iterable[str]) -> None:
        names = sorted(known)
        close = difflib.get_close_matches(str(name), names, n=1)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        super().__init__(f"Unknown {kind} '{name}'.{hint} Known: {', '.join(names) or 'none'}.")


class ArchitectureError(NascenceError):
    """An architecture, or its text or file, that does not fit its space."""


class DataError(NascenceError):
    """Data that is missing, unreadable or unusable for the task."""


class SettingError(NascenceError):
    """A setting with a wrong value or of a wrong type."""


class BudgetError(NascenceError):
    """A budget that no architecture of the space can meet."""


class RunError(NascenceError):
    """A run directory that is missing, in the way, foreign, newer than this version or no longer writable."""


class MissingExtraError(NascenceError):
    """An optional library that is not installed; the message has the names under which pip finds what is missing."""

    def __init__(self, library: str, extra: str) -> None:
        wanted = " ".join(f"'{name}'" for name in _requirements(extra))
        super().__init__(
            f"This needs {library}, which is not installed. Type: pip install {wanted or library.lower()}  "
            f"(or, in the folder of Nascence: pip install '.[{extra}]')"
        )


def _requirements(extra: str) -> list[str]:
    """``ray>=2.40``: what an extra asks for, by the package's own metadata; nothing where it is not installed."""
    try:
        known = requires("nascence") or []
    except PackageNotFoundError:
        return []
    pairs = (line.partition(";") for line in known)
    return [name.strip() for name, _, marker in pairs if re.search(rf"extra == .{re.escape(extra)}\W", marker)]


def describe_os_error(error: OSError, writing: object = None) -> str:
    """What the operating system refused, without a full stop; ``writing``: what was to be written."""
    where = writing if writing is not None else error.filename
    if error.errno in FULL:
        return "No space is left on the device" + (f" for {where}" if where is not None else "")
    reason = error.strerror or str(error) or type(error).__name__
    if error.errno == errno.ELOOP and writing is not None:
        reason = "it is a link, and nothing is written through links"
    if writing is not None:
        return f"Cannot write {where} ({reason})"
    return f"The system refuses: {reason}" + (f": {where}" if where is not None else "")


OUT_OF_MEMORY = (
    "There is not enough memory for this; try a smaller network (--channels, --depth), smaller images (--image-size),"
    " fewer of them at once (--batch-size, --set images=N), or fewer --workers and --threads."
)
_WANT_OF_MEMORY = re.compile(
    r"can't allocate memory|cannot allocate memory|not enough memory|out of memory|bad_alloc|failed to map segment",
    re.IGNORECASE,
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether it is memory that is missing, whatever library says so: PyTorch raises ``RuntimeError``, the loader of
    libraries ``ImportError``."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError | ImportError | OSError) and bool(_WANT_OF_MEMORY.search(str(error)))
