"""The one place where compute threads are set: PyTorch's, and those of the libraries below NumPy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from nascence.errors import SettingError

MOST_THREADS = 4_096
"""Beyond it a number is a slip, and would take all memory before anything else could be said."""
_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


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


@contextmanager
def environment(**values: str) -> Iterator[None]:
    """Processes that are started within the block find one compute thread in their environment, and ``values``."""
    wanted = dict.fromkeys(_VARIABLES, "1") | values
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


__all__ = ["MOST_THREADS", "compute_threads", "environment", "one_thread", "set_threads", "single_thread"]
