"""Several computations at once, each in a process of its own and on one compute thread.

Small tensors gain nothing from more threads per operation, and lose a lot when threads outnumber cores; and Python
threads wait for each other between small operations. Independent computations in forked processes scale instead, and
share the data without copying it. As each is single-threaded, results do not depend on how many run at once.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import struct
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import TypeVar

import torch

from nascence.errors import NascenceError

Item = TypeVar("Item")
Result = TypeVar("Result")

_RANGE = struct.Struct("<II")
_MOST_RANGES = 4096
"""So many fit into a pipe before anybody reads: 32 of 64 KiB."""


def parallel_map(
    function: Callable[[Item], Result], items: Sequence[Item], size: Callable[[Item], float] | None = None
) -> list[Result]:
    """``[function(item) for item in items]``, in as many processes as PyTorch is allowed threads.

    A process takes the next item when it is done with one, so that long and short ones may be mixed; with ``size`` the
    next largest, so that no long one is left to the end, where all wait for it. Results are pickled; ``function`` and
    the items are inherited. Where processes cannot be forked, or only one is needed, everything runs here, on one
    thread. Raises what ``function`` raises, and :class:`NascenceError` when a process is killed.
    """
    threads = torch.get_num_threads()
    workers = min(threads, len(items))
    if workers <= 1 or "fork" not in multiprocessing.get_all_start_methods() or torch.cuda.is_initialized():
        torch.set_num_threads(1)
        try:
            return [function(item) for item in items]
        finally:
            torch.set_num_threads(threads)
    order = list(range(len(items)))
    if size is not None:
        sizes = [size(item) for item in items]
        order.sort(key=lambda at: -sizes[at])
        items = [items[at] for at in order]
    context = multiprocessing.get_context("fork")
    queue = _queue(len(items))
    started = []
    for _ in range(workers):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(function, items, queue, sender), daemon=True)
        process.start()
        sender.close()
        started.append((process, receiver))
    os.close(queue)
    shares: list[dict[int, Result]] = []
    try:
        shares = [_receive(receiver) for _, receiver in started]
    finally:
        for process, receiver in started:
            if len(shares) < workers:
                process.kill()
            process.join()
            receiver.close()
    results = {order[at]: result for share in shares for at, result in share.items()}
    return [results[at] for at in range(len(items))]


def _queue(count: int) -> int:
    """A pipe to read from that holds ranges of the positions below ``count``, and ends. Unlike a lock, it cannot be
    left behind in the hands of a process that is killed."""
    size = -(-count // _MOST_RANGES)
    queue, end = os.pipe()
    for first in range(0, count, size):
        os.write(end, _RANGE.pack(first, min(first + size, count)))
    os.close(end)
    return queue


def _work(function: Callable[[Item], Result], items: Sequence[Item], queue: int, sender: Connection) -> None:
    """What a process does: items as long as there are any, then it sends the results or the error, and ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # stopping is the parent's business
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)
    try:
        share = {}
        while taken := os.read(queue, _RANGE.size):
            for at in range(*_RANGE.unpack(taken)):
                share[at] = function(items[at])
        answer: tuple[bool, object] = (True, share)
    except Exception as error:  # noqa: BLE001 - it is raised again by the parent
        answer = (False, error)
    with contextlib.suppress(OSError):  # when nobody waits for it any more
        sender.send_bytes(pickle.dumps(answer))
    os._exit(0)


def _receive(receiver: Connection) -> dict[int, Result]:
    try:
        done, value = pickle.loads(receiver.recv_bytes())
    except EOFError:
        raise NascenceError(
            "A worker process was killed, probably for want of memory; try again with fewer --threads."
        ) from None
    if not done:
        raise value
    return value
