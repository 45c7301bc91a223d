"""A worker: a process of its own that computes what comes through its pipe, on one thread, and ends with its driver."""

from __future__ import annotations

import os
import pickle
import subprocess
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from typing import Any, Literal, final

from nascence import spawned
from nascence.engine.threads import ONE_THREAD, single_thread
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
        self.pipe, there = Pipe()
        self.gpu, self.ready = gpu, False
        self._forked: Any = None
        self._spawned: subprocess.Popen[bytes] | None = None
        try:
            if start == "fork":
                closed = [self.pipe, *(other.pipe for other in others)]
                self._forked = get_context("fork").Process(target=_serve, args=(prepare, there, closed), daemon=True)
                with spawned.undisturbed():
                    self._forked.start()
            else:
                own = {} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu}
                self._spawned = spawned.start(there, **ONE_THREAD, **own)
        finally:
            there.close()  # so that the pipe ends with the process
        if start == "spawn":
            try:
                spawned.hand_over(self.pipe, partial(_serve, prepare))
            except OSError:  # it died; receiving will say so
                pass
            except BaseException:
                self.end()
                raise

    @property
    def alive(self) -> bool:
        """Whether the process is there."""
        if self._spawned is not None:
            return self._spawned.poll() is None
        return bool(self._forked is not None and self._forked.is_alive())

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
        if self._spawned is not None:
            self._spawned.kill()
            self._spawned.wait()
        elif self._forked is not None and self._forked.pid is not None:
            self._forked.kill()
            self._forked.join()
        self.pipe.close()

    def forget(self) -> None:
        """For a process that only inherited this object."""
        self.pipe.close()


def _serve(prepare: Callable[[], Callable[[Any], Any]], pipe: Connection, others: Sequence[Connection] = ()) -> None:
    """A worker's life: ends when the driver closes its end of the pipe, or has died."""
    spawned.deaf()
    for end in others:
        end.close()  # the copy in this process would keep the connection open
    try:
        if others:
            end_with(pipe.fileno())  # one that was spawned does so already
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


__all__ = ["Start", "Worker"]
