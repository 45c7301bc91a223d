"""Many like pieces of work, spread over processes that may die."""

from __future__ import annotations

import os
import signal
import sys
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, TypeVar, final

from nascence.errors import NascenceError, RunError, SettingError
from nascence.watching import end_with

Item = TypeVar("Item")
Result = TypeVar("Result")
Prepare = Callable[[], Callable[[Item], Result]]

HANDED_OUT = 2
"""Pieces a worker holds: the one it computes and the next."""
ATTEMPTS = 3
"""How often a piece may end its worker before the work is given up."""
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Executor(ABC):
    """Where pieces of work are computed."""

    workers: int

    @abstractmethod
    def map(self, prepare: Prepare[Item, Result], items: Sequence[Item]) -> Iterator[tuple[int, Result]]:
        """``(position, work(item))`` of every item, as they are finished; closing the iterator stops the workers.

        Every worker calls ``prepare`` once, which gives it ``work``. A worker that dies is replaced, and what it had
        not delivered is done again. Raises :class:`RunError` when one item ends its worker :data:`ATTEMPTS` times or
        workers die before they are ready, and what ``prepare`` or ``work`` raises.
        """


@final
@dataclass(frozen=True)
class Inline(Executor):
    """This process, with one compute thread."""

    workers: int = 1

    def map(self, prepare: Prepare[Item, Result], items: Sequence[Item]) -> Iterator[tuple[int, Result]]:
        import torch
        from threadpoolctl import threadpool_limits

        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with threadpool_limits(1):
                work = prepare()
                for at, item in enumerate(items):
                    yield at, work(item)
        finally:
            torch.set_num_threads(before)


@dataclass
class Pending:
    """What is still to be handed out, and how often each item has ended a worker."""

    waiting: deque[int]
    deaths: dict[int, int] = field(default_factory=dict)
    early_deaths: int = 0

    def give_back(self, outstanding: Sequence[int], items: Sequence[Any], ready: bool, why: str = "") -> None:
        """After a worker's death: the items it held, the one it was computing first, go to the front again."""
        reason = f" ({why})" if why else ""
        if not ready:
            self.early_deaths += 1
            if self.early_deaths >= ATTEMPTS:
                raise RunError(
                    f"{ATTEMPTS} worker processes died before they were ready{reason}; see what they wrote above, and "
                    "start the work from a script only below `if __name__ == '__main__':`."
                )
        elif outstanding:
            self.deaths[outstanding[0]] = self.deaths.get(outstanding[0], 0) + 1
            if self.deaths[outstanding[0]] >= ATTEMPTS:
                raise RunError(
                    f"The worker process died {ATTEMPTS} times on {items[outstanding[0]]}"
                    f"{reason or ' (out of memory?)'}; what was finished is kept, type the same command again."
                )
        self.waiting.extendleft(reversed(outstanding))


@final
@dataclass(frozen=True)
class LocalProcesses(Executor):
    """``workers`` processes of this machine, of one compute thread each. Raises :class:`SettingError` below one.

    They begin from nothing, not as copies of this one, and end with it at once, however it ends; there is no server
    beside them and nothing in the folder for temporary files.
    """

    workers: int

    def __post_init__(self) -> None:
        check_workers(self.workers)

    def map(self, prepare: Prepare[Item, Result], items: Sequence[Item]) -> Iterator[tuple[int, Result]]:
        pending = Pending(deque(range(len(items))))
        crew: list[_Worker] = []
        context = get_context("spawn")
        try:
            for _ in range(min(self.workers, len(items))):
                crew.append(_Worker(context, prepare))
            for worker in crew:
                worker.hand_out(pending, items)
            while any(worker.outstanding for worker in crew):
                ready = wait([worker.pipe for worker in crew if worker.outstanding])
                for worker in [worker for worker in crew if worker.pipe in ready]:
                    try:
                        result = worker.receive()
                    except (EOFError, OSError):
                        worker.end()
                        crew.remove(worker)
                        pending.give_back(worker.outstanding, items, worker.ready)
                        crew.append(_Worker(context, prepare))
                        crew[-1].hand_out(pending, items)
                        continue
                    if result is None:
                        pending.early_deaths = 0
                    else:
                        at = worker.outstanding.popleft()
                        worker.hand_out(pending, items)
                        yield at, result[0]
        finally:
            for worker in crew:
                worker.end()


class _Worker:
    """The driver's end of a process."""

    def __init__(self, context: Any, prepare: Prepare[Any, Any]) -> None:
        self.pipe, other = context.Pipe()
        self.process: SpawnProcess = context.Process(target=_serve, args=(other, prepare), daemon=True)
        with _inherited(), _undisturbed():
            self.process.start()
        other.close()  # so that the pipe ends with the process
        self.outstanding: deque[int] = deque()
        self.ready = False

    def hand_out(self, pending: Pending, items: Sequence[Any]) -> None:
        while pending.waiting and len(self.outstanding) < HANDED_OUT:
            at = pending.waiting.popleft()
            self.outstanding.append(at)
            try:
                self.pipe.send(items[at])
            except OSError:
                return  # it died; receiving will say so

    def receive(self) -> tuple[Any] | None:
        """A result, or None for the message that the worker is ready. Raises ``EOFError`` when it died."""
        kind, value = self.pipe.recv()
        if kind == "error":
            raise value
        self.ready = True
        return None if kind == "ready" else (value,)

    def end(self) -> None:
        self.pipe.close()
        if self.process.pid is not None:
            self.process.kill()
            self.process.join()


def _serve(pipe: Connection, prepare: Prepare[Any, Any]) -> None:
    """A worker's life: ends when the driver closes its end of the pipe, or has died."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver hears it, too, and decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        end_with(pipe.fileno())
        single_thread()
        work = prepare()
        pipe.send(("ready", None))
        while True:
            pipe.send(("result", work(pipe.recv())))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except NascenceError as error:
        pipe.send(("error", NascenceError(str(error))))
    except Exception as error:  # noqa: BLE001 (whatever it is, the driver raises it)
        import traceback

        told = f"A worker process failed: {type(error).__name__}: {error}\n{traceback.format_exc()}"
        pipe.send(("error", RuntimeError(told)))


def single_thread() -> None:
    """One compute thread in this process, in PyTorch and in the libraries below NumPy."""
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(1)
    threadpool_limits(1)


def check_workers(workers: int) -> None:
    if workers < 1:
        raise SettingError(f"The number of workers must be at least 1, got {workers}.")


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A process started inside does not hear SIGINT before it knows what to do with it; this one hears it later."""
    resource_tracker.ensure_running()  # which would end the silence
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _inherited() -> Iterator[None]:
    """Processes started inside find one compute thread in their environment, and the modules that this one finds."""
    values = dict.fromkeys(_THREAD_VARIABLES, "1") | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


__all__ = [
    "ATTEMPTS",
    "HANDED_OUT",
    "Executor",
    "Inline",
    "LocalProcesses",
    "Pending",
    "check_workers",
    "single_thread",
]
