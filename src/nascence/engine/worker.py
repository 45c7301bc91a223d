"""A worker: a process of its own that computes what comes through its pipe, on one thread, and ends with its driver."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection
from typing import Any, Literal, final

from nascence.engine.threads import environment, single_thread
from nascence.errors import NascenceError
from nascence.watching import end_with

Start = Literal["spawn", "fork"]


@final
class Worker:
    """The driver's end of a process, whose work is ``prepare()``.

    ``start``: ``spawn`` begins from nothing; ``fork`` is a copy of this process, so that ``prepare`` and what it refers
    to need not be picklable, and closes the ``others``' ends, which it inherits. ``gpu``: what a spawned one sees as
    its only GPU, by its number, None for whatever this process sees.
    """

    def __init__(
        self,
        prepare: Callable[[], Callable[[Any], Any]],
        start: Start = "spawn",
        *,
        others: Sequence[Worker] = (),
        gpu: str | None = None,
    ) -> None:
        context: Any = get_context(start)
        self.pipe, there = context.Pipe()
        self.gpu, self.ready = gpu, False
        closed = [self.pipe, *(other.pipe for other in others)] if start == "fork" else []
        self.process = context.Process(target=_serve, args=(there, prepare, closed), daemon=True)
        if start == "fork":
            self.process.start()
        else:
            own = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
            with environment(**own, **({} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu})), _undisturbed():
                self.process.start()
        there.close()  # so that the pipe ends with the process

    def send(self, item: object) -> None:
        """Raises ``OSError`` when the process is gone."""
        self.pipe.send_bytes(pickle.dumps(item))  # no memory is shared, which would leave files

    def receive(self) -> tuple[Any] | None:
        """A result, or None for the message that the worker is ready. Raises ``EOFError`` or ``OSError`` when it died,
        and what its work raised."""
        kind, value = pickle.loads(self.pipe.recv_bytes())
        if kind == "error":
            raise value
        self.ready = True
        return None if kind == "ready" else (value,)

    def result(self) -> Any:
        """The next result."""
        while (received := self.receive()) is None:
            pass
        return received[0]

    def end(self) -> None:
        """Kill the process; nothing of it is left."""
        if self.process.pid is not None:
            self.process.kill()
            self.process.join()
        self.pipe.close()

    def forget(self) -> None:
        """For a process that only inherited this object."""
        self.pipe.close()


def _serve(pipe: Connection, prepare: Callable[[], Callable[[Any], Any]], others: Sequence[Connection]) -> None:
    """A worker's life: ends when the driver closes its end of the pipe, or has died."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver hears it, too, and decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for end in others:
        end.close()  # the copy in this process would keep the connection open
    try:
        end_with(pipe.fileno())
        single_thread()
        work = _tried(pipe, prepare)
        pipe.send_bytes(pickle.dumps(("ready", None)))
        while True:
            item = pickle.loads(pipe.recv_bytes())
            answer = _tried(pipe, lambda item=item: pickle.dumps(("result", work(item))))  # type: ignore[misc]
            if answer is not None:
                pipe.send_bytes(answer)
    except (EOFError, BrokenPipeError, ConnectionResetError, OSError):
        os._exit(0)


def _tried(pipe: Connection, call: Callable[[], Any]) -> Any:
    """What ``call`` gives; None where it raised, which the driver is told."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - whatever it is, the driver raises it
        pipe.send_bytes(pickle.dumps(("error", _portable(error))))
        return None


def _portable(error: Exception) -> Exception:
    """The error if it is one of ours, else one with its message and where it came from; it can be pickled."""
    if isinstance(error, NascenceError):
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:  # noqa: BLE001 - whatever its class does
            return NascenceError(str(error))
        return error
    told = f"A worker process failed: {type(error).__name__}: {error}\n{''.join(traceback.format_exception(error))}"
    return RuntimeError(told)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A process started inside does not hear SIGINT before it knows what to do with it; this one hears it later."""
    resource_tracker.ensure_running()  # which would end the silence
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


__all__ = ["Start", "Worker"]
