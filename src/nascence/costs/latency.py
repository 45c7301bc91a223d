"""Latency measured on this machine."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import torch
from torch import nn

from nascence.costs.inputs import Inputs, random_inputs
from nascence.errors import SettingError

_TURN = 5


@dataclass(frozen=True)
class LatencyMeasurement:
    """Milliseconds of a forward pass: median and inter-quartile range over ``repeats`` after ``warm_up`` passes that do
    not count, and what it was measured on."""

    median_ms: float
    iqr_ms: float
    batch: int
    threads: int
    device: str
    repeats: int = 1
    warm_up: int = 0

    @classmethod
    def of(cls, times: Sequence[float], *, batch: int, threads: int, device: str, warm_up: int) -> LatencyMeasurement:
        """From the milliseconds of each pass."""
        quartiles = statistics.quantiles(times, n=4, method="inclusive") if len(times) > 1 else [times[0]] * 3
        return cls(statistics.median(times), quartiles[2] - quartiles[0], batch, threads, device, len(times), warm_up)

    def __str__(self) -> str:
        return (
            f"{self.median_ms:.3g} ms (inter-quartile range {self.iqr_ms:.2g}) at batch {self.batch}, "
            f"{self.threads} thread{'s' * (self.threads != 1)}, {self.device}"
        )


def latency_ms(
    module: nn.Module,
    inputs: Inputs,
    *,
    batch: int = 1,
    threads: int | None = None,
    repeats: int = 30,
    warm_up: int = 5,
) -> LatencyMeasurement:
    """Measure a forward pass on random inputs, ``batch`` images or one graph, on the CPU and in evaluation mode.

    ``threads`` of PyTorch for the measurement alone, None for its current number. ``repeats`` passes are timed after
    ``warm_up`` untimed ones. The module's modes are restored. Raises :class:`SettingError` on counts below one.
    """
    for name, value, least in (("batch", batch, 1), ("repeats", repeats, 1), ("warm_up", warm_up, 0)):
        if value < least:
            raise SettingError(f"{name} must be at least {least}, not {value}.")
    example = random_inputs(inputs, batch)
    with threads_set_to(threads) as used, _evaluating(module), torch.inference_mode():
        times = time_ms(lambda: module(*example), repeats, warm_up)
    return LatencyMeasurement.of(times, batch=batch, threads=used, device=device_name(), warm_up=warm_up)


def latencies_in_turn(
    modules: Sequence[nn.Module],
    inputs: Inputs,
    *,
    threads: int | None = None,
    repeats: int = 30,
    warm_up: int = 5,
) -> list[LatencyMeasurement]:
    """:func:`latency_ms` of several modules at the same time, at batch 1: a few passes of each in turn, so that a
    machine that becomes slower does so for all of them. Each turn begins with a pass that is not timed."""
    for name, value, least in (("repeats", repeats, 1), ("warm_up", warm_up, 0)):
        if value < least:
            raise SettingError(f"{name} must be at least {least}, not {value}.")
    example = random_inputs(inputs, 1)
    times: list[list[float]] = [[] for _ in modules]
    with ExitStack() as stack:
        used = stack.enter_context(threads_set_to(threads))
        for module in modules:
            stack.enter_context(_evaluating(module))
        stack.enter_context(torch.inference_mode())
        while len(times[-1]) < repeats:
            before = 1 if times[-1] else warm_up
            for module, own in zip(modules, times, strict=True):
                own += time_ms(partial(module, *example), min(_TURN, repeats - len(own)), before)
    return [LatencyMeasurement.of(own, batch=1, threads=used, device=device_name(), warm_up=warm_up) for own in times]


def time_ms(call: Callable[[], object], repeats: int, warm_up: int) -> list[float]:
    """Milliseconds of each of ``repeats`` calls, after ``warm_up`` calls that are not timed."""
    for _ in range(warm_up):
        call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter_ns()
        call()
        times.append((time.perf_counter_ns() - start) / 1e6)
    return times


@cache
def device_name() -> str:
    """The processor's name as the system gives it, with the PyTorch version."""
    return f"{processor_name()}, PyTorch {torch.__version__}"


@cache
def processor_name() -> str:
    """``CPU`` and the processor's name as the system gives it."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == "model name" and value.strip():
            name = value.strip()
            break
    return f"CPU {name}"


@contextmanager
def threads_set_to(wanted: int | None) -> Iterator[int]:
    """PyTorch's number of threads within the block, None for its current one; gives the number."""
    before = torch.get_num_threads()
    if wanted is not None and wanted < 1:
        raise SettingError(f"threads must be at least 1, not {wanted}.")
    torch.set_num_threads(wanted or before)
    try:
        yield wanted or before
    finally:
        torch.set_num_threads(before)


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


__all__ = [
    "LatencyMeasurement",
    "device_name",
    "latencies_in_turn",
    "latency_ms",
    "processor_name",
    "threads_set_to",
    "time_ms",
]
