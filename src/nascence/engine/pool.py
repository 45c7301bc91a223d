"""Many like pieces of work, spread over processes that may die."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import Any, TypeVar, final

from nascence.engine.threads import one_thread
from nascence.engine.worker import Worker
from nascence.errors import RunError, SettingError

Item = TypeVar("Item")
Result = TypeVar("Result")
Prepare = Callable[[], Callable[[Item], Result]]

HANDED_OUT = 2
"""Pieces a worker holds: the one it computes and the next."""
ATTEMPTS = 3
"""How often a piece may end its worker before the work is given up."""


class WorkerPool(ABC):
    """Where pieces of work are computed: here, in processes of this machine, or in Ray's."""

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
class Inline(WorkerPool):
    """This process, with one compute thread."""

    workers: int = 1

    def map(self, prepare: Prepare[Item, Result], items: Sequence[Item]) -> Iterator[tuple[int, Result]]:
        with one_thread():
            work = prepare()
            for at, item in enumerate(items):
                yield at, work(item)


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
class LocalProcesses(WorkerPool):
    """``workers`` processes of this machine, of one compute thread each. Raises :class:`SettingError` below one.

    They begin from nothing, not as copies of this one, and end with it at once, however it ends; there is no server
    beside them and nothing in the folder for temporary files. ``gpus``: of this machine; the workers take them in turn,
    and each sees its own alone.
    """

    workers: int
    gpus: int = 0

    def __post_init__(self) -> None:
        check_workers(self.workers)

    def map(self, prepare: Prepare[Item, Result], items: Sequence[Item]) -> Iterator[tuple[int, Result]]:
        pending = Pending(deque(range(len(items))))
        crew: list[Worker] = []
        held: dict[Worker, deque[int]] = {}

        def start(gpu: str | None) -> None:
            worker = Worker(prepare, gpu=gpu)
            crew.append(worker)
            held[worker] = deque()

        def hand_out(worker: Worker) -> None:
            while pending.waiting and len(held[worker]) < HANDED_OUT:
                at = pending.waiting.popleft()
                held[worker].append(at)
                try:
                    worker.send(items[at])
                except OSError:
                    return  # it died; receiving will say so

        try:
            for number in range(min(self.workers, len(items))):
                start(visible_gpu(number, self.gpus))
            for worker in crew:
                hand_out(worker)
            while any(held[worker] for worker in crew):
                ready = wait([worker.pipe for worker in crew if held[worker]])
                for worker in [worker for worker in crew if worker.pipe in ready]:
                    try:
                        result = worker.receive()
                    except (EOFError, OSError):
                        worker.end()
                        crew.remove(worker)
                        pending.give_back(held.pop(worker), items, worker.ready)
                        start(worker.gpu)
                        hand_out(crew[-1])
                        continue
                    if result is None:
                        pending.early_deaths = 0
                    else:
                        at = held[worker].popleft()
                        hand_out(worker)
                        yield at, result[0]
        finally:
            for worker in crew:
                worker.end()


def visible_gpu(number: int, gpus: int) -> str | None:
    """The GPU of worker ``number`` among ``gpus``, as ``CUDA_VISIBLE_DEVICES`` has it; None where there are none."""
    if not gpus:
        return None
    seen = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    names = seen or [str(each) for each in range(gpus)]
    return names[number % min(gpus, len(names))]


def check_workers(workers: int) -> None:
    if workers < 1:
        raise SettingError(f"The number of workers must be at least 1, got {workers}.")


__all__ = [
    "ATTEMPTS",
    "HANDED_OUT",
    "Inline",
    "LocalProcesses",
    "Pending",
    "WorkerPool",
    "check_workers",
    "visible_gpu",
]
