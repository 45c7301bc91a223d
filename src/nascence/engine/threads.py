"""The one place where compute threads are set: PyTorch's, and those of the libraries below NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from nascence.errors import SettingError

MOST_THREADS = 4_096
"""Beyond it a number is a slip, and would take all memory before anything else could be said."""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
"""Variables of the environment of a process that is to have one compute thread."""


@contextmanager
def compute_threads(threads: int | None) -> Iterator[int]:
    """PyTorch's number of threads within the block, None for its present one; gives the number in effect. Raises
    :class:`SettingError` below 1 and above :data:`MOST_THREADS`."""
    if threads is not None and threads < 1:
        raise SettingError(f"The number of threads must be at least 1, got {threads}.")
    if threads is not None and threads > MOST_THREADS:
        raise SettingError(f"threads is at most {MOST_THREADS:,}, not {threads:,}.")
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield threads or before
    finally:
        torch.set_num_threads(before)


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread within the block, in PyTorch and in the libraries below NumPy."""
    from threadpoolctl import threadpool_limits

    with compute_threads(1), threadpool_limits(1):
        yield


def set_threads(threads: int) -> None:
    """PyTorch's number of threads from now on, in a process that is all ours."""
    torch.set_num_threads(threads)


def single_thread() -> None:
    """One thread in this process from now on, in PyTorch and in the libraries below NumPy."""
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(1)
    threadpool_limits(1)


__all__ = ["MOST_THREADS", "ONE_THREAD", "compute_threads", "one_thread", "set_threads", "single_thread"]
