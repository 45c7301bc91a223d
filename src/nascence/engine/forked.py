"""Several computations at once, each in a process of its own and on one compute thread.

Small tensors gain nothing from more threads per operation, and lose a lot when threads outnumber cores; and Python
threads wait for each other between small operations. Independent computations in forked processes scale instead, and
share the data without copying it. As each is single-threaded, results do not depend on how many run at once.
"""

from __future__ import annotations

import multiprocessing
import os
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.connection import wait
from typing import Any, Generic, TypeVar, cast, final

import torch

from nascence.engine.threads import compute_threads
from nascence.engine.worker import Worker
from nascence.errors import NascenceError

Item = TypeVar("Item")
Result = TypeVar("Result")


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
        self._workers: list[Worker] = []
        self._owner = os.getpid()
        weakref.finalize(self, _end, self._workers, self._owner)

    def __call__(self, items: Sequence[Item]) -> list[Result]:
        """``[function(item) for item in items]``. Raises what ``function`` raises, and :class:`NascenceError` when a
        process is killed; either ends all processes, and the next call has new ones."""
        threads = torch.get_num_threads()
        count = min(threads, len(items))
        if count <= 1 or "fork" not in multiprocessing.get_all_start_methods() or torch.cuda.is_initialized():
            with compute_threads(1):
                return [self.function(item) for item in items]
        order = list(range(len(items)))
        if self.size is not None:
            sizes = [self.size(item) for item in items]
            order.sort(key=lambda at: -sizes[at])
        while len(self._workers) < count:
            self._workers.append(Worker(partial(_itself, self.function), "fork", others=self._workers))
        try:
            found = _share_out(items, order, self._workers[:count])
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


def _itself(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


def _share_out(items: Sequence[Any], order: Sequence[int], workers: Sequence[Worker]) -> dict[int, Any]:
    """The result of every item, by its position; handed out in ``order``."""
    left = iter(order)
    free = list(workers)
    doing: dict[Any, tuple[Worker, int]] = {}  # by the worker's pipe
    found: dict[int, Any] = {}
    try:
        while True:
            for worker, at in zip(free, left, strict=False):
                worker.send(items[at])
                doing[worker.pipe] = worker, at
            if not doing:
                return found
            free = []
            for pipe in wait(list(doing)):
                worker, at = doing[pipe]
                received = worker.receive()
                if received is not None:  # not only the message that it is there
                    found[at] = received[0]
                    free.append(doing.pop(pipe)[0])
    except (EOFError, OSError):
        raise NascenceError(
            "A worker process was killed, probably for want of memory; try again with fewer --threads."
        ) from None


def _end(workers: list[Worker], owner: int) -> None:
    """End the processes of ``owner``; in a process that only inherited them, forget them."""
    ended, workers[:] = list(workers), []
    for worker in ended:
        if os.getpid() == owner:
            worker.end()
        else:
            worker.forget()


__all__ = ["ParallelFunction", "parallel_map"]
