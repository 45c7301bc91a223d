"""Errors that a user can cause. Each message says what is wrong, what was expected and, where it helps, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class NascenceError(ValueError):
    """Base of every error that is the user's to mend. The command line prints its message and exits with 2."""


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
    """An optional library that is not installed."""

    def __init__(self, library: str, extra: str) -> None:
        super().__init__(f"This needs {library}, which is not installed. Type: pip install 'nascence[{extra}]'")
