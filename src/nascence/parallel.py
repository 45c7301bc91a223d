"""Several computations at once, each in a process of its own and on one compute thread.

Small tensors gain nothing from more threads per operation, and lose a lot when threads outnumber cores; and Python
threads wait for each other between small operations. Independent computations in forked processes scale instead, and
share the data without copying it. As each is single-threaded, results do not depend on how many run at once.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import weakref
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar, cast, final

import torch

from nascence.errors import NascenceError
from nascence.watching import end_with

Item = TypeVar("Item")
Result = TypeVar("Result")

_Worker = tuple[BaseProcess, Connection]


@final
class ParallelFunction(Generic[Item, Result]):
    """Applies ``function`` to items in as many processes as PyTorch is allowed threads.

    The processes are forked when they are first needed, inherit ``function`` as it is then, and stay for later calls
    until :meth:`close`, or until nothing refers to this object: what libraries prepare for an operation once
    (compiled convolutions above all) is prepared once. Items and results are pickled. A process takes the next item
    when it is done with one, so that long and short ones may be mixed; with ``size`` the next largest, so that no long
    one is left to the end, where all wait for it. Where processes cannot be forked, or only one is needed, everything
    runs here, on one thread.
    """

    def __init__(self, function: Callable[[Item], Result], size: Callable[[Item], float] | None = None) -> None:
        self.function, self.size = function, size
        self._workers: list[_Worker] = []
        self._owner = os.getpid()
        weakref.finalize(self, _end, self._workers, self._owner)

    def __call__(self, items: Sequence[Item]) -> list[Result]:
        """``[function(item) for item in items]``. Raises what ``function`` raises, and :class:`NascenceError` when a
        process is killed; either ends all processes, and the next call has new ones."""
        threads = torch.get_num_threads()
        count = min(threads, len(items))
        if count <= 1 or "fork" not in multiprocessing.get_all_start_methods() or torch.cuda.is_initialized():
            torch.set_num_threads(1)
            try:
                return [self.function(item) for item in items]
            finally:
                torch.set_num_threads(threads)
        order = list(range(len(items)))
        if self.size is not None:
            sizes = [self.size(item) for item in items]
            order.sort(key=lambda at: -sizes[at])
        while len(self._workers) < count:
            self._workers.append(_start(self.function, [connection for _, connection in self._workers]))
        try:
            found = _share_out(items, order, [connection for _, connection in self._workers[:count]])
        except BaseException:
            self.close()
            raise
        return [cast(Result, found[at]) for at in range(len(items))]

    def close(self) -> None:
        """End the processes; nothing in a process that only inherited this object."""
        _end(self._workers, self._owner)


def parallel_map(
    function: Callable[[Item], Result], items: Sequence[Item], size: Callable[[Item], float] | None = None
) -> list[Result]:
    """One call of a :class:`ParallelFunction`, whose processes inherit the items too; they need not be picklable."""
    measure = None if size is None else (lambda at: size(items[at]))
    once = ParallelFunction(lambda at: function(items[at]), measure)
    try:
        return once(range(len(items)))
    finally:
        once.close()


def _start(function: Callable[..., Any], others: Sequence[Connection]) -> _Worker:
    """A process, which inherits this end of its own pipe and of the ``others``' and closes them."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=_work, args=(function, there, [here, *others]), daemon=True)
    process.start()
    there.close()
    return process, here


def _share_out(items: Sequence[Any], order: Sequence[int], free: Sequence[Connection]) -> dict[int, Any]:
    """The result of every item, by its position; handed out in ``order``."""
    left = iter(order)
    doing: dict[Any, int] = {}
    found: dict[int, Any] = {}
    while True:
        for connection, at in zip(free, left, strict=False):
            _send(connection, items[at])
            doing[connection] = at
        if not doing:
            return found
        free = cast(list[Connection], wait(list(doing)))
        for connection in free:
            found[doing.pop(connection)] = _receive(connection)


def _work(function: Callable[..., Any], connection: Connection, other_ends: Sequence[Connection]) -> None:
    """What a process does: items as they come, until there is nobody any more who sends some."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # stopping is the parent's business
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for end in other_ends:
        end.close()  # the copy in this process would keep the connection open
    end_with(connection.fileno())
    torch.set_num_threads(1)
    while True:
        try:
            item = pickle.loads(connection.recv_bytes())
        except (EOFError, OSError):
            os._exit(0)
        try:
            answer = pickle.dumps((True, function(item)))
        except Exception as error:  # noqa: BLE001 - it is raised again by the parent
            answer = pickle.dumps((False, _portable(error)))
        try:
            connection.send_bytes(answer)
        except OSError:
            os._exit(0)


def _portable(error: Exception) -> Exception:
    """The error, or one with its message where it cannot be pickled."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001 - whatever its class does
        return NascenceError(str(error)) if isinstance(error, NascenceError) else RuntimeError(repr(error))
    return error


def _send(connection: Connection, item: object) -> None:
    try:
        connection.send_bytes(pickle.dumps(item))
    except OSError:
        raise _killed() from None


def _receive(connection: Connection) -> Any:
    try:
        done, value = pickle.loads(connection.recv_bytes())
    except (EOFError, OSError):
        raise _killed() from None
    if not done:
        raise value
    return value


def _killed() -> NascenceError:
    return NascenceError("A worker process was killed, probably for want of memory; try again with fewer --threads.")


def _end(workers: list[_Worker], owner: int) -> None:
    """End the processes of ``owner``; in a process that only inherited them, forget them."""
    ended, workers[:] = list(workers), []
    for process, connection in ended:
        if os.getpid() == owner:
            process.kill()
            process.join()
        connection.close()


__all__ = ["ParallelFunction", "parallel_map"]
