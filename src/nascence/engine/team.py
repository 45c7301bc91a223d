"""Several processes that compute one work together: each takes a share of every batch, and they average gradients.

The first process leads: it alone reads and writes the run, and tells the others, which made the same work from the same
settings, what to do next. They end with it, however it ends.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol, final

import torch
from torch import distributed

from nascence.engine.compute import Compute
from nascence.engine.pool import visible_gpu
from nascence.engine.threads import set_threads
from nascence.engine.worker import Worker
from nascence.errors import NascenceError, SettingError

PATIENCE = datetime.timedelta(minutes=30)
"""How long one process waits for another that is still there: a batch may take long."""
_HOST = "127.0.0.1"
_SECONDS = 2.0
"""How long another process has to say why a connection broke."""


class Work(Protocol):
    """What is computed in steps, the same in all processes."""

    total_steps: int
    steps_done: int

    @property
    def done(self) -> bool: ...

    def advance(self) -> dict[str, Any]: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


Make = Callable[[int, int], Any]
"""(rank, threads) -> the work of that process; picklable."""


def check(compute: Compute) -> None:
    """Raises :class:`SettingError` where so many processes cannot compute together here."""
    if compute.world == 1:
        return
    if compute.device.type not in ("cpu", "cuda"):
        raise SettingError(f"Several processes compute on CPUs or NVIDIA's GPUs, not on {compute.device.type}.")
    if compute.device.type == "cuda" and compute.world > torch.cuda.device_count():
        raise SettingError(
            f"{compute.world} processes need a GPU each, and there are {torch.cuda.device_count()}; give fewer "
            "--processes."
        )


@contextmanager
def together(work: Any, compute: Compute, make: Make) -> Iterator[Any]:
    """``work`` of this process, the first one, as what drives the work of all; ``work`` itself where it is alone.

    ``make``: of the other processes; what is done with them happens in this block, and none is left after it. Raises
    what they raise, and :class:`NascenceError` when one of them dies.
    """
    if compute.world == 1:
        yield work
        return
    check(compute)
    threads = max(1, torch.get_num_threads() // compute.world)
    gpus = torch.cuda.device_count() if compute.device.type == "cuda" else 0
    team: list[Worker] = []
    before = torch.get_num_threads()
    try:
        for rank in range(1, compute.world):
            prepare = partial(_Follower, make, rank, threads)
            team.append(Worker(prepare, gpu=visible_gpu(rank, gpus)))
        set_threads(threads)
        for worker in team:
            if _answer(worker) is not None:
                raise AssertionError("a worker's first message is that it is ready")
        backend = "nccl" if gpus else "gloo"
        store = distributed.TCPStore(_HOST, 0, compute.world, is_master=True, wait_for_workers=False)
        _tell(team, ("join", (backend, store.port, compute.world)))
        with _loopback():
            _join(backend, store, 0, compute.world)
        _collect(team)
        yield _Led(work, team)
    finally:
        for worker in team:
            worker.end()
        if distributed.is_initialized():
            distributed.destroy_process_group()
        set_threads(before)


@final
class _Led:
    """The work of the first process, whose steps all take."""

    def __init__(self, work: Work, team: list[Worker]) -> None:
        self._work, self._team = work, team

    @property
    def total_steps(self) -> int:
        return self._work.total_steps

    @property
    def steps_done(self) -> int:
        return self._work.steps_done

    @property
    def done(self) -> bool:
        return self._work.done

    def advance(self) -> dict[str, Any]:
        _tell(self._team, ("advance", None))
        try:
            event = self._work.advance()
        except NascenceError:
            raise
        except RuntimeError as error:  # what a broken connection is
            for worker in self._team:  # where another process is the reason, it has said so, or is gone
                if worker.pipe.poll(_SECONDS):
                    _answer(worker)
            raise error
        _collect(self._team)
        return event

    def state_dict(self) -> dict[str, Any]:
        return self._work.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._work.load_state_dict(state)
        _tell(self._team, ("load", state))
        _collect(self._team)


@final
class _Follower:
    """What another process does: an order at a time."""

    def __init__(self, make: Make, rank: int, threads: int) -> None:
        set_threads(threads)
        self.rank, self.work = rank, make(rank, threads)

    def __call__(self, order: tuple[str, Any]) -> None:
        kind, value = order
        try:
            if kind == "join":
                backend, port, world = value
                with _loopback():
                    store = distributed.TCPStore(_HOST, port, world, is_master=False)
                    _join(backend, store, self.rank, world)
            elif kind == "load":
                self.work.load_state_dict(value)
            else:
                self.work.advance()
        except BaseException:
            if distributed.is_initialized():
                distributed.destroy_process_group()  # so that nobody waits for this one
            raise


def _join(backend: str, store: Any, rank: int, world: int) -> None:
    distributed.init_process_group(backend, store=store, rank=rank, world_size=world, timeout=PATIENCE)


@contextmanager
def _loopback() -> Iterator[None]:
    """Processes of one machine find each other without its network, unless the user says how they do."""
    name = "GLOO_SOCKET_IFNAME"
    known = [each for each in ("lo", "lo0") if (Path("/sys/class/net") / each).exists()]
    if name in os.environ or not known:
        yield
        return
    os.environ[name] = known[0]
    try:
        yield
    finally:
        del os.environ[name]


def _tell(team: list[Worker], order: tuple[str, Any]) -> None:
    for worker in team:
        try:
            worker.send(order)
        except OSError:
            raise _gone() from None


def _collect(team: list[Worker]) -> None:
    """One answer of each. Raises what one of them raised."""
    for worker in team:
        _answer(worker)


def _answer(worker: Worker) -> Any:
    try:
        return worker.receive()
    except (EOFError, OSError):
        raise _gone() from None


def _gone() -> NascenceError:
    return NascenceError(
        "One of the processes that share the batches ended, probably for want of memory; what was finished is kept. Go "
        "on with the same command, or begin anew with fewer --processes."
    )


__all__ = ["Make", "Work", "check", "together"]
