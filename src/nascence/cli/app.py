"""The commands put together, and what becomes of errors."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Annotated

import typer

from nascence.cli import (
    attack,
    compare,
    correlate,
    datasets,
    export,
    measure,
    methods,
    plan,
    predict,
    report,
    runs,
    score,
    scores,
    search,
    spaces,
    train,
)
from nascence.cli.output import emit
from nascence.errors import FULL, OUT_OF_MEMORY, NascenceError, describe_os_error, is_out_of_memory
from nascence.runs import Interrupted, Terminated
from nascence.streams import drop, drop_if_broken, forgiving_stderr, open_standard_streams, plain

app = typer.Typer(
    name="nascence",
    help="Finds a neural network that fits your data and your device, before anyone trains it.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
)
for module in (plan, search, train, predict, attack, export, report, score, correlate, compare, measure):
    app.command(module.__name__.rpartition(".")[2])(module.command)
app.add_typer(runs.app, name="runs")
for module in (methods, spaces, scores, datasets):
    app.command(module.__name__.rpartition(".")[2])(module.command)

_LONGEST = 2000
"""Characters of a message."""
_USAGE_ERROR = typer.BadParameter.__bases__[0]  # click's UsageError, wherever this typer keeps its click


def _show_version(wanted: bool) -> None:
    if wanted:
        from nascence.version import __version__

        print(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def run(arguments: Sequence[str] | None = None) -> int:
    """The whole program; every error becomes one sentence and an exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    open_standard_streams()
    with forgiving_stderr(), _terminated():
        try:
            return _run(arguments)
        except Terminated:
            return _fail(arguments, "Stopped.", 128 + signal.SIGTERM)
        finally:
            with suppress(OSError, ValueError):
                sys.stderr.flush()


def _run(arguments: list[str]) -> int:
    debug = bool(os.environ.get("NASCENCE_DEBUG"))
    try:
        code = app(args=arguments, prog_name="nascence", standalone_mode=False)
        sys.stdout.flush()
        if code == 130:
            raise KeyboardInterrupt  # typer's way to say that it caught one
        return code if isinstance(code, int) else 0
    except NascenceError as error:
        if debug:
            raise
        return _fail(arguments, str(error), 2)
    except Interrupted as stop:
        return _fail(arguments, str(stop), stop.exit_code)
    except BrokenPipeError:
        return _unread()
    except SystemExit as end:  # click's way to say the same
        if isinstance(end.__context__, BrokenPipeError):
            return _unread()
        raise
    except OSError as error:
        if debug:
            raise
        hint = "; free some and type the command again" if error.errno in FULL else ""
        return _fail(arguments, f"{describe_os_error(error)}{hint}.", 2)
    except (KeyboardInterrupt, typer.Abort):
        return _fail(arguments, "Stopped.", 130)
    except Exception as error:  # noqa: BLE001 (the last resort: our own fault must not look like the user's)
        if isinstance(error, _USAGE_ERROR):
            return _fail(arguments, _usage(error), 2) if str(error) or error.args else 2
        if not debug and is_out_of_memory(error):
            return _fail(arguments, OUT_OF_MEMORY, 2)
        return _fault(arguments, error, debug)


def _unread() -> int:
    """Whoever read the output has gone away: nothing is left to say."""
    drop(sys.stdout)
    return 128 + signal.SIGPIPE


@contextmanager
def _terminated() -> Iterator[None]:
    """SIGTERM raises :class:`Terminated`, unless somebody else listens to it or this is not the main thread."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return

    def stop(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the second one ends the process at once
        raise Terminated

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _fault(arguments: Sequence[str], error: Exception, debug: bool) -> int:
    """Our own fault, short; with NASCENCE_DEBUG the whole of it."""
    if debug:
        raise error
    told = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    return _fail(
        arguments,
        f"This is a fault of Nascence ({told}); set NASCENCE_DEBUG=1 and type the command again to see where, and"
        " please report it.",
        1,
    )


def _usage(error: Exception) -> str:
    """A usage error in one sentence, with the command whose help says more."""
    told = getattr(error, "format_message", lambda: str(error))()
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "nascence"
    return f"{' '.join(told.split()).rstrip('.')}; see: {command} --help"


def _fail(arguments: Sequence[str], message: str, code: int) -> int:
    with suppress(OSError, ValueError):
        sys.stdout.flush()  # what was said before comes first
    if "--json" in arguments:
        try:
            emit({"error": message, "exit_code": code})
        except OSError:
            drop(sys.stdout)  # the sentence still goes to stderr
    if len(message) > _LONGEST:  # it quotes what somebody typed, or what a file says
        message = f"{message[: _LONGEST // 2]} ... {message[-_LONGEST // 2 :]}"
    print(plain(message), file=sys.stderr)
    drop_if_broken(sys.stdout)
    return code


__all__ = ["app", "run"]
