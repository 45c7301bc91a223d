"""Several computations at once in one process, each on one compute thread.

Small tensors gain nothing from more threads per operation, and lose a lot when threads outnumber cores. Independent
computations side by side scale instead: PyTorch's operations run without Python's lock. As every computation is
single-threaded, results do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


def parallel_map(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """``[function(item) for item in items]``, on as many threads as PyTorch was allowed in the calling thread.

    ``function`` must not change what another call reads.
    """
    threads = torch.get_num_threads()
    workers = min(threads, len(items))
    with ThreadPoolExecutor(max(1, workers), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            return list(pool.map(function, items))
        finally:
            torch.set_num_threads(threads)  # new threads take over the number that was set last, wherever it was set
