"""The workers of :mod:`nascence.engine.pool` as Ray actors, on this machine or on a cluster."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

from nascence.engine.pool import HANDED_OUT, Item, Pending, Prepare, Result, WorkerPool, check_workers
from nascence.engine.threads import single_thread
from nascence.errors import MissingExtraError, RunError

CONNECT_SECONDS = 3.0
JOIN_SECONDS = 30.0
LOOK_SECONDS = 5.0
"""How long no result comes before it is asked whether the cluster's head is still there: Ray itself would end this
process without a word of ours."""
JOIN_TRIES = 5
"""How often, about a second each, Ray asks what listens at an address before it gives up."""


@final
@dataclass(frozen=True)
class RayActors(WorkerPool):
    """``workers`` actors of one CPU and one compute thread each.

    ``address`` is ``HOST:PORT`` or ``ray://HOST:PORT`` of a running cluster, or ``auto`` for the one of this machine;
    None starts a cluster here, and ends it with the work. ``gpus``: of the cluster, in whole; each actor gets
    its share, and sees no other GPU. Raises :class:`MissingExtraError` without Ray and
    :class:`RunError` when nothing answers at the address.
    """

    workers: int
    address: str | None = None
    gpus: int = 0

    def __post_init__(self) -> None:
        check_workers(self.workers)
        try:
            import ray  # noqa: F401
        except ImportError:
            raise MissingExtraError("Ray", "ray") from None
        if self.address is not None:
            check_reachable(self.address)

    def map(self, prepare: Prepare[Item, Result], items: Sequence[Item]) -> Iterator[tuple[int, Result]]:
        ray = self._connect()
        lost = False
        try:
            yield from _map(ray, self.workers, prepare, items, self._head(ray), self.gpus)
        except (ConnectionError, ray.exceptions.RaySystemError, _HeadLostError) as error:
            lost = True
            raise _lost(self.address or "this machine", str(error)) from None
        finally:
            if lost:  # it would wait for the head
                threading.Thread(target=ray.shutdown, daemon=True).start()
            else:
                ray.shutdown()

    def _head(self, ray: Any) -> str:
        """HOST:PORT of what holds the cluster together."""
        if self.address is not None and self.address.startswith("ray://"):
            return self.address.removeprefix("ray://")
        return str(ray.get_runtime_context().gcs_address)

    def _connect(self) -> Any:
        import ray

        quiet: dict[str, Any] = {"logging_level": "error", "log_to_driver": False, "configure_logging": False}
        if self.address is None:
            ray.init(address="local", num_cpus=self.workers, include_dashboard=False, **quiet)
            return ray
        try:
            ray.init(address=self.address, **quiet)
        except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
            raise _unreachable(self.address, str(error)) from None
        return ray


def check_reachable(address: str) -> None:
    """Raises :class:`RunError` within seconds when no Ray cluster answers at ``HOST:PORT`` or ``ray://HOST:PORT``."""
    if address == "auto":
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        raise RunError(f"'{address}' is no address of a Ray cluster; expected HOST:PORT, ray://HOST:PORT or auto.")
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise _unreachable(address, str(error)) from None
    _try_to_join(address)


def _try_to_join(address: str) -> None:
    """Raises :class:`RunError` when Ray cannot join what listens at ``address``.

    It is asked in a process of its own, since Ray ends the process that asks in vain; at the first word of a missing
    token that process is ended, which would go on asking.
    """
    command = [sys.executable, "-c", "import ray, sys; ray.init(sys.argv[1], log_to_driver=False)", address]
    environment = {**os.environ, "RAY_NUM_REDIS_GET_RETRIES": str(JOIN_TRIES)}
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace", env=environment
    ) as probe:
        assert probe.stderr is not None
        deadline = threading.Timer(JOIN_SECONDS, probe.kill)
        deadline.start()
        try:
            for line in probe.stderr:
                if "AuthToken" in line or "AuthenticationError" in line:
                    probe.kill()
                    raise RunError(
                        f"The Ray cluster at {address} asks for a token; set RAY_AUTH_MODE=token, with the cluster's"
                        " token in place, or name it auto on the machine where it was started."
                    )
                if "ray[client]" in line:
                    raise RunError(f"An address such as {address} needs Ray's client; type: pip install 'ray[client]'")
        finally:
            deadline.cancel()
    if probe.returncode != 0:
        raise _unreachable(address, "what listens there does not answer as Ray")


def _unreachable(address: str, why: str) -> RunError:
    reason = why.strip().splitlines()[0].rstrip(".") if why.strip() else "no answer"
    return RunError(f"No Ray cluster can be reached at {address} ({reason}); start one with: ray start --head")


class _HeadLostError(Exception):
    """The head of the cluster does not answer any more."""


def _lost(where: str, why: str) -> RunError:
    reason = why.strip().splitlines()[0].rstrip(".") if why.strip() else "no answer"
    return RunError(
        f"The head of the Ray cluster at {where} is gone ({reason}); what was finished is kept. Start the cluster again"
        " and type the same command with --resume."
    )


def _check_head(address: str) -> None:
    """Raises :class:`_HeadLostError` when nothing listens at HOST:PORT, asked twice."""
    host, _, port = address.rpartition(":")
    for last in (False, True):
        try:
            socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
            return
        except OSError as error:
            if last:
                raise _HeadLostError(error.strerror or str(error)) from None
            time.sleep(0.5)


def _map(
    ray: Any, workers: int, prepare: Prepare[Item, Result], items: Sequence[Item], head: str, gpus: int
) -> Iterator[tuple[int, Result]]:
    lost = (ray.exceptions.RayActorError, ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError)
    share = {"num_gpus": min(1.0, gpus / workers)} if gpus else {}
    remote = ray.remote(num_cpus=1, max_restarts=0, **share)(_Actor)
    shared = ray.put(prepare)
    pending = Pending(deque(range(len(items))))
    calls: dict[Any, tuple[Any, int | None]] = {}  # to the actor and the item, None for its start
    held: dict[Any, deque[int]] = {}
    ready: set[Any] = set()
    delivered = 0

    def start() -> None:
        """An actor that gets work once it runs: a cluster with fewer free CPUs lets the others wait."""
        actor = remote.remote(shared)
        held[actor] = deque()
        calls[actor.ready.remote()] = (actor, None)

    def hand_out(actor: Any) -> None:
        while pending.waiting and len(held[actor]) < HANDED_OUT:
            at = pending.waiting.popleft()
            held[actor].append(at)
            calls[actor.work.remote(items[at])] = (actor, at)

    for _ in range(min(workers, len(items))):
        start()
    while delivered < len(items):
        finished, _ = ray.wait(list(calls), timeout=LOOK_SECONDS)
        if not finished:
            _check_head(head)
        for call in finished:
            if call not in calls:
                continue  # of an actor that was found dead in this round
            actor, at = calls.pop(call)
            try:
                result = ray.get(call)
            except lost as error:
                given_back = list(held.pop(actor))
                for other in [other for other, (owner, _) in calls.items() if owner == actor]:
                    del calls[other]
                pending.give_back(given_back, items, actor in ready, str(error).strip().splitlines()[-1])
                start()
                continue
            except ray.exceptions.RayTaskError as error:
                raise error.cause if isinstance(error.cause, Exception) else error from None
            ready.add(actor)
            pending.early_deaths = 0
            if at is not None:
                held[actor].remove(at)
            hand_out(actor)
            if at is not None:
                delivered += 1
                yield at, result


class _Actor:
    def __init__(self, prepare: Prepare[Any, Any]) -> None:
        single_thread()
        self._work = prepare()

    def ready(self) -> None:
        """Answers when :attr:`work` can begin."""

    def work(self, item: Any) -> Any:
        return self._work(item)


__all__ = ["RayActors", "check_reachable"]
