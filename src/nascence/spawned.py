"""What a spawned worker process does first, before it imports anything that takes time.

A worker is ``python -c BEGIN DESCRIPTOR PATH...``: a new Python that reads from the pipe it was given how its driver's
Python stands (its folder, its modules' path, its main module) and what to do. Python's own way to spawn leaves a
process beside the workers, prints a traceback where the driver is killed meanwhile, and waits for ever where the worker
is.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import process, spawn
from multiprocessing.connection import Connection
from typing import Any

from nascence.watching import end_with

BEGIN = (
    "import sys; pipe = int(sys.argv[1]); sys.path[:] = sys.argv[2:]; from nascence.spawned import begin; begin(pipe)"
)

_STOPS = (signal.SIGINT, signal.SIGTERM)


def start(there: Connection, **variables: str) -> subprocess.Popen[bytes]:
    """A process that begins with what :func:`hand_over` sends through the other end of ``there``; ``variables`` of its
    environment are its own."""
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    here = _preparation()["sys_path"]
    with undisturbed():
        return subprocess.Popen(
            [os.fsdecode(spawn.get_executable()), *flags, "-c", BEGIN, str(there.fileno()), *here],
            stdin=subprocess.DEVNULL,
            pass_fds=(there.fileno(),),
            env={**os.environ, **variables},
        )


@contextmanager
def undisturbed() -> Iterator[None]:
    """A process started inside does not hear SIGINT and SIGTERM before it knows what to do with them; this one hears
    them later."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def deaf() -> None:
    """This process, begun :func:`undisturbed`, ignores SIGINT and SIGTERM: where a whole group of processes is to stop,
    its driver hears them, too, ends its step and then its workers."""
    for number in _STOPS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)


def hand_over(pipe: Connection, life: Callable[[Connection], None]) -> None:
    """Send what the process needs, and what it is to do with its pipe. Raises ``OSError`` when it is gone, and what
    pickling raises."""
    content = pickle.dumps(life)
    pipe.send_bytes(pickle.dumps(_preparation()))
    pipe.send_bytes(content)


def begin(descriptor: int) -> None:
    """The life of the process; never returns."""
    deaf()
    end_with(descriptor)
    pipe = Connection(descriptor)
    try:
        preparation, content = pipe.recv_bytes(), pipe.recv_bytes()
    except (EOFError, OSError):
        os._exit(0)  # the driver is gone
    process.current_process()._inheriting = True  # type: ignore[attr-defined] # a main module without its guard is told
    try:
        spawn.prepare(pickle.loads(preparation))
        life = pickle.loads(content)
    finally:
        del process.current_process()._inheriting  # type: ignore[attr-defined]
    life(pipe)


def _preparation() -> dict[str, Any]:
    """Of :mod:`multiprocessing`, without its secret, which nobody asks for here."""
    found = spawn.get_preparation_data("worker")
    del found["authkey"]
    return found


__all__ = ["BEGIN", "begin", "deaf", "hand_over", "start", "undisturbed"]
