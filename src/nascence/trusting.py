"""Whose code may run: programs that this user has run before by naming them, or says to trust.

A run of a network of somebody's own may hold a Python file that must be run to make the network again. A digest of each
file that this user named is kept in the user's cache folder; a file that is not among them is run by nobody, unless the
command says ``--trust``.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress

from nascence.cache import cache_folder

_PASSED_ON = "NASCENCE_TRUSTED"
"""Digests that this process trusts, for the processes that it starts."""
_everything = False


def trust_everything(wanted: bool = True) -> None:
    """Let every program of a run that is opened from now on in this process be run, and remembered; or no longer."""
    global _everything
    _everything = wanted


def remember(source: bytes, function: str) -> None:
    """Trust ``function`` of a file with this content, now and later. Where there is no cache folder, or it cannot be
    written: in this process and those that it starts."""
    digest = _digest(source, function)
    known = _passed_on()
    if digest not in known:
        os.environ[_PASSED_ON] = ",".join([*known, digest])
    folder = cache_folder()
    if folder is not None:
        with suppress(OSError):
            (folder / "trusted").mkdir(parents=True, exist_ok=True)
            (folder / "trusted" / digest).touch()


def is_trusted(source: bytes, function: str) -> bool:
    """Whether ``function`` of a file with this content may be run; what :func:`trust_everything` allows is remembered,
    as whoever starts processes opens runs first."""
    if _everything:
        remember(source, function)
        return True
    digest = _digest(source, function)
    if digest in _passed_on():
        return True
    folder = cache_folder()
    with suppress(OSError):
        return folder is not None and (folder / "trusted" / digest).is_file()
    return False


def _digest(source: bytes, function: str) -> str:
    return hashlib.sha256(hashlib.sha256(source).digest() + function.encode(errors="replace")).hexdigest()


def _passed_on() -> list[str]:
    return [digest for digest in os.environ.get(_PASSED_ON, "").split(",") if digest]


__all__ = ["is_trusted", "remember", "trust_everything"]
