"""The command line: one file a command, each a thin layer over :mod:`nascence.api` and the rooms."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``nascence`` with ``arguments`` (None: those of the process); returns the exit code.

    0 on success, 2 on a user's mistake or what the operating system refuses, 1 on our own fault, 130 and 143 when
    stopped by SIGINT or SIGTERM, 141 when whoever reads the output has gone away.
    """
    try:
        from nascence.cli.app import run  # importing the package must not import the command line's libraries

        return run(arguments)
    except KeyboardInterrupt:
        return 130
    except (MemoryError, ImportError, OSError) as error:
        from nascence.errors import OUT_OF_MEMORY, is_out_of_memory

        if not is_out_of_memory(error):
            raise
        sys.stderr.write(OUT_OF_MEMORY + "\n")
        return 2
    finally:
        if arguments is None:  # the process ends now: a second Ctrl-C would find libraries cleaning up, with tracebacks
            signal.signal(signal.SIGINT, signal.SIG_IGN)


__all__ = ["main"]
