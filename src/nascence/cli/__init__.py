"""The command line: one file a command, each a thin layer over :mod:`nascence.api` and the rooms."""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``nascence`` with ``arguments`` (None: those of the process); returns the exit code.

    0 on success, 2 on a user's mistake, 1 on our own fault, 130 and 143 when stopped by SIGINT or SIGTERM.
    """
    from nascence.cli.app import run  # importing the package must not import the command line's libraries

    return run(arguments)


__all__ = ["main"]
